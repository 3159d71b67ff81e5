"""What every format takes and gives: a Source and an Ask in, Tables out. Knows no format."""

import gzip
import io
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import polars as pl

from danlu.data.examples import ROW, BadRow
from danlu.errors import DanluError
from danlu.words import Note

GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True)
class Source:
    """Where rows come from: a file, a folder, standard input (`path` None) or a name that the format understands."""

    name: str
    format: str
    path: Path | None = None
    companions: tuple[Path, ...] = ()  # files read along with it, such as the labels of IDX images

    def open(self) -> BinaryIO:
        """The bytes of the file, decompressed where it is gzipped."""
        if self.path is None:
            return sys.stdin.buffer
        return opened(self.path)


@dataclass(frozen=True)
class Ask:
    """How the user wants cells to be read."""

    delimiter: str | None = None
    encoding: str | None = None
    missing: tuple[str, ...] = ()
    as_text: frozenset[str] = frozenset()  # columns whose cells stay as they are written
    sheet: str | None = None  # of a workbook; None: the first that holds rows
    documents: Literal["file", "paragraph", "line"] | None = None  # what a row is in plain text; None: as the format
    block: int = 8 << 20  # bytes parsed at a time
    in_pieces: bool = False  # a long document may come in several tables, with the same ROW and counted once


@dataclass(frozen=True)
class Table:
    """Some or all rows of a source. `frame` has the raw columns and ROW, the position within the source."""

    frame: pl.DataFrame
    rows: int  # rows met, those in `bad` included
    bad: tuple[BadRow, ...] = ()
    encoding: str | None = None
    delimiter: str | None = None
    notes: tuple[Note, ...] = ()  # what was chosen of what the source holds


@dataclass(frozen=True)
class Format:
    """A format: how its files are named, how they begin, and `tables(source, ask)`, which reads them in parts."""

    tables: Callable[[Source, Ask], Iterator[Table]]
    suffixes: tuple[str, ...] = ()
    magic: bytes | None = None


def opened(path: Path) -> BinaryIO:
    """The bytes of the file, decompressed where it is gzipped."""
    with path.open("rb") as stream:
        gzipped = stream.read(2) == GZIP_MAGIC
    return cast("BinaryIO", gzip.open(path)) if gzipped else path.open("rb")


@contextmanager
def refused_if_unreadable(name: str) -> Iterator[None]:
    """A file that breaks off or that we may not open is the user's to mend: DanluError that names it."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DanluError("data.damaged_file", file=name, why=str(error)) from None
    except PermissionError:
        raise DanluError("data.no_permission", file=name) from None


def seekable(source: Source) -> Path | io.BytesIO:
    """The file itself or, where it is gzipped, its content: for readers that jump about in a file."""
    assert source.path is not None
    with source.path.open("rb") as stream:
        gzipped = stream.read(2) == GZIP_MAGIC
    return io.BytesIO(gzip.decompress(source.path.read_bytes())) if gzipped else source.path


def numbered(frame: pl.DataFrame, start: int = 0) -> pl.DataFrame:
    """`frame` with ROW counting from `start`. Raises DanluError where a column has that name or one that polars
    takes for a pattern."""
    for name in frame.columns:
        if name in (ROW, "*") or (name.startswith("^") and name.endswith("$")):
            raise DanluError("data.reserved_name", column=name)
    return frame.with_columns(pl.int_range(start, start + pl.len(), dtype=pl.UInt32).alias(ROW))


def whole(frame: pl.DataFrame) -> Iterator[Table]:
    """The single table of a source that is read at once."""
    yield Table(numbered(frame), frame.height)


def without_damaged(table: Table, source: Source) -> Table:
    """`table` without the rows in which bytes were no text: these are named. Decoding put U+FFFD in their place."""
    texts = pl.selectors.string()
    damaged = table.frame.filter(pl.any_horizontal(texts.str.contains("\ufffd", literal=True)))[ROW]
    bad = (*table.bad, *(bad_row(source, row, "data.bad_row.encoding") for row in damaged))
    return replace(table, frame=table.frame.filter(~pl.col(ROW).is_in(damaged.implode())), bad=bad)


def bad_row(source: Source, row: int, key: str, **fields: Any) -> BadRow:
    """The row at 0-based position `row` of `source`, left out for the reason `key`."""
    return BadRow(row, Note(key, file=source.name, row=row + 1, **fields))
