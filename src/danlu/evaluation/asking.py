"""Asking: a trained model and rows of a task that reads texts in its own way. Knows no such task."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import polars as pl
from torch import nn

from danlu.data.codec import Codec
from danlu.data.examples import Examples
from danlu.data.tally import Tally
from danlu.evaluation.baseline import Baseline
from danlu.evaluation.judge import Evidence
from danlu.events import Progress


@dataclass(frozen=True)
class Asking:
    """A model, and the rows that it is asked about.

    What is unusual in the rows, and `with_targets` in their truth, is counted in `tally`; `progress` is told how many
    rows (of texts: pieces) the model has read.
    """

    codec: Codec
    module: nn.Module
    examples: Examples
    tally: Tally = field(default_factory=Tally)
    with_targets: bool = False
    progress: Progress | None = None


class Answers(Protocol):
    """The answers of one model to some rows; each is worked out when it is first asked for."""

    def columns(self) -> dict[str, pl.Series]:
        """What a prediction adds to the rows."""
        ...

    def evidence(self) -> Evidence:
        """The answers beside the truth."""
        ...

    def rivals(self, train: Examples) -> Iterator[Baseline]:
        """What the answers are compared with, the trivial one first; at least one row was asked."""
        ...

    def samples(self, seed: int) -> list[dict[str, str]]:
        """What the model writes by itself: nothing, unless its task is to write."""
        return []
