"""CSV and TSV, read block by block in constant memory.

polars parses what is sound. A block that it refuses, or in which cells are missing, is halved until only the
bytes around the fault are left; these are read row by row, so that the rows at fault can be named.
"""

import csv
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from danlu.data.cast import cells, dates
from danlu.data.examples import ROW
from danlu.data.formats.dialect import Dialect, detected_dialect
from danlu.data.formats.encoding import Utf8Reader
from danlu.data.formats.table import Ask, Source, Table, bad_row, numbered, without_damaged
from danlu.errors import DanluError

_SMALL = 1 << 14  # bytes that are read row by row without further halving


def tables(source: Source, ask: Ask) -> Iterator[Table]:
    """The rows of a CSV or TSV file in parts; those with too many or too few cells are told as bad."""
    csv.field_size_limit(sys.maxsize)
    with source.open() as stream:
        text = Utf8Reader(stream, ask.encoding, source.name, ask.block)
        head = text.read()
        old_mac = b"\n" not in head
        head = head.replace(b"\r", b"\n") if old_mac else head
        if not head.strip():
            raise DanluError("data.empty_file", file=source.name)
        dialect = detected_dialect(head, ask, prefers_tab=source.format == "tsv")
        rest, rows, final = head[dialect.header_bytes :], 0, False
        while not final:
            block = text.read().replace(b"\r", b"\n") if old_mac else text.read()
            final = not block
            if final and rows and not rest.strip(b"\r\n"):
                return
            parsed = _parsed(rest + block, dialect, ask, final)
            rest = parsed.rest
            table = _table(source, dialect, parsed, rows)
            rows += table.rows
            table = replace(table, encoding=text.encoding, delimiter=dialect.delimiter)
            yield without_damaged(table, source) if text.damaged else table


@dataclass(frozen=True)
class _Parsed:
    """The sound rows, (position, number of cells) of the others, and the bytes of a last row that goes on."""

    frame: pl.DataFrame
    ragged: list[tuple[int, int]]
    rest: bytes


def _parsed(buffer: bytes, dialect: Dialect, ask: Ask, final: bool) -> _Parsed:
    """The rows in `buffer`; its last row may go on in later bytes unless these are the final ones."""
    if final:
        buffer = buffer.rstrip(b"\r\n") + b"\n" if buffer.strip(b"\r\n") else b""
    end = len(buffer) if final else _row_end(buffer, dialect.quote)
    frame = _by_polars(buffer[:end], dialect, dialect.schema)
    if frame is not None:
        return _Parsed(_with_dates(frame, dialect, ask), [], buffer[end:])
    texts = _as_texts(buffer, dialect, final)
    return replace(texts, frame=_with_dates(_narrowed(texts.frame, dialect, ask), dialect, ask))


def _as_texts(buffer: bytes, dialect: Dialect, final: bool) -> _Parsed:
    """The rows in `buffer` with every cell as text."""
    end = len(buffer) if final else _row_end(buffer, dialect.quote)
    frame = _by_polars(buffer[:end], dialect, dialect.as_text)
    if frame is not None:
        return _Parsed(frame, [], buffer[end:])
    half = len(buffer) // 2
    if len(buffer) <= _SMALL:
        return _row_by_row(buffer, dialect, final)
    first = _as_texts(buffer[:half], dialect, final=False)
    if len(first.rest) == half:  # a row longer than half of the bytes
        return _row_by_row(buffer, dialect, final)
    second = _as_texts(first.rest + buffer[half:], dialect, final)
    start = first.frame.height + len(first.ragged)
    ragged = [*first.ragged, *((start + i, found) for i, found in second.ragged)]
    return _Parsed(pl.concat([first.frame, second.frame]), ragged, second.rest)


def _row_end(buffer: bytes, quote: str | None) -> int:
    """Where the last complete row ends: after a line break that no quotes enclose; 0 where none is near the end."""
    end = buffer.rfind(b"\n") + 1
    if quote is None or b'"' not in buffer:
        return end
    marks = buffer.count(b'"', 0, end)
    for _ in range(1000):
        if marks % 2 == 0:
            return end
        before = buffer.rfind(b"\n", 0, end - 1) + 1
        marks -= buffer.count(b'"', before, end)
        end = before
    return 0


