"""Signals: what is watched of rows, as counts of bins. Knows no rows, and keeps no value of any."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from danlu.data.values import Floats

Of = Literal["input", "prediction"]
Measure = Literal[
    "value", "time", "category", "characters", "bytes_per_character", "tokens", "unknown", "terms",
    "brightness", "contrast", "pixels", "steps", "level", "prompt_tokens", "prompt_unknown",
    "class", "labels", "confidence", "entities", "loss",
]  # fmt: skip
Counts = npt.NDArray[np.int64]

BINS = 10
ROWS_PER_BIN = 20  # that a bin should hold, so that few rows are not divided finely
MARGIN = 0.1  # of the reach of the values, beyond which one lies outside
ALIKE = 1e-5  # numbers that differ by less, in proportion, are equal but for rounding
LARGEST = 1e100  # of a number, so that squares and sums stay finite
MISSING, BELOW = 0, 1  # bins of numbers; the last one is that of values beyond all edges
UNSEEN, ABSENT, KNOWN = 0, 1, 2  # bins of places, as the codec numbers categories; known values from 2 on


class Key(NamedTuple):
    """Which signal: `measure` of a column, of a target, or of the prompts that a language model goes on with."""

    of: Of
    column: str
    measure: Measure


@dataclass(frozen=True)
class Values:
    """A measure of some rows: numbers (N,) float64, NaN where missing, or, with `size`, places (N,) int64 below it."""

    values: npt.NDArray
    size: int | None = None


@dataclass(frozen=True)
class Signal:
    """A measure of a column, and how many rows of the reference lay in each bin.

    Of numbers (`edges`): missing, below all, between the edges, above all. Of places: never seen, missing, each value,
    the rest together. `mean` and `deviation` are those of the reference's numbers, 0 where there were none.
    """

    of: Of
    column: str
    measure: Measure
    counts: tuple[int, ...]
    edges: tuple[float, ...] | None = None
    mean: float = 0.0
    deviation: float = 0.0

    @property
    def key(self) -> Key:
        """Which signal it is."""
        return Key(self.of, self.column, self.measure)

    @property
    def missing(self) -> int:
        """The bin of missing values."""
        return ABSENT if self.edges is None else MISSING

    @property
    def unseen(self) -> tuple[int, ...]:
        """The bins of what the reference did not have: other values, or numbers outside."""
        return (UNSEEN,) if self.edges is None else (BELOW, len(self.counts) - 1)

    def counted(self, values: Values) -> Counts:
        """How many of the values lie in each bin."""
        return np.bincount(self._places(values.values), minlength=len(self.counts))

    def _places(self, values: npt.NDArray) -> npt.NDArray:
        if self.edges is None:
            return np.minimum(values, len(self.counts) - 1)
        return np.where(np.isnan(values), MISSING, BELOW + np.searchsorted(self.edges, values))


def fitted(key: Key, given: Values) -> Signal:
    """The signal whose reference are the given values."""
    if given.size is not None:
        empty = Signal(*key, counts=(0,) * given.size)
        return Signal(*key, counts=tuple(empty.counted(given).tolist()))
    edges = edges_of(given.values[np.isfinite(given.values)])
    empty = Signal(*key, counts=(0,) * (len(edges) + 2), edges=edges)
    present = finite(given.values)
    present = present[~np.isnan(present)]
    mean, deviation = (float(present.mean()), float(present.std())) if len(present) else (0.0, 0.0)
    return Signal(*key, tuple(empty.counted(Values(finite(given.values))).tolist()), edges, mean, deviation)


def finite(values: Floats) -> Floats:
    """The values, NaN where infinite, none beyond LARGEST."""
    return np.where(np.isinf(values), np.nan, np.clip(values, -LARGEST, LARGEST))


def edges_of(values: Floats) -> tuple[float, ...]:
    """Edges of bins of about equally many values, none of which lies on an edge, and one beyond either end.

    A value that fills a bin has one of its own: bins never hang on how equal values are sorted.
    """
    if not len(values):
        return ()
    distinct, counts = np.unique(np.clip(values, -LARGEST, LARGEST), return_counts=True)
    low, high = float(distinct[0]), float(distinct[-1])
    if high - low <= ALIKE * max(abs(low), abs(high)):
        return low - 0.01 * (abs(low) or 1.0), high + 0.01 * (abs(low) or 1.0)
    margin = MARGIN * (high - low)
    bins = min(BINS, max(2, len(values) // ROWS_PER_BIN))
    after = np.searchsorted(counts.cumsum(), np.arange(1, bins) * len(values) / bins)
    full = np.flatnonzero(counts >= len(values) / bins)
    cuts = np.unique(np.concatenate([after, full, full - 1]))
    cuts = cuts[(cuts >= 0) & (cuts < len(distinct) - 1)]
    between = distinct[cuts] / 2 + distinct[cuts + 1] / 2
    return (low - margin, *between.tolist(), high + margin)
