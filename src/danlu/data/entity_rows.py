"""Rows with entities, however they are written, as a text and the places of entities in it. Knows nothing of tokens.

Words with tags (BIO, IOB1, BILOU, BMES or plain) become a text with one space between words, so that an entity has a
place of characters in every data set: {start, end, label}, the end being the character behind its last.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from danlu.data.examples import ROW, Column, Origin
from danlu.data.fitting import BadRows, leave_out
from danlu.data.kinds import check_known
from danlu.data.spans import WORDS, parsed, scheme, spans
from danlu.errors import DanluError
from danlu.recipe import DataConfig
from danlu.words import Note

TASK = "token-classification"
TEXT, ENTITIES = "text", "entities"
SPAN = pl.Struct({"start": pl.Int64, "end": pl.Int64, "label": pl.String})

_WORD_LISTS = ("tokens", "words")
_TAG_LISTS = ("tags", "ner_tags")
_TEXTS = ("text", "sentence", "content", "文本", "句子", "正文")
_SPAN_LISTS = ("entities", "spans", "labels", "label", "实体")
_LABELS = ("label", "type", "entity_group", "entity", "tag")  # what a record of a span may call its label
_NAMED = 12  # labels that a reason lists
_SHOWN = 60  # characters of a cell that a reason shows


@dataclass(frozen=True)
class Written:
    """The columns in which the rows have their words or text, and their tags or entities where they have any."""

    text: str
    answers: str | None
    as_words: bool


def written(
    frame: pl.DataFrame, config: DataConfig, task: str | None, known: Mapping[str, Column] | None
) -> Written | None:
    """How the rows have their entities; None where they are rows of another kind.

    Raises DanluError where entities are asked for and there is no column of words or text, or of tags or entities.
    """
    if known is not None:
        wanted = any(column.kind == "entities" for column in known.values())
    else:
        asked = task == TASK or "entities" in config.columns.values()
        wanted = asked or (task is None and _looks_like_entities(frame))
    return _columns(frame, config, with_answers=known is None) if wanted else None


def with_entities(frame: pl.DataFrame, origin: Origin, how: Written) -> tuple[pl.DataFrame, dict[str, Column], BadRows]:
    """The rows with `text` and, where they are known, `entities` (List of SPAN); the columns; the rows left out."""
    bad = BadRows()
    reader = _from_words if how.as_words else _from_text
    found, columns = reader(frame, origin, how, bad)
    others = frame.drop(ROW, how.text, *([how.answers] if how.answers else []), TEXT, ENTITIES, strict=False)
    reason = Note("entities.other_column", column=how.text)
    columns |= {name: Column(name, "ignore", reason) for name in others.columns}
    whole = pl.concat([found, others], how="horizontal")
    return whole.filter(~pl.col(ROW).is_in(list(bad))), columns, bad


def _looks_like_entities(frame: pl.DataFrame) -> bool:
    """Whether names and types leave no doubt: lists of words beside lists of tags, or texts beside lists of records."""
    lists = {name for name, dtype in frame.schema.items() if dtype == pl.List(pl.String)}
    if lists & set(_WORD_LISTS) and lists & set(_TAG_LISTS):
        return True
    dtype = frame.schema.get(ENTITIES)
    records = isinstance(dtype, pl.List) and isinstance(dtype.inner, pl.Struct)
    return records and any(frame.schema.get(name) == pl.String for name in _TEXTS)


def _columns(frame: pl.DataFrame, config: DataConfig, with_answers: bool) -> Written:
    names = [name for name in frame.columns if name != ROW]
    _refuse_idle(config, names if with_answers else [*config.target, *config.columns])
    said = [name for name, kind in config.columns.items() if kind == "text" and name in names]
    texts = said or [name for name in (*_WORD_LISTS, *_TEXTS) if name in names] or _lone_text(frame)
    if not texts:
        raise DanluError("entities.no_text", names=", ".join(names))
    as_words = isinstance(frame.schema[texts[0]], pl.List)
    asked = [*config.target, *(name for name, kind in config.columns.items() if kind == "entities")]
    usual = (*_TAG_LISTS, *_SPAN_LISTS) if as_words else _SPAN_LISTS
    answers = [name for name in (asked or usual) if name in names and name != texts[0]]
    if with_answers and not answers:
        raise DanluError("entities.no_answers", names=", ".join(names), text=texts[0])
    return Written(texts[0], answers[0] if answers else None, as_words)


def _refuse_idle(config: DataConfig, names: Sequence[str]) -> None:
    """DanluError for a second target, a column that is not there, or a kind that has no meaning here."""
    check_known([*config.target, *config.columns], names)
    if len(config.target) > 1:
        raise DanluError("entities.one_target", columns=", ".join(config.target))
    for name, kind in config.columns.items():
        if kind not in ("text", "entities", "ignore"):
            raise DanluError("entities.other_kind", column=name, kind=kind)


def _lone_text(frame: pl.DataFrame) -> list[str]:
    texts = [name for name, dtype in frame.schema.items() if dtype == pl.String]
    return texts if len(texts) == 1 else []


# Words and tags -------------------------------------------------------------------------------------------


def _from_words(
    frame: pl.DataFrame, origin: Origin, how: Written, bad: BadRows
) -> tuple[pl.DataFrame, dict[str, Column]]:
    """Rows of lists of words, and of their tags."""
    # A space within a word would divide it: it becomes one that does not break.
    words = (
        frame[how.text]
        .cast(pl.List(pl.String))
        .fill_null([])
        .list.eval(pl.element().fill_null("").str.replace_all(" ", "\u00a0", literal=True))
    )
    joined = words.list.join(" ").alias(TEXT)
    reason = Note("entities.words", column=how.text)
    columns = {TEXT: Column(TEXT, "text", reason, WORDS)}
    if how.answers is None:
        return pl.DataFrame([joined, frame[ROW]]), columns
    tags = _tags(frame[how.answers])
    for row in np.flatnonzero((words.list.len() != tags.list.len()).fill_null(False)):
        counts = {"words": len(words[int(row)]), "tags": len(tags[int(row)])}
        leave_out(bad, frame, origin, int(row), "entities.unequal", column=how.answers, **counts)
    entities, said = _entities_of_tags(words, tags, frame[ROW].is_in(list(bad)))
    columns[ENTITIES] = Column(ENTITIES, "entities", Note(said.key, column=how.answers, **said.fields))
    return pl.DataFrame([joined, entities, frame[ROW]]), columns


def _tags(series: pl.Series) -> pl.Series:
    if not isinstance(series.dtype, pl.List) or series.dtype.inner not in (pl.String, pl.Null):
        raise DanluError("entities.no_tags", column=series.name, found=str(series.dtype))
    return series.cast(pl.List(pl.String)).list.eval(pl.element().fill_null("O"))


def _entities_of_tags(words: pl.Series, tags: pl.Series, bad: pl.Series) -> tuple[pl.Series, Note]:
    """The entities of each row, null where it has no tags; and what the tags are."""
    usable = (~bad & tags.is_not_null()).to_numpy()
    kept, said = words.filter(usable), tags.filter(usable)
    lengths = kept.list.len().to_numpy().astype(np.int64)
    sentence = np.repeat(np.flatnonzero(usable), lengths)
    flat = said.filter(lengths > 0).explode().to_list()
    found = parsed(flat)
    name, unopened = scheme(flat, found, sentence)
    each = spans(found.code, found.label, sentence)
    sizes = kept.filter(lengths > 0).explode().str.len_chars().to_numpy().astype(np.int64)
    start = _starts(sizes, lengths)
    told = pl.DataFrame(
        {
            "place": sentence[each.first],
            "start": start[each.first],
            "end": (start + sizes)[each.end - 1],
            "label": [found.labels[label] for label in each.label],
        },
        schema={"place": pl.Int64, "start": pl.Int64, "end": pl.Int64, "label": pl.String},
    )
    return _as_lists(told, usable), _described(name, found.labels, len(each.first), unopened)


def _starts(sizes: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The character at which each word begins, with one space between the words of a row."""
    before = np.cumsum(sizes + 1) - sizes - 1
    first = (np.cumsum(lengths) - lengths)[lengths > 0]
    return before - np.repeat(before[first], lengths[lengths > 0])