def _by_polars(chunk: bytes, dialect: Dialect, schema: dict[str, pl.DataType]) -> pl.DataFrame | None:
    """The rows; None where there are none, a cell does not fit its dtype or a row has not all its cells."""
    if not chunk:
        return None
    try:
        frame = pl.read_csv(
            chunk, has_header=False, separator=dialect.delimiter, quote_char=dialect.quote, schema=schema
        ).rechunk()  # columns in unlike chunks would be copied as a whole by what comes next
    except (pl.exceptions.ComputeError, pl.exceptions.SchemaError):
        return None
    # polars fills a short row with nulls: without a null in the last column there is no such row.
    if frame.width == 1 or not frame.to_series(-1).null_count():
        return frame
    return frame if _delimiters(chunk, dialect) == frame.height * (frame.width - 1) else None


def _delimiters(chunk: bytes, dialect: Dialect) -> int:
    """How many delimiters stand outside quotes."""
    if dialect.quote is None or b'"' not in chunk:
        return chunk.count(dialect.delimiter.encode())
    marks = np.frombuffer(chunk, np.uint8)
    inside = np.cumsum(marks == ord('"'), dtype=np.uint8) & 1  # parity: overflow does no harm
    return int(np.count_nonzero((marks == ord(dialect.delimiter)) & (inside == 0)))


def _row_by_row(buffer: bytes, dialect: Dialect, final: bool) -> _Parsed:
    """As `_as_texts`, by Python's csv module; the last row waits for more bytes unless these are the final ones."""
    lines = buffer.decode(errors="surrogateescape")  # the end may cut a character
    reader = dialect.rows(lines)
    rows: list[list[str]] = []
    starts = [0]
    for row in reader:
        rows.append(row)
        starts.append(reader.line_num)
    rest = b""
    if not final and rows:
        rows.pop()
        rest = _from_line(buffer, starts[-2])
    rows = [row for row in rows if row]  # blank lines
    width = len(dialect.schema)
    ragged = [(i, len(row)) for i, row in enumerate(rows) if len(row) != width]
    sound = [[cell or None for cell in row] for row in rows if len(row) == width]
    return _Parsed(pl.DataFrame(sound, schema=dialect.as_text, orient="row"), ragged, rest)


def _from_line(buffer: bytes, line: int) -> bytes:
    """The bytes from the given line (0-based) on."""
    start = 0
    for _ in range(line):
        start = buffer.index(b"\n", start) + 1
    return buffer[start:]


def _narrowed(texts: pl.DataFrame, dialect: Dialect, ask: Ask) -> pl.DataFrame:
    """`texts` with numeric columns as numbers, of the narrowest dtype that holds every cell; else left as text."""
    numeric = ((name, dtype) for name, dtype in dialect.schema.items() if dtype != pl.String)
    return texts.with_columns(_numbers(texts[name], dtype, ask.missing) for name, dtype in numeric)


def _with_dates(frame: pl.DataFrame, dialect: Dialect, ask: Ask) -> pl.DataFrame:
    """`frame` with ISO dates as dates, which take half the memory of their texts; columns with others are left."""
    columns = []
    for name, form in dialect.dates.items():
        present = cells(frame[name], ask.missing)
        times = dates(present, form)
        columns += [times] if times.null_count() == present.null_count() else []
    return frame.with_columns(columns)


def _numbers(series: pl.Series, dtype: pl.DataType, missing: tuple[str, ...]) -> pl.Series:
    present = cells(series, missing)
    for wider in (dtype, pl.Float64()):
        numbers = present.cast(wider, strict=False)
        if numbers.null_count() == present.null_count():
            return numbers
    return series


def _table(source: Source, dialect: Dialect, parsed: _Parsed, start: int) -> Table:
    """The part whose first row is at `start`: its rows numbered, those left out named."""
    rows, width = parsed.frame.height + len(parsed.ragged), len(dialect.schema)
    sound = np.delete(np.arange(start, start + rows, dtype=np.uint32), [i for i, _ in parsed.ragged])
    frame = numbered(parsed.frame).with_columns(pl.Series(ROW, sound))
    bad = (bad_row(source, start + i, "data.bad_row.cells", found=found, expected=width) for i, found in parsed.ragged)
    return Table(frame, rows, tuple(bad))
