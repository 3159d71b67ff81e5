"""Cells become values: for each kind, what a cell means. Knows nothing of files, and guesses nothing.

A cast gives null both where a cell is missing and where it does not fit; `misfits` tells the two apart.
"""

import json
import re
from collections.abc import Callable, Mapping
from functools import reduce

import polars as pl

from danlu.data.examples import Column
from danlu.errors import DanluError
from danlu.words import Note

# Whole cells that mean "no value" in numbers, dates, booleans and categories.
MISSING = (
    frozenset(
        ("", "NA", "N/A", "n/a", "na", "<NA>", "#N/A", "nan", "NaN", "NAN", "NaT", "null", "NULL", "Null", "None")
    )
    | frozenset(("?", "-", "--", "—", "缺失", "无", "空", "空值"))
    | frozenset(
        ("#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#NULL!", "#WERT!", "#BEZUG!", "#ZAHL!")  # of spreadsheets
    )
)
TRUE = ("true", "yes", "y", "t", "1", "on", "是", "真", "对")
FALSE = ("false", "no", "n", "f", "0", "off", "否", "假", "错")
_BOOLEANS = {**dict.fromkeys(TRUE, True), **dict.fromkeys(FALSE, False)}
REFERENCES = "references"  # format of a text that is to be written: a list of texts, each of which is right
VERBATIM = "verbatim"  # format of a category whose values may be words that mean missing elsewhere

Written = Callable[[pl.Expr], pl.Expr]  # cells → numbers; null where one is written otherwise

_FLOAT = pl.Float64()
_TIME = pl.Datetime("us")
_STEP = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_MONEY = r"(?:[$€£¥￥元₹₩]|EUR|USD|GBP|CHF|CNY|RMB|JPY|INR)"
_SPACE = r"[ \u{00a0}\u{2009}\u{202f}'’]"  # between thousands


def cells(series: pl.Series, missing: tuple[str, ...] = ()) -> pl.Series:
    """Texts without spaces around them; null for words that mean missing."""
    distinct = series.unique()
    return series if _bare(distinct, missing).equals(distinct) else _bare(series, missing)


def _bare(series: pl.Series, missing: tuple[str, ...]) -> pl.Series:
    stripped = series.str.strip_chars()
    return stripped.set(stripped.is_in([*MISSING, *missing]), None)


def _plain(cell: pl.Expr) -> pl.Expr:
    return cell.cast(_FLOAT, strict=False)


def _grouped(cell: pl.Expr) -> pl.Expr:
    fits = cell.str.contains(r"^[+-]?([1-9]\d{0,2}(,\d{3})+|\d+)(\.\d+)?$")
    return pl.when(fits).then(cell.str.replace_all(",", "", literal=True)).cast(_FLOAT, strict=False)


def _decimal_comma(cell: pl.Expr) -> pl.Expr:
    fits = cell.str.contains(r"^[+-]?([1-9]\d{0,2}(\.\d{3})+|\d+)(,\d+)?$")
    dotted = cell.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    return pl.when(fits).then(dotted).cast(_FLOAT, strict=False)


def _spaced(cell: pl.Expr) -> pl.Expr:
    fits = cell.str.contains(rf"^[+-]?([1-9]\d{{0,2}}({_SPACE}\d{{3}})+|\d+)([.,]\d+)?$")
    dotted = cell.str.replace_all(_SPACE, "").str.replace(",", ".", literal=True)
    return pl.when(fits).then(dotted).cast(_FLOAT, strict=False)


def _percent(amount: Written) -> Written:
    def read(cell: pl.Expr) -> pl.Expr:
        return pl.when(cell.str.ends_with("%")).then(amount(cell.str.strip_suffix("%").str.strip_chars()))

    return read


def _money(amount: Written) -> Written:
    def read(cell: pl.Expr) -> pl.Expr:
        bare = cell.str.replace(rf"^([+-]?)\s*{_MONEY}\s*", "$1").str.replace(rf"\s*{_MONEY}$", "")
        return pl.when(bare != cell).then(amount(bare))

    return read


# Ways to write a number, in the order in which they are tried.
NUMBER_FORMATS: Mapping[str, Written] = {
    "plain": _plain,
    "1,234.5": _grouped,
    "12 %": _percent(_grouped),
    "$ 12": _money(_grouped),
    "1.234,5": _decimal_comma,
    "1,5 %": _percent(_decimal_comma),
    "1.234,5 €": _money(_decimal_comma),
    "1 234,5": _spaced,
    "1 234,5 €": _money(_spaced),
}

