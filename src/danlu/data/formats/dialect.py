"""How a CSV file is written: delimiter, quotes, header, and the columns that hold plain numbers; told from its
start."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import polars as pl

from danlu.data.cast import MISSING
from danlu.data.formats.table import Ask

if TYPE_CHECKING:
    from _csv import Reader

DELIMITERS = ",\t;|"
SENTENCE_ENDS = (".", "!", "?", "？")  # a first row in which every cell ends so names no columns
LONGEST_NAME = 70  # characters: a longer cell in the first row is no name of a column

_SAMPLE = 1 << 18  # bytes
_ROWS = 1000
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")
_WHOLE = re.compile(r"\s*[+-]?\d{1,18}\s*")
_DATES = {
    "%Y-%m-%d": re.compile(r"\d{4}-\d\d-\d\d"),
    "%Y-%m-%d %H:%M:%S": re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"),
    "%Y-%m-%dT%H:%M:%S": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"),
}
_CODE = re.compile(r"\s*[+-]?0\d+\s*")  # 007 is no number


@dataclass(frozen=True)
class Dialect:
    """How the file is written.

    `schema` gives each column the dtype that its first rows have: Int64, Float64 or String; `dates` the strptime
    format of those texts that are ISO dates.
    """

    delimiter: str
    quote: str | None
    schema: dict[str, pl.DataType]
    dates: dict[str, str]
    header_bytes: int  # length of the header row; 0 where there is none

    @property
    def as_text(self) -> dict[str, pl.DataType]:
        """The schema with every cell as it is written."""
        return dict.fromkeys(self.schema, pl.String())

    def rows(self, text: str) -> "Reader":
        """The rows of `text` as Python's csv module reads them."""
        return _reader(lines_of(text), self.delimiter, self.quote)


def lines_of(text: str) -> list[str]:
    r"""The lines with their breaks, \n or \r\n; any other \r, at which the csv module would stop, becomes a space."""
    return io.StringIO(re.sub(r"\r(?!\n)", " ", text), newline="\n").readlines()


def detected_dialect(head: bytes, ask: Ask, prefers_tab: bool = False) -> Dialect:
    """The dialect of a file that starts with `head` (UTF-8); `prefers_tab` for files named so."""
    lines = lines_of(head[:_SAMPLE].decode(errors="ignore"))
    delimiter = ask.delimiter or _delimiter(lines, prefers_tab)
    quote = _quote("".join(lines), delimiter)
    reader = _reader(lines, delimiter, quote)
    first = next(reader)
    header = "".join(lines[: reader.line_num])
    rows = [row for row in islice(reader, _ROWS) if len(row) == len(first)]
    named = _is_header(first, rows)
    names = _unique_names(first if named else [""] * len(first))
    columns = {name: _present(name, [row[i] for row in rows], ask) for i, name in enumerate(names)}
    schema = {name: _dtype(present) for name, present in columns.items()}
    dates = {name: form for name, present in columns.items() if (form := _date_format(present))}
    return Dialect(delimiter, quote, schema, dates, len(header.encode()) if named else 0)


def _reader(lines: list[str], delimiter: str, quote: str | None) -> "Reader":
    if quote is None:
        return csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    return csv.reader(lines, delimiter=delimiter, quotechar=quote)


def _delimiter(lines: list[str], prefers_tab: bool) -> str:
    """The delimiter by which most rows have the same number of cells, above one; of two such, that with more cells."""
    best, best_score = "\t" if prefers_tab else ",", (0.0, 0)
    for delimiter in sorted(DELIMITERS, key=lambda mark: mark == "\t", reverse=prefers_tab):
        widths = Counter(len(row) for row in csv.reader(lines[:200], delimiter=delimiter) if row)
        width, count = widths.most_common(1)[0] if widths else (1, 0)
        score = (count / max(widths.total(), 1), width)
        if width > 1 and score > best_score:
            best, best_score = delimiter, score
    return best


def _quote(sample: str, delimiter: str) -> str | None:
    """The double quote, unless it stands about in cells as a plain character and no cell needs it."""
    edge = re.escape(delimiter) + r"\r\n"
    quoted = re.findall(rf'(?:(?<=[{edge}])|\A)"((?:[^"]|"")*)"(?=[{edge}]|\Z)', sample)
    marks = sum(2 + cell.count('"') for cell in quoted)
    needed = any(re.search(rf'[{edge}"]', cell) for cell in quoted)
    return '"' if needed or sample.count('"') <= marks + 1 else None  # one may open a cell that the sample cuts


def _is_header(first: list[str], rows: list[list[str]]) -> bool:
    """Whether the first row names the columns: no cell of it is a number, a sentence or a value met again below."""
    numbers = [cell.strip() for cell in first if _NUMBER.fullmatch(cell)]
    if numbers:
        return all(re.fullmatch(r"(19|20)\d\d", number) for number in numbers)  # years are names
    if any(len(cell) > LONGEST_NAME or cell.endswith(("。", "！")) for cell in first):
        return False
    if all(cell.endswith(SENTENCE_ENDS) for cell in first):
        return False
    return not any(sum(row[i] == cell for row in rows) >= 2 for i, cell in enumerate(first) if cell)


def _unique_names(cells: Sequence[str]) -> list[str]:
    """Names without spaces around them; `column_3` where there is none, `name_2` where one comes again."""
    names: list[str] = []
    for i, cell in enumerate(cells, 1):
        name = cell.strip() or f"column_{i}"
        names.append(next(n for n in _variants(name) if n not in names))
    return names


def _variants(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}_{repeat}" for repeat in range(2, 1_000_000))


def _present(name: str, values: list[str], ask: Ask) -> list[str]:
    """The values that speak for a dtype: none where the column is asked for as text."""
    if name in ask.as_text:
        return []
    return [v for v in values if v.strip() not in MISSING and v.strip() not in ask.missing]


def _dtype(present: list[str]) -> pl.DataType:
    """Int64 or Float64 where all values are plain numbers, else String."""
    if not present or any(_CODE.fullmatch(v) for v in present):
        return pl.String()
    if all(_WHOLE.fullmatch(v) for v in present):
        return pl.Int64()
    return pl.Float64() if all(_NUMBER.fullmatch(v) for v in present) else pl.String()


def _date_format(present: list[str]) -> str | None:
    """The ISO format in which all values are written."""
    fits = (form for form, pattern in _DATES.items() if all(pattern.fullmatch(v) for v in present))
    return next(fits, None) if present else None
