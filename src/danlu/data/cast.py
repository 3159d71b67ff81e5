"""Cells become values: for each kind, what a cell means. Knows nothing of files, and guesses nothing.

A cast gives null both where a cell is missing and where it does not fit; `misfits` tells the two apart.
"""

import json
from collections.abc import Callable, Mapping

import polars as pl

from danlu.data.examples import Column

# Whole cells that mean "no value" in numbers, dates, booleans and categories.
MISSING = frozenset(
    [
        "",
        "NA",
        "N/A",
        "n/a",
        "na",
        "<NA>",
        "#N/A",
        "nan",
        "NaN",
        "NAN",
        "null",
        "NULL",
        "Null",
        "None",
        "NaT",
        "?",
    ]
    + ["-", "--", "—", "缺失", "无", "空", "空值"]
)
TRUE = ("true", "yes", "y", "t", "1", "on", "是", "真", "对")
FALSE = ("false", "no", "n", "f", "0", "off", "否", "假", "错")
VERBATIM = "verbatim"  # format of a category whose values may be words that mean missing elsewhere

_FLOAT = pl.Float64()
_TIME = pl.Datetime("us")
_STEP = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_MONEY = r"[$€£¥￥元]"


def cells(series: pl.Series, missing: tuple[str, ...] = ()) -> pl.Series:
    """Texts without spaces around them; null for words that mean missing."""
    values = series.unique()
    return series if _bare(values, missing).equals(values) else _bare(series, missing)


def _bare(series: pl.Series, missing: tuple[str, ...]) -> pl.Series:
    stripped = series.str.strip_chars()
    return stripped.set(stripped.is_in([*MISSING, *missing]), None)


def _plain(cell: pl.Expr) -> pl.Expr:
    return cell.cast(_FLOAT, strict=False)


def _grouped(cell: pl.Expr) -> pl.Expr:
    fits = cell.str.contains(r"^[+-]?(\d{1,3}(,\d{3})+|\d+)(\.\d+)?$")
    return pl.when(fits).then(cell.str.replace_all(",", "", literal=True)).cast(_FLOAT, strict=False)


def _percent(cell: pl.Expr) -> pl.Expr:
    return pl.when(cell.str.ends_with("%")).then(_grouped(cell.str.strip_suffix("%").str.strip_chars()))


def _money(cell: pl.Expr) -> pl.Expr:
    bare = cell.str.replace(rf"^([+-]?)\s*{_MONEY}\s*", "$1").str.replace(rf"\s*{_MONEY}$", "")
    return pl.when(bare != cell).then(_grouped(bare))


def _decimal_comma(cell: pl.Expr) -> pl.Expr:
    fits = cell.str.contains(r"^[+-]?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?$")
    dotted = cell.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    return pl.when(fits).then(dotted).cast(_FLOAT, strict=False)


# Ways to write a number, in the order in which they are tried.
NUMBER_FORMATS: Mapping[str, Callable[[pl.Expr], pl.Expr]] = {
    "plain": _plain,
    "1,234.5": _grouped,
    "12 %": _percent,
    "$ 12": _money,
    "1.234,5": _decimal_comma,
}

_DAYS = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y年%m月%d日")
# Ways to write a date, in the order in which they are tried.
DATE_FORMATS: tuple[str, ...] = (
    *_DAYS,
    *(f"{day} {time}" for day in _DAYS for time in ("%H:%M:%S%.f", "%H:%M")),
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%dT%H:%M:%S%.f%#z",
    "%Y-%m-%d %H:%M:%S%.f%#z",
    "%b %d, %Y",
    "%B %d, %Y",
    "%d %b %Y",
    "%d %B %Y",
    "%Y%m%d",
)


def dates(series: pl.Series, form: str) -> pl.Series:
    """Datetimes of cells written in the strptime format `form`, in UTC where it has a zone; null where one does not fit."""
    has_time, has_zone = "%H" in form, "z" in form
    if has_zone:
        times = series.str.to_datetime(form, time_unit="us", strict=False)
        return times.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    if has_time:
        return series.str.to_datetime(form, time_unit="us", strict=False)
    return series.str.to_date(form, strict=False).cast(_TIME)


def _number(series: pl.Series, column: Column, missing: tuple[str, ...]) -> pl.Series:
    if series.dtype == pl.String:
        form = NUMBER_FORMATS[column.format or "plain"]
        present = cells(series, missing)
        series = present.to_frame().select(form(pl.col(present.name)).alias(present.name)).to_series()
    if series.dtype.is_temporal():
        return (
            series.dt.total_microseconds() / 1e6
            if series.dtype == pl.Duration
            else series.to_physical().cast(_FLOAT)
        )
    if series.dtype.is_integer():
        return series.cast(pl.Int64, strict=False)
    numbers = series.cast(_FLOAT, strict=False).fill_nan(None)
    return numbers.set(numbers.is_infinite(), None) if numbers.is_infinite().any() else numbers


def _boolean(series: pl.Series, column: Column, missing: tuple[str, ...]) -> pl.Series:
    if series.dtype == pl.Boolean:
        return series
    words = category(series, missing).str.to_lowercase()
    return words.replace_strict({**dict.fromkeys(TRUE, True), **dict.fromkeys(FALSE, False)}, default=None)


