"""Files and Python objects become Examples: cells become values of their kinds, and those that do not fit are named."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from danlu.data.cast import REFERENCES
from danlu.data.entity_rows import with_entities, written
from danlu.data.examples import ROW, BadRow, Column, Examples, Origin
from danlu.data.fitting import BadRows, fitted, place, without_unreadable_images
from danlu.data.formats.memory import frame_of
from danlu.data.formats.table import Ask, Source, numbered
from danlu.data.gather import gathered_rows, parts, plain
from danlu.data.kinds import infer_columns
from danlu.data.long_format import SEQUENCE, gathered, require_columns, time_column, varying_numbers
from danlu.data.pair_rows import pair_columns
from danlu.data.question_rows import questions, with_answers
from danlu.data.sources import given_splits, sources_of
from danlu.errors import DanluError
from danlu.events import Progress
from danlu.recipe import ColumnKind, DataConfig, LongSequences
from danlu.words import Note

__all__ = ["examples_of", "frame_of", "given_splits", "in_pieces", "read", "stream"]

Columns = Mapping[str, Column]

_NAMED_IN_ERROR = 3  # bad rows that an error shows
_ROWS_TO_JUDGE = 10_000  # rows of a stream before their share of bad ones says anything
_STREAM_BLOCK = 4 << 20  # bytes
_PIECES_BLOCK = 1 << 20
_EMPTY: Mapping[ColumnKind, pl.DataType] = {  # dtypes of a column without a row; of other kinds it is text
    "number": pl.Float64(),
    "boolean": pl.Boolean(),
    "date": pl.Datetime(),
    "sequence": pl.List(pl.Float32()),
    "labels": pl.List(pl.String()),
}


@dataclass(frozen=True)
class _Wish:
    """What is known of the rows before they are seen: settings, and the kinds of the training where there was one."""

    config: DataConfig
    columns: Columns | None
    task: str | None = None
    progress: Progress | None = None

    @property
    def ask(self) -> Ask:
        """How cells are read: as they are written where the kind is known and is no number."""
        kinds = {name: column.kind for name, column in (self.columns or {}).items()} | self.config.columns
        as_text = frozenset(name for name, kind in kinds.items() if kind not in ("number", "ignore"))
        config = self.config
        return Ask(config.delimiter, config.encoding, config.missing, as_text, config.sheet, config.documents)


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
    if config.sheet and columns is None and "excel" not in {file.format for file in origin.files}:
        raise DanluError("data.sheet_without_workbook", sheet=config.sheet, files=", ".join(names))
    return _judged(frame, origin, wish)


def examples_of(rows: Any, config: DataConfig, columns: Columns | None = None, task: str | None = None) -> Examples:
    """The rows of a Python object (see `frame_of`) with typed columns, as `read` gives those of files.

    An empty list is no row of the `columns`, where they are known.
    """
    given = (column for column in (columns or {}).values() if column.format != REFERENCES)
    known = [column for column in given if column.name not in config.target]
    only = next((column.name for column in known if column.kind != "ignore"), None)
    if known and isinstance(rows, list | tuple) and not rows:
        rows = pl.DataFrame(schema={column.name: _EMPTY.get(column.kind, pl.String()) for column in known})
    frame = numbered(plain(frame_of(rows, [column.name for column in known] or None, only)))
    return _judged(frame, Origin(), _Wish(config, columns, task))


def stream(source: str, config: DataConfig, columns: Columns | None, rows: int = 8192) -> Iterator[Examples]:
    """The rows of a file, folder or "-" (standard input) in pieces of at most `rows`, in constant memory.

    ROW counts over all pieces; files are not hashed; a table in long format is read at once. Raises
    DanluError as `read` does.
    """
    return (examples for examples, _ in stream_as_written(source, config, columns, rows))


def stream_as_written(
    source: str, config: DataConfig, columns: Columns | None, rows: int = 8192
) -> Iterator[tuple[Examples, pl.DataFrame]]:
    """`stream`, and beside each piece its columns with dates, booleans and numbers as the file writes them."""
    if config.sequences:  # the steps of a sequence may lie anywhere in a file
        examples = read(config, [source], columns)
        yield examples, examples.frame.drop(ROW)
        return
    texts: list[str] | None = None  # columns that are given as texts, in the first piece and so in all
    wish, share = _Wish(config, columns), _BadShare(config.max_bad_rows)
    for frame, origin in parts(sources_of(source), replace(wish.ask, block=_STREAM_BLOCK)):
        for piece in frame.iter_slices(rows):
            examples = _examples(piece, origin, wish)
            share.add(examples.origin.bad_rows, piece.height + len(origin.bad_rows))
            if share.rows >= _ROWS_TO_JUDGE:
                share.judge()
            texts = _otherwise_written(piece, examples) if texts is None else texts
            yield examples, _as_written(piece, examples, texts)
            origin = replace(origin, bad_rows=(), notes=())  # told with the first piece of the part
        share.add(origin.bad_rows, len(origin.bad_rows))  # of a part without a good one
    share.judge()
    if not share.rows:
        raise DanluError("data.no_rows", files=source)


def _otherwise_written(piece: pl.DataFrame, examples: Examples) -> list[str]:
    """Columns whose texts became dates, booleans, or numbers without their decoration."""
    decorated = {
        name
        for name, column in examples.columns.items()
        if column.kind in ("date", "boolean") or (column.kind == "number" and column.format not in (None, "plain"))
    }
    return [name for name in decorated if piece.schema.get(name) == pl.String]


def _as_written(piece: pl.DataFrame, examples: Examples, texts: Sequence[str]) -> pl.DataFrame:
    """The columns of the rows that fit, these ones as texts."""
    raw = piece.select(ROW, *(pl.col(name).cast(pl.String) for name in texts))
    raw = raw.join(examples.frame.select(ROW), on=ROW, how="semi", maintain_order="left")
    return examples.frame.drop(ROW).with_columns(raw.drop(ROW))


def in_pieces(
    sources: Sequence[Source], config: DataConfig, columns: Columns | None, task: str | None
) -> Iterator[Examples]:
    """The rows of files of documents part by part, a long document in several parts with the same ROW.

    Without `columns` the first part says what they are. Each Origin has the bad rows of its part alone. Raises
    DanluError as `read` does, at the end where too many rows are bad.
    """
    wish, share, last = _Wish(config, columns, task), _BadShare(config.max_bad_rows), -1
    for frame, origin in parts(sources, replace(wish.ask, in_pieces=True, block=_PIECES_BLOCK)):
        examples = _examples(frame, origin, wish)
        wish = replace(wish, columns=wish.columns or examples.columns)
        share.add(examples.origin.bad_rows, frame.filter(pl.col(ROW) != last).height + len(origin.bad_rows))
        last = frame[ROW][-1] if frame.height else last
        yield examples
    share.judge()
    if not share.rows:
        raise DanluError("data.no_rows", files=", ".join(source.name for source in sources))


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


def _examples(frame: pl.DataFrame, origin: Origin, wish: _Wish) -> Examples:
    """The rows that fit, with values of their columns' kinds; the others join `origin.bad_rows`."""
    bad_steps: BadRows = {}
    if wish.config.sequences:
        frame, sequence, bad_steps = _sequences(frame, origin, wish.config.sequences, wish)
    how = written(frame, wish.config, wish.task, wish.columns)
    asked = questions(frame, wish.config, wish.task, wish.columns)
    if how:
        frame, columns, bad_steps = with_entities(frame, origin, how)
    elif asked:
        frame, columns, bad_steps = with_answers(frame, origin, asked)
    else:
        columns = _columns(frame, wish)
    if wish.config.sequences:
        columns[SEQUENCE] = sequence
    frame, columns, bad = fitted(frame, columns, origin, wish.config, may_change=wish.columns is None)
    frame, bad_images = without_unreadable_images(frame, columns, origin, wish.progress)
    rows = (*origin.bad_rows, *(bad_steps | bad | bad_images).values())
    return Examples(frame, columns, replace(origin, bad_rows=tuple(sorted(rows, key=lambda b: b.row))))


