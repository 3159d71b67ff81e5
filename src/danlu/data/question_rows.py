"""Questions, contexts and answers, however they are written, as three columns. Knows nothing of tokens.

An answer is {text, start}: `start` is the character of the context at which the text stands, null where it does not
stand there. Rows without any answer in their list ask what the context does not tell.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from danlu.data.examples import ROW, Column, Origin
from danlu.data.fitting import BadRows, leave_out
from danlu.data.kinds import check_known
from danlu.errors import DanluError
from danlu.recipe import DataConfig
from danlu.words import Note

TASK = "question-answering"
QUESTION, CONTEXT, ANSWERS = "question", "context", "answers"
ANSWER = pl.Struct({"text": pl.String, "start": pl.Int64})

_QUESTIONS = ("question", "query", "问题", "提问")
_CONTEXTS = ("context", "passage", "paragraph", "上下文", "段落", "原文", "材料")
_ANSWERS = ("answers", "answer", "答案", "回答")
_STARTS = ("answer_start", "start")  # what a record of an answer may call its place
_NAMED = 8  # rows that a reason names
_SHOWN = 60  # characters of a cell that a reason shows

Answer = dict[str, Any]  # text, start


@dataclass(frozen=True)
class Written:
    """The columns that hold questions, contexts and, where they are known, answers: records, or texts and places."""

    question: str
    context: str
    answers: str | None
    as_lists: bool  # the answers are two columns, NAME.text and NAME.answer_start

    @property
    def used(self) -> tuple[str, ...]:
        """All of them."""
        given = [self.question, self.context]
        if self.answers is not None:
            given += [f"{self.answers}.text", f"{self.answers}.answer_start"] if self.as_lists else [self.answers]
        return tuple(given)


def questions(
    frame: pl.DataFrame, config: DataConfig, task: str | None, known: Mapping[str, Column] | None
) -> Written | None:
    """How the rows have their questions; None where they are rows of another kind.

    Raises DanluError where answers are asked for and there is no column of questions, contexts or answers.
    """
    if known is not None:
        wanted = any(column.kind == "answers" for column in known.values())
    else:
        asked = task == TASK or "answers" in config.columns.values()
        wanted = asked or (task is None and _looks_like_questions(frame))
    return _columns(frame, config, with_answers=known is None) if wanted else None


def with_answers(frame: pl.DataFrame, origin: Origin, how: Written) -> tuple[pl.DataFrame, dict[str, Column], BadRows]:
    """The rows with `question`, `context` and, where they are known, `answers` (List of ANSWER); the columns; the rows
    left out.
    """
    bad = BadRows()
    asked = {name: frame[source].cast(pl.String) for name, source in ((QUESTION, how.question), (CONTEXT, how.context))}
    columns = {
        QUESTION: Column(QUESTION, "text", Note("qa.question", column=how.question)),
        CONTEXT: Column(CONTEXT, "text", Note("qa.context", column=how.context)),
    }
    for name, texts in asked.items():
        for row in (texts.fill_null("").str.strip_chars() == "").arg_true():
            leave_out(bad, frame, origin, row, "qa.no_words", column=getattr(how, name))
    found = [series.fill_null("").alias(name) for name, series in asked.items()]
    if how.answers is not None:
        answers, column = _answers(frame, found[1], origin, how, bad)
        found.append(answers)
        columns[ANSWERS] = column
    others = frame.drop(ROW, *how.used, QUESTION, CONTEXT, ANSWERS, strict=False)
    columns |= {name: Column(name, "ignore", Note("qa.other_column")) for name in others.columns}
    whole = pl.concat([pl.DataFrame([*found, frame[ROW]]), others], how="horizontal")
    return whole.filter(~pl.col(ROW).is_in(list(bad))), columns, bad


def kept_together(data: DataConfig, columns: Mapping[str, Column]) -> DataConfig:
    """The settings by which all questions of one context stand on the same side, unless they say otherwise."""
    if data.split.by or not any(column.kind == "answers" for column in columns.values()):
        return data
    return data.model_copy(update={"split": data.split.model_copy(update={"by": CONTEXT})})


# Columns --------------------------------------------------------------------------------------------------


def _looks_like_questions(frame: pl.DataFrame) -> bool:
    """Whether names and types leave no doubt: a question, a context and answers with their places."""
    texts = all(frame.schema.get(name) == pl.String for name in (QUESTION, CONTEXT))
    return texts and (_in_lists(frame, ANSWERS) or _in_records(frame.schema.get(ANSWERS)))


def _in_lists(frame: pl.DataFrame, name: str) -> bool:
    """Whether the answers are the columns that records of lists become, as in Hugging Face's `squad`."""
    return all(isinstance(frame.schema.get(f"{name}.{part}"), pl.List) for part in ("text", "answer_start"))


