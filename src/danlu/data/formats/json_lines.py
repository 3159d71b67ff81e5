"""JSON Lines: one record per line, read block by block; a line that is no record is told as bad."""

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import polars as pl

from danlu.data.examples import ROW
from danlu.data.formats.encoding import Utf8Reader
from danlu.data.formats.records import frame_of_records
from danlu.data.formats.table import Ask, Source, Table, bad_row, numbered, without_damaged
from danlu.errors import DanluError


def tables(source: Source, ask: Ask) -> Iterator[Table]:
    """The records of a JSON Lines file in parts; a key that was met once is a column of all parts after it."""
    rows, rest, final, met = 0, b"", False, dict[str, pl.DataType]()
    with source.open() as stream:
        text = Utf8Reader(stream, ask.encoding, source.name, ask.block)
        while not final:
            block = text.read()
            final = not block
            end = len(rest) if final else len(rest) + block.rfind(b"\n") + 1
            rest += block
            chunk, rest = rest[:end], rest[end:]
            if not chunk.strip():
                continue
            table = _table(source, chunk, rows)
            lacking = (pl.lit(None, met[name]).alias(name) for name in met if name not in table.frame.columns)
            table = replace(table, frame=table.frame.with_columns(lacking), encoding=text.encoding)
            met |= table.frame.schema
            rows += table.rows
            yield without_damaged(table, source) if text.damaged else table
    if not rows:
        raise DanluError("data.empty_file", file=source.name)


def _table(source: Source, chunk: bytes, start: int) -> Table:
    try:
        frame = pl.read_ndjson(io.BytesIO(chunk), infer_schema_length=None)
    except (pl.exceptions.ComputeError, pl.exceptions.SchemaError):
        return _line_by_line(source, chunk, start)
    return Table(numbered(frame, start), frame.height)


def _line_by_line(source: Source, chunk: bytes, start: int) -> Table:
    """As `_table`, for lines that are not all records, or whose records differ in the types of their values."""
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
    frame = numbered(frame_of_records(records)).with_columns(pl.Series(ROW, positions, dtype=pl.UInt32))
    return Table(frame, len(lines), tuple(bad))


def _record(line: str) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except json.JSONDecodeError:
        return None
    return record if isinstance(record, dict) else None
