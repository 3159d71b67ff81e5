"""Files and Python objects become Examples: cells become values of their kinds, and those that do not fit are
named."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from danlu.data.cast import misfits, values
from danlu.data.columns import GUESSED, plain_column
from danlu.data.examples import ROW, BadRow, Column, Examples, Origin
from danlu.data.formats.memory import frame_of
from danlu.data.formats.table import Ask, numbered
from danlu.data.gather import gathered_rows, parts, plain
from danlu.data.image_check import unreadable
from danlu.data.kinds import infer_columns
from danlu.data.long_format import SEQUENCE, gathered
from danlu.data.sources import given_splits
from danlu.errors import DanluError
from danlu.events import Progress
from danlu.recipe import DataConfig
from danlu.words import Note

__all__ = ["examples_of", "frame_of", "given_splits", "read", "stream"]

Columns = Mapping[str, Column]

_NAMED_IN_ERROR = 3  # bad rows that an error shows
_ROWS_TO_JUDGE = 10_000  # rows of a stream before their share of bad ones says anything
_STREAM_BLOCK = 4 << 20  # bytes
_SHOWN = 60  # characters of a cell that a reason shows


@dataclass(frozen=True)
class _Wish:
    """What is known of the rows before they are seen: settings, and the kinds of the training where there was
    one."""

    config: DataConfig
    columns: Columns | None
    task: str | None = None
    progress: Progress | None = None

    @property
    def ask(self) -> Ask:
        """How cells are read: as they are written where the kind is known and is no number."""
        kinds = {name: column.kind for name, column in (self.columns or {}).items()} | self.config.columns
        as_text = frozenset(name for name, kind in kinds.items() if kind not in ("number", "ignore"))
        return Ask(self.config.delimiter, self.config.encoding, self.config.missing, as_text)


def read(
    config: DataConfig,
    files: Sequence[str] | None = None,
    columns: Columns | None = None,
    progress: Progress | None = None,
    task: str | None = None,
) -> Examples:
    """The rows of `files` (of `config.files` where None) with typed columns; unreadable rows are left out and
    named.

    With `columns` cells are read as those kinds say: columns that were not among them come as `ignore`, those
    that the files lack are left out. `task` decides what an ambiguous target is. Raises DanluError where a
    file is missing or damaged, where files differ in their columns, or where more than `config.max_bad_rows`
    of the rows are bad.
    """
    names = config.files if files is None else files
    if not names:
        raise DanluError("data.no_files")
    wish = _Wish(config, columns, task, progress)
    frame, origin = gathered_rows(names, wish.ask, progress)
    if not frame.height and not origin.bad_rows:
        raise DanluError("data.no_rows", files=", ".join(names))
    return _judged(frame, origin, wish)


def examples_of(rows: Any, config: DataConfig, columns: Columns | None = None, task: str | None = None) -> Examples:
    """The rows of a Python object (see `frame_of`) with typed columns, as `read` gives those of files."""
    inputs = [c.name for c in (columns or {}).values() if c.name not in config.target and c.kind != "ignore"]
    frame = numbered(plain(frame_of(rows, inputs or None)))
    return _judged(frame, Origin(), _Wish(config, columns, task))


def stream(source: str, config: DataConfig, columns: Columns, rows: int = 8192) -> Iterator[Examples]:
    """The rows of a file, folder or "-" (standard input) in pieces of at most `rows`, in constant memory.

    ROW counts over all pieces; files are not hashed; a table in long format is read at once. Raises
    DanluError as `read` does.
    """
    if config.sequences:  # the steps of a sequence may lie anywhere in a file
        yield read(config, [source], columns)
        return
    wish, share = _Wish(config, columns), _BadShare(config.max_bad_rows)
    for frame, origin in parts(source, replace(wish.ask, block=_STREAM_BLOCK)):
        for piece in frame.iter_slices(rows):
            examples = _examples(piece, origin, wish)
            share.add(examples.origin.bad_rows, piece.height + len(origin.bad_rows))
            if share.rows >= _ROWS_TO_JUDGE:
                share.judge()
            yield examples
            origin = replace(origin, bad_rows=())  # told with the first piece of the part
    share.judge()


def _judged(frame: pl.DataFrame, origin: Origin, wish: _Wish) -> Examples:
    """The examples, unless too many rows are bad."""
    examples = _examples(frame, origin, wish)
    share = _BadShare(wish.config.max_bad_rows)
    share.add(examples.origin.bad_rows, frame.height + len(origin.bad_rows))
    share.judge()
    return examples


class _BadShare:
    """Counts rows, and stops where more than `limit` of them are bad."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._first: list[Note] = []
        self._bad = 0
        self.rows = 0

    def add(self, bad: Sequence[BadRow], rows: int) -> None:
        """Count `rows` more rows, among them those in `bad`."""
        self._first = [*self._first, *(b.reason for b in bad[:_NAMED_IN_ERROR])][:_NAMED_IN_ERROR]
        self._bad += len(bad)
        self.rows += rows

    def judge(self) -> None:
        """Raise DanluError where the share of bad rows is above the limit."""
        if self._bad <= self._limit * self.rows:
            return
        examples = {f"example_{i}": "" for i in range(_NAMED_IN_ERROR)}
        raise DanluError(
            "data.too_many_bad_rows",
            bad=self._bad,
            rows=self.rows,
            percent=f"{100 * self._bad / self.rows:.3g}",
            limit=f"{100 * self._limit:g}",
            **examples | {f"example_{i}": note for i, note in enumerate(self._first)},
        )


