"""Outcome: what was true and what was predicted. Knows nothing of models, files or metrics."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import polars as pl

TargetKind = Literal["class", "labels", "number", "text", "entities", "masked", "answers", "translation", "summary"]


@dataclass(frozen=True)
class Outcome:
    """The truth and the prediction of one target on N rows.

    kind      truth                                                    prediction
    class     (N,) int64 index into `classes`; -1: never in training   (N, K) float64, rows sum to 1
    labels    (N, K) 0 or 1                                            (N, K) float64, each by itself
    number    (N,) float64, raw units                                  (N,) float64, raw units
    entities  (N, K) entities of each kind                             (N, K, 2) of them found, and entities answered
    translation, summary: (N, 1) tokens of the first reference         (N, F) `overlap.figures` of the answer, then nats
                                                                       of the reference, tokens told right
    answers   (N,) 1 where the context holds an answer, else 0         (N, 2) exact match and F1 of each answer
    masked    (N, 2) hidden tokens, pairs of texts                     (N, 4) nats, tokens told right, tokens among the
                                                                       first five, pairs told right
    text      (N, 2) tokens and UTF-8 bytes of a stretch of text       (N, 2) nats that it costs, tokens told right

    `places` says where each row came from ("test.csv row 41"); `frame` holds its input columns, to show mistakes.
    """

    target: str
    kind: TargetKind
    classes: tuple[str, ...]
    truth: np.ndarray
    prediction: np.ndarray
    places: Sequence[str]
    frame: pl.DataFrame

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def decision(self) -> np.ndarray:
        """What is answered: (N,) class index, (N, K) 0 or 1 at one half, or (N,) the number itself."""
        if self.kind == "class":
            return self.prediction.argmax(axis=1)
        if self.kind == "labels":
            return (self.prediction > 0.5).astype(np.int64)
        return self.prediction

    def predicted(self, prediction: np.ndarray) -> "Outcome":
        """The same rows under another prediction."""
        return replace(self, prediction=np.asarray(prediction, dtype=np.float64))
