"""Window: counts of the newest rows, in blocks of which the oldest is dropped. Holds numbers of rows, and no row."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import accumulate

import numpy as np

from danlu.data.values import Floats
from danlu.drift.signals import Counts, Key, Signal, Values, finite

ROWS, BLOCKS = 10_000, 10


@dataclass
class Block:
    """Counts of all signals one behind the other, sums of the numbers of each, since when, and of how many rows."""

    counts: Counts
    sums: Floats
    rows: int = 0
    since: datetime = field(default_factory=lambda: datetime.now(UTC))


class Window:
    """The counts of about the newest ROWS rows; its memory hangs on the number of bins alone."""

    def __init__(self, signals: Sequence[Signal], rows: int = ROWS) -> None:
        self.signals, self.rows_per_block = signals, max(1, rows // BLOCKS)
        self._begins = [0, *accumulate(len(signal.counts) for signal in signals)]
        self._blocks: deque[Block] = deque([self._empty()], maxlen=BLOCKS + 1)

    def add(self, measured: Mapping[Key, Values], rows: int) -> None:
        """Count these rows; a signal that was not measured stays as it is."""
        block = self._blocks[-1]
        if block.rows >= self.rows_per_block:
            block = self._empty()
            self._blocks.append(block)
        block.rows += rows
        for number, signal in enumerate(self.signals):
            values = measured.get(signal.key)
            if values is None:
                continue
            if signal.edges is not None:
                values = Values(finite(values.values))
                block.sums[number] += np.nansum(values.values)
            block.counts[self._begins[number] : self._begins[number + 1]] += signal.counted(values)

    def newest(self) -> tuple[list[Counts], list[float], int, datetime]:
        """Counts and mean of each signal (NaN without numbers), over how many rows, since when."""
        blocks = list(self._blocks)
        counts, sums = (np.sum(parts, axis=0) for parts in zip(*((b.counts, b.sums) for b in blocks), strict=True))
        each = [counts[begin:end] for begin, end in zip(self._begins, self._begins[1:], strict=False)]
        present = np.array([own.sum() - own[signal.missing] for own, signal in zip(each, self.signals, strict=True)])
        means = np.where(present > 0, sums / np.maximum(present, 1), np.nan)
        return each, means.tolist(), sum(block.rows for block in blocks), blocks[0].since

    def _empty(self) -> Block:
        return Block(np.zeros(self._begins[-1], np.int64), np.zeros(len(self.signals)))