def _in_records(dtype: pl.DataType | None) -> bool:
    inner = dtype.inner if isinstance(dtype, pl.List) else None
    return isinstance(inner, pl.Struct) and {"text", "answer_start"} <= {each.name for each in inner.fields}


def _columns(frame: pl.DataFrame, config: DataConfig, with_answers: bool) -> Written:
    names = [name for name in frame.columns if name != ROW]
    folded = list(dict.fromkeys([*names, *(name.removesuffix(".text") for name in names if name.endswith(".text"))]))
    _refuse_idle(config, folded if with_answers else [*config.target, *config.columns])
    said = [name for name, kind in config.columns.items() if kind == "text" and name in names]
    question, context = (
        _first(names, usual, said[place : place + 1]) for place, usual in enumerate((_QUESTIONS, _CONTEXTS))
    )
    for part, found, usual in ((QUESTION, question, _QUESTIONS), (CONTEXT, context, _CONTEXTS)):
        if found is None:
            raise DanluError(f"qa.no_{part}", names=", ".join(names), usual=", ".join(usual))
    asked = [*config.target, *(name for name, kind in config.columns.items() if kind == "answers")]
    answers = _first(folded, _ANSWERS, asked)
    if with_answers and answers is None:
        raise DanluError("qa.no_answers", names=", ".join(names), usual=", ".join(_ANSWERS))
    assert question is not None
    assert context is not None
    return Written(question, context, answers, answers is not None and _in_lists(frame, answers))


def _first(names: Sequence[str], usual: Sequence[str], said: Sequence[str]) -> str | None:
    """The column that the recipe names, else the first with a usual name."""
    return next((name for name in said or usual if name in names), None)


def _refuse_idle(config: DataConfig, names: Sequence[str]) -> None:
    """DanluError for a second target, a column that is not there, or a kind that has no meaning here."""
    check_known([*config.target, *config.columns], names)
    if len(config.target) > 1:
        raise DanluError("qa.one_target", columns=", ".join(config.target))
    for name, kind in config.columns.items():
        if kind not in ("text", "answers", "ignore"):
            raise DanluError("qa.other_kind", column=name, kind=kind)


# Answers --------------------------------------------------------------------------------------------------


@dataclass
class _Count:
    """Questions, those without an answer, and where answers did not stand at their place."""

    questions: int = 0
    unanswerable: int = 0
    moved: list[int] = field(default_factory=list)  # positions of rows
    lost: list[int] = field(default_factory=list)


def _answers(
    frame: pl.DataFrame, contexts: pl.Series, origin: Origin, how: Written, bad: BadRows
) -> tuple[pl.Series, Column]:
    """The answers of each row, null where they are not told; and the column, with what had to be put right."""
    count = _Count()
    read: list[list[Answer] | None] = []
    for row, (cell, context) in enumerate(zip(_cells(frame, how), contexts.to_list(), strict=True)):
        given, wrong = _given(cell)
        if wrong is not None:
            leave_out(bad, frame, origin, row, "qa.bad_answers", column=how.answers, found=wrong)
        read.append(None if given is None else [_aligned(answer, context) for answer in given])
        if frame[ROW][row] not in bad and given is not None:
            _add(count, row, given, read[-1] or [])
    reason = Note(
        "qa.answers",
        column=how.answers,
        questions=count.questions,
        unanswerable=count.unanswerable,
        moved=_told("qa.moved", count.moved, frame, origin),
        lost=_told("qa.lost", count.lost, frame, origin),
    )
    return pl.Series(ANSWERS, read, dtype=pl.List(ANSWER)), Column(ANSWERS, "answers", reason)


