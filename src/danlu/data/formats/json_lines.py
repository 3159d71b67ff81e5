"""JSON Lines: one record per line, read block by block; a line that is no record is told as bad."""

import io
import json
from collections.abc import Iterator
from typing import Any

import polars as pl

from danlu.data.formats.encoding import Utf8Reader
from danlu.data.formats.records import frame_of_records
from danlu.data.formats.table import Ask, Source, Table, bad_row, numbered
from danlu.errors import DanluError


def tables(source: Source, ask: Ask) -> Iterator[Table]:
    """The records of a JSON Lines file in parts."""
    rows, rest, final = 0, b"", False
    with source.open() as stream:
        text = Utf8Reader(stream, ask.encoding, source.name, ask.block)
        while not final:
            block = text.read()
            final = not block
            rest += block
            end = len(rest) if final else rest.rfind(b"\n") + 1
            chunk, rest = rest[:end], rest[end:]
            if chunk.strip():
                table = _table(source, chunk, rows, text.encoding)
                rows += table.rows
                yield table
    if not rows:
        raise DanluError("data.empty_file", file=source.name)


def _table(source: Source, chunk: bytes, start: int, encoding: str) -> Table:
    try:
        frame = pl.read_ndjson(io.BytesIO(chunk), infer_schema_length=None)
    except (pl.exceptions.ComputeError, pl.exceptions.SchemaError):
        return _line_by_line(source, chunk, start, encoding)
    return Table(numbered(frame, start), frame.height, (), encoding)


def _line_by_line(source: Source, chunk: bytes, start: int, encoding: str) -> Table:
    """As `_table`, for lines that are not all records, or whose records differ in the types of their
    values."""
    records: list[dict[str, Any]] = []
    positions, bad = [], []
    lines = [line for line in chunk.decode().split("\n") if line.strip()]
    for position, line in enumerate(lines, start):
        record = _record(line)
        if record is None:
            bad.append(bad_row(source, position, "data.bad_row.json", found=line.strip()[:60]))
        else:
            records.append(record)
            positions.append(position)
    frame = numbered(frame_of_records(records)).with_columns(pl.Series("_row", positions, dtype=pl.UInt32))
    return Table(frame, len(lines), tuple(bad), encoding)


def _record(line: str) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except json.JSONDecodeError:
        return None
    return record if isinstance(record, dict) else None
