"""A table with one row per step becomes one row per sequence. Knows nothing of files or kinds beyond numbers."""

from collections.abc import Sequence

import polars as pl

from danlu.data.cast import DATE_FORMATS
from danlu.data.columns import input_column
from danlu.data.examples import ROW, Column
from danlu.errors import DanluError
from danlu.recipe import ColumnKind, LongSequences
from danlu.words import Note

SEQUENCE = "sequence"


def require_columns(frame: pl.DataFrame, names: Sequence[str]) -> None:
    """Raises DanluError where one of `names` is no column."""
    for name in names:
        if name not in frame.columns:
            there = ", ".join(c for c in frame.columns if c != ROW)
            raise DanluError("data.long.no_column", column=name, names=there)


def time_column(series: pl.Series, form: str | None, missing: tuple[str, ...]) -> Column:
    """The column that orders the steps, as dates or numbers; `form` is how they were written in training.

    Raises DanluError where they are neither.
    """
    if series.dtype != pl.String or form:
        kind: ColumnKind = "date" if series.dtype.is_temporal() or form in DATE_FORMATS else "number"
        return Column(series.name, kind, Note("data.kind.set", kind=kind), form)
    column = input_column(series, missing)
    if column.kind not in ("number", "date"):
        raise DanluError("data.long.time", column=series.name, example=str(series.drop_nulls().first())[:40])
    return column


def varying_numbers(frame: pl.DataFrame, long: LongSequences) -> tuple[str, ...]:
    """The numeric columns that vary within an id. Raises DanluError where there are none."""
    numbers = [c for c, dtype in frame.schema.items() if dtype.is_numeric() and c not in (long.id, long.time, ROW)]
    constant = _constant_within(frame, long.id, numbers)
    channels = tuple(c for c in numbers if c not in constant)
    if not channels:
        raise DanluError("data.long.no_channel", id=long.id)
    return channels


def gathered(frame: pl.DataFrame, long: LongSequences, channels: tuple[str, ...]) -> pl.DataFrame:
    """One row per id, in the order of their first steps, whose ROW it bears.

    The `channels` of the steps, sorted by time, become `sequence`; columns that are constant within each id stay;
    others become lists.
    """
    others = [c for c in frame.columns if c not in (long.id, long.time, ROW, *channels)]
    constant = _constant_within(frame, long.id, others)
    lists = [c for c in others if c not in constant]
    steps = frame.sort(long.time, maintain_order=True).with_columns(_step(channels).alias(SEQUENCE))
    by_id = steps.group_by(long.id).agg(
        pl.col(ROW).min(), pl.col(constant).drop_nulls().first(), pl.col(*lists, SEQUENCE)
    )
    return by_id.sort(ROW)


def _constant_within(frame: pl.DataFrame, by: str, names: list[str]) -> list[str]:
    """The columns that have at most one value, missing ones aside, in each group."""
    counts = frame.group_by(by).agg(pl.col(names).drop_nulls().n_unique()).select(pl.col(names).max())
    return [name for name in names if (counts[name][0] or 0) <= 1]


def _step(channels: tuple[str, ...]) -> pl.Expr:
    numbers = [pl.col(c).cast(pl.Float32) for c in channels]
    return numbers[0] if len(numbers) == 1 else pl.concat_arr(numbers)
