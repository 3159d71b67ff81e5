"""A table with one row per step becomes one row per sequence. Knows nothing of files or kinds beyond
numbers."""

import polars as pl

from danlu.data.examples import ROW
from danlu.errors import DanluError
from danlu.recipe import LongSequences

SEQUENCE = "sequence"


def gathered(
    frame: pl.DataFrame, long: LongSequences, channels: tuple[str, ...] | None
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """One row per id, steps sorted by time: constant columns stay, the numbers that vary become `sequence`.

    `channels` None takes every number that varies within an id; the second result tells which these were. ROW
    is that of the first step in the file. Raises DanluError where a column named by `long` or by `channels`
    is missing.
    """
    for name in (long.id, long.time, *(channels or ())):
        if name not in frame.columns:
            raise DanluError("data.long.no_column", column=name, names=", ".join(c for c in frame.columns if c != ROW))
    others = [c for c in frame.columns if c not in (long.id, long.time, ROW)]
    constant = _constant_within(frame, long.id, others)
    if channels is None:
        channels = tuple(c for c in others if c not in constant and frame.schema[c].is_numeric())
        if not channels:
            raise DanluError("data.long.no_channel", id=long.id)
    scalars = [c for c in constant if c not in channels]
    rest = [c for c in others if c not in scalars and c not in channels]
    steps = frame.sort(long.time, maintain_order=True).select(
        long.id, ROW, *scalars, *rest, _step(channels).alias(SEQUENCE)
    )
    rows = steps.group_by(long.id).agg(
        pl.col(ROW).min(), *(pl.col(c).first() for c in scalars), *(pl.col(c) for c in rest), pl.col(SEQUENCE)
    )
    return rows.sort(ROW), channels


def _constant_within(frame: pl.DataFrame, by: str, names: list[str]) -> list[str]:
    counts = (
        frame.group_by(by).agg(pl.col(names).drop_nulls().n_unique()).select(pl.col(names).max()) if names else None
    )
    return [] if counts is None else [name for name in names if (counts[name][0] or 0) <= 1]


def _step(channels: tuple[str, ...]) -> pl.Expr:
    numbers = [pl.col(c).cast(pl.Float32) for c in channels]
    return numbers[0] if len(numbers) == 1 else pl.concat_arr(numbers)
