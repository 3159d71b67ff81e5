"""What each column is, which is the target and what the task: inferred, each with its reason. Reads no files."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

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
from danlu.data.examples import ROW, Column
from danlu.data.formats import samples
from danlu.data.formats.folders import image_path_flags
from danlu.errors import DanluError
from danlu.recipe import ColumnKind, DataConfig
from danlu.words import Note

SAMPLE = 20_000  # cells of a column that are looked at, evenly spread over the rows
MAX_CLASSES = 20  # whole numbers with more values than this are taken for amounts
MIN_ROWS_FOR_ID = 20  # in fewer rows, values that all differ say nothing

_CLASS_NAMES = ("label", "labels", "class", "digit", "标签", "类别", "分类标签")
TARGET_NAMES = ("label", "labels", "class", "target", "y", "标签", "类别", "分类标签", "目标", "目标值")
_ID_NAME = re.compile(
    r"(.*[_\s.-])?(id|ids|uuid|guid|key|index|idx|rowid|row|no|nr)|.*[a-z]I[dD]|unnamed: \d+|编号|序号|.*编号|.*ID"
)
_URL = r"^(https?://|www\.)\S+$"
_CJK = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]"
_MODALITIES: tuple[ColumnKind, ...] = ("image", "sequence")


def infer_columns(frame: pl.DataFrame, config: DataConfig, task: str | None = None) -> dict[str, Column]:
    """Kind and reason of every column of `frame` (ROW aside), those set in `config.columns` as set.

    Targets are never ignored; `task` decides where a target could be classes or amounts. Raises DanluError where
    `config.columns` names a column that is not there.
    """
    names = [name for name in frame.columns if name != ROW]
    for name in config.columns:
        if name not in names:
            raise _no_such_column(name, names)
    targets = config.target or _sure_targets(names, config)
    columns = {}
    for name in names:
        series = frame[name]
        if name in config.columns:
            columns[name] = _as_set(series, config.columns[name], config.missing)
        elif name in targets:
            columns[name] = _target_column(series, config.missing, task)
        else:
            columns[name] = _column(series, config.missing)
    return columns | _rescued(frame, columns, targets, config)


def infer_target(
    columns: Mapping[str, Column], frame: pl.DataFrame, config: DataConfig
) -> tuple[tuple[str, ...], Note]:
    """The columns to predict, and why. Raises DanluError where none is given and no name leaves no doubt."""
    names = list(columns)
    for name in config.target:
        if name not in names:
            raise _no_such_column(name, names)
    if config.target:
        return config.target, Note("data.target.given", columns=", ".join(config.target))
    sure = _sure_targets(names, config)
    if len(sure) == 1:
        return sure, Note("data.target.by_name", column=sure[0])
    raise DanluError("data.target.unknown", names=", ".join(names), example=names[-1] if names else "label")


def infer_task(
    columns: Mapping[str, Column], targets: Sequence[str], frame: pl.DataFrame
) -> tuple[str, Note]:
    """The task that columns and target call for, and why; where the target could be read otherwise, how to say so."""
    inputs = {c.kind for c in columns.values() if c.name not in targets and c.kind != "ignore"}
    modality = next(
        (kind for kind in _MODALITIES if kind in inputs), "text" if inputs == {"text"} else "tabular"
    )
    target = columns[targets[0]]
    goal = "regression" if target.kind in ("number", "date") else "classification"
    other = "classification" if goal == "regression" else "regression"
    answers = frame[target.name].drop_nulls()
    distinct = answers.explode().n_unique() if target.kind == "labels" else answers.n_unique()
    key = "data.task.ambiguous" if _ambiguous(target, answers, distinct) else f"data.task.{goal}"
    task = f"{modality}-{goal}"
    return task, Note(key, task=task, column=target.name, distinct=distinct, other=f"{modality}-{other}")


def _ambiguous(column: Column, values: pl.Series, distinct: int) -> bool:
    """Whether whole numbers, three to MAX_CLASSES of them, could be classes as well as amounts."""
    if _names_classes(column.name) or column.kind not in ("number", "category"):
        return False
    if not 3 <= distinct <= MAX_CLASSES:
        return False
    whole = category(values, ()).drop_nulls().unique()
    return bool(whole.str.contains(r"^[+-]?\d{1,9}$").all())


def _names_classes(name: str) -> bool:
    return name.lower() in _CLASS_NAMES


def _sure_targets(names: Sequence[str], config: DataConfig) -> tuple[str, ...]:
    """The one column whose name leaves no doubt, or ()."""
    if config.files and all(file.startswith(samples.PREFIX) for file in config.files):
        known = {samples.TARGETS.get(file.removeprefix(samples.PREFIX)) for file in config.files}
        return tuple(name for name in names if name in known)
    sure = tuple(name for name in names if name.strip().lower() in TARGET_NAMES)
    return sure if len(sure) == 1 else ()


def _no_such_column(name: str, names: Sequence[str]) -> DanluError:
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.4)
    near += [n for n in names if n.lower() == name.lower() and n not in near]
    return DanluError(
        "data.no_such_column", column=name, nearest=", ".join(near) or "–", names=", ".join(names)
    )


# What a text column looks like ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Look:
    """What a sample of a text column shows."""

    cells: pl.Series  # without missing words and spaces around
    distinct: int
    words: float  # on average; two Chinese characters count as one word
    length: float

    @property
    def differ(self) -> float:
        """Share of the cells that differ."""
        return self.distinct / max(len(self.cells), 1)


def _look(series: pl.Series, missing: tuple[str, ...]) -> Look:
    shown = cells(_sample(series), missing).drop_nulls()
    facts = shown.to_frame("cell").select(
        distinct=pl.col("cell").n_unique(),
        words=(
            pl.col("cell").str.replace_all(_CJK, " ").str.count_matches(r"\S+")
            + pl.col("cell").str.count_matches(_CJK) / 2
        ).mean(),
        length=pl.col("cell").str.len_chars().mean(),
    )
    distinct, words, length = facts.row(0)
    return Look(shown, distinct, words or 0.0, length or 0.0)


def _sample(series: pl.Series) -> pl.Series:
    """At most SAMPLE cells, evenly spread."""
    return series.gather_every(-(-len(series) // SAMPLE)) if len(series) > SAMPLE else series


# Inputs -----------------------------------------------------------------------------------------------------------


def _column(series: pl.Series, missing: tuple[str, ...]) -> Column:
    """The column as an input, by dtype and, for texts, by look."""
    if series.null_count() == len(series):
        return Column(series.name, "ignore", Note("data.kind.empty"))
    by_dtype = _column_by_dtype(series)
    return by_dtype or _string_column(series, missing)


def _column_by_dtype(series: pl.Series) -> Column | None:
    """The column where its dtype decides; None for texts."""
    name, dtype = series.name, series.dtype
    if dtype.is_numeric():
        return _number_column(series)
    if dtype == pl.Boolean:
        return _constant(series) or Column(name, "boolean", Note("data.kind.boolean_dtype"))
    if dtype.is_temporal():
        return _constant(series) or Column(name, "date", Note("data.kind.date_dtype"))
    if dtype == pl.Binary or _is_image_struct(dtype):
        return Column(name, "image", Note("data.kind.image_bytes"))
    if isinstance(dtype, pl.Array) and dtype.shape[1:] and _leaf(dtype) == pl.UInt8:
        shape = "×".join(str(n) for n in dtype.shape)
        return Column(name, "image", Note("data.kind.image_array", shape=shape))
    if isinstance(dtype, pl.List | pl.Array) and _leaf(dtype).is_numeric():
        return Column(name, "sequence", Note("data.kind.sequence_list"))
    if dtype == pl.List(pl.String):
        return Column(name, "text", Note("data.kind.text_list"))
    return None if dtype == pl.String else Column(name, "ignore", Note("data.kind.nested", dtype=str(dtype)))


def _is_image_struct(dtype: pl.DataType) -> bool:
    return isinstance(dtype, pl.Struct) and any(
        f.name == "bytes" and f.dtype == pl.Binary for f in dtype.fields
    )


def _leaf(dtype: pl.DataType) -> pl.DataType:
    while isinstance(dtype, pl.List | pl.Array):
        dtype = dtype.inner  # type: ignore[assignment]
    return dtype


def _constant(series: pl.Series) -> Column | None:
    """The column as ignored where all its values are one."""
    low, high = series.min(), series.max()
    if low != high:
        return None
    return Column(series.name, "ignore", Note("data.kind.constant", value=str(low)[:40]))


def _number_column(series: pl.Series) -> Column:
    constant = _constant(series)
    if constant:
        return constant
    if series.dtype.is_integer():
        return _id_number(series) or Column(series.name, "number", Note("data.kind.whole"))
    return Column(series.name, "number", Note("data.kind.number"))


def _id_number(series: pl.Series) -> Column | None:
    """The column where its whole numbers are identifiers: ignored if they all differ, a category if they come again."""
    named, rows = _is_id_name(series.name), len(series)
    span = int(series.max()) - int(series.min()) + 1  # type: ignore[arg-type]
    if not named and (span != rows or rows < MIN_ROWS_FOR_ID or series.null_count()):
        return None
    if series.n_unique() < rows:
        return Column(series.name, "category", Note("data.kind.id_repeated")) if named else None
    return Column(series.name, "ignore", Note("data.kind.id_named" if named else "data.kind.id_consecutive"))


def _is_id_name(name: str) -> bool:
    return bool(_ID_NAME.fullmatch(name) or _ID_NAME.fullmatch(name.lower()))


def _string_column(series: pl.Series, missing: tuple[str, ...]) -> Column:
    name = series.name
    look = _look(series, missing)
    if not len(look.cells):
        return _verbatim(series) or Column(name, "ignore", Note("data.kind.empty"))
    if _share(image_path_flags(look.cells)) >= 0.95:
        return Column(name, "image", Note("data.kind.image_path"))
    if look.distinct == 1:
        sparse = _sparse(series, missing)
        if sparse:
            return sparse
    return (
        _date_column(name, look)
        or _boolean_column(name, look)
        or _written_number_column(name, look)
        or _written_sequence_column(name, look)
        or _prose_or_category(series, look)
    )


def _sparse(series: pl.Series, missing: tuple[str, ...]) -> Column | None:
    """The column where its sample has one value only: constant, or a category in which words for missing are values."""
    present = cells(series, missing)
    if present.n_unique() - (present.null_count() > 0) > 1:
        return None
    return _verbatim(series) or Column(
        series.name, "ignore", Note("data.kind.constant", value=str(present.drop_nulls()[0])[:40])
    )


def _verbatim(series: pl.Series) -> Column | None:
    """A category whose values are words that mean missing elsewhere, such as 有 and 无, or + and -."""
    kept = category(series, (), verbatim=True).drop_nulls().unique()
    meaningful = [word for word in kept if word in ("-", "无", "空", "None", "?") or word not in MISSING]
    if len(meaningful) != 2 or len(kept) != 2 or len(series) < 4:
        return None
    return Column(
        series.name, "category", Note("data.kind.verbatim", words=", ".join(sorted(meaningful))), VERBATIM
    )


def _share(flags: pl.Series) -> float:
    return float(flags.fill_null(False).mean() or 0.0)  # type: ignore[arg-type]


def _date_column(name: str, look: Look) -> Column | None:
    form = date_format(look.cells, name)
    return (
        Column(name, "date", Note("data.kind.date", format=form, example=look.cells[0][:40]), form)
        if form
        else None
    )


def date_format(shown: pl.Series, name: str = "") -> str | None:
    """The first strptime format that fits every cell; eight bare digits count only where the name speaks of a date."""
    if not len(shown) or not _share(shown.head(20).str.contains(r"\d")) == 1.0:
        return None
    for form in DATE_FORMATS:
        if form == "%Y%m%d" and not re.search(r"date|day|日期|时间", name.lower()):
            continue
        if dates(shown.head(20), form).null_count() == 0 and _share(dates(shown, form).is_not_null()) >= 0.99:
            return form
    return None


def _boolean_column(name: str, look: Look) -> Column | None:
    if not 2 <= look.distinct <= 6:
        return None
    words = set(look.cells.str.to_lowercase().unique())
    pairs = [{t, f} for t, f in zip(TRUE, FALSE, strict=True) if t != "1"]
    if words not in pairs:
        return None
    return Column(name, "boolean", Note("data.kind.boolean", words=" / ".join(sorted(words))))


def _written_number_column(name: str, look: Look) -> Column | None:
    if _share(look.cells.str.contains(r"^[+-]?0\d+$")) > 0:  # 007 is a code
        return None
    form = number_format(look.cells)
    if form is None:
        return None
    key = "data.kind.number_plain" if form == "plain" else "data.kind.number_written"
    return Column(name, "number", Note(key, format=form, example=look.cells[0][:40]), form)


def number_format(shown: pl.Series) -> str | None:
    """The first way of writing numbers that fits nearly every cell (99 %, and all of fewer than 100)."""
    for form, parse in NUMBER_FORMATS.items():
        if _share(shown.to_frame("cell").select(parse(pl.col("cell"))).to_series().is_not_null()) >= 0.99:
            return form
    return None


def _written_sequence_column(name: str, look: Look) -> Column | None:
    if _share(bracketed(look.cells).is_not_null()) < 0.99:
        return None
    return Column(name, "sequence", Note("data.kind.sequence_written", example=look.cells[0][:40]))


def _prose_or_category(series: pl.Series, look: Look) -> Column:
    """Text where cells have several words and mostly differ, ignored where each is an identifier, else a category."""
    name = series.name
    percent, words = round(100 * look.differ), round(look.words, 1)
    if look.words >= 2.5 and (look.differ >= 0.2 or look.distinct >= 2000 or look.words >= 8):
        return Column(name, "text", Note("data.kind.text", percent=percent, words=f"{words:g}"))
    if look.differ == 1.0 and len(look.cells) >= MIN_ROWS_FOR_ID:
        return Column(name, "ignore", Note("data.kind.id_text", example=look.cells[0][:40]))
    if look.differ >= 0.9 and _share(look.cells.str.contains(_URL)) >= 0.9:
        return Column(name, "ignore", Note("data.kind.url"))
    return Column(name, "category", Note("data.kind.category", distinct=look.distinct, words=f"{words:g}"))


# Columns set by the user, and targets -----------------------------------------------------------------------------


def _as_set(series: pl.Series, kind: ColumnKind, missing: tuple[str, ...]) -> Column:
    """The column of the kind that the recipe sets, with the way in which its cells are written."""
    return Column(series.name, kind, Note("data.kind.set", kind=kind), _format(series, kind, missing))


def _format(series: pl.Series, kind: ColumnKind, missing: tuple[str, ...]) -> str | None:
    """How the cells of most rows are written, where they are texts and the kind leaves a choice."""
    if series.dtype != pl.String or kind not in ("number", "date", "labels"):
        return None
    shown = cells(_sample(series), missing).drop_nulls()
    if kind == "labels":
        return _separator(shown)
    if kind == "date":
        return max(DATE_FORMATS, key=lambda form: _share(dates(shown, form).is_not_null()))
    frame = shown.to_frame("cell")
    fits = {form: frame.select(parse(pl.col("cell"))).to_series() for form, parse in NUMBER_FORMATS.items()}
    return max(fits, key=lambda form: _share(fits[form].is_not_null()))


def _separator(shown: pl.Series) -> str:
    """ "json" for lists in brackets, else the separator that most cells have."""
    if _share(shown.str.contains(r"^\[.*\]$")) >= 0.9:
        return "json"
    return max(("|", ";", ",", " "), key=lambda mark: _share(shown.str.contains(mark, literal=True)))


def _target_column(series: pl.Series, missing: tuple[str, ...], task: str | None) -> Column:
    """The column as a target: classes, labels or an amount, never ignored."""
    name = series.name
    if isinstance(series.dtype, pl.List):
        return Column(name, "labels", Note("data.kind.target_labels"))
    if task and task.endswith("-regression"):
        return Column(
            name, "number", Note("data.kind.target_task", task=task), _format(series, "number", missing)
        )
    if task and task.endswith("-classification"):
        return Column(name, "category", Note("data.kind.target_task", task=task))
    if series.dtype == pl.Boolean:
        return Column(name, "boolean", Note("data.kind.boolean_dtype"))
    if series.dtype.is_numeric():
        return _numeric_target(series)
    if series.dtype != pl.String:
        return Column(name, "category", Note("data.kind.target_classes", distinct=series.n_unique()))
    return _string_target(series, missing)


def _numeric_target(series: pl.Series) -> Column:
    """Classes where the numbers are whole and few, each met more than once; else an amount."""
    present = series.drop_nulls()
    if series.dtype.is_float():
        present = present.drop_nans()
    distinct = present.n_unique()
    whole = series.dtype.is_integer() or bool((present == present.round()).all())
    few = distinct <= 2 or (distinct <= MAX_CLASSES and distinct * 2 <= len(present))
    if whole and (few or _names_classes(series.name)):
        return Column(series.name, "category", Note("data.kind.target_few", distinct=distinct))
    return Column(series.name, "number", Note("data.kind.target_amount", distinct=distinct))


def _string_target(series: pl.Series, missing: tuple[str, ...]) -> Column:
    look = _look(series, missing)
    form = number_format(look.cells) if len(look.cells) else None
    leading_zero = _share(look.cells.str.contains(r"^[+-]?0\d")) > 0
    if form and not leading_zero and look.distinct > MAX_CLASSES:
        note = Note("data.kind.target_amount", distinct=look.distinct)
        return Column(series.name, "number", note, form)
    if _sparse_values(look) and (verbatim := _verbatim(series)):
        return verbatim
    return Column(series.name, "category", Note("data.kind.target_classes", distinct=look.distinct))


def _sparse_values(look: Look) -> bool:
    return look.distinct < 2


def _rescued(
    frame: pl.DataFrame, columns: Mapping[str, Column], targets: Sequence[str], config: DataConfig
) -> dict[str, Column]:
    """Columns taken for identifiers that must be inputs after all, because no other input is left."""
    inputs = [c for c in columns.values() if c.name not in targets and c.name not in config.columns]
    if not targets or any(c.kind != "ignore" for c in columns.values() if c.name not in targets):
        return {}
    kinds: dict[str, ColumnKind] = {"data.kind.id_text": "text", "data.kind.id_consecutive": "number"}
    return {
        c.name: replace(c, kind=kinds[c.reason.key], reason=Note("data.kind.only_input"))
        for c in inputs
        if c.reason.key in kinds
    }


def without_form(series: pl.Series, missing: tuple[str, ...]) -> Column:
    """The text column as text, category or ignored, whatever its first cells look like."""
    return _prose_or_category(series, _look(series, missing))