def _columns(frame: pl.DataFrame, wish: _Wish) -> dict[str, Column]:
    """The columns of `frame`: as given, or inferred."""
    if wish.columns is None:
        return pair_columns(frame, wish.config, wish.task) or infer_columns(frame, wish.config, wish.task)
    unknown = Note("data.kind.not_in_training")
    names = [name for name in frame.columns if name != ROW]
    return {name: wish.columns.get(name) or Column(name, "ignore", unknown) for name in names}


def _sequences(
    frame: pl.DataFrame, origin: Origin, long: LongSequences, wish: _Wish
) -> tuple[pl.DataFrame, Column, BadRows]:
    """One row per sequence, the sequences' column, and the steps left out for want of an id, a time or a number."""
    known = wish.columns[SEQUENCE] if wish.columns else None
    require_columns(frame, (long.id, long.time, *(known.channels if known else ())))
    channels = known.channels if known else varying_numbers(frame, long)
    reason = Note("data.kind.gathered", channels=", ".join(channels), id=long.id)
    time = time_column(frame[long.time], known.format if known else None, wish.config.missing)
    numbers = {name: Column(name, "number", reason) for name in channels}
    frame, _, bad = fitted(frame, numbers | {long.time: time}, origin, wish.config, may_change=False)
    lost = pl.col(long.id).is_null() | pl.col(long.time).is_null()
    for row in frame.filter(lost)[ROW]:
        file, position = place(origin, row)
        why = Note("data.long.no_value", file=file, row=position, id=long.id, time=long.time)
        bad[row] = BadRow(row, why)
    sequence = Column(SEQUENCE, "sequence", reason, time.format, channels)
    return gathered(frame.filter(~lost), long, channels), sequence, bad