def _described(name: str, labels: Sequence[str], count: int, unopened: int) -> Note:
    shown = ", ".join(labels[:_NAMED]) + (" …" if len(labels) > _NAMED else "")
    key = "entities.tags_unopened" if unopened else "entities.tags"
    return Note(key, scheme=name, labels=shown or "–", kinds=len(labels), count=count, unopened=unopened)


# Texts and spans ------------------------------------------------------------------------------------------


def _from_text(
    frame: pl.DataFrame, origin: Origin, how: Written, bad: BadRows
) -> tuple[pl.DataFrame, dict[str, Column]]:
    """Rows of texts, and of lists of spans: records, or [start, end, label]; also as JSON in a cell."""
    texts = frame[how.text].cast(pl.String).fill_null("").alias(TEXT)
    columns = {TEXT: Column(TEXT, "text", Note("entities.text", column=how.text))}
    if how.answers is None:
        return pl.DataFrame([texts, frame[ROW]]), columns
    read: list[list[dict[str, Any]] | None] = []
    for row, (text, cell) in enumerate(zip(texts.to_list(), frame[how.answers].to_list(), strict=True)):
        given, wrong = _spans_in(cell, text)
        if wrong is not None:
            leave_out(bad, frame, origin, row, "entities.bad_span", column=how.answers, found=wrong, length=len(text))
        read.append(given)
    entities = pl.Series(ENTITIES, read, dtype=pl.List(SPAN))
    labels = sorted({span["label"] for given in read for span in given or ()})
    said = _described("spans", labels, sum(len(given or ()) for given in read), 0)
    columns[ENTITIES] = Column(ENTITIES, "entities", Note("entities.spans", column=how.answers, **said.fields))
    return pl.DataFrame([texts, entities, frame[ROW]]), columns


