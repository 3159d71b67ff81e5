"""Tally: what is unusual in rows that are encoded, counted and named by row. Knows nothing of tensors."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from danlu.data.examples import ROW, Examples, Origin
from danlu.data.values import Mask
from danlu.words import Note


@dataclass
class Tally:
    """Counts of what was unusual, over any number of encodings; `notes` tells them."""

    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    first: dict[tuple[str, str], str] = field(default_factory=dict)
    said: list[Note] = field(default_factory=list)  # of how the rows were read

    def add(self, key: str, column: str, count: int, place: str) -> None:
        """Count `count` more rows, the first at `place`, in which `column` was as the sentence `key` says."""
        self.counts[key, column] = self.counts.get((key, column), 0) + count
        self.first.setdefault((key, column), place)

    def notes(self) -> list[Note]:
        """What was said of the reading, and one note per kind of finding and column, with the number of rows and the
        first of them.
        """
        return self.said + [
            Note(key, column=column, count=count, place=self.first[key, column])
            for (key, column), count in self.counts.items()
        ]


@dataclass(frozen=True)
class Rows:
    """The rows being encoded: names them in errors and counts what is unusual in them."""

    positions: npt.NDArray[np.int64]
    origin: Origin
    tally: Tally

    @classmethod
    def of(cls, examples: Examples, tally: Tally) -> "Rows":
        """The rows of `examples`."""
        return cls(examples.frame[ROW].cast(int).to_numpy(writable=True), examples.origin, tally)

    def place(self, row: int) -> str:
        """File and row of the `row`-th of these rows."""
        return self.origin.place(int(self.positions[row]))

    def first(self, unusual: Mask) -> str:
        """File and row of the first row where `unusual` (N,) is true."""
        return self.place(int(unusual.argmax()))

    def count(self, key: str, column: str, unusual: Mask) -> None:
        """Tally the rows where `unusual` (N,) is true."""
        if unusual.any():
            self.tally.add(key, column, int(unusual.sum()), self.first(unusual))
