"""A language model on documents, and what it is compared with: n-grams and compression. Knows nothing of files.

All costs are nats per position of the documents' tokens, so that everything is compared on the same text.
"""

import lzma
import math
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from torch import nn

from danlu.data.corpus import UNKNOWN, Documents, Encoded
from danlu.data.examples import ROW, Examples
from danlu.data.kept import byte_sizes, in_pieces, part_of
from danlu.data.text import share_of_ideographs
from danlu.evaluation.asking import Answers, Asking
from danlu.evaluation.baseline import Baseline
from danlu.evaluation.judge import Evidence
from danlu.evaluation.outcome import Outcome
from danlu.events import Progress
from danlu.generation.config import GenerationConfig
from danlu.generation.reading import Decoder
from danlu.generation.text import Writer
from danlu.tasks.text_generation import told
from danlu.words import Note

ENOUGH = 30  # documents that are resampled whole; of fewer, stretches of half a context are
ORDER = 5  # of the n-gram model
MOST_TOKENS = 5_000_000  # of training text that n-grams are counted in
MOST_BYTES = 8_000_000  # of training text that xz may look back on
LOOK_BACK = 32_768  # bytes that gzip can
SAMPLES = 3
TEMPERATURE = 0.8  # at which they are drawn: livelier than the likeliest text, less wild than the model
JUDGED = 10_000_000  # characters of a document that are looked at for places to begin a sample
BEGINNING, LENGTH = 40, 400  # characters of a sample that are given, and in all

Nats = np.ndarray  # (positions,) float64


@dataclass(frozen=True)
class Text:
    """Documents that a model is measured on."""

    documents: Documents
    examples: Examples

    @property
    def texts(self) -> pl.Series:
        """The texts themselves."""
        return self.examples.frame[self.documents.column]

    @cached_property
    def encoded(self) -> Encoded:
        """Their tokens."""
        return self.documents.tokens(self.examples.frame)

    @cached_property
    def edges(self) -> np.ndarray:
        """Where each stretch that is resampled as one begins: a document or, where they are few, half a context."""
        if len(self.examples) >= ENOUGH:
            return self.encoded.offsets.numpy()[:-1]
        return self.documents.told_from(self.encoded)

    def costs(self, module: nn.Module, progress: Progress | None = None) -> tuple[Nats, np.ndarray]:
        """What each position costs the model, and whether it tells the token right."""
        nats, right = told(module, self.documents.windows(self.encoded), self.documents.size, progress)
        return nats.double().numpy() + self.unwritten, right.numpy()

    @cached_property
    def unwritten(self) -> Nats:
        """What is paid, by anyone, for the characters that no token stands for: each of their bytes is one of 256."""
        lost = (self.encoded.tokens.numpy() == UNKNOWN) & (self.encoded.unwritten.sum() > 0)
        starts = self.encoded.offsets.numpy()[:-1]
        times = np.maximum(np.add.reduceat(lost, starts, dtype=np.int64), 1)
        each = self.encoded.unwritten / times * math.log(256)
        return lost * np.repeat(each, np.diff(self.encoded.offsets.numpy()))

    @cached_property
    def bytes(self) -> np.ndarray:
        """(positions,): UTF-8 bytes, those of a document shared by its tokens."""
        lengths = np.diff(self.encoded.offsets.numpy())
        return np.repeat(self.encoded.bytes / lengths, lengths)

    def outcome(self, nats: Nats, right: np.ndarray) -> Outcome:
        """The costs as an outcome, one row per stretch of text."""
        truth = np.stack([self._summed(np.ones(len(nats))), self._summed(self.bytes)], axis=1)
        document = np.searchsorted(self.encoded.offsets.numpy(), self.edges, side="right") - 1
        rows = self.examples.frame[ROW].to_numpy()[document]
        places = self.examples.origin.places(rows)
        return Outcome("text", "text", (), truth, self.prediction(nats, right), places, pl.DataFrame())

    def prediction(self, nats: Nats, right: np.ndarray | None = None) -> np.ndarray:
        """(stretches, 2): nats, and tokens told right; nan where nobody asked."""
        told_right = np.full(len(nats), np.nan) if right is None else right.astype(np.float64)
        return np.stack([self._summed(nats), self._summed(told_right)], axis=1)

    def per_document(self, nats: Nats) -> dict[str, pl.Series]:
        """Of each document: loss per token, perplexity, bits per byte, tokens."""
        offsets = self.encoded.offsets.numpy()
        cost, tokens = np.add.reduceat(nats, offsets[:-1]), np.diff(offsets)
        loss, bits = cost / tokens, cost / math.log(2) / np.maximum(self.encoded.bytes, 1)
        columns = {"loss": loss, "perplexity": np.exp(loss), "bits_per_byte": bits, "tokens": tokens}
        return {name: pl.Series(values) for name, values in columns.items()}

    def _summed(self, values: np.ndarray) -> np.ndarray:
        return np.add.reduceat(values.astype(np.float64), self.edges)