# Cells become values --------------------------------------------------------------------------------------


def _examples(frame: pl.DataFrame, origin: Origin, wish: _Wish) -> Examples:
    """The rows that fit, with values of their columns' kinds; the others join `origin.bad_rows`."""
    frame, columns = _with_columns(frame, wish)
    frame, columns, bad = _cast(frame, columns, origin, wish)
    bad |= _unreadable_images(frame, columns, origin, wish.progress)
    if bad:
        frame = frame.filter(~pl.col(ROW).is_in(list(bad)))
    rows = sorted((*origin.bad_rows, *bad.values()), key=lambda b: b.row)
    return Examples(frame, columns, replace(origin, bad_rows=tuple(rows)))


def _with_columns(frame: pl.DataFrame, wish: _Wish) -> tuple[pl.DataFrame, dict[str, Column]]:
    """The frame, gathered where it is in long format, and its columns: as given, or inferred."""
    long = wish.config.sequences
    if wish.columns is not None:
        if long:
            frame, _ = gathered(frame, long, wish.columns[SEQUENCE].channels)
        unknown = Note("data.kind.not_in_training")
        names = [name for name in frame.columns if name != ROW]
        return frame, {name: wish.columns.get(name) or Column(name, "ignore", unknown) for name in names}
    if not long:
        return frame, infer_columns(frame, wish.config, wish.task)
    frame, channels = gathered(frame, long, None)
    reason = Note("data.kind.gathered", channels=", ".join(channels), id=long.id)
    inferred = infer_columns(frame, wish.config, wish.task)
    return frame, inferred | {SEQUENCE: Column(SEQUENCE, "sequence", reason, channels=channels)}


def _cast(
    frame: pl.DataFrame, columns: dict[str, Column], origin: Origin, wish: _Wish
) -> tuple[pl.DataFrame, dict[str, Column], dict[int, BadRow]]:
    """Values, columns and, by ROW, the rows with a cell that does not fit its kind.

    A kind that was inferred from the look of some cells gives way where too many others do not fit it.
    """
    missing, bad, changed = wish.config.missing, dict[int, BadRow](), []
    settled, limit = _finite_numbers(frame), wish.config.max_bad_rows * frame.height
    for name, column in columns.items():
        if column.kind == "ignore" or (column.kind == "number" and name in settled):
            continue
        series = frame[name]
        cast = values(series, column, missing)
        wrong = misfits(series, cast, column, missing)
        if len(wrong) > limit and wish.columns is None and column.reason.key in GUESSED:
            columns = columns | {name: plain_column(series, missing)}
            cast, wrong = values(series, columns[name], missing), wrong.clear()
        for row, found in zip(frame[ROW].gather(wrong), series.gather(wrong), strict=True):
            bad.setdefault(row, BadRow(row, _bad_cell(origin, row, column, found)))
        changed.append(cast)
    return frame.with_columns(changed), columns, bad


def _finite_numbers(frame: pl.DataFrame) -> set[str]:
    """Columns that are numbers without any infinite one: asked of all at once, for a table may have thousands."""
    numbers = frame.lazy().select((pl.selectors.float() | pl.selectors.by_dtype(pl.Int64)).is_infinite().any())
    return {series.name for series in numbers.collect() if not series[0]}


def _bad_cell(origin: Origin, row: int, column: Column, found: Any) -> Note:
    file, position = _place(origin, row)
    return Note(
        "data.bad_cell",
        file=file,
        row=position,
        column=column.name,
        expected=Note(f"data.expected.{column.kind}", format=column.format or ""),
        found=str(found)[:_SHOWN],
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
    """By ROW, the rows with an image, as file or bytes, that cannot be decoded."""
    bad: dict[int, BadRow] = {}
    for name, column in columns.items():
        if column.kind != "image" or frame.schema[name] not in (pl.String, pl.Binary):
            continue
        for position, why in unreadable(frame[name], progress):
            row, image = frame[ROW][position], frame[name][position]
            file, place = _place(origin, row)
            found = image if isinstance(image, str) else "–"
            note = Note("data.bad_image", file=file, row=place, column=name, found=found, why=why)
            bad.setdefault(row, BadRow(row, note))
    return bad
