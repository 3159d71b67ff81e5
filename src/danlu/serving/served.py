"""A run that is served: its Predictor behind a queue, and what it can be asked. Knows no HTTP."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from danlu.data.corpus import Documents
from danlu.data.examples import free_name
from danlu.embedding import Embedder
from danlu.errors import DanluError
from danlu.evaluation.language import writer
from danlu.generation.text import Writer
from danlu.predictor import Predictor
from danlu.recipe import ComputedIn
from danlu.run import Run
from danlu.serving.answering import Answer, Answering
from danlu.serving.batching import Batcher
from danlu.serving.chat import ChatTemplate
from danlu.serving.config import ServeConfig
from danlu.serving.drift import Drift, DriftCollector
from danlu.serving.metrics import Metrics, ModelWatch
from danlu.serving.rows import Table
from danlu.serving.vectors import Embedding, Vector
from danlu.serving.writing import Engine

_VALUES = 50  # of a category that are listed


@dataclass(frozen=True)
class Language:
    """A language model that writes texts; `ends` are tokens that close a text beside the writer's own."""

    writer: Writer
    engine: Engine
    template: ChatTemplate | None
    ends: tuple[int, ...] = ()


@dataclass(frozen=True)
class Served:
    """One model under its name."""

    name: str
    predictor: Predictor
    answering: Answering
    batcher: Batcher[Table, Answer]
    language: Language | None = None
    embedding: Batcher[Sequence[str], Vector] | None = None
    width: int = 0  # of its vectors
    drift: Drift | None = None
    created: int = field(default_factory=lambda: int(time.time()))

    @classmethod
    def of(cls, name: str, run: str, config: ServeConfig, metrics: Metrics) -> "Served":
        """The model of a run, ready to be asked."""
        opened, watch = Run.open(run), metrics.watch(name)
        predictor = Predictor.load(opened).computed_in(config.precision)
        drift = Drift.of(opened, predictor.codec)
        answering = Answering(predictor, drift)
        embedder = embedder_of(predictor, config.precision)
        return cls(
            name,
            predictor,
            answering,
            Batcher(answering, config.max_batch, config.max_queue, watch),
            _language(predictor, opened, config, watch),
            Batcher(Embedding(embedder), config.max_batch, config.max_queue, watch) if embedder else None,
            embedder.trunk.config.width if embedder else 0,
            drift,
        )

    def writes(self) -> Language:
        """How it writes; DanluError where it writes no texts."""
        if self.language is None:
            raise DanluError("serve.no_writer", name=self.name, task=self.predictor.task.name)
        return self.language

    def embeds(self) -> tuple[Batcher[Sequence[str], Vector], int]:
        """How it makes vectors, and their width; DanluError where it makes none."""
        if self.embedding is None:
            raise DanluError("serve.no_vectors", name=self.name, task=self.predictor.task.name)
        return self.embedding, self.width

    @property
    def endpoints(self) -> list[str]:
        """Where it can be asked."""
        found = [f"/v1/predict/{self.name}"]
        if self.language:
            found += ["/v1/completions", *(["/v1/chat/completions"] if self.language.template else [])]
        return found + (["/v1/embeddings"] if self.embedding else [])

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
            "values": {category.name: category.values[:_VALUES] for category in codec.categories},
            "endpoints": self.endpoints,
            "targets": {name: list(target.classes) or target.kind for name, target in codec.targets.items()},
        }

    def close(self) -> None:
        """End its threads."""
        self.batcher.close()
        if self.drift:
            self.drift.close()
        if self.language:
            self.language.engine.close()
        if self.embedding:
            self.embedding.close()


def served(runs: Iterable[str], config: ServeConfig, metrics: Metrics) -> dict[str, Served]:
    """The runs by the names of their folders; DanluError where there is none, or one has no model yet."""
    models: dict[str, Served] = {}
    for run in runs:
        name = free_name(Path(run).resolve().name, models)
        models[name] = Served.of(name, run, config, metrics)
    drifts = {name: model.drift for name, model in models.items() if model.drift}
    metrics.registry.register(DriftCollector(drifts))
    return models


def _language(predictor: Predictor, run: Run, config: ServeConfig, watch: ModelWatch) -> Language | None:
    reading = predictor.codec.reading
    if not isinstance(reading, Documents):
        return None
    writes = writer(predictor.module, reading)
    template = ChatTemplate.of(run.model)
    mark = writes.tokenizer.token_to_id(template.marks.get("eos_token", "")) if template else None
    engine = Engine(writes, config.max_streams, config.max_queue, watch)
    return Language(writes, engine, template, () if mark is None else (mark,))


def embedder_of(predictor: Predictor, precision: ComputedIn) -> Embedder | None:
    """What makes vectors with the predictor's model, in the precision that is asked for beyond "float32"."""
    try:
        made = predictor.embedder
    except DanluError:  # its model is no Transformer that reads texts
        return None
    return made if precision == "float32" else replace(made, precision=precision)