def _spans_in(cell: Any, text: str) -> tuple[list[dict[str, Any]] | None, str | None]:
    """The spans of a cell in order, None where it has none; and what in it is no span of the text."""
    if isinstance(cell, str):
        try:
            cell = json.loads(cell) if cell.strip() else None
        except json.JSONDecodeError:
            return None, cell[:_SHOWN]
    if cell is None:
        return None, None
    if not isinstance(cell, list):
        return None, str(cell)[:_SHOWN]
    found = [_span(span) for span in cell]
    for span, given in zip(found, cell, strict=True):
        if span is None or not 0 <= span["start"] < span["end"] <= len(text):
            return None, str(given)[:_SHOWN]
    return sorted((span for span in found if span), key=lambda span: (span["start"], span["end"])), None


def _span(given: Any) -> dict[str, Any] | None:
    """{start, end, label} of a record with such keys, or of [start, end, label]; None where it is no span."""
    if isinstance(given, Mapping):
        label = next((given[name] for name in _LABELS if given.get(name) is not None), None)
        start, end = given.get("start"), given.get("end")
    elif isinstance(given, list) and len(given) == 3:
        start, end, label = given
    else:
        return None
    if not (isinstance(start, int) and isinstance(end, int) and isinstance(label, str)):
        return None
    return {"start": start, "end": end, "label": label}


def _as_lists(told: pl.DataFrame, usable: np.ndarray) -> pl.Series:
    """One list of spans per row; null where the row is not `usable`."""
    grouped = told.group_by("place").agg(pl.struct("start", "end", "label").alias(ENTITIES))
    rows = pl.DataFrame({"place": np.arange(len(usable)), "usable": usable})
    lists = rows.join(grouped, on="place", how="left", maintain_order="left")
    empty = pl.lit([], dtype=pl.List(SPAN))
    known = pl.col(ENTITIES).cast(pl.List(SPAN)).fill_null(empty)
    return lists.select(pl.when("usable").then(known).alias(ENTITIES)).to_series()
