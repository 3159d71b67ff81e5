"""Numbers, dates and categories as tensors. Fitted on the training rows; knows nothing of texts or images."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from torch import Tensor

from danlu.data.tally import Rows
from danlu.data.values import Floats, Mask, as_numbers, as_texts, as_times
from danlu.errors import DanluError
from danlu.recipe import ColumnKind
from danlu.words import Note

MAX_CATEGORIES = 5000  # per column; the rarer ones share the index of those never seen


@dataclass(frozen=True)
class NumberFeature:
    """One standardised number: (raw - centre) * factor. `part` is "value", or what is taken of a date.

    A date gives its "time" in days, and sine and cosine of month, weekday and hour if they vary in training.
    """

    column: str
    part: str
    centre: float
    factor: float

    @property
    def name(self) -> str:
        """The column, with the part of a date."""
        return self.column if self.part == "value" else f"{self.column} {self.part}"


@dataclass(frozen=True)
class Numbers:
    """The columns that become numbers, and how each is standardised.

    `clip`: values far out are drawn in, x / sqrt(1 + (x / 3)²), as RealMLP does (Holzmüller et al. 2024).
    `gaps`: the columns with missing values in training, each of which has an indicator where `indicate`.
    """

    columns: Mapping[str, ColumnKind]
    features: tuple[NumberFeature, ...]
    gaps: tuple[str, ...]
    clip: bool
    indicate: bool

    @property
    def indicators(self) -> tuple[str, ...]:
        """The columns that have an indicator of missing values."""
        return self.gaps if self.indicate else ()

    def encode(self, frame: pl.DataFrame, rows: Rows) -> tuple[Tensor, Tensor]:
        """numbers (N, features) float32, missing (N, indicators) float32.

        Raises DanluError where a value is no number or no date.
        """
        parts = {name: _parts(frame[name], name, kind, rows) for name, kind in self.columns.items()}
        gaps = {name: _missing(part) for name, part in parts.items()}
        for name in [name for name in self.columns if name not in self.gaps]:
            rows.count("codec.missing_new", name, gaps[name])
        values = np.zeros((frame.height, len(self.features)))
        for i, feature in enumerate(self.features):
            values[:, i] = (parts[feature.column][feature.part] - feature.centre) * feature.factor
        if self.clip:
            values /= np.sqrt(1 + np.square(values / 3))
        indicators = np.zeros((frame.height, len(self.indicators)), np.float32)
        for i, name in enumerate(self.indicators):
            indicators[:, i] = gaps[name]
        return torch.from_numpy(np.nan_to_num(values).astype(np.float32)), torch.from_numpy(indicators)


def fit_numbers(
    frame: pl.DataFrame, columns: Mapping[str, ColumnKind], rows: Rows, robust: bool, indicate: bool
) -> Numbers:
    """How the columns become numbers; one that is constant, with no gaps to indicate, is left out.

    `robust`: centred on the median, over the distance of the quartiles, clipped; else mean and deviation.
    """
    kept: dict[str, ColumnKind] = {}
    features: list[NumberFeature] = []
    gaps: list[str] = []
    for name, kind in columns.items():
        parts = _parts(frame[name], name, kind, rows)
        missing = _missing(parts)
        fitted = [_feature(name, part, values[~missing], robust) for part, values in parts.items()]
        varying = [feature for feature in fitted if feature.factor]
        if missing.all() or not (varying or (indicate and missing.any())):
            continue
        kept[name] = kind
        features += varying
        gaps += [name] if missing.any() else []
    return Numbers(kept, tuple(features), tuple(gaps), clip=robust, indicate=indicate)


def _feature(column: str, part: str, values: Floats, robust: bool) -> NumberFeature:
    """`values` without gaps; the factor of a constant is 0."""
    if len(values) == 0 or values.min() == values.max():
        return NumberFeature(column, part, 0.0, 0.0)
    if not robust:
        return NumberFeature(column, part, float(values.mean()), float(1 / values.std()))
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    spread = high - low if high > low else (values.max() - values.min()) / 2
    return NumberFeature(column, part, float(middle), float(1 / spread))


def _parts(series: pl.Series, name: str, kind: ColumnKind, rows: Rows) -> dict[str, Floats]:
    """The raw numbers of a column by part, NaN where missing."""
    if kind == "date":
        return _date_parts(_times(series, name, rows))
    values = _numbers(series, name, rows)
    infinite = np.isinf(values)
    rows.count("codec.not_finite", name, infinite)
    values[infinite] = np.nan
    return {"value": values}


def _missing(parts: Mapping[str, Floats]) -> Mask:
    return np.isnan(next(iter(parts.values())))


def _numbers(series: pl.Series, name: str, rows: Rows) -> Floats:
    if not (series.dtype.is_numeric() or series.dtype in (pl.Boolean, pl.String, pl.Null)):
        raise DanluError("codec.wrong_type", column=name, wanted=Note("codec.kind_number"), got=str(series.dtype))
    values = as_numbers(series)
    if series.dtype == pl.String:
        _refuse(series, np.isnan(values) & series.is_not_null().to_numpy(), name, "number", rows)
    return values


def _times(series: pl.Series, name: str, rows: Rows) -> pl.Series:
    if series.dtype not in (pl.Date, pl.Datetime, pl.String, pl.Null):
        raise DanluError("codec.wrong_type", column=name, wanted=Note("codec.kind_date"), got=str(series.dtype))
    times = as_times(series)
    _refuse(series, (times.is_null() & series.is_not_null()).to_numpy(), name, "date", rows)
    return times


def _refuse(series: pl.Series, unreadable: Mask, name: str, wanted: str, rows: Rows) -> None:
    if unreadable.any():
        got = str(series[int(unreadable.argmax())])
        raise DanluError(
            "codec.wrong_value",
            place=rows.first(unreadable),
            column=name,
            wanted=Note(f"codec.kind_{wanted}"),
            got=got[:80],
        )


def _date_parts(times: pl.Series) -> dict[str, Floats]:
    days = times.dt.epoch("us").cast(pl.Float64).to_numpy() / 86_400e6
    turns = {
        "month": (times.dt.month() - 1) / 12,
        "weekday": (times.dt.weekday() - 1) / 7,
        "hour": times.dt.hour() / 24,
    }
    parts: dict[str, Floats] = {"time": days}
    for name, turn in turns.items():
        angle = 2 * np.pi * turn.cast(pl.Float64).to_numpy()
        parts |= {f"{name} sin": np.sin(angle), f"{name} cos": np.cos(angle)}
    return parts


@dataclass(frozen=True)
class Category:
    """A category column and its values by falling frequency in training, which have the indices 2, 3, …"""

    name: str
    values: tuple[str, ...]
    gaps: bool  # in training

    @property
    def cardinality(self) -> int:
        """Number of indices: the values, 0 for those never seen, 1 for missing."""
        return len(self.values) + 2

    def encode(self, series: pl.Series, rows: Rows) -> Tensor:
        """(N,) int64."""
        texts = _category_texts(series, self.name)
        index = texts.replace_strict(
            list(self.values), list(range(2, self.cardinality)), default=0, return_dtype=pl.Int64
        )
        missing = texts.is_null().to_numpy()
        found = np.where(missing, 1, index.to_numpy())
        rows.count("codec.unseen_category", self.name, found == 0)
        if not self.gaps:
            rows.count("codec.missing_new", self.name, missing)
        return torch.from_numpy(found)


def fit_category(series: pl.Series, name: str) -> Category:
    """The values seen at least twice (five times from 10,000 rows on); the rarer ones train index 0."""
    texts = _category_texts(series, name)
    least = 2 if len(texts) < 10_000 else 5
    counted = texts.drop_nulls().value_counts(name="count")
    frequent = counted.filter(pl.col("count") >= least).sort(["count", "value"], descending=[True, False])
    return Category(name, tuple(frequent["value"].head(MAX_CATEGORIES)), gaps=texts.null_count() > 0)


def _category_texts(series: pl.Series, name: str) -> pl.Series:
    if series.dtype.is_nested() or series.dtype == pl.Binary:
        raise DanluError("codec.wrong_type", column=name, wanted=Note("codec.kind_category"), got=str(series.dtype))
    return as_texts(series).alias("value")
