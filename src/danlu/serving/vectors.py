"""Texts of several requests → a vector for each, by the run's Embedder. Knows no HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from danlu.data.tally import Tally
from danlu.embedding import COLUMN, Embedder
from danlu.serving.batching import Outcome, Piece


@dataclass(frozen=True)
class Vector:
    """A text as a vector (W,) float32, and how many tokens it has."""

    values: np.ndarray
    tokens: int


@dataclass(frozen=True)
class Embedding:
    """An Embedder as the work of a batcher."""

    embedder: Embedder

    def __call__(self, pieces: Sequence[Piece[Sequence[str]]]) -> list[list[Outcome[Vector]]]:
        """The vectors of each piece's texts."""
        texts = [text for piece in pieces for text in piece.given[piece.first : piece.end]]
        vectors = self.embedder.frame(texts, Tally())[COLUMN].to_numpy()
        tokens = map(len, self.embedder.tokenizer.encode_batch(texts))
        found = iter([Vector(values, count) for values, count in zip(vectors, tokens, strict=True)])
        return [[next(found) for _ in range(piece.first, piece.end)] for piece in pieces]
