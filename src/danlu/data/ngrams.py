"""Texts as weighted n-grams (TF-IDF), fitted on the training rows. Knows nothing of tokenizers.

All n-grams of many texts are found at once: the texts are one array of code points, an n-gram is a span of
it, and the hash of a span is a difference of prefix sums. The weights are those of TfidfVectorizer in
scikit-learn.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from danlu.data.store import Bags
from danlu.data.text import share_of_ideographs, texts_of
from danlu.events import Progress
from danlu.recipe import TextConfig
from danlu.words import Note

Analyzer = Literal["word", "char_wb", "char"]
Hashes = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]

TOKEN = re.compile(r"\w+(?:['’]\w+)*|[!?]")
_MAX_TERMS = 200_000  # of all parts together
_CHARACTERS_WITHIN_WORDS = 20_000_000  # longer training texts have words enough to do without parts of words
_CHUNK = 1_000_000  # characters that are hashed at once
_BASE = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2⁶⁴


@dataclass(frozen=True)
class Part:
    """The n-grams of one kind: runs of words, of characters within padded words (char_wb), or of characters.

    `document_frequency[i]` is the number of training rows that hold `terms[i]`.
    """

    analyzer: Analyzer
    shortest: int
    longest: int
    terms: tuple[str, ...] = ()
    document_frequency: tuple[int, ...] = ()

    @cached_property
    def vocabulary(self) -> pl.DataFrame:
        """hash → index of the term."""
        chunk = _Chunk(self.terms)
        spans = _spans(chunk, self)
        whole = spans.filter(
            (pl.col("start") == chunk.starts[spans["row"].to_numpy()])
            & (pl.col("end") == chunk.ends[spans["row"].to_numpy()])
        )
        return whole.select("hash", term="row")


@dataclass(frozen=True)
class Terms:
    """The text columns and their n-grams; those of each part are numbered after those of the part before."""

    columns: tuple[str, ...]
    lowercase: bool
    documents: int
    parts: tuple[Part, ...]

    @property
    def size(self) -> int:
        """Number of terms."""
        return sum(len(part.terms) for part in self.parts)

    @property
    def names(self) -> list[str]:
        """The terms by index."""
        return [term for part in self.parts for term in part.terms]

    @cached_property
    def inverse_document_frequency(self) -> npt.NDArray[np.float64]:
        """(size,) ln((1 + documents) / (1 + document frequency)) + 1."""
        frequency = np.array([count for part in self.parts for count in part.document_frequency])
        return np.log((1 + self.documents) / (1 + frequency)) + 1

    def encode(self, frame: pl.DataFrame, progress: Progress | None = None) -> Bags:
        """The terms of each row in rising order, with (1 + ln count) · idf, of length 1 per row and part."""
        found = []
        for first, chunk in _chunks(_row_texts(frame, self.columns, self.lowercase), progress):
            offset = 0
            for part in self.parts:
                counted = _counted(chunk, part)
                found.append(_weighted(counted, self.inverse_document_frequency[offset:], first, offset))
                offset += len(part.terms)
        rows, terms, weights = (np.concatenate(parts) for parts in zip(*found, strict=True))
        order = np.lexsort((terms, rows))
        offsets = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=frame.height))])
        return Bags(
            torch.from_numpy(terms[order]),
            torch.from_numpy(weights[order].astype(np.float32)),
            torch.from_numpy(offsets),
        )


def fit_terms(
    frame: pl.DataFrame, columns: tuple[str, ...], config: TextConfig, progress: Progress | None = None
) -> tuple[Terms, list[Note]]:
    """The most frequent n-grams of the training rows, and what was chosen."""
    texts = _row_texts(frame, columns, config.lowercase)
    parts = _suitable_parts(texts)
    least = 2 if len(texts) >= 100 else 1
    most = (config.vocab_size or _MAX_TERMS) // len(parts)
    found: list[list[pl.DataFrame]] = [[] for _ in parts]
    chunks = []
    for _, chunk in _chunks(texts, progress):
        chunks.append(chunk.text)
        for part, frames in zip(parts, found, strict=True):
            frames.append(_document_frequency(chunk, part).with_columns(chunk=len(chunks) - 1))
    fitted = [_fitted(*each, chunks, least, most) for each in zip(parts, found, strict=True)]
    terms = Terms(columns, config.lowercase, len(texts), tuple(fitted))
    kinds = "+".join(f"{part.analyzer} {part.shortest}-{part.longest}" for part in parts)
    return terms, [Note("codec.terms", column=", ".join(columns), size=terms.size, kinds=kinds, least=least)]


def _row_texts(frame: pl.DataFrame, columns: Sequence[str], lowercase: bool) -> list[str]:
    """Each row's texts, each with single spaces between and around its words, joined with line ends."""
    parts = [[_spaced(text, lowercase) for text in texts_of(frame[name], name)] for name in columns]
    return ["\n".join(row) for row in zip(*parts, strict=True)]


def _spaced(text: str, lowercase: bool) -> str:
    return " ".join(["", *(text.lower() if lowercase else text).split(), ""])


def _suitable_parts(texts: Sequence[str]) -> list[Part]:
    if share_of_ideographs(texts) > 0.3:
        return [Part("char", 1, 3)]
    words = Part("word", 1, 2)
    if sum(map(len, texts)) > _CHARACTERS_WITHIN_WORDS:
        return [words]
    return [words, Part("char_wb", 2, 5)]


