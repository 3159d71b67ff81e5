"""Examples: raw rows with typed columns, and where each row came from. Knows nothing of tensors."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import numpy as np
import polars as pl

from danlu.recipe import ColumnKind
from danlu.words import Note

ROW = "_row"  # hidden column: position among all rows as read, which `Origin.place` turns into file and row


@dataclass(frozen=True)
class Column:
    """A column's name, its kind, and why it was taken for that kind.

    Kinds and the polars dtype that `Examples.frame` holds for them:
    number Float64 or Int64 · boolean Boolean · category String · text String · date Datetime ·
    image String (path), Binary (encoded file) or Array(UInt8, (H, W) or (H, W, C)) ·
    sequence List(Float32) (time) or List(Array(Float32, C)) (time, channels) ·
    labels List(String) (several classes at once) · entities List(Struct: start, end, label) (characters of the text) ·
    answers List(Struct: text, start) (a character of the context, null where the text does not stand there) ·
    ignore (any; not an input).

    `format` is how text cells are written, so that later files are read alike: strptime of a date, decoration of a
    number, separator of labels, "verbatim" for a category in which no word means missing, "words" for a text of
    given words with one space between them, "references" for a text to write: List(String), each of which is right.
    `channels` are the columns of a table in long format that became this sequence, in order.
    """

    name: str
    kind: ColumnKind
    reason: Note
    format: str | None = None
    channels: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """All fields; `Column.from_json` reads them back."""
        return {
            "name": self.name,
            "kind": self.kind,
            "reason": self.reason.to_json(),
            "format": self.format,
            "channels": list(self.channels),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Column":
        """The column that `to_json` wrote."""
        reason = Note.from_json(data["reason"])
        return cls(data["name"], data["kind"], reason, data["format"], tuple(data["channels"]))


@dataclass(frozen=True)
class SourceFile:
    """One file as it was read. `rows` counts data rows before any was dropped."""

    path: str
    format: str
    sha256: str
    bytes: int
    rows: int
    encoding: str | None = None
    delimiter: str | None = None


@dataclass(frozen=True)
class BadRow:
    """A row that could not be read, and why."""

    row: int
    reason: Note


@dataclass(frozen=True)
class Origin:
    """The files in the order in which their rows are numbered, the rows left out, and what was chosen in reading."""

    files: tuple[SourceFile, ...] = ()
    bad_rows: tuple[BadRow, ...] = ()
    notes: tuple[Note, ...] = ()

    def place(self, row: int) -> str:
        """ "train.csv row 41": the file and the 1-based data row (header not counted) of position `row`."""
        for file in self.files:
            if row < file.rows:
                return f"{file.path} row {row + 1}"
            row -= file.rows
        return f"row {row + 1}"

    def places(self, rows: Iterable[Any]) -> list[str]:
        """The place of each of these rows, whole numbers of any library."""
        return [self.place(int(row)) for row in rows]


@dataclass(frozen=True)
class Examples:
    """Rows with typed columns. `frame` holds the columns of `columns` and ROW, nothing else."""

    frame: pl.DataFrame
    columns: Mapping[str, Column]
    origin: Origin = field(default_factory=Origin)

    def __len__(self) -> int:
        return self.frame.height

    def take(self, positions: "np.ndarray | Sequence[int]") -> "Examples":
        """The rows at `positions` (0-based, into this frame), in that order."""
        return replace(self, frame=self.frame[np.asarray(positions, dtype=np.int64)])

    def of_kind(self, *kinds: ColumnKind) -> list[str]:
        """Names of the columns of these kinds, in file order."""
        return [c.name for c in self.columns.values() if c.kind in kinds]

    def to_json(self) -> dict[str, Any]:
        """Kinds, reasons and origin, for `data.json`."""
        return {
            "rows": len(self),
            "columns": {c.name: c.to_json() for c in self.columns.values()},
            "files": [vars(f) for f in self.origin.files],
            "bad_rows": [{"row": self.origin.place(b.row), "reason": b.reason.to_json()} for b in self.origin.bad_rows],
        }


def free_name(name: str, taken: Collection[str]) -> str:
    """The name, or the name with 2, 3 … where it is taken."""
    candidates = (name if n == 1 else f"{name}_{n}" for n in count(1))
    return next(candidate for candidate in candidates if candidate not in taken)
