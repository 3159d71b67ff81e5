"""CoNLL: a token and its tag per line, an empty line between sentences. One row per sentence: tokens and tags."""

import io
from collections.abc import Iterator

import polars as pl

from danlu.data.examples import ROW, BadRow
from danlu.data.formats.encoding import Utf8Reader
from danlu.data.formats.table import Ask, Source, Table, bad_row, numbered

SUFFIXES = (".conll", ".conll2003", ".annotated", ".bio", ".iob", ".iob2", ".bioes", ".bilou", ".bmes")
_DOCUMENT = "-DOCSTART-"

Sentence = list[tuple[int, list[str]]]  # number of the line, its fields


def tables(source: Source, ask: Ask) -> Iterator[Table]:
    """The sentences of a file: the first field of a line is its token, the last its tag; without tags only tokens.

    Fields have a tab between them, in a file without tabs a space. A sentence with a line that lacks its tag is bad.
    """
    with source.open() as stream:
        reader = Utf8Reader(stream, ask.encoding, source.name, ask.block)
        text = b"".join(iter(reader.read, b"")).decode()
    sentences = list(_sentences(text))
    tagged = any(len(fields) > 1 for sentence in sentences for _, fields in sentence)
    wrong = {row: why for row, sentence in enumerate(sentences) if (why := _flaw(source, row, sentence, tagged))}
    good = [row for row in range(len(sentences)) if row not in wrong]
    columns = {"tokens": [[fields[0] for _, fields in sentences[row]] for row in good]}
    if tagged:
        columns["tags"] = [[fields[-1] for _, fields in sentences[row]] for row in good]
    frame = numbered(pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.List(pl.String))))
    frame = frame.with_columns(pl.Series(ROW, good, dtype=pl.UInt32))
    yield Table(frame, len(sentences), tuple(wrong.values()), reader.encoding)


def _flaw(source: Source, row: int, sentence: Sentence, tagged: bool) -> BadRow | None:
    """Why a sentence cannot be read: a line lacks its tag, or its bytes were no text."""
    for line, fields in sentence:
        if tagged and len(fields) < 2:
            return bad_row(source, row, "entities.no_tag", line=line, token=fields[0][:40])
        if any("\ufffd" in field for field in fields):
            return bad_row(source, row, "data.bad_row.encoding")
    return None


def _sentences(text: str) -> Iterator[Sentence]:
    mark = "\t" if "\t" in text else None
    sentence: Sentence = []
    for number, line in enumerate(io.StringIO(text), 1):
        fields = [field.strip() for field in line.split(mark)] if line.strip() else []
        if fields and fields[0] != _DOCUMENT:
            sentence.append((number, fields))
        elif sentence:
            yield sentence
            sentence = []
    if sentence:
        yield sentence