@dataclass(frozen=True)
class Costs(Answers):
    """What documents, which have no targets, cost a model."""

    asking: Asking

    @cached_property
    def text(self) -> Text:
        """The documents."""
        reading = self.asking.codec.reading
        assert isinstance(reading, Documents)
        return Text(reading, self.asking.examples)

    @cached_property
    def told(self) -> tuple[Nats, np.ndarray]:
        """Per position: nats, and whether the token was told right."""
        return self.text.costs(self.asking.module, self.asking.progress)

    def columns(self) -> dict[str, pl.Series]:
        """Of each document: loss per token, perplexity, bits per byte, tokens."""
        return self.text.per_document(self.told[0])

    def evidence(self) -> Evidence:
        """The costs of each stretch of text."""
        return Evidence(self.text.outcome(*self.told))

    def rivals(self, train: Examples) -> Iterator[Baseline]:
        """Single tokens, n-grams and compression."""
        return rivals(Text(self.text.documents, train), self.text)

    def samples(self, seed: int) -> list[dict[str, str]]:
        """Beginnings of the documents, and what the model writes behind them."""
        documents, given = self.text.documents, beginnings(self.text)
        prompts = [documents.cut(prompt, documents.max_length // 4) for prompt, _ in given]
        written = writer(self.asking.module, documents).texts(
            prompts, GenerationConfig(temperature=TEMPERATURE, seed=seed)
        )
        return [
            {"prompt": prompt, "text": text, "true": whole[len(prompt) :]}
            for prompt, text, whole in zip(prompts, written, map("".join, given), strict=True)
        ]


def writer(module: nn.Module, documents: Documents) -> Writer:
    """What writes behind texts, as the documents were read."""
    assert isinstance(module, Decoder)
    return Writer(module.eval(), documents.tokenizer, (documents.begin,), (documents.end, documents.begin))


def beginnings(text: Text) -> list[tuple[str, str]]:
    """A few places of the documents, evenly taken: how the text begins there, and how it goes on."""
    column = text.texts
    chosen = [(row, 0) for row in range(0, len(column), max(1, len(column) // SAMPLES))][:SAMPLES]
    if len(column) < SAMPLES:  # several places of the first: beginnings of lines
        first = part_of(column, 0, 0, JUDGED)
        chosen = [(0, first.find("\n", round(len(first) * i / SAMPLES)) + 1) for i in range(SAMPLES)]
    seen = [part_of(column, row, 0, JUDGED) for row in range(min(len(column), 100))]
    short = 4 if share_of_ideographs(seen) > 0.3 else 1  # an ideograph says as much as some letters
    begin, end = BEGINNING // short, LENGTH // short
    found = []
    for row, place in chosen:
        document = part_of(column, row, place, place + max(2 * begin, end))
        size = min(begin, len(document) // 2)
        found.append((document[:size], document[size:end]))
    return found


def rivals(train: Text, test: Text) -> Iterator[Baseline]:
    """What knows nothing of order, n-grams of the same tokens, gzip and xz, all with the training text before them."""
    available = len(train.encoded.tokens)
    for order, name in ((1, Note("evaluate.unigram")), (ORDER, Note("evaluate.ngram", order=ORDER))):
        began = time.monotonic()
        nats = ngram_nats(train.encoded, test.encoded, train.documents.size, order) + test.unwritten
        spent = time.monotonic() - began
        yield Baseline(name, test.prediction(nats), min(available, MOST_TOKENS), available, spent)
    size, text = int(byte_sizes(train.texts).sum()) + len(train.texts) - 1, last_bytes(test.texts)
    for squeezer, compressed, most in (("gzip", _gzipped, LOOK_BACK), ("xz", _xzipped, MOST_BYTES)):
        began = time.monotonic()
        nats = test.bytes * (compressed(last_bytes(train.texts, most), text) * 8 * math.log(2) / test.bytes.sum())
        spent = time.monotonic() - began
        used = round(available * min(1.0, most / max(size, 1)))
        yield Baseline(Note(f"evaluate.{squeezer}"), test.prediction(nats), used, available, spent)


def last_bytes(texts: pl.Series, most: int | None = None) -> bytes:
    """The texts, a line break between them, or their last bytes."""
    sizes = byte_sizes(texts)
    first = 0 if most is None else int((sizes[::-1].cumsum() < most).sum())
    first = 0 if most is None else max(0, len(texts) - first - 1)
    found, held = [], 0
    for pieces in in_pieces(texts[first:]):
        joined = "".join(text + "\n" * int(ends) for text, ends in zip(pieces.texts, pieces.ends, strict=True))
        found.append(joined.encode())
        held += len(found[-1])
        while most is not None and held - len(found[0]) > most:
            held -= len(found.pop(0))
    whole = b"".join(found).removesuffix(b"\n")
    return whole if most is None else whole[-most:]


def ngram_nats(train: Encoded, test: Encoded, size: int, order: int) -> Nats:
    """What each position of `test` costs n-grams of `train`, interpolated from `order` tokens down to none.

    P(w | h) = (count(h w) + kinds(h) P(w | h′)) / (count(h) + kinds(h)), where kinds(h) is how many different tokens
    follow h, and h′ is h without its first token (Witten & Bell 1991); below all, every token is as likely.
    """
    learned, boundary = _padded(train, order, MOST_TOKENS)
    asked, _ = _padded(test, order)
    tokens = np.concatenate([learned, asked])
    real = tokens != boundary
    seen = real & (np.arange(len(tokens)) < len(learned))
    chance = np.full(len(tokens), 1 / size)
    gram = np.zeros(len(tokens), np.int64)  # a number for the last k tokens up to each position
    for _ in range(order):
        context = np.append(0, gram[:-1])
        gram = np.unique(context * (boundary + 1) + tokens, return_inverse=True)[1]
        chance = _interpolated(gram, context, seen, chance)
    return -np.log(chance[real & ~seen])


def _interpolated(gram: np.ndarray, context: np.ndarray, seen: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """The chance of each position by n-grams, `lower` being that by shorter ones."""
    grams, contexts = int(gram.max()) + 1, int(context.max()) + 1
    count = np.bincount(gram[seen], minlength=grams)
    total = np.bincount(context[seen], minlength=contexts)
    follows = np.zeros(grams, np.int64)
    follows[gram] = context
    kinds = np.bincount(follows[count > 0], minlength=contexts)
    weight = total[context] + kinds[context]
    mixed = (count[gram] + kinds[context] * lower) / np.maximum(weight, 1)
    return np.where(weight > 0, mixed, lower)


def _padded(encoded: Encoded, order: int, most: int | None = None) -> tuple[np.ndarray, int]:
    """Tokens with `order` - 1 marks before each document, so that no n-gram reaches into another; and the mark."""
    offsets = encoded.offsets.numpy()
    mark = 1 << 20  # above every token
    starts = offsets[:-1] if most is None else offsets[:-1][offsets[:-1] < most]
    return np.insert(encoded.tokens.numpy()[:most].astype(np.int64), np.repeat(starts, order - 1), mark), mark


def _gzipped(before: bytes, text: bytes) -> int:
    squeezer = zlib.compressobj(9, zdict=before) if before else zlib.compressobj(9)
    return len(squeezer.compress(text) + squeezer.flush())


def _xzipped(before: bytes, text: bytes) -> int:
    return len(lzma.compress(before + text)) - len(lzma.compress(before))
