"""What an input column is: by its dtype and, for texts, by what a sample of its cells looks like.

Knows nothing of targets or tasks. Every column comes with its reason.
"""

import re
from dataclasses import dataclass

import polars as pl

from danlu.data.cast import (
    DATE_FORMATS,
    FALSE,
    MISSING,
    NUMBER_FORMATS,
    TRUE,
    VERBATIM,
    bracketed,
    category,
    cells,
    dates,
)
from danlu.data.examples import Column
from danlu.data.formats.folders import image_path_flags
from danlu.recipe import ColumnKind
from danlu.words import Note

SAMPLE = 20_000  # cells of a column that are looked at, drawn from all rows
MIN_ROWS_FOR_ID = 20  # in fewer rows, values that all differ say nothing
NEARLY_ALL = 0.99  # share of cells that must fit a kind: all of fewer than 100

# Reasons that rest on the look of some cells: the kind gives way where others do not keep what these promise.
GUESSED = frozenset(
    f"data.kind.{reason}" for reason in ("date", "boolean", "number_plain", "number_written", "sequence_written")
)
_ID_NAME = re.compile(
    r"(.*[_\s.-])?(id|ids|uuid|guid|key|index|idx|rowid|row|no|nr)|unnamed: \d+"
    r"|.*编号|序号|.*[a-z]Id|.*[a-z]ID"
)
_DATE_NAME = re.compile(r"date|day|日期|时间")
_URL = r"^(https?://|www\.)\S+$"
_CJK = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]"
_SHOWN = 40  # characters of a cell that a reason shows


@dataclass(frozen=True)
class Look:
    """What a sample of a text column shows."""

    cells: pl.Series  # without missing words and spaces around
    distinct: int
    words: float  # on average; two Chinese characters count as one word

    @property
    def differ(self) -> float:
        """Share of the cells that differ."""
        return self.distinct / max(len(self.cells), 1)

    @property
    def example(self) -> str:
        """A cell, to be shown."""
        return str(self.cells[0])[:_SHOWN]


def _look(series: pl.Series, missing: tuple[str, ...]) -> Look:
    """The look of a text column."""
    shown = cells(_sample(series), missing).drop_nulls()
    cell = pl.col("cell")
    words = cell.str.replace_all(_CJK, " ").str.count_matches(r"\S+") + cell.str.count_matches(_CJK) / 2
    distinct, mean = shown.to_frame("cell").select(cell.n_unique(), words.mean().alias("words")).row(0)
    return Look(shown, distinct, mean or 0.0)


def share(flags: pl.Series) -> float:
    """Share of the flags that are true; 0 of none."""
    return float(flags.fill_null(False).mean() or 0.0)  # type: ignore[arg-type]


def _sample(series: pl.Series) -> pl.Series:
    return series.sample(SAMPLE, seed=0) if len(series) > SAMPLE else series


def input_column(series: pl.Series, missing: tuple[str, ...]) -> Column:
    """The column as an input."""
    name, dtype = series.name, series.dtype
    if series.null_count() == len(series):
        return Column(name, "ignore", Note("data.kind.empty"))
    if dtype == pl.String:
        return _string_column(series, missing)
    if dtype.is_numeric():
        return _constant(series) or _number_column(series)
    if dtype == pl.Boolean:
        return _constant(series) or Column(name, "boolean", Note("data.kind.boolean_dtype"))
    if dtype.is_temporal():
        return _constant(series) or Column(name, "date", Note("data.kind.date_dtype"))
    return _nested_column(name, dtype)


def _nested_column(name: str, dtype: pl.DataType) -> Column:
    """The column of bytes, records, lists or arrays."""
    if dtype == pl.Binary or isinstance(dtype, pl.Struct):  # of records only those of images are left nested
        return Column(name, "image", Note("data.kind.image_bytes"))
    if isinstance(dtype, pl.Array) and len(dtype.shape) > 1 and _leaf(dtype) == pl.UInt8:
        shape = "×".join(str(n) for n in dtype.shape)
        return Column(name, "image", Note("data.kind.image_array", shape=shape))
    if isinstance(dtype, pl.List | pl.Array) and _leaf(dtype).is_numeric():
        return Column(name, "sequence", Note("data.kind.sequence_list"))
    if dtype == pl.List(pl.String):
        return Column(name, "text", Note("data.kind.text_list"))
    return Column(name, "ignore", Note("data.kind.nested", dtype=str(dtype)))


