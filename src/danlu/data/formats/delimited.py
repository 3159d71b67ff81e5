"""CSV and TSV: delimiter, quotes, header and numeric columns detected; read block by block in constant memory.

polars parses every block that is sound; a block that it refuses, or in which cells are missing, is read row by row
so that the rows at fault can be named.
"""

import csv
import io
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from danlu.data.cast import MISSING, cells
from danlu.data.examples import BadRow
from danlu.data.formats.encoding import Utf8Reader
from danlu.data.formats.table import Ask, Source, Table, bad_row, numbered
from danlu.errors import DanluError

DELIMITERS = ",\t;|"
SAMPLE_ROWS = 1000
LONGEST_NAME = 70  # characters: a longer cell in the first row is no name of a column
_SMALL = 1 << 14  # bytes that are read row by row without further halving
_REPLACED = "\ufffd"
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")


@dataclass(frozen=True)
class Layout:
    """How the file is written. `schema` gives each column the dtype that its first rows have."""

    delimiter: str
    quote: str | None
    schema: dict[str, pl.DataType]
    header_bytes: int  # length of the header row; 0 where there is none

    @property
    def as_text(self) -> dict[str, pl.DataType]:
        """The schema with every cell as it is written."""
        return dict.fromkeys(self.schema, pl.String())


def tables(source: Source, ask: Ask) -> Iterator[Table]:
    """The rows of a CSV or TSV file in parts, with those that have too many or too few cells told as bad."""
    csv.field_size_limit(sys.maxsize)
    with source.open() as stream:
        text = Utf8Reader(stream, ask.encoding, source.name, ask.block)
        head = text.read()
        if not head.strip():
            raise DanluError("data.empty_file", file=source.name)
        layout = detected_layout(head, ask, prefers_tab=".tsv" in source.name.lower())
        rest = head[layout.header_bytes :]
        rows = 0
        final = False
        while not final:
            block = text.read()
            final = not block
            rest += block
            frame, ragged, rest = _parsed(rest, layout, ask, final)
            broken = _damaged(frame) if text.damaged else pl.Series(dtype=pl.UInt32)
            table = _table(source, layout, frame, ragged, broken, rows)
            rows += table.rows
            yield Table(table.frame, table.rows, table.bad, text.encoding, layout.delimiter)


def detected_layout(head: bytes, ask: Ask, prefers_tab: bool = False) -> Layout:
    """Delimiter, quotes, header and dtypes of the rows at the start of a file, given as UTF-8."""
    lines = io.StringIO(head[: 1 << 20].decode(errors="ignore"), newline="").readlines()
    lines = lines[: 5 * SAMPLE_ROWS]
    delimiter = ask.delimiter or _delimiter(lines, prefers_tab)
    quote = _quote("".join(lines), delimiter)
    reader = _reader(lines, delimiter, quote)
    first = next(reader)
    header_lines = reader.line_num
    rows = [row for _, row in zip(range(SAMPLE_ROWS), reader, strict=False) if len(row) == len(first)]
    has_header = _is_header(first, rows)
    names = _unique_names(first if has_header else [""] * len(first))
    schema = {name: _dtype(name, [row[i] for row in rows], ask) for i, name in enumerate(names)}
    header_bytes = sum(len(line.encode()) for line in lines[:header_lines]) if has_header else 0
    return Layout(delimiter, quote, schema, header_bytes)


def _reader(lines: list[str], delimiter: str, quote: str | None) -> "csv._reader":
    if quote is None:
        return csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    return csv.reader(lines, delimiter=delimiter)


def _delimiter(lines: list[str], prefers_tab: bool) -> str:
    """The delimiter by which most rows have the same number of cells, above one; then the one giving more cells."""
    best, best_score = "\t" if prefers_tab else ",", (0.0, 0)
    for delimiter in sorted(DELIMITERS, key=lambda d: d == "\t", reverse=prefers_tab):
        widths = Counter(len(row) for row in csv.reader(lines[:200], delimiter=delimiter) if row)
        width, count = widths.most_common(1)[0] if widths else (1, 0)
        score = (count / max(widths.total(), 1), width)
        if width > 1 and score > best_score:
            best, best_score = delimiter, score
    return best


