"""Files and Python objects become Examples: cells become values of their kinds, and those that do not fit are named."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from danlu.data.cast import misfits, values
from danlu.data.examples import ROW, BadRow, Column, Examples, Origin
from danlu.data.formats.memory import frame_of
from danlu.data.formats.table import Ask, numbered
from danlu.data.gather import gathered_rows, parts, plain
from danlu.data.image_check import unreadable
from danlu.data.kinds import infer_columns, without_form
from danlu.data.long_format import SEQUENCE, gathered
from danlu.data.sources import given_splits
from danlu.errors import DanluError
from danlu.events import Progress
from danlu.recipe import DataConfig
from danlu.words import Note

__all__ = ["examples_of", "frame_of", "given_splits", "read", "stream"]

Columns = Mapping[str, Column]

_NAMED_IN_ERROR = 3  # bad rows that an error shows
_STREAM_BLOCK = 1 << 20  # bytes


def read(
    config: DataConfig,
    files: Sequence[str] | None = None,
    columns: Columns | None = None,
    progress: Progress | None = None,
    task: str | None = None,
) -> Examples:
    """The rows of `files` (of `config.files` where None) with typed columns; unreadable rows are left out and named.

    With `columns` cells are read as those kinds say: columns that were not among them come as `ignore`, those that the
    files lack are left out. `task` decides what an ambiguous target is. Raises DanluError where a file is missing or
    damaged, where files differ in their columns, or where more than `config.max_bad_rows` of the rows are bad.
    """
    names = config.files if files is None else files
    if not names:
        raise DanluError("data.no_files")
    frame, origin = gathered_rows(names, _ask(config, columns), progress)
    if not frame.height and not origin.bad_rows:
        raise DanluError("data.no_rows", files=", ".join(names))
    examples = _examples(frame, origin, config, columns, task, progress)
    share = _BadShare(config.max_bad_rows)
    share.add(examples.origin.bad_rows, frame.height + len(origin.bad_rows))
    share.judge()
    return examples


def examples_of(
    rows: Any, config: DataConfig, columns: Columns | None = None, task: str | None = None
) -> Examples:
    """The rows of a Python object (see `frame_of`) with typed columns, as `read` gives those of files."""
    frame = numbered(plain(frame_of(rows, _input_names(columns, config))))
    examples = _examples(frame, Origin(), config, columns, task, None)
    share = _BadShare(config.max_bad_rows)
    share.add(examples.origin.bad_rows, frame.height)
    share.judge()
    return examples


def stream(source: str, config: DataConfig, columns: Columns, rows: int = 8192) -> Iterator[Examples]:
    """The rows of a file, folder or "-" (standard input) in pieces of at most `rows`, in constant memory.

    ROW counts over all pieces; files are not hashed; a table in long format is read at once. Raises DanluError as
    `read` does.
    """
    if config.sequences:  # the steps of a sequence may lie anywhere in a file
        yield read(config, [source], columns)
        return
    share = _BadShare(config.max_bad_rows)
    for frame, origin in parts(source, replace(_ask(config, columns), block=_STREAM_BLOCK)):
        for piece in frame.iter_slices(rows):
            examples = _examples(piece, origin, config, columns, None, None)
            share.add(examples.origin.bad_rows, piece.height + len(origin.bad_rows))
            yield examples
            origin = replace(origin, bad_rows=())
    share.judge()


class _BadShare:
    """Counts rows; stops with DanluError where more than `limit` of them are bad."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._first: list[BadRow] = []
        self._bad = self._rows = 0

    def add(self, bad: Sequence[BadRow], rows: int) -> None:
        """Count `rows` more rows, of which `bad` are bad; judges once there are enough rows to tell a share."""
        self._first = [*self._first, *bad][:_NAMED_IN_ERROR]
        self._bad += len(bad)
        self._rows += rows
        if self._rows >= 10_000:
            self.judge()

    def judge(self) -> None:
        """Raise DanluError where the share of bad rows is above the limit."""
        if self._bad > self._limit * self._rows:
            raise DanluError(
                "data.too_many_bad_rows",
                bad=self._bad,
                rows=self._rows,
                percent=f"{100 * self._bad / self._rows:.3g}",
                limit=f"{100 * self._limit:g}",
                **{
                    f"example_{i}": self._first[i].reason if i < len(self._first) else ""
                    for i in range(_NAMED_IN_ERROR)
                },
            )