def _leaf(dtype: pl.DataType) -> pl.DataType:
    while isinstance(dtype, pl.List | pl.Array):
        dtype = dtype.inner  # type: ignore[assignment]
    return dtype


def _constant(series: pl.Series) -> Column | None:
    """The column as ignored where all its values are one."""
    low = series.min()
    if low != series.max():
        return None
    return Column(series.name, "ignore", Note("data.kind.constant", value=str(low)[:_SHOWN]))


def _number_column(series: pl.Series) -> Column:
    if not series.dtype.is_integer():
        return Column(series.name, "number", Note("data.kind.number"))
    column = _id_number(series) or _day_number(series)
    return column or Column(series.name, "number", Note("data.kind.whole"))


def _id_number(series: pl.Series) -> Column | None:
    """The column where whole numbers are identifiers: ignored if they all differ, a category if they come again."""
    rows = len(series)
    if _is_id_name(series.name):
        repeated = series.n_unique() < rows
        kind, key = ("category", "data.kind.id_repeated") if repeated else ("ignore", "data.kind.id_named")
        return Column(series.name, kind, Note(key))  # type: ignore[arg-type]
    span = int(series.max()) - int(series.min()) + 1  # type: ignore[arg-type]
    if span != rows or rows < MIN_ROWS_FOR_ID or series.n_unique() < rows:
        return None
    return Column(series.name, "ignore", Note("data.kind.id_consecutive"))


def _is_id_name(name: str) -> bool:
    return bool(_ID_NAME.fullmatch(name) or _ID_NAME.fullmatch(name.lower()))


def _day_number(series: pl.Series) -> Column | None:
    """The column where whole numbers such as 20240131 under a name that speaks of dates are dates."""
    if not _DATE_NAME.search(series.name.lower()):
        return None
    shown = _sample(series).drop_nulls().cast(pl.String)
    return _date_column(Look(shown, 0, 0.0), series.name) if share(shown.str.len_chars() == 8) == 1.0 else None


def _string_column(series: pl.Series, missing: tuple[str, ...]) -> Column:
    seen = _look(series, missing)
    if seen.distinct <= 1 and (single := _single_value(series, missing)):
        return single
    return (
        _image_column(seen, series.name)
        or _date_column(seen, series.name)
        or _boolean_column(seen, series.name)
        or _id_digits(series, seen)
        or _written_number_column(seen, series.name)
        or _written_sequence_column(seen, series.name)
        or _prose_or_category(series, seen)
    )


def _single_value(series: pl.Series, missing: tuple[str, ...]) -> Column | None:
    """The column where all rows, not only the sample, have one value; None for the path of an image."""
    values = cells(series.unique(), missing).drop_nulls().unique()
    if len(values) > 1 or share(image_path_flags(values)) == 1.0:
        return None
    if two := verbatim_column(series):
        return two
    key = "data.kind.constant" if len(values) else "data.kind.empty"
    return Column(series.name, "ignore", Note(key, value="".join(values)[:_SHOWN]))


def verbatim_column(series: pl.Series) -> Column | None:
    """A category of two values of which one means missing elsewhere, such as 有 and 无, or + and -; else None."""
    values = category(series.unique(), (), verbatim=True).drop_nulls().unique().sort().to_list()
    opposites = [value for value in values if value not in MISSING or value in ("-", "无", "空", "None", "?")]
    if len(values) != 2 or len(opposites) != 2 or len(series) < 4:
        return None
    return Column(series.name, "category", Note("data.kind.verbatim", words=", ".join(values)), VERBATIM)


def _image_column(seen: Look, name: str) -> Column | None:
    if share(image_path_flags(seen.cells)) < 0.95:
        return None
    return Column(name, "image", Note("data.kind.image_path"))


def _date_column(seen: Look, name: str) -> Column | None:
    form = _date_format(seen.cells, name)
    if form is None:
        return None
    return Column(name, "date", Note("data.kind.date", format=form, example=seen.example), form)


def _date_format(shown: pl.Series, name: str) -> str | None:
    """The first strptime format that fits; eight bare digits count only where the name speaks of a date."""
    first = shown.head(20)
    if share(first.str.contains(r"\d")) < 1.0:
        return None
    for form in DATE_FORMATS:
        if form == "%Y%m%d" and not _DATE_NAME.search(name.lower()):
            continue
        if not dates(first, form).null_count() and share(dates(shown, form).is_not_null()) >= NEARLY_ALL:
            return _by_years(shown, form)
    return None