def _cells(frame: pl.DataFrame, how: Written) -> Iterator[Any]:
    assert how.answers is not None
    if not how.as_lists:
        yield from frame[how.answers].to_list()
        return
    texts, starts = (frame[f"{how.answers}.{part}"].to_list() for part in ("text", "answer_start"))
    for each, places in zip(texts, starts, strict=True):
        yield None if each is None else {"text": each, "answer_start": places}


def _given(cell: Any) -> tuple[list[Answer] | None, str | None]:
    """The answers of a cell, null where it tells none; and what in it is no answer.

    A cell is a list of records, a record of lists, either of them as JSON, or a text that is the answer.
    """
    if isinstance(cell, str) and cell.lstrip()[:1] in ("[", "{"):
        try:
            cell = json.loads(cell)
        except json.JSONDecodeError:
            return None, cell[:_SHOWN]
    if cell is None:
        return None, None
    found = [_answer(each) for each in _records(cell)]
    if None in found:
        return None, str(cell)[:_SHOWN]
    return [each for each in found if each], None


def _records(cell: Any) -> list[Any]:
    """One element per answer."""
    if not isinstance(cell, Mapping):
        return cell if isinstance(cell, list) else [cell]
    texts, starts = cell.get("text"), cell.get("answer_start")
    if not (isinstance(texts, list) and isinstance(starts, list) and len(texts) == len(starts)):
        return [cell]
    return [{"text": text, "answer_start": start} for text, start in zip(texts, starts, strict=True)]


def _answer(given: Any) -> Answer | None:
    """{text, start} of a record or a text; None where it is no answer."""
    record = given if isinstance(given, Mapping) else {"text": given}
    text = record.get("text")
    start = next((record[name] for name in _STARTS if record.get(name) is not None), None)
    fits = isinstance(text, str) and text.strip() and (start is None or isinstance(start, int))
    return {"text": text, "start": start} if fits else None


def _aligned(answer: Answer, context: str) -> Answer:
    """The answer where it stands in the context: at its place, else nearest to it, else nowhere."""
    text, start = answer["text"], answer["start"]
    if start is not None and start >= 0 and context.startswith(text, start):
        return answer
    near = start or 0
    places = [context.rfind(text, 0, max(near, 0) + len(text)), context.find(text, max(near, 0))]
    found = min((each for each in places if each >= 0), key=lambda each: abs(each - near), default=None)
    return {"text": text, "start": found}


def _add(count: _Count, row: int, given: Sequence[Answer], aligned: Sequence[Answer]) -> None:
    """Count a row; one is lost where none of its answers stands in the context."""
    count.questions += 1
    count.unanswerable += not aligned
    placed = [each["start"] for each in aligned if each["start"] is not None]
    if aligned and not placed:
        count.lost.append(row)
    elif any(
        before["start"] is not None and after["start"] not in (None, before["start"])
        for before, after in zip(given, aligned, strict=True)
    ):
        count.moved.append(row)


def _told(key: str, rows: Sequence[int], frame: pl.DataFrame, origin: Origin) -> Note:
    """How many rows, and the first of them by name; nothing of none."""
    if not rows:
        return Note("qa.nothing")
    named = ", ".join(origin.place(frame[ROW][row]) for row in rows[:_NAMED]) + (" …" if len(rows) > _NAMED else "")
    return Note(key, count=len(rows), places=named)