def _ask(config: DataConfig, columns: Columns | None) -> Ask:
    """How cells are read: as they are written where the kind is known and is no number."""
    kinds = {name: column.kind for name, column in (columns or {}).items()} | config.columns
    as_text = frozenset(name for name, kind in kinds.items() if kind not in ("number", "ignore"))
    return Ask(config.delimiter, config.encoding, config.missing, as_text)


def _input_names(columns: Columns | None, config: DataConfig) -> list[str] | None:
    """Names for the columns of a bare array or list: those of the inputs, in order."""
    if columns is None:
        return None
    return [c.name for c in columns.values() if c.name not in config.target and c.kind != "ignore"]


# Cells become values ----------------------------------------------------------------------------------------------


def _examples(
    frame: pl.DataFrame,
    origin: Origin,
    config: DataConfig,
    columns: Columns | None,
    task: str | None,
    progress: Progress | None,
) -> Examples:
    """The rows that fit, with values of their columns' kinds; the others join `origin.bad_rows`."""
    channels: tuple[str, ...] = ()
    if config.sequences:
        known = columns.get(SEQUENCE) if columns else None
        frame, channels = gathered(frame, config.sequences, known.channels if known else None)
    if columns is None:
        found = infer_columns(frame, config, task)
        if channels:
            note = Note("data.kind.gathered", channels=", ".join(channels), id=config.sequences.id)  # type: ignore[union-attr]
            found[SEQUENCE] = Column(SEQUENCE, "sequence", note, channels=channels)
    else:
        found = {name: columns.get(name) or _unknown(name) for name in frame.columns if name != ROW}
    free = frozenset(() if columns is not None else (n for n in found if n not in config.columns))
    frame, found, bad = _cast(frame, found, origin, config, free)
    bad |= _unreadable_images(frame, found, origin, progress)
    if bad:
        frame = frame.filter(~pl.col(ROW).is_in(list(bad)))
    rows = sorted((*origin.bad_rows, *bad.values()), key=lambda b: b.row)
    return Examples(frame, found, replace(origin, bad_rows=tuple(rows)))


def _unknown(name: str) -> Column:
    return Column(name, "ignore", Note("data.kind.not_in_training"))


def _cast(
    frame: pl.DataFrame, columns: Columns, origin: Origin, config: DataConfig, free: frozenset[str]
) -> tuple[pl.DataFrame, dict[str, Column], dict[int, BadRow]]:
    """Values, columns and, by ROW, the rows with a cell that does not fit.

    A kind in `free` was inferred: it gives way where it fits fewer cells than its first rows promised.
    """
    found, bad = dict(columns), {}
    for name, column in columns.items():
        series = frame[name]
        cast = values(series, column, config.missing)
        wrong = misfits(series, cast, column, config.missing)
        if name in free and series.dtype == pl.String and len(wrong) > config.max_bad_rows * len(series):
            found[name] = column = without_form(series, config.missing)
            cast, wrong = values(series, column, config.missing), wrong.clear()
        for position in wrong:
            row = frame[ROW][position]
            bad.setdefault(row, BadRow(row, _bad_cell(origin, row, column, series[position])))
        frame = frame.with_columns(cast)
    return frame, found, bad


def _bad_cell(origin: Origin, row: int, column: Column, found: Any) -> Note:
    file, position = _place(origin, row)
    return Note(
        "data.bad_cell",
        file=file,
        row=position,
        column=column.name,
        expected=Note(f"data.expected.{column.kind}", format=column.format or ""),
        found=str(found)[:60],
    )


def _place(origin: Origin, row: int) -> tuple[str | Note, int]:
    """The file and the 1-based row in it."""
    for file in origin.files:
        if row < file.rows:
            return file.path, row + 1
        row -= file.rows
    return Note("data.given_rows"), row + 1


def _unreadable_images(
    frame: pl.DataFrame, columns: Columns, origin: Origin, progress: Progress | None
) -> dict[int, BadRow]:
    """By ROW, the rows with an image that cannot be decoded."""
    bad = {}
    for column in columns.values():
        series = frame[column.name] if column.kind == "image" else None
        if series is None or series.dtype not in (pl.String, pl.Binary):
            continue
        for position, why in unreadable(series, progress):
            row = frame[ROW][position]
            file, place = _place(origin, row)
            found = series[position] if series.dtype == pl.String else "–"
            note = Note(
                "data.bad_image", file=file, row=place, column=column.name, found=found or "–", why=why
            )
            bad.setdefault(row, BadRow(row, note))
    return bad