def _category(series: pl.Series, column: Column, missing: tuple[str, ...]) -> pl.Series:
    if column.format == VERBATIM:
        return category(series, (), verbatim=True)
    return category(series, missing)


def category(series: pl.Series, missing: tuple[str, ...], verbatim: bool = False) -> pl.Series:
    """Values as text: "3" for 3.0, "true" for True; null where missing."""
    if series.dtype == pl.String:
        return series.str.strip_chars().replace("", None) if verbatim else cells(series, missing)
    if series.dtype.is_float():
        series = series.fill_nan(None)
        if (series.drop_nulls() == series.drop_nulls().round()).all():
            series = series.cast(pl.Int64, strict=False)
    return series.cast(pl.String, strict=False)


def _text(series: pl.Series, column: Column, missing: tuple[str, ...]) -> pl.Series:
    if isinstance(series.dtype, pl.List):
        return series.cast(pl.List(pl.String)).list.join(" ")
    texts = series.cast(pl.String, strict=False)
    return texts.set(texts == "", None) if (texts == "").any() else texts


def _date(series: pl.Series, column: Column, missing: tuple[str, ...]) -> pl.Series:
    if series.dtype == pl.String:
        return dates(cells(series, missing), column.format or DATE_FORMATS[0])
    if isinstance(series.dtype, pl.Datetime) and series.dtype.time_zone:
        series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    if series.dtype.is_integer():
        return dates(series.cast(pl.String), column.format or DATE_FORMATS[0])
    return series.cast(_TIME, strict=False)


def _image(series: pl.Series, column: Column, missing: tuple[str, ...]) -> pl.Series:
    if isinstance(series.dtype, pl.Struct):  # as Hugging Face datasets keep images
        return series.struct.field("bytes").alias(series.name)
    return series


def _sequence(series: pl.Series, column: Column, missing: tuple[str, ...]) -> pl.Series:
    if series.dtype == pl.String:
        return bracketed(cells(series, missing))
    if isinstance(series.dtype, pl.Array):
        inner = (
            series.dtype.inner
            if len(series.dtype.shape) == 1
            else pl.Array(pl.Float32, series.dtype.shape[1])
        )
        series = series.cast(pl.List(inner))
    assert isinstance(series.dtype, pl.List)
    if isinstance(series.dtype.inner, pl.List):
        return series.cast(pl.List(pl.Array(pl.Float32, _channels(series))))
    if isinstance(series.dtype.inner, pl.Array):
        return series.cast(pl.List(pl.Array(pl.Float32, series.dtype.inner.shape[0])))
    return series.cast(pl.List(pl.Float32), strict=False)


def _channels(series: pl.Series) -> int:
    """How many channels the first step has; 1 where there is no step."""
    first = series.drop_nulls().explode().drop_nulls()
    return len(first[0]) if len(first) else 1


def bracketed(cell: pl.Series) -> pl.Series:
    """Lists of the numbers in cells such as "[1, 2.5, 3]" or "[1 2 3]"; null where one is written otherwise."""
    fits = cell.str.contains(rf"^\[\s*({_STEP}[\s,;]*)*\]$")
    values = cell.set(~fits.fill_null(False), None).str.extract_all(_STEP)
    return values.cast(pl.List(pl.Float32))


def _labels(series: pl.Series, column: Column, missing: tuple[str, ...]) -> pl.Series:
    if isinstance(series.dtype, pl.List):
        return series.cast(pl.List(pl.String))
    texts = category(series, missing)
    if column.format == "json":
        return pl.Series(series.name, [_json_list(cell) for cell in texts], dtype=pl.List(pl.String))
    parts = texts.str.split(column.format or "|")
    return parts.list.eval(pl.element().str.strip_chars())


def _json_list(cell: str | None) -> list[str] | None:
    try:
        values = json.loads(cell.replace("'", '"')) if cell else None
    except json.JSONDecodeError:
        return None
    return [str(value) for value in values] if isinstance(values, list) else None


_CASTS: Mapping[str, Callable[[pl.Series, Column, tuple[str, ...]], pl.Series]] = {
    "number": _number,
    "category": _category,
    "boolean": _boolean,
    "date": _date,
    "text": _text,
    "image": _image,
    "sequence": _sequence,
    "labels": _labels,
}


def values(series: pl.Series, column: Column, missing: tuple[str, ...] = ()) -> pl.Series:
    """The cells as values of the column's kind; null where missing or where one does not fit."""
    return (
        series if column.kind == "ignore" else _CASTS[column.kind](series, column, missing).alias(series.name)
    )


def misfits(series: pl.Series, cast: pl.Series, column: Column, missing: tuple[str, ...] = ()) -> pl.Series:
    """Positions of cells that hold something, but nothing that fits the kind."""
    if cast.null_count() == series.null_count():
        return pl.Series(dtype=pl.UInt32)
    present = series
    if series.dtype == pl.String and not (column.kind == "category" and column.format == VERBATIM):
        present = cells(series, missing)
    if series.dtype.is_float():
        present = series.fill_nan(None)
    return (present.is_not_null() & cast.is_null()).arg_true()
