"""Plain text: one text per line, in a column `text`."""

from collections.abc import Iterator

import polars as pl

from danlu.data.formats.encoding import Utf8Reader
from danlu.data.formats.table import Ask, Source, Table, numbered, without_damaged


def tables(source: Source, ask: Ask) -> Iterator[Table]:
    """The lines of a text file in parts, empty lines left out."""
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