def _quote(sample: str, delimiter: str) -> str | None:
    """The double quote, unless it stands about in cells as a plain character and no cell needs it as a quote."""
    edge = re.escape(delimiter) + r"\r\n"
    quoted = re.findall(rf'(?:(?<=[{edge}])|\A)"((?:[^"]|"")*)"(?=[{edge}]|\Z)', sample)
    marks_in_quoted = sum(2 + cell.count('"') for cell in quoted)
    needed = any(re.search(rf'[{edge}"]', cell) for cell in quoted)
    return None if sample.count('"') > marks_in_quoted + 1 and not needed else '"'


def _is_header(first: list[str], rows: list[list[str]]) -> bool:
    """Whether the first row names the columns: no cell of it is a number, a sentence or a value met again below."""
    numbers = [i for i, cell in enumerate(first) if _NUMBER.fullmatch(cell)]
    if numbers:
        return all(re.fullmatch(r"(19|20)\d\d", first[i].strip()) for i in numbers)  # years as names
    if any(len(cell) > LONGEST_NAME for cell in first):
        return False
    met_again = (sum(row[i] == cell for row in rows) >= 2 for i, cell in enumerate(first) if cell)
    return not any(met_again)


def _unique_names(cells: list[str]) -> list[str]:
    """Names without spaces around them; `column_3` where there is none, `name_2` where one comes again."""
    names: list[str] = []
    for i, cell in enumerate(cells):
        name = base = cell.strip() or f"column_{i + 1}"
        repeat = 2
        while name in names:
            name, repeat = f"{base}_{repeat}", repeat + 1
        names.append(name)
    return names


def _dtype(name: str, values: list[str], ask: Ask) -> pl.DataType:
    """Int64 or Float64 where all values are plain numbers, else String; 007 is a code, not a number."""
    present = [v for v in values if v.strip() and v.strip() not in MISSING and v.strip() not in ask.missing]
    if name in ask.as_text or not present or not all(_NUMBER.fullmatch(v) for v in present):
        return pl.String()
    if any(re.match(r"\s*[+-]?0\d", v) for v in present):
        return pl.String()
    whole = all(re.fullmatch(r"\s*[+-]?\d{1,18}\s*", v) for v in present)
    return pl.Int64() if whole else pl.Float64()


def _parsed(
    buffer: bytes, layout: Layout, ask: Ask, final: bool
) -> tuple[pl.DataFrame, list[tuple[int, int]], bytes]:
    """Frame of the complete rows of `buffer`, (position, cells) of those left out, and the bytes that remain."""
    if final:
        buffer = buffer.rstrip(b"\r\n") + b"\n" if buffer.strip(b"\r\n") else b""
    cut = len(buffer) if final else _row_end(buffer, layout.quote)
    frame = _fast(buffer[:cut], layout, layout.schema) if cut else None
    if frame is not None:
        return frame, [], buffer[cut:]
    texts, ragged, rest = _as_texts(buffer, layout, final)
    return _narrowed(texts, layout.schema, ask), ragged, rest


def _as_texts(buffer: bytes, layout: Layout, final: bool) -> tuple[pl.DataFrame, list[tuple[int, int]], bytes]:
    """As `_parsed`, every cell as text; halved until only the bytes around a row at fault are read row by row."""
    cut = len(buffer) if final else _row_end(buffer, layout.quote)
    frame = _fast(buffer[:cut], layout, layout.as_text) if cut else None
    if frame is not None:
        return frame, [], buffer[cut:]
    if len(buffer) > _SMALL:
        half = len(buffer) // 2
        first, ragged, rest = _as_texts(buffer[:half], layout, final=False)
        if len(rest) < half:
            second, later, rest = _as_texts(rest + buffer[half:], layout, final)
            start = first.height + len(ragged)
            return pl.concat([first, second]), [*ragged, *((start + i, n) for i, n in later)], rest
    return _row_by_row(buffer, layout, final)


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


