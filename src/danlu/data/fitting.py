"""Rows of which every cell fits the kind of its column; the others are named. Infers nothing."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from danlu.data.cast import expected, misfits, missing_numbers, values
from danlu.data.columns import GUESSED, plain_column
from danlu.data.examples import ROW, BadRow, Column, Origin
from danlu.data.image_check import unreadable
from danlu.errors import DanluError
from danlu.events import Progress
from danlu.recipe import DataConfig
from danlu.words import Note

BadRows = dict[int, BadRow]  # by ROW

_SHOWN = 60  # characters of a cell that a reason shows


def fitted(
    frame: pl.DataFrame, columns: Mapping[str, Column], origin: Origin, config: DataConfig, may_change: bool
) -> tuple[pl.DataFrame, dict[str, Column], BadRows]:
    """The rows that fit, with values for cells; the columns; and the rows left out.

    Where it `may_change`, a kind inferred from the look of some cells gives way if too many others do not fit it.
    Raises DanluError where none of the cells is of the kind that was asked for.
    """
    found, bad, changed = dict(columns), BadRows(), []
    limit = config.max_bad_rows * frame.height
    settled = _finite_numbers(frame) if missing_numbers(config.missing).is_empty() else set()
    for name, column in columns.items():
        if column.kind in ("ignore", "entities", "answers") or (column.kind == "number" and name in settled):
            continue
        series = frame[name]
        cast = values(series, column, config.missing)
        wrong = misfits(series, cast, column, config.missing)
        if may_change and len(wrong) > limit and column.reason.key in GUESSED:
            found[name] = plain_column(series, config.missing)
            cast, wrong = values(series, found[name], config.missing), wrong.clear()
        if may_change and len(wrong) and len(wrong) == series.count():
            raise _not_of_its_kind(column, str(series[wrong[0]]))
        for row, cell in zip(frame[ROW].gather(wrong), series.gather(wrong), strict=True):
            bad.setdefault(row, BadRow(row, _bad_cell(origin, row, column, cell)))
        changed.append(cast)
    return _without(frame.with_columns(changed), bad), found, bad


def leave_out(bad: BadRows, frame: pl.DataFrame, origin: Origin, row: int, key: str, **fields: Any) -> None:
    """Count the `row`-th row of the frame among the bad ones, unless it is, for the reason `key`."""
    number = frame[ROW][row]
    file, position = place(origin, number)
    bad.setdefault(number, BadRow(number, Note(key, file=file, row=position, **fields)))


def _finite_numbers(frame: pl.DataFrame) -> set[str]:
    """Columns of numbers without any infinite one: asked of all at once, for a table may have thousands."""
    numbers = pl.selectors.float() | pl.selectors.by_dtype(pl.Int64)
    return {s.name for s in frame.lazy().select(numbers.is_infinite().any()).collect() if not s[0]}


def _without(frame: pl.DataFrame, bad: BadRows) -> pl.DataFrame:
    return frame.filter(~pl.col(ROW).is_in(list(bad))) if bad else frame


def _not_of_its_kind(column: Column, found: str) -> DanluError:
    return DanluError("data.not_of_its_kind", column=column.name, expected=expected(column), found=found[:_SHOWN])


def _bad_cell(origin: Origin, row: int, column: Column, cell: Any) -> Note:
    file, position = place(origin, row)
    found = str(cell)[:_SHOWN]
    return Note("data.bad_cell", file=file, row=position, column=column.name, expected=expected(column), found=found)


def place(origin: Origin, row: int) -> tuple[str | Note, int]:
    """The file and the 1-based row in it."""
    for file in origin.files:
        if row < file.rows:
            return file.path, row + 1
        row -= file.rows
    return Note("data.given_rows"), row + 1


def without_unreadable_images(
    frame: pl.DataFrame, columns: Mapping[str, Column], origin: Origin, progress: Progress | None
) -> tuple[pl.DataFrame, BadRows]:
    """The rows whose images (files or encoded bytes) can be decoded, and those left out."""
    bad = BadRows()
    for name, column in columns.items():
        if column.kind != "image" or frame.schema[name] not in (pl.String, pl.Binary):
            continue
        for position, why in unreadable(frame[name], progress):
            row, image = frame[ROW][position], frame[name][position]
            file, number = place(origin, row)
            found = image if isinstance(image, str) else "–"
            note = Note("data.bad_image", file=file, row=number, column=name, found=found, why=why)
            bad.setdefault(row, BadRow(row, note))
    return _without(frame, bad), bad