def _by_years(shown: pl.Series, form: str) -> str:
    """`form`, or where it ends in short years with days and years exchanged: dates have few years and many days."""
    turned = re.sub("%[dy]", lambda part: "%y" if part[0] == "%d" else "%d", form)
    if not turned.startswith("%y") or share(dates(shown, turned).is_not_null()) < NEARLY_ALL:
        return form
    ours, theirs = (dates(shown, each).dt.year().n_unique() for each in (form, turned))
    return turned if 2 * theirs < ours else form


def _boolean_column(seen: Look, name: str) -> Column | None:
    words = set(seen.cells.str.to_lowercase().unique()) if seen.distinct <= 6 else set()
    if words not in ({yes, no} for yes, no in zip(TRUE, FALSE, strict=True) if yes != "1"):
        return None
    return Column(name, "boolean", Note("data.kind.boolean", words=" / ".join(sorted(words))))


def _id_digits(series: pl.Series, seen: Look) -> Column | None:
    """The column where digits, too long for a number or mixed with words for missing, are identifiers by name."""
    if not _is_id_name(series.name) or seen.differ < 1.0 or len(seen.cells) < MIN_ROWS_FOR_ID:
        return None
    return Column(series.name, "ignore", Note("data.kind.id_named"))


def _written_number_column(seen: Look, name: str) -> Column | None:
    form = number_format(seen.cells)
    if form is None:
        return None
    key = "data.kind.number_plain" if form == "plain" else "data.kind.number_written"
    return Column(name, "number", Note(key, format=form, example=seen.example), form)


def number_format(shown: pl.Series) -> str | None:
    """The first way of writing numbers that fits nearly every cell; None for codes such as 007."""
    if shown.str.contains(r"^[+-]?0\d").any():
        return None
    return next((form for form in NUMBER_FORMATS if _number_share(shown, form) >= NEARLY_ALL), None)


def _number_share(shown: pl.Series, form: str) -> float:
    numbers = shown.to_frame("cell").select(NUMBER_FORMATS[form](pl.col("cell"))).to_series()
    return share(numbers.is_not_null())


def _written_sequence_column(seen: Look, name: str) -> Column | None:
    if share(bracketed(seen.cells).is_not_null()) < NEARLY_ALL:
        return None
    return Column(name, "sequence", Note("data.kind.sequence_written", example=seen.example))


def plain_column(series: pl.Series, missing: tuple[str, ...]) -> Column:
    """The text column as text, category or ignored: for one whose cells do not keep what the first ones promise."""
    return _prose_or_category(series, _look(series, missing))


def _prose_or_category(series: pl.Series, seen: Look) -> Column:
    """Text where cells have several words and mostly differ; ignored where each is an identifier; else a category."""
    name, words = series.name, f"{seen.words:.2g}"
    if seen.words >= 2.5 and (seen.differ >= 0.2 or seen.distinct >= 1000):
        return Column(name, "text", Note("data.kind.text", percent=round(100 * seen.differ), words=words))
    if len(seen.cells) >= MIN_ROWS_FOR_ID and seen.differ == 1.0:
        return Column(name, "ignore", Note("data.kind.id_text", example=seen.example))
    if seen.differ >= 0.9 and share(seen.cells.str.contains(_URL)) >= 0.9:
        return Column(name, "ignore", Note("data.kind.url"))
    return Column(name, "category", Note("data.kind.category", distinct=seen.distinct, words=words))


def set_column(series: pl.Series, kind: ColumnKind, missing: tuple[str, ...]) -> Column:
    """The column of the kind that the recipe sets."""
    return Column(series.name, kind, Note("data.kind.set", kind=kind), written_format(series, kind, missing))


def written_format(series: pl.Series, kind: ColumnKind, missing: tuple[str, ...]) -> str | None:
    """How most cells are written, where they are texts and the kind leaves a choice."""
    if series.dtype != pl.String:
        return None
    shown = cells(_sample(series), missing).drop_nulls()
    if kind == "number":
        return max(NUMBER_FORMATS, key=lambda form: _number_share(shown, form))
    if kind == "date":
        return _by_years(shown, max(DATE_FORMATS, key=lambda form: share(dates(shown, form).is_not_null())))
    return _separator(shown) if kind == "labels" else None


def _separator(shown: pl.Series) -> str:
    """ "json" for lists in brackets, else the mark that stands in most cells."""
    if share(shown.str.contains(r"^\[.*\]$")) >= 0.9:
        return "json"
    return max(("|", ";", ",", " "), key=lambda mark: share(shown.str.contains(mark, literal=True)))