def _fast(chunk: bytes, layout: Layout, schema: dict[str, pl.DataType]) -> pl.DataFrame | None:
    """The rows as polars reads them; None where a cell does not fit its dtype or a row has not all its cells."""
    try:
        frame = pl.read_csv(
            chunk,
            has_header=False,
            separator=layout.delimiter,
            quote_char=layout.quote,
            schema=schema,
            glob=False,
        )
    except (pl.exceptions.ComputeError, pl.exceptions.SchemaError):
        return None
    # polars fills a short row with nulls; without a null in the last column there is none.
    if frame.width > 1 and frame.to_series(-1).null_count():
        complete = _count_delimiters(chunk, layout) == frame.height * (frame.width - 1)
        return frame if complete else None
    return frame


def _count_delimiters(chunk: bytes, layout: Layout) -> int:
    """How many delimiters stand outside quotes."""
    if layout.quote is None or b'"' not in chunk:
        return chunk.count(layout.delimiter.encode())
    marks = np.frombuffer(chunk, np.uint8)
    inside = np.cumsum(marks == ord('"'), dtype=np.uint8) & 1  # parity: overflow does no harm
    return int(np.count_nonzero((marks == ord(layout.delimiter)) & (inside == 0)))


def _row_by_row(
    buffer: bytes, layout: Layout, final: bool
) -> tuple[pl.DataFrame, list[tuple[int, int]], bytes]:
    """As `_parsed`, every cell as text; the last row waits for more bytes unless these are the final ones."""
    end = len(buffer) if final else buffer.rfind(b"\n") + 1
    lines = io.StringIO(buffer[:end].decode(), newline="").readlines()
    reader = _reader(lines, layout.delimiter, layout.quote)
    rows, starts, line = [], [], 0
    for row in reader:
        rows.append(row)
        starts.append(line)
        line = reader.line_num
    used = end
    if not final and rows:
        rows.pop()
        used -= sum(len(line.encode()) for line in lines[starts[-1] :])
    rows = [row for row in rows if row]
    width = len(layout.schema)
    ragged = [(i, len(row)) for i, row in enumerate(rows) if len(row) != width]
    sound = [row for row in rows if len(row) == width]
    frame = pl.DataFrame(sound, schema=layout.as_text, orient="row")
    return frame.with_columns(pl.all().replace("", None)), ragged, buffer[used:]


def _narrowed(texts: pl.DataFrame, schema: dict[str, pl.DataType], ask: Ask) -> pl.DataFrame:
    """`texts` with numeric columns as numbers, of the narrowest dtype that holds every cell; else left as text."""
    return texts.with_columns(
        [_numeric(texts[n], d, ask.missing) for n, d in schema.items() if d != pl.String]
    )


def _numeric(series: pl.Series, dtype: pl.DataType, missing: tuple[str, ...]) -> pl.Series:
    present = cells(series, missing)
    for wider in (dtype, pl.Float64()):
        numbers = present.cast(wider, strict=False)
        if numbers.null_count() == present.null_count():
            return numbers
    return series


def _damaged(frame: pl.DataFrame) -> pl.Series:
    """Positions of the rows in which bytes were no valid text."""
    damaged = frame.select(
        pl.any_horizontal(pl.col(pl.String).str.contains(_REPLACED, literal=True).fill_null(False))
    )
    return damaged.to_series().arg_true()


def _table(
    source: Source,
    layout: Layout,
    frame: pl.DataFrame,
    ragged: list[tuple[int, int]],
    broken: pl.Series,
    start: int,
) -> Table:
    """The part whose first row is at `start`, with its rows numbered and those at fault taken out and named."""
    rows = frame.height + len(ragged)
    left_out = np.zeros(rows, bool)
    left_out[[i for i, _ in ragged]] = True
    positions = np.flatnonzero(~left_out).astype(np.uint32)
    bad: list[BadRow] = [
        bad_row(source, start + i, "data.bad_row.cells", found=found, expected=len(layout.schema))
        for i, found in ragged
    ]
    for i in broken:
        bad.append(bad_row(source, start + int(positions[i]), "data.bad_row.encoding"))
    frame = numbered(frame).with_columns(pl.Series("_row", positions + np.uint32(start)))
    keep = ~pl.int_range(pl.len()).is_in(broken.implode()) if len(broken) else pl.lit(True)
    return Table(frame.filter(keep), rows, tuple(bad))