_DAYS = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y年%m月%d日")
# 70 to 99 are of the last century
_SHORT = ("%m/%d/%y", "%d/%m/%y", "%d.%m.%y", "%d-%m-%y", "%y-%m-%d", "%y/%m/%d", "%y.%m.%d")
_TIMES = ("%H:%M:%S%.f", "%H:%M", "%I:%M:%S %p", "%I:%M %p")
# Ways to write a date, in the order in which they are tried.
DATE_FORMATS: tuple[str, ...] = (
    *_DAYS,
    *_SHORT,
    *(f"{day} {time}" for day in (*_DAYS, *_SHORT) for time in _TIMES),
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


# Those of dates that had a dtype of their own in training: only these are the same for all the world.
ISO_FORMATS = tuple(form for form in DATE_FORMATS if form.startswith("%Y-%m-%d"))


def dates(series: pl.Series, form: str) -> pl.Series:
    """Datetimes of cells written in the strptime format `form`, in UTC where it has a zone; null where one does not."""
    if "%Y" in form:  # strptime would take 24 for the year 24
        series = series.set(~series.str.contains(r"^\d{4}" if form.startswith("%Y") else r"\D\d{4}(\D|$)"), None)
    if "%y" in form:  # strptime would take the version 2.1.7 for a day of 2007
        year = r"^\d{2}\D" if form.startswith("%y") else r"^\d{1,2}\D\d{1,2}\D\d{2}(\D|$)"
        series = series.set(~series.str.contains(year), None)
    if "%H" not in form and "%I" not in form:
        return series.str.to_date(form, strict=False).cast(_TIME)
    times = series.str.to_datetime(form, time_unit="us", strict=False)
    return times.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if form.endswith("z") else times


def missing_numbers(missing: tuple[str, ...]) -> pl.Series:
    """The numbers among the words that mean a missing value."""
    return pl.Series(missing, dtype=pl.String).cast(_FLOAT, strict=False).drop_nulls()


def _without_codes(series: pl.Series, missing: tuple[str, ...]) -> pl.Series:
    """Numbers without those that mean a missing value, such as the 999 of `data.missing: ["999"]`."""
    codes = missing_numbers(missing)
    if codes.is_empty() or not series.dtype.is_numeric():
        return series
    return series.set(series.cast(_FLOAT).is_in(codes.implode()), None)


def values(series: pl.Series, column: Column, missing: tuple[str, ...] = ()) -> pl.Series:
    """The cells as values of the column's kind; null where missing or where one does not fit.

    Raises DanluError where the whole column is of a type that the kind cannot be made of.
    """
    if column.kind == "ignore":
        return series
    series = _without_codes(series, missing)
    try:
        return _CASTS[column.kind](series, column, missing).alias(series.name)
    except (pl.exceptions.InvalidOperationError, pl.exceptions.ComputeError, pl.exceptions.SchemaError):
        raise _wrong_type(series, column) from None


def misfits(series: pl.Series, cast: pl.Series, column: Column, missing: tuple[str, ...] = ()) -> pl.Series:
    """Positions of cells that hold something, but nothing that fits the kind."""
    series = _without_codes(series, missing)
    if cast.null_count() == series.null_count():
        return pl.Series(dtype=pl.UInt32)
    is_written = series.dtype == pl.String and column.format != VERBATIM
    present = cells(series, missing) if is_written else series
    return (present.is_not_null() & cast.is_null()).arg_true()


def _wrong_type(series: pl.Series, column: Column) -> DanluError:
    return DanluError("data.wrong_type", column=series.name, kind=column.kind, found=str(series.dtype))


def _number(series: pl.Series, column: Column, missing: tuple[str, ...]) -> pl.Series:
    if series.dtype == pl.String:
        form = NUMBER_FORMATS[column.format or "plain"]
        series = cells(series, missing).to_frame("cell").select(form(pl.col("cell"))).to_series()
    if series.dtype == pl.Duration:
        return series.dt.total_microseconds() / 1e6
    if series.dtype == pl.Int64:
        return series
    if series.dtype.is_temporal():
        raise _wrong_type(series, column)
    numbers = series.to_physical().cast(_FLOAT)
    return numbers.set(numbers.is_infinite(), None) if numbers.is_infinite().any() else numbers


def _boolean(series: pl.Series, column: Column, missing: tuple[str, ...]) -> pl.Series:
    if series.dtype == pl.Boolean:
        return series
    words = category(series, missing).str.to_lowercase()
    return words.replace_strict(_BOOLEANS, default=None, return_dtype=pl.Boolean)


def _category(series: pl.Series, column: Column, missing: tuple[str, ...]) -> pl.Series:
    return category(series, missing, verbatim=column.format == VERBATIM)


def category(series: pl.Series, missing: tuple[str, ...], verbatim: bool = False) -> pl.Series:
    """Values as text: "3" for 3.0, "true" for True; null where missing. `verbatim`: only empty cells are missing."""
    if series.dtype == pl.String:
        return series.str.strip_chars().replace("", None) if verbatim else cells(series, missing)
    if series.dtype.is_float() and (series == series.round()).all():
        series = series.cast(pl.Int64, strict=False)
    return series.cast(pl.String)


def _text(series: pl.Series, column: Column, missing: tuple[str, ...]) -> pl.Series:
    if column.format == REFERENCES:
        return _right_texts(series)
    if isinstance(series.dtype, pl.List):
        return series.cast(pl.List(pl.String)).list.join(" ")
    texts = series.cast(pl.String)
    return texts.set(texts == "", None) if (texts == "").any() else texts


def _right_texts(series: pl.Series) -> pl.Series:
    """Lists of texts, of which each is right; null where there is none."""
    lists = series if isinstance(series.dtype, pl.List) else series.cast(pl.String).reshape((-1, 1)).arr.to_list()
    present = lists.cast(pl.List(pl.String)).list.drop_nulls().list.eval(pl.element().filter(pl.element() != ""))
    return present.set(present.list.len() == 0, None)


def _date(series: pl.Series, column: Column, missing: tuple[str, ...]) -> pl.Series:
    if series.dtype == pl.String:
        shown = cells(series, missing)
        read = dates(shown, column.format or max(ISO_FORMATS, key=lambda form: dates(shown, form).count()))
        return _with_iso(shown, read) if read.null_count() > shown.null_count() else read
    if series.dtype.is_integer() and column.format:
        return dates(series.cast(pl.String), column.format)
    if not isinstance(series.dtype, pl.Date | pl.Datetime):
        raise _wrong_type(series, column)
    if isinstance(series.dtype, pl.Datetime) and series.dtype.time_zone:
        series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return series.cast(_TIME)


def _with_iso(shown: pl.Series, read: pl.Series) -> pl.Series:
    """`read`, with the dates among the other cells that all the world writes alike, such as 2024-03-05."""
    rest = shown.set(read.is_not_null(), None)
    return reduce(lambda found, form: found.fill_null(dates(rest, form)), ISO_FORMATS, read)


def expected(column: Column) -> Note:
    """What a cell of the column holds, where one does not fit; of dates and decorated numbers an example."""
    if column.kind == "number" and column.format not in (None, "plain"):
        return Note("data.expected.number_written", example=column.format)
    form = column.format if column.kind == "date" and column.format else ISO_FORMATS[0]
    return Note(f"data.expected.{column.kind}", example=re.sub("%#?[.]?[A-Za-z]", lambda part: _MOMENT[part[0]], form))


_MOMENT = {"%Y": "2024", "%y": "24", "%m": "03", "%b": "Mar", "%B": "March", "%d": "25"} | (
    {"%H": "14", "%I": "02", "%M": "30", "%S": "00", "%.f": "", "%p": "PM", "%#z": "+00:00"}
)


def _image(series: pl.Series, column: Column, missing: tuple[str, ...]) -> pl.Series:
    if isinstance(series.dtype, pl.Struct):  # {bytes, path}, as Hugging Face datasets keep images
        return series.struct.field("bytes")
    if not isinstance(series.dtype, pl.String | pl.Binary | pl.Array):
        raise _wrong_type(series, column)
    return series


def _sequence(series: pl.Series, column: Column, missing: tuple[str, ...]) -> pl.Series:
    dtype = series.dtype
    if dtype == pl.String:
        return bracketed(cells(series, missing))
    if isinstance(dtype, pl.Array):
        return series.cast(pl.List(_step(list(dtype.shape[1:]))))
    if not isinstance(dtype, pl.List):
        raise _wrong_type(series, column)
    if isinstance(dtype.inner, pl.Array):
        return series.cast(pl.List(_step(list(dtype.inner.shape))))
    return series.cast(pl.List(_step([_channels(series)] if isinstance(dtype.inner, pl.List) else [])))


def _step(shape: list[int]) -> pl.DataType:
    return pl.Array(pl.Float32, shape[0]) if shape else pl.Float32()


def _channels(series: pl.Series) -> int:
    """How many channels the first step has; 1 where there is no step."""
    first = series.drop_nulls().explode().drop_nulls()
    return len(first[0]) if len(first) else 1


def bracketed(cell: pl.Series) -> pl.Series:
    """Lists of the numbers in cells such as "[1, 2.5, 3]" or "[1 2 3]"; null where one is written otherwise."""
    fits = cell.str.contains(rf"^\[\s*({_STEP}[\s,;]*)*\]$")
    return cell.set(~fits, None).str.extract_all(_STEP).cast(pl.List(pl.Float32))


def _labels(series: pl.Series, column: Column, missing: tuple[str, ...]) -> pl.Series:
    if isinstance(series.dtype, pl.List):
        return series.cast(pl.List(pl.String))
    texts = category(series, missing)
    if column.format == "json":
        return pl.Series([_json_list(cell) for cell in texts], dtype=pl.List(pl.String))
    return texts.str.split(column.format or "|").list.eval(pl.element().str.strip_chars())


def _json_list(cell: str | None) -> list[str] | None:
    """The labels in a cell such as ["a", "b"], or ['a', 'b'] as Python prints it; None where it is no list."""
    try:
        parsed = json.loads(cell.replace("'", '"')) if cell else None
    except json.JSONDecodeError:
        return None
    return [str(label) for label in parsed] if isinstance(parsed, list) else None


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
