"""Texts as weighted n-grams (TF-IDF), fitted on the training rows. Knows nothing of tokenizers.

The n-grams and their weights are those of scikit-learn's TfidfVectorizer; those within words are counted once per
distinct word and not once per occurrence, which is several times faster.
"""

import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl
import torch

from danlu.data.store import Bags
from danlu.data.text import share_of_ideographs, texts_of
from danlu.errors import DanluError
from danlu.events import Progress
from danlu.recipe import TextConfig
from danlu.words import Note

if TYPE_CHECKING:
    from scipy.sparse import csr_array

TOKEN = re.compile(r"\w+(?:['’]\w+)*|[!?]")
_BETWEEN_COLUMNS = "\x1f"  # ASCII's unit separator, which str.split takes for a space
_MAX_TERMS = 200_000  # of all parts together
_CHARACTERS_WITHIN_WORDS = 10_000_000  # longer training texts have words enough to do without parts of words
_CHUNK = 5_000  # texts between two signs of progress


@dataclass(frozen=True)
class Part:
    """The n-grams of one kind: runs of words; or of characters within words, padded (char_wb) or not (char).

    `document_frequency[i]` is the number of training rows that hold `terms[i]`.
    """

    analyzer: Literal["word", "char_wb", "char"]
    shortest: int
    longest: int
    terms: tuple[str, ...] = ()
    document_frequency: tuple[int, ...] = ()

    @cached_property
    def vocabulary(self) -> dict[str, int]:
        """Term → its index in `terms`."""
        return {term: i for i, term in enumerate(self.terms)}

    def weights(self, counts: "csr_array", documents: int) -> "csr_array":
        """Counts (rows, terms) → (1 + ln count) · idf, each row of length 1; idf = ln((1 + n) / (1 + df)) + 1."""
        idf = np.log((1 + documents) / (1 + np.array(self.document_frequency))) + 1
        weights = counts.copy()
        weights.data = (1 + np.log(counts.data)) * idf[counts.indices]
        rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
        weights.data /= np.sqrt(np.bincount(rows, weights.data**2, minlength=counts.shape[0]))[rows]
        return weights


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

    def encode(self, frame: pl.DataFrame, progress: Progress | None = None) -> Bags:
        """The terms of each row in rising order, with their weights, of length 1 per row and part."""
        from scipy.sparse import hstack, vstack

        texts = _texts(frame, self.columns, self.lowercase)
        pieces = []
        for piece in _pieces(texts, progress):
            counts = [_counts(piece, part, part.vocabulary, grow=False) for part in self.parts]
            weights = [part.weights(c, self.documents) for part, c in zip(self.parts, counts, strict=True)]
            pieces.append(hstack(weights, format="csr"))
        found = vstack(pieces, format="csr")
        return Bags(
            torch.from_numpy(found.indices.astype(np.int64)),
            torch.from_numpy(found.data.astype(np.float32)),
            torch.from_numpy(found.indptr.astype(np.int64)),
        )


def fit_terms(
    frame: pl.DataFrame, columns: tuple[str, ...], config: TextConfig, progress: Progress | None = None
) -> tuple[Terms, list[Note]]:
    """The most frequent n-grams of the training rows, and what was chosen. Raises DanluError where there are none."""
    texts = _texts(frame, columns, config.lowercase is not False)
    parts = _suitable_parts(texts)
    least = 2 if len(texts) >= 100 else 1
    most = (config.vocab_size or _MAX_TERMS) // len(parts)
    fitted = tuple(_fitted(part, texts, least, most, progress) for part in parts)
    terms = Terms(columns, config.lowercase is not False, len(texts), fitted)
    if not terms.size:
        raise DanluError("codec.no_words", column=", ".join(columns))
    kinds = "+".join(f"{part.analyzer} {part.shortest}-{part.longest}" for part in parts)
    return terms, [Note("codec.terms", column=", ".join(columns), size=terms.size, kinds=kinds, least=least)]


