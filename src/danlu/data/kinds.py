"""What each column is, which is the target and what the task: inferred, each with its reason. Reads no files."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace

import polars as pl

from danlu.data.cast import REFERENCES, category
from danlu.data.columns import input_column, number_format, set_column, verbatim_column, written_format
from danlu.data.examples import ROW, Column
from danlu.data.formats import samples
from danlu.errors import DanluError
from danlu.recipe import ColumnKind, DataConfig
from danlu.words import Note

ALL_DIFFER = 0.9  # share of rows whose answers differ, from which they are no classes
FEWEST_TO_DIFFER = 20  # rows in which that says something
MAX_CLASSES = 20  # whole numbers with more values than this are taken for amounts

_PREDICTED = ("number", "category", "boolean", "labels", "entities", "answers")  # kinds of a target

_CLASS_NAMES = ("label", "labels", "class", "digit", "标签", "类别", "分类标签")
_TARGET_NAMES = (*_CLASS_NAMES[:3], "target", "y", *_CLASS_NAMES[4:], "目标", "目标值")


def infer_columns(frame: pl.DataFrame, config: DataConfig, task: str | None = None) -> dict[str, Column]:
    """Kind and reason of every column of `frame` (ROW aside), those set in `config.columns` as set.

    Targets are never ignored; `task` decides where a lone target could be classes or amounts, each of several is what
    its values say. Raises DanluError where `config.columns` names a column that is not there.
    """
    names = [name for name in frame.columns if name != ROW]
    check_known(config.columns, names)
    targets = config.target or sure_targets(names, config)
    task = task if len(targets) == 1 else None
    columns = {}
    for name in names:
        if name in config.columns:
            columns[name] = set_column(frame[name], config.columns[name], config.missing)
        elif name in targets:
            columns[name] = _target_column(frame[name], config.missing, task)
        else:
            columns[name] = input_column(frame[name], config.missing)
    _refuse_conversations(frame, columns, targets)
    return columns | _kept_for_want_of_others(columns, targets) if targets else columns


def check_known(asked: Sequence[str] | Mapping[str, ColumnKind], names: Sequence[str]) -> None:
    """Raises DanluError, with the nearest names, for a column that is not there."""
    for name in asked:
        if name not in names:
            near = [n for n in names if n.lower() == name.lower()]
            near += difflib.get_close_matches(name, [n for n in names if n not in near], n=3, cutoff=0.4)
            nearest = ", ".join(near) or "–"
            raise DanluError("data.no_such_column", column=name, nearest=nearest, names=", ".join(names))


_TURNS = ({"role", "content"}, {"from", "value"})  # what a turn of a conversation says, in the usual layouts


def _refuse_conversations(frame: pl.DataFrame, columns: Mapping[str, Column], targets: Sequence[str]) -> None:
    """Raises DanluError where conversations are to be learned: as a target, as a text, or for want of other columns."""
    nothing_else = all(column.kind == "ignore" for column in columns.values())
    for name, column in columns.items():
        dtype = frame.schema[name]
        record = dtype.inner if isinstance(dtype, pl.List) else None
        is_wanted = name in targets or column.kind != "ignore" or nothing_else
        if (
            is_wanted
            and isinstance(record, pl.Struct)
            and any(turn <= {f.name for f in record.fields} for turn in _TURNS)
        ):
            raise DanluError("data.conversations", column=name)


def _kept_for_want_of_others(columns: Mapping[str, Column], targets: Sequence[str]) -> dict[str, Column]:
    """Columns taken for identifiers that are inputs after all, because no other input is left."""
    inputs = [column for column in columns.values() if column.name not in targets]
    if any(column.kind != "ignore" for column in inputs):
        return {}
    kinds: dict[str, ColumnKind] = {"data.kind.id_text": "text", "data.kind.id_consecutive": "number"}
    reason = Note("data.kind.only_input")
    return {
        column.name: replace(column, kind=kinds[column.reason.key], reason=reason)
        for column in inputs
        if column.reason.key in kinds
    }


# Targets --------------------------------------------------------------------------------------------------


def infer_target(
    columns: Mapping[str, Column], frame: pl.DataFrame, config: DataConfig
) -> tuple[tuple[str, ...], Note]:
    """The columns to predict, and why. Raises DanluError where none is given and no name leaves no doubt."""
    names = list(columns)
    if entities := next((column for column in columns.values() if column.kind == "entities"), None):
        return (entities.name,), Note("entities.target", reason=entities.reason)
    if answers := next((column for column in columns.values() if column.kind == "answers"), None):
        return (answers.name,), Note("qa.target", reason=answers.reason)
    if written := next((column for column in columns.values() if column.format == REFERENCES), None):
        return (written.name,), Note("pairs.target", target=written.name, source=_source(columns, written))
    check_known(config.target, names)
    targets = tuple(dict.fromkeys(config.target)) or sure_targets(names, config)
    for name in targets:
        if columns[name].kind not in _PREDICTED:
            raise DanluError("data.target.no_answer", column=name, kind=columns[name].kind, kinds=", ".join(_PREDICTED))
    if config.target:
        return targets, Note("data.target.given", columns=", ".join(config.target))
    if not targets:
        raise DanluError("data.target.unknown", names=", ".join(names), example=names[-1])
    return targets, Note("data.target.by_name", column=targets[0])


def sure_targets(names: Sequence[str], config: DataConfig) -> tuple[str, ...]:
    """The one column whose name leaves no doubt, or ()."""
    known = {samples.TARGETS.get(file.removeprefix(samples.PREFIX)) for file in config.files}
    sure = tuple(name for name in names if name.strip().lower() in _TARGET_NAMES or name in known)
    return sure if len(sure) == 1 else ()


def _target_column(series: pl.Series, missing: tuple[str, ...], task: str | None) -> Column:
    """The column as a target: classes, labels or an amount, never ignored."""
    name = series.name
    if isinstance(series.dtype, pl.List):
        return Column(name, "labels", Note("data.kind.target_labels"))
    if task and task.endswith("-regression"):
        form = written_format(series, "number", missing)
        return Column(name, "number", Note("data.kind.target_task", task=task), form)
    if series.dtype == pl.Boolean:
        return Column(name, "boolean", Note("data.kind.boolean_dtype"))
    if task and task.endswith("-classification"):
        return Column(name, "category", Note("data.kind.target_task", task=task))
    return _numeric_target(series) if series.dtype.is_numeric() else _string_target(series, missing)


def _numeric_target(series: pl.Series) -> Column:
    """Classes where the numbers are whole and few, each met more than once; else an amount."""
    present = series.drop_nulls()
    distinct = present.n_unique()
    whole = series.dtype.is_integer() or bool((present == present.round()).all())
    few = distinct <= 2 or (distinct <= MAX_CLASSES and distinct * 2 <= len(present))
    if whole and (few or series.name.lower() in _CLASS_NAMES):
        return Column(series.name, "category", Note("data.kind.target_few", distinct=distinct))
    return Column(series.name, "number", Note("data.kind.target_amount", distinct=distinct))


def _string_target(series: pl.Series, missing: tuple[str, ...]) -> Column:
    """Classes, unless the texts are numbers with many values; words for missing are classes where they are needed."""
    answers = category(series.unique(), missing).drop_nulls().unique()
    if len(answers) < 2 and (two := verbatim_column(series)):
        return two
    form = number_format(answers) if len(answers) > MAX_CLASSES else None
    if form:
        return Column(series.name, "number", Note("data.kind.target_amount", distinct=len(answers)), form)
    return Column(series.name, "category", Note("data.kind.target_classes", distinct=len(answers)))


# Tasks ----------------------------------------------------------------------------------------------------


def infer_task(columns: Mapping[str, Column], targets: Sequence[str], frame: pl.DataFrame) -> tuple[str, Note]:
    """The task that columns and target call for, and why; where the target can be read otherwise, how to say so.

    Raises DanluError where nearly every row has an answer of its own, which no class is.
    """
    modality = _modality([c.kind for c in columns.values() if c.name not in targets])
    target = columns[targets[0]]
    if target.kind == "entities":
        return "token-classification", Note("entities.task")
    if target.kind == "answers":
        return "question-answering", Note("qa.task")
    if target.format == REFERENCES:
        return _task_of_pairs(frame, target.name, _source(columns, target))
    goal, other = "classification", "regression"
    if target.kind == "number":
        goal, other = other, goal
    answers = frame[target.name].drop_nulls()
    distinct = answers.explode().n_unique() if target.kind == "labels" else answers.n_unique()
    if target.kind == "category" and len(answers) >= FEWEST_TO_DIFFER and distinct >= ALL_DIFFER * len(answers):
        fields = {"column": target.name, "distinct": distinct, "rows": len(answers), "example": str(answers[0])[:40]}
        raise DanluError("data.target.all_different", task=f"{modality}-classification", **fields)
    key = "data.task.ambiguous" if _is_ambiguous(target, answers, distinct) else f"data.task.{goal}"
    names = {"task": f"{modality}-{goal}", "other": f"{modality}-{other}"}
    return names["task"], Note(key, column=target.name, distinct=distinct, **names)


def _source(columns: Mapping[str, Column], written: Column) -> str:
    """The text of which `written` is to be written."""
    return next(column.name for column in columns.values() if column.kind == "text" and column is not written)


def _task_of_pairs(frame: pl.DataFrame, target: str, source: str) -> tuple[str, Note]:
    """A summary is less than a third as long as its source."""
    written, read = (int(texts.str.len_bytes().sum()) for texts in (frame[target].list.first(), frame[source]))
    name = "summarization" if 3 * written < read else "translation"
    percent = round(100 * written / max(read, 1))
    return name, Note(f"pairs.task_{name}", target=target, source=source, percent=percent)


def _modality(inputs: Sequence[ColumnKind]) -> str:
    """What the models will look at: images or sequences where there are any, texts where there is nothing else."""
    for kind in ("image", "sequence"):
        if kind in inputs:
            return kind
    return "text" if set(inputs) - {"ignore"} == {"text"} else "tabular"


def _is_ambiguous(target: Column, answers: pl.Series, distinct: int) -> bool:
    """Whether whole numbers, three to MAX_CLASSES of them, could be classes as well as amounts."""
    if target.name.lower() in _CLASS_NAMES or target.kind not in ("number", "category"):
        return False
    if not 3 <= distinct <= MAX_CLASSES:
        return False
    return bool(category(answers.unique(), ()).str.contains(r"^[+-]?\d{1,9}$").all())