class _Chunk:
    """Texts of some rows in one array of code points, a line end behind each."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.text = "\n".join([*texts, ""])
        self.codes = np.frombuffer(self.text.encode("utf-32-le"), np.uint32)
        lengths = np.fromiter((len(text) for text in texts), np.int64, len(texts))
        self.ends = np.cumsum(lengths + 1) - 1
        self.starts = self.ends - lengths
        self.rows = np.repeat(np.arange(len(texts)), lengths + 1)
        self.lines = _running(self.codes == ord("\n"))
        self.spaces = _running(self.codes == ord(" "))
        powers = _powers(_BASE, len(self.codes))
        self.sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(_mixed(self.codes) * powers)])
        self.inverse = _powers(pow(_BASE, -1, 2**64), len(self.codes))

    def hashes(self, start: Ints, end: Ints) -> Hashes:
        """The hash of each span: Σ mixed(code) · base^(place in the span), modulo 2⁶⁴."""
        return (self.sums[end] - self.sums[start]) * self.inverse[start]


def _chunks(texts: Sequence[str], progress: Progress | None) -> Iterator[tuple[int, _Chunk]]:
    """The texts in pieces of about _CHUNK characters, each with the number of its first row."""
    if not texts:
        yield 0, _Chunk(texts)
    first = characters = 0
    for i, text in enumerate(texts, start=1):
        characters += len(text)
        if characters >= _CHUNK or i == len(texts):
            yield first, _Chunk(texts[first:i])
            first, characters = i, 0
            if progress:
                progress(Note("codec.encoding_texts"), i, len(texts))


def _spans(chunk: _Chunk, part: Part) -> pl.DataFrame:
    """The n-grams: row, start, end, hash."""
    find = _word_spans if part.analyzer == "word" else _character_spans
    found = [find(chunk, part, n) for n in range(part.shortest, part.longest + 1)]
    start, end, hashes = (np.concatenate(column) for column in zip(*found, strict=True))
    return pl.DataFrame({"row": chunk.rows[start], "start": start, "end": end, "hash": hashes})


def _character_spans(chunk: _Chunk, part: Part, n: int) -> tuple[Ints, Ints, Hashes]:
    start = np.arange(max(len(chunk.codes) - n + 1, 0))
    ends = int(part.analyzer == "char_wb")  # a padded word has spaces at its ends, and nowhere else
    spaces = chunk.spaces[start + n - ends] - chunk.spaces[start + ends]
    lines = chunk.lines[start + n] - chunk.lines[start]
    start = start[(spaces == 0) & (lines == 0)]
    return start, start + n, chunk.hashes(start, start + n)


def _word_spans(chunk: _Chunk, part: Part, n: int) -> tuple[Ints, Ints, Hashes]:
    places = np.array([match.span() for match in TOKEN.finditer(chunk.text)], np.int64).reshape(-1, 2)
    words = chunk.hashes(places[:, 0], places[:, 1])
    count = max(len(places) - n + 1, 0)
    start, end = places[:count, 0], places[n - 1 :, 1]
    hashes = np.zeros(count, np.uint64)
    for i in range(n):
        hashes = hashes * np.uint64(_BASE) + words[i : i + count]
    inside = chunk.lines[start] == chunk.lines[end]
    return start[inside], end[inside], hashes[inside]


def _fitted(part: Part, found: Sequence[pl.DataFrame], chunks: Sequence[str], least: int, most: int) -> Part:
    """`part` with the terms that occur in at least `least` rows, by falling document frequency."""
    total = (
        pl.concat(found).group_by("hash").agg(pl.col("count").sum(), pl.col("chunk", "start", "end").first())
    )
    kept = total.filter(pl.col("count") >= least).sort(["count", "hash"], descending=[True, False]).head(most)
    texts = [chunks[i][start:end] for i, start, end in kept.select("chunk", "start", "end").iter_rows()]
    if part.analyzer == "word":
        texts = [" ".join(TOKEN.findall(text)) for text in texts]
    return Part(part.analyzer, part.shortest, part.longest, tuple(texts), tuple(kept["count"]))


def _document_frequency(chunk: _Chunk, part: Part) -> pl.DataFrame:
    spans = _spans(chunk, part).unique(["row", "hash"], keep="any")
    return spans.group_by("hash").agg(pl.len().cast(pl.Int64).alias("count"), pl.col("start", "end").first())


def _counted(chunk: _Chunk, part: Part) -> pl.DataFrame:
    """How often each known term stands in each row: row, term, len."""
    known = _spans(chunk, part).select("row", "hash").join(part.vocabulary, on="hash")
    return known.group_by("row", "term").len()


def _weighted(
    counted: pl.DataFrame, idf: npt.NDArray[np.float64], first: int, offset: int
) -> tuple[Ints, Ints, npt.NDArray[np.float64]]:
    """Rows, terms and weights; the weights of a row have length 1."""
    rows, terms = counted["row"].to_numpy(), counted["term"].to_numpy()
    weights = (1 + np.log(counted["len"].to_numpy())) * idf[terms]
    squares = np.bincount(rows, weights**2)
    return rows + first, terms + offset, weights / np.sqrt(squares[rows])


def _running(flags: npt.NDArray[np.bool_]) -> Ints:
    """How many are set before each place: (N + 1,)."""
    return np.concatenate([[0], np.cumsum(flags)])


def _powers(base: int, count: int) -> Hashes:
    powers = np.full(count, base, np.uint64)
    powers[:1] = 1
    return np.cumprod(powers)


def _mixed(codes: npt.NDArray[np.uint32]) -> Hashes:
    """Code points spread over 64 bits (finalizer of splitmix64, Steele et al. 2014), so that sums differ."""
    x = codes.astype(np.uint64) * np.uint64(_BASE)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
