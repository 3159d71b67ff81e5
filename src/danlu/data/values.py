"""The values of a column as texts, numbers and times. Knows nothing of tensors or of what was fitted."""

import re
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

IDEOGRAPH_RANGES = ((0x3040, 0x30FF), (0x3400, 0x9FFF), (0xF900, 0xFAFF))  # kana and Chinese characters
IDEOGRAPHS = "".join(f"{chr(first)}-{chr(last)}" for first, last in IDEOGRAPH_RANGES)  # between a pattern's brackets

Codes = npt.NDArray[np.uint32]
Floats = npt.NDArray[np.float64]
Lengths = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Values = npt.NDArray[Any]


def code_points(text: str) -> Codes:
    """(N,): the code point of each character."""
    return np.frombuffer(text.encode("utf-32-le"), np.uint32)


def as_texts(series: pl.Series) -> pl.Series:
    """The values as they are shown: "true" for a boolean, "3" for a whole float; null where missing."""
    if not series.dtype.is_float():
        return series.cast(pl.String)
    return series.fill_nan(None).cast(pl.String).str.replace(r"\.0$", "")


def as_numbers(series: pl.Series) -> Floats:
    """(N,) float64; NaN where missing or where a text is no number."""
    if series.dtype == pl.String:
        series = series.str.strip_chars().replace({"true": "1", "false": "0"})
    return series.cast(pl.Float64, strict=False).to_numpy(writable=True)


def as_times(series: pl.Series) -> pl.Series:
    """Datetime values; null where missing or where a text is no date."""
    if series.dtype != pl.String:
        return series.cast(pl.Datetime("us"))
    try:
        return series.str.to_datetime(time_unit="us", strict=False)
    except pl.exceptions.ComputeError:  # no format fits any value
        return pl.Series(series.name, [None] * len(series), dtype=pl.Datetime("us"))


def offsets_of(lengths: Lengths) -> Lengths:
    """(N + 1,): where each row begins in the values of all rows, and where the last one ends."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])


def first_of_each(values: Values, lengths: Lengths, longest: int) -> tuple[Values, Lengths]:
    """The first `longest` values of each row; values: (total, ...), one row behind the other."""
    if (lengths <= longest).all():
        return values, lengths
    place = np.arange(len(values)) - np.repeat(offsets_of(lengths)[:-1], lengths)
    return values[place < longest], np.minimum(lengths, longest)


def natural_order(values: list[str]) -> list[str]:
    """Sorted as people expect: by number where all are numbers, else "item 2" before "item 10"."""
    try:
        return sorted(values, key=lambda value: (float(value), value))
    except ValueError:
        return sorted(values, key=_chunks)


def _chunks(value: str) -> list[tuple[int, int, str]]:
    parts = re.split(r"([0-9]+)", value)
    return [(0, int(part), "") if i % 2 else (1, 0, part) for i, part in enumerate(parts) if part]
