"""Answers: what a trained model says to rows of a task that reads texts in its own way. Knows no file and no run."""

from collections.abc import Iterator, Mapping
from typing import Protocol

import polars as pl
from torch import nn

from danlu.data.codec import Codec
from danlu.data.examples import Examples
from danlu.data.tally import Tally
from danlu.evaluation import entities, fill_mask, language, question_answering, text_to_text
from danlu.evaluation.baseline import Baseline
from danlu.evaluation.judge import Evidence
from danlu.events import Progress


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
        """What the model writes by itself, where it writes texts."""
        ...


class Answering(Protocol):
    """How the answers of a kind of reading are asked for."""

    def __call__(
        self,
        codec: Codec,
        module: nn.Module,
        examples: Examples,
        tally: Tally | None = None,
        with_targets: bool = False,
        progress: Progress | None = None,
    ) -> Answers:
        """What is unusual in the rows, and `with_targets` in their truth, is counted in `tally`.

        `progress` is told how many rows (of texts: pieces) the model has read.
        """
        ...


ANSWERS: Mapping[str, Answering] = {  # by what the codec's reading `reads`
    "documents": language.answered,
    "words": entities.answered,
    "masked": fill_mask.answered,
    "passages": question_answering.answered,
    "pairs": text_to_text.answered,
}