def _texts(frame: pl.DataFrame, columns: Sequence[str], lowercase: bool) -> list[str]:
    """Each row's texts, joined with a mark that no n-gram crosses."""
    texts = [_BETWEEN_COLUMNS.join(row) for row in zip(*(texts_of(frame[name], name) for name in columns), strict=True)]
    return [text.lower() for text in texts] if lowercase else texts


def _suitable_parts(texts: Sequence[str]) -> list[Part]:
    if share_of_ideographs(texts) > 0.3:
        return [Part("char", 1, 3)]
    words = Part("word", 1, 2)
    if sum(map(len, texts)) > _CHARACTERS_WITHIN_WORDS:
        return [words]
    return [words, Part("char_wb", 2, 5)]


def _pieces(texts: Sequence[str], progress: Progress | None) -> Iterator[Sequence[str]]:
    """The texts in pieces, one that is empty where there are none."""
    for start in range(0, max(len(texts), 1), _CHUNK):
        yield texts[start : start + _CHUNK]
        if progress:
            progress(Note("codec.encoding_texts"), min(start + _CHUNK, len(texts)), len(texts))


def _fitted(part: Part, texts: Sequence[str], least: int, most: int, progress: Progress | None) -> Part:
    """`part` with the terms that occur in at least `least` rows, by falling document frequency."""
    vocabulary: dict[str, int] = {}
    frequency = np.zeros(0, np.int64)
    for piece in _pieces(texts, progress):
        found = np.bincount(_counts(piece, part, vocabulary, grow=True).indices, minlength=len(vocabulary))
        found[: len(frequency)] += frequency
        frequency = found
    terms = np.array(list(vocabulary), dtype=object)
    frequent = np.flatnonzero(frequency >= least)
    kept = frequent[np.lexsort((terms[frequent].astype(str), -frequency[frequent]))][:most]
    return replace(part, terms=tuple(terms[kept]), document_frequency=tuple(frequency[kept].tolist()))


def _counts(texts: Sequence[str], part: Part, vocabulary: dict[str, int], grow: bool) -> "csr_array":
    """How often each term of the vocabulary stands in each text: (texts, terms)."""
    if part.analyzer == "word":
        return _bags((_word_grams(text, part) for text in texts), vocabulary, grow)
    runs: dict[str, int] = {}  # runs of characters without a space: a text has the n-grams of its runs
    of_texts = _bags((text.split() for text in texts), runs, grow=True)
    end = " " if part.analyzer == "char_wb" else ""
    of_runs = _bags((_character_grams(f"{end}{run}{end}", part) for run in runs), vocabulary, grow)
    return of_texts @ of_runs


def _bags(rows: Iterable[Iterable[str]], vocabulary: dict[str, int], grow: bool) -> "csr_array":
    """How often each string of the vocabulary, to which new ones are added if it may `grow`, is in each row."""
    from scipy.sparse import csr_array

    indices, offsets = array("q"), array("q", [0])
    for row in rows:
        if grow:
            indices.extend(vocabulary.setdefault(gram, len(vocabulary)) for gram in row)
        else:
            indices.extend(vocabulary[gram] for gram in row if gram in vocabulary)
        offsets.append(len(indices))
    counts = csr_array(
        (np.ones(len(indices)), np.asarray(indices), np.asarray(offsets)), shape=(len(offsets) - 1, len(vocabulary))
    )
    counts.sum_duplicates()
    return counts


def _word_grams(text: str, part: Part) -> Iterator[str]:
    for field in text.split(_BETWEEN_COLUMNS):
        words = TOKEN.findall(field)
        for n in range(part.shortest, part.longest + 1):
            yield from map(" ".join, zip(*(words[i:] for i in range(n)), strict=False))


def _character_grams(run: str, part: Part) -> Iterator[str]:
    for n in range(part.shortest, part.longest + 1):
        yield from (run[i : i + n] for i in range(len(run) - n + 1))
