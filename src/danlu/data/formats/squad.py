"""SQuAD (Rajpurkar et al. 2016, 2018): articles of paragraphs, each with its questions. One row per question."""

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from danlu.errors import DanluError

PLACED = pl.Struct({"text": pl.String, "answer_start": pl.Int64})
COLUMNS: dict[str, pl.DataType | type[pl.DataType]] = {
    "id": pl.String,
    "title": pl.String,
    "context": pl.String,
    "question": pl.String,
    "answers": pl.List(PLACED),
}


def is_squad(content: Any) -> bool:
    """Whether the content of a JSON file is SQuAD's: "data", or all, is a list of articles with "paragraphs"."""
    articles = content.get("data") if isinstance(content, Mapping) else content
    return isinstance(articles, list) and any(isinstance(each, Mapping) and "paragraphs" in each for each in articles)


def questions(content: Mapping[str, Any] | list[Any], file: str) -> pl.DataFrame:
    """COLUMNS of each question; no answers are an empty list where there is none (version 2), null where none is told.

    Raises DanluError where an article, a paragraph or a question is not written as SQuAD has it.
    """
    whole = {"data": content} if isinstance(content, list) else content
    return pl.DataFrame(list(_questions(whole, file)), schema=COLUMNS, strict=False)


def _questions(content: Mapping[str, Any], file: str) -> Iterator[dict[str, Any]]:
    for article in _parts(content, "data", file):
        for paragraph in _parts(article, "paragraphs", file):
            for asked in _parts(paragraph, "qas", file):
                yield {
                    "id": asked.get("id"),
                    "title": article.get("title"),
                    "context": paragraph.get("context"),
                    "question": asked.get("question"),
                    "answers": _answers(asked, file),
                }


def _answers(asked: Mapping[str, Any], file: str) -> list[dict[str, Any]] | None:
    if asked.get("is_impossible"):
        return []
    if asked.get("answers") is None:
        return None
    return [{name: each.get(name) for name in ("text", "answer_start")} for each in _parts(asked, "answers", file)]


def _parts(whole: Mapping[str, Any], key: str, file: str) -> list[Mapping[str, Any]]:
    parts = whole.get(key)
    if not isinstance(parts, list) or not all(isinstance(part, Mapping) for part in parts):
        raise DanluError("qa.broken_squad", file=file, key=key, found=str(parts)[:60])
    return parts
