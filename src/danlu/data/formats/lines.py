"""Plain text, in a column `text`: one row per line, per paragraph, or one for the whole file."""

import re
from collections.abc import Iterator

import polars as pl

from danlu.data.formats.encoding import Utf8Reader
from danlu.data.formats.table import Ask, Source, Table, numbered, without_damaged

_BLANK_LINES = re.compile(r"\n[^\S\n]*(?:\n[^\S\n]*)+")


def tables(source: Source, ask: Ask) -> Iterator[Table]:
    """The rows of a text file; lines in parts, empty ones left out."""
    if ask.documents in (None, "line"):
        return _lines(source, ask)
    if ask.in_pieces:
        return _paragraphs(source, ask) if ask.documents == "paragraph" else _whole_in_pieces(source, ask)
    return _documents(source, ask)


def documents_in(text: str, unit: str) -> list[str]:
    """The documents of a text: itself, its paragraphs (blank lines between them) or its lines; none of them empty."""
    return _parts(text.replace("\r\n", "\n"), unit)


def _parts(text: str, unit: str) -> list[str]:
    """`documents_in` of a text whose line ends are single characters."""
    parts = [text] if unit == "file" else _BLANK_LINES.split(text) if unit == "paragraph" else text.split("\n")
    return [part for part in parts if part.strip()]


def _documents(source: Source, ask: Ask) -> Iterator[Table]:
    with source.open() as stream:
        reader = Utf8Reader(stream, ask.encoding, source.name, ask.block)
        text = b"".join(iter(reader.read, b"")).decode()
    assert ask.documents
    frame = pl.DataFrame({"text": documents_in(text, ask.documents)}, schema={"text": pl.String})
    table = Table(numbered(frame), frame.height, (), reader.encoding)
    yield without_damaged(table, source) if reader.damaged else table


def _paragraphs(source: Source, ask: Ask) -> Iterator[Table]:
    """As `_documents`, part by part: what stands behind the last blank line so far waits for more."""
    rows, rest = 0, ""
    for text, reader in _unbroken(source, ask):
        rest += text
        breaks = list(_BLANK_LINES.finditer(rest)) if text else []
        end = breaks[-1].start() if breaks else 0 if text else len(rest)
        frame = pl.DataFrame({"text": _parts(rest[:end], "paragraph")}, schema={"text": pl.String})
        rest = rest[end:]
        table = Table(numbered(frame, rows), frame.height, (), reader.encoding)
        rows += table.rows
        yield without_damaged(table, source) if reader.damaged else table


def _whole_in_pieces(source: Source, ask: Ask) -> Iterator[Table]:
    """The file as one document, a piece in each table, all of them with the same ROW."""
    rows = 1
    for text, reader in _unbroken(source, ask):
        if text:
            table = Table(numbered(pl.DataFrame({"text": [text]})), rows, (), reader.encoding)
            yield without_damaged(table, source) if reader.damaged else table
            rows = 0


def _unbroken(source: Source, ask: Ask) -> Iterator[tuple[str, Utf8Reader]]:
    """The text of a file block by block, line ends as "\n", and at last an empty block."""
    held = ""  # half of a line end
    with source.open() as stream:
        reader = Utf8Reader(stream, ask.encoding, source.name, ask.block)
        while block := reader.read():
            text = held + block.decode()
            held = "\r" if text.endswith("\r") else ""
            if text := text.removesuffix("\r").replace("\r\n", "\n"):
                yield text, reader
        if held:
            yield held, reader
        yield "", reader


def _lines(source: Source, ask: Ask) -> Iterator[Table]:
    rows, rest, final = 0, b"", False
    with source.open() as stream:
        text = Utf8Reader(stream, ask.encoding, source.name, ask.block)
        while not final:
            block = text.read()
            final = not block
            rest += block
            end = len(rest) if final else rest.rfind(b"\n") + 1
            lines = [line.rstrip("\r") for line in rest[:end].decode().split("\n") if line.strip()]
            rest = rest[end:]
            frame = pl.DataFrame({"text": lines}, schema={"text": pl.String})
            table = Table(numbered(frame, rows), frame.height, (), text.encoding)
            rows += table.rows
            yield without_damaged(table, source) if text.damaged else table
