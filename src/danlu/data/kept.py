"""Texts kept in a file instead of memory: a column of references, read a stretch at a time. Knows no tokens.

A reference says where the text lies, how long it is and what its content is: equal contents, equal texts. Every
function here takes such a column, or one of texts in memory, and gives the same of both.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import polars as pl

from danlu.data.cuts import BETWEEN_WORDS, cut_before, last_words, pieces_of
from danlu.data.values import as_texts

STRETCH = 2 << 20  # bytes of text that are in memory at a time
PIECE = 1 << 17  # characters of a long text that are looked at as one
_WHERE = ("start", "bytes", "characters", "content")
_SPARSE = 2  # a stretch of the file is read in one go where at most every second byte of it is not wanted

Sizes = npt.NDArray[np.int64]


def is_kept(series: pl.Series) -> bool:
    """Whether the column holds references."""
    return isinstance(series.dtype, pl.Struct) and [f.name for f in series.dtype.fields] == ["file", *_WHERE]


def references(name: str, where: pl.DataFrame, file: Path) -> pl.Series:
    """The column of references into `file`; `where`: start, bytes, characters and content of each."""
    named = pl.Series("file", [str(file)], dtype=pl.Enum([str(file)])).new_from_index(0, where.height)
    return where.select(named, *(pl.col(field).cast(pl.UInt64) for field in _WHERE)).to_struct(name)


def where_of(series: pl.Series) -> pl.DataFrame:
    """Start, bytes, characters and content of each reference."""
    return pl.DataFrame({field: series.struct.field(field) for field in _WHERE})


def file_of(series: pl.Series) -> Path:
    """The file that a column of references refers to."""
    dtype = series.struct.field("file").dtype
    assert isinstance(dtype, pl.Enum)
    return Path(dtype.categories[0])


def byte_sizes(series: pl.Series) -> Sizes:
    """(N,): UTF-8 bytes of each text, 0 where missing."""
    sizes = series.struct.field("bytes") if is_kept(series) else as_texts(series).str.len_bytes()
    return sizes.fill_null(0).cast(pl.Int64).to_numpy()


def character_counts(series: pl.Series) -> Sizes:
    """(N,): characters of each text, 0 where missing."""
    counts = series.struct.field("characters") if is_kept(series) else as_texts(series).str.len_chars()
    return counts.fill_null(0).cast(pl.Int64).to_numpy()


def contents(series: pl.Series) -> pl.Series:
    """(N,) UInt64: a number for each text, the same for equal texts of columns that are both kept or both not."""
    return series.struct.field("content") if is_kept(series) else content_of(as_texts(series))


def content_of(texts: pl.Series) -> pl.Series:
    """(N,) UInt64: a number for each text in memory."""
    return texts.hash()


def joined_content(parts: Sequence[int]) -> int:
    """The content of a text that came in parts."""
    if len(parts) == 1:
        return parts[0]
    return int.from_bytes(hashlib.sha256(np.array(parts, np.uint64).tobytes()).digest()[:8], "little")


def texts_at(series: pl.Series) -> list[str]:
    """The texts of a column, "" where missing; for columns that fit into memory."""
    if not is_kept(series):
        return as_texts(series).fill_null("").to_list()
    if not len(series):
        return []
    begin, size = _where(series)
    with _opened(series) as file:
        return list(_read(file, begin, size))


def part_of(series: pl.Series, row: int, begin: int, end: int) -> str:
    """The characters from `begin` to `end` of a text."""
    if not is_kept(series):
        return str(series[row])[begin:end]
    found, place = [], 0
    for window in _windows(series, row):
        if place < end and begin < place + len(window):
            found.append(window[max(0, begin - place) : end - place])
        place += len(window)
    return "".join(found)


def cut_apart(series: pl.Series, row: int, ends: Sequence[int]) -> pl.Series:
    """The kept text of a row in parts that end behind so many characters, as references."""
    start = int(series.struct.field("start")[row])
    parts: list[tuple[int, int, int, int]] = []
    content: list[int] = []
    place = begin = size = counted = 0
    for window in _windows(series, row):
        while window:
            room = ends[len(parts)] - place
            taken, window = window[:room], window[room:]
            size, counted, place = size + len(taken.encode()), counted + len(taken), place + len(taken)
            content.append(int(content_of(pl.Series([taken]))[0]))
            if place == ends[len(parts)]:
                parts.append((start + begin, size, counted, joined_content(content)))
                begin, size, counted, content = begin + size, 0, 0, []
    where = pl.DataFrame(parts, schema=dict.fromkeys(_WHERE, pl.UInt64), orient="row")
    return references(series.name, where, file_of(series))


@dataclass(frozen=True)
class Pieces:
    """Texts, some of them pieces of long ones: `documents` (n,) says of which row, `ends` (n,) whether it is the last.

    `before`: some words that stood before a piece, "" where it begins its document.
    """

    texts: list[str]
    documents: npt.NDArray[np.int64]
    ends: npt.NDArray[np.bool_]
    before: list[str]


def in_pieces(series: pl.Series) -> Iterator[Pieces]:
    """All texts, in order, about STRETCH bytes at a time."""
    sizes = byte_sizes(series)
    ends, huge = np.cumsum(sizes), np.flatnonzero(sizes > STRETCH)
    row = 0
    while row < len(series):
        if sizes[row] > STRETCH:
            yield from _pieces_of_huge(series, row)
            row += 1
            continue
        fitting = int(np.searchsorted(ends, ends[row] - sizes[row] + STRETCH, side="right"))
        before_huge = int(huge[np.searchsorted(huge, row)]) if len(huge) and huge[-1] > row else len(series)
        last = min(max(fitting, row + 1), before_huge)
        yield _pieces(texts_at(series[row:last]), row)
        row = last


def sample(series: pl.Series, most: int, seed: int) -> list[str]:
    """Texts and pieces of texts from all over the column, about `most` bytes of them, drawn evenly by `seed`."""
    sizes = byte_sizes(series)
    ends, count = np.cumsum(sizes), most // PIECE
    drawn = (np.arange(count) + np.random.default_rng(seed).random(count)) * (ends[-1] / count)
    rows = np.searchsorted(ends, drawn.astype(np.int64), side="right")
    found, last = [], -1
    for row, place in zip(rows.tolist(), drawn.astype(np.int64).tolist(), strict=True):
        if sizes[row] > PIECE:
            found.append(_piece_at(series, row, place - int(ends[row] - sizes[row])))
        elif row != last:
            found += texts_at(series[row : row + 1])
        last = row
    return found


def lines_between(series: pl.Series, row: int, places: Sequence[tuple[int, int]]) -> list[str]:
    """The whole lines between two bytes of a text, for each pair of them.

    All characters there where a half of them holds no end of a line.
    """
    size = int(byte_sizes(series[row : row + 1])[0])
    if is_kept(series):
        start = int(series.struct.field("start")[row])
        with _opened(series) as file:
            return [_whole_lines(_part(file, start + begin, end - begin), begin, end == size) for begin, end in places]
    text = str(series[row]).encode()
    return [_whole_lines(text[begin:end], begin, end == size) for begin, end in places]


def _part(file: BinaryIO, begin: int, size: int) -> bytes:
    file.seek(begin)
    return file.read(size)


def _whole_lines(written: bytes, begin: int, is_end: bool) -> str:
    text = written.decode(errors="ignore")  # the first and the last character may be cut
    first = text.find("\n", 0, len(text) // 2) + 1 if begin else 0
    last = 0 if is_end else text.rfind("\n", len(text) // 2) + 1
    return text[first : last or len(text)]


def _piece_at(series: pl.Series, row: int, place: int) -> str:
    """A piece of a long text, from near the byte `place` on, cut where tokenizers cut."""
    if is_kept(series):
        with _opened(series) as file:
            file.seek(int(series.struct.field("start")[row]) + place)
            text = file.read(min(PIECE, int(series.struct.field("bytes")[row]) - place)).decode(errors="ignore")
    else:
        text = str(series[row])
        place = place * len(text) // int(byte_sizes(series[row : row + 1])[0])
        text = text[place : place + PIECE]
    begin = next((found.start() for found in BETWEEN_WORDS.finditer(text)), 0)
    return text[begin : cut_before(text, max(1, len(text) - 2), begin)]


def _pieces(texts: Sequence[str], first: int) -> Pieces:
    found: list[str] = []
    rows: list[int] = []
    ends: list[bool] = []
    before: list[str] = []
    for row, text in enumerate(texts, first):
        pieces = [text] if len(text) <= PIECE else list(pieces_of(text, PIECE))
        found += pieces
        rows += [row] * len(pieces)
        ends += [*[False] * (len(pieces) - 1), True]
        before += ["", *map(last_words, pieces[:-1])]
    return Pieces(found, np.array(rows, np.int64), np.array(ends, bool), before)


def _pieces_of_huge(series: pl.Series, row: int) -> Iterator[Pieces]:
    """One text that is longer than a stretch."""
    held: Pieces | None = None
    for window in _windows(series, row):
        pieces = _pieces([window], row)
        if held:
            held.ends[-1] = False
            pieces.before[0] = last_words(held.texts[-1])
            yield held
        held = pieces
    if held:
        yield held


def _windows(series: pl.Series, row: int) -> Iterator[str]:
    """The text of a row in stretches, cut where tokenizers cut."""
    if not is_kept(series):
        yield from pieces_of(str(series[row]), STRETCH)
        return
    begin, size = _where(series[row : row + 1])
    place, end = int(begin[0]), int(begin[0] + size[0])
    with _opened(series) as file:
        while place < end:
            file.seek(place)
            window = file.read(min(STRETCH, end - place)).decode(errors="ignore")  # a last character may be cut
            if place + len(window.encode()) < end:
                window = window[: cut_before(window, max(1, len(window) - 2))]
            place += len(window.encode())
            yield window


def _read(file: BinaryIO, begin: Sizes, size: Sizes) -> Iterator[str]:
    """Texts that follow each other in the file, in one go where little lies between them."""
    end = begin + size
    if (np.diff(begin) >= 0).all() and end.max() - begin[0] <= _SPARSE * max(int(size.sum()), STRETCH):
        file.seek(int(begin[0]))
        whole = file.read(int(end.max() - begin[0]))
        for first, last in zip((begin - begin[0]).tolist(), (end - begin[0]).tolist(), strict=True):
            yield whole[first:last].decode()
        return
    for first, length in zip(begin.tolist(), size.tolist(), strict=True):
        file.seek(first)
        yield file.read(length).decode()


def _where(series: pl.Series) -> tuple[Sizes, Sizes]:
    return tuple(series.struct.field(field).cast(pl.Int64).to_numpy() for field in ("start", "bytes"))  # type: ignore[return-value]


def _opened(series: pl.Series) -> BinaryIO:
    return file_of(series).open("rb")
