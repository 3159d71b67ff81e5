"""What the flow asks of a task, and the loop of an objective. Knows no task."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from danlu.data.codec import Codec
from danlu.data.examples import Examples
from danlu.data.store import Batch, Modality
from danlu.data.targets import Goal, Target
from danlu.data.text import Checkpoint
from danlu.errors import DanluError
from danlu.events import Progress
from danlu.models.family import Family
from danlu.recipe import DataConfig, TrainConfig

SumCount = tuple[Tensor, Tensor]  # sum over rows or tokens, weight of them


class Objective(Protocol):
    """Loss and scores of a batch, as sums beside their count, so that uneven batches average exactly."""

    def count(self, batch: Batch) -> float:
        """Weight of what has a loss; 0 where every label is masked. Needs no outputs."""
        ...

    def loss(self, outputs: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """Training loss, summed; divided by `count` it is the mean."""
        ...

    def score(self, outputs: Mapping[str, Tensor], batch: Batch) -> dict[str, SumCount]:
        """Validation scores by name."""
        ...


@dataclass(frozen=True)
class Given:
    """What a codec is made from: the training rows, the columns to tell, the family that is to read, the settings.

    `checkpoint` holds the tokenizer of a pretrained model, `tokenizer_json` that of a run that is resumed.
    """

    train: Examples
    targets: tuple[str, ...]
    family: Family
    data: DataConfig
    checkpoint: Checkpoint | None = None
    progress: Progress | None = None
    tokenizer_json: str | None = None


class Task(Protocol):
    """What a model is for: what its rows are, how they become tensors, and what a good answer is.

    `goal` is that of a lone target column; None where rows have no target. `usage` names the sentence that tells how to
    use the trained model.
    """

    @property
    def name(self) -> str: ...
    @property
    def modality(self) -> Modality: ...
    @property
    def goal(self) -> Goal | None: ...
    @property
    def usage(self) -> str: ...

    def codec(self, given: Given) -> Codec:
        """How the training rows become the tensors that the family reads."""
        ...

    def objective(self, targets: Mapping[str, Target], config: TrainConfig, counts: Mapping[str, Tensor]) -> Objective:
        """What training minimises and validation measures; `counts`: target → training rows per class."""
        ...

    def metrics(self, targets: Mapping[str, Target]) -> tuple[str, ...]:
        """Names that `train.metric` may take: loss first."""
        ...


def cross_entropy_only(config: TrainConfig, target: str) -> None:
    """DanluError where the recipe asks for another loss, or for weights of classes, of a task that tells tokens."""
    if config.loss not in (None, "cross_entropy"):
        raise DanluError("train.loss_misfit", loss=config.loss, target=target, fitting="cross_entropy")
    if config.class_weights:
        raise DanluError("train.only_classes", setting="class_weights")
