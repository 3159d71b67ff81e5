"""A run that is served: its Predictor behind a queue, and what it can be asked. Knows no HTTP."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from danlu.data.examples import free_name
from danlu.errors import DanluError
from danlu.predictor import Predictor
from danlu.serving.answering import Answer, Answering
from danlu.serving.batching import Batcher
from danlu.serving.config import ServeConfig
from danlu.serving.metrics import Metrics
from danlu.serving.rows import Table


@dataclass(frozen=True)
class Served:
    """One model under its name."""

    name: str
    predictor: Predictor
    answering: Answering
    batcher: Batcher[Table, Answer]
    created: int = field(default_factory=lambda: int(time.time()))

    @classmethod
    def of(cls, name: str, predictor: Predictor, config: ServeConfig, metrics: Metrics) -> "Served":
        """The model, ready to be asked."""
        answering = Answering(predictor)
        batcher = Batcher(answering, config.max_batch, config.max_queue, metrics.watch(name))
        return cls(name, predictor, answering, batcher)

    @property
    def only_column(self) -> str:
        """The column of bare inputs; DanluError where rows have several."""
        columns = [*self.answering.columns]
        if len(columns) != 1:
            raise DanluError("serve.bare_inputs", columns=", ".join(columns))
        return columns[0]

    def described(self) -> dict[str, Any]:
        """The model as /v1/models lists it: what OpenAI's interface has, and what it reads and tells."""
        codec = self.predictor.codec
        return {
            "id": self.name,
            "object": "model",
            "created": self.created,
            "owned_by": "danlu",
            "task": self.predictor.task.name,
            "family": self.predictor.family,
            "columns": {name: column.kind for name, column in self.answering.columns.items()},
            "targets": {name: list(target.classes) or target.kind for name, target in codec.targets.items()},
        }

    def close(self) -> None:
        """End its threads."""
        self.batcher.close()


def served(runs: Iterable[str], config: ServeConfig, metrics: Metrics) -> dict[str, Served]:
    """The runs by the names of their folders; DanluError where there is none, or one has no model yet."""
    models: dict[str, Served] = {}
    for run in runs:
        name = free_name(Path(run).resolve().name, models)
        models[name] = Served.of(name, Predictor.load(run), config, metrics)
    return models
