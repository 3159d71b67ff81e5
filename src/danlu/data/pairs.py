"""Pairs of texts as tokens: a source that is read and an answer that is written, in one vocabulary.

The source ends with the mark that closes a text. The answer is told token by token, its end included, from the mark
that begins it and what stands before. Knows nothing of models.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Literal

import numpy as np
import polars as pl
import torch
from tokenizers import Tokenizer, normalizers, processors

from danlu.data.corpus import trained_tokenizer
from danlu.data.examples import Examples
from danlu.data.store import Ragged, Shapes, Store
from danlu.data.tally import Rows
from danlu.data.targets import UNKNOWN_CLASS, Target
from danlu.data.text import FREE, Checkpoint, Forced, checkpoint_only, chunks, opened, share_of_ideographs, texts_of
from danlu.data.values import offsets_of
from danlu.errors import DanluError
from danlu.events import Progress
from danlu.recipe import TextConfig
from danlu.words import Note

END, START = "[END]", "[START]"
SHORTEST = 4  # tokens of a text, marks included
_BYTES_PER_TOKEN = 500  # of training text, for each token of the vocabulary beyond the least …
_PARTS = (2000, 8000)  # … as small data calls for (Sennrich and Zhang 2019)
_LONGEST = 512  # tokens, where the recipe names no number
_SAMPLE = 10_000  # rows whose length is looked at, where longer ones may be cut
_CHUNK = 5000  # texts between two signs of progress

Ids = list[int]
BleuWords = Literal["13a", "zh", "char"]  # how sacrebleu divides texts: at spaces and marks, Chinese, every character


@dataclass(frozen=True)
class Pairs:
    """The columns of sources and of answers, and their tokenizer as the text of a `tokenizer.json`.

    `max_length` and `answer_length` are tokens with the marks around them. `start` is the token that stands before an
    answer, `end` the one behind it. `bleu_words`: how the answers are divided into words when they are measured.
    `answer_tokenizer_json`: of the answers, where they have a tokenizer of their own, with the same numbers.
    """

    source: str
    target: str
    max_length: int
    answer_length: int
    over_long: Literal["cut", "refuse"]
    size: int
    start: int
    end: int
    bleu_words: BleuWords
    tokenizer_json: str
    answer_tokenizer_json: str | None = None
    forced: Forced = FREE
    reads: Literal["pairs"] = "pairs"

    def encode(
        self, examples: Examples, targets: Mapping[str, Target], rows: Rows, progress: Progress | None = None
    ) -> Store:
        """Sources as "tokens"; with targets "answer", what a decoder is given, and by position "tokens", what it tells.

        Of several references the first is told. Over-long texts are cut and counted, or refused.
        """
        sources = texts_of(examples.frame[self.source], self.source)
        feeds = {"tokens": _ragged(self._ids(sources, self.source, rows, progress))}
        place = torch.from_numpy(rows.positions)
        if not targets:
            return Store(feeds, {}, place)
        first = [each[0] for each in references(examples.frame[self.target])]
        told = self._ids(first, self.target, rows, progress)
        feeds["answer"] = _ragged([[self.start, *ids[:-1]] for ids in told])
        return Store(feeds, {}, place, {"tokens": _ragged(told, padding=UNKNOWN_CLASS)})

    def shapes(self, targets: Mapping[str, Target]) -> Shapes:
        """Tokens, and no head: what is told are the next ones."""
        return Shapes(tokens=self.size, max_tokens=self.max_length, answers=self.answer_length)

    def text(self, tokens: Sequence[int]) -> str:
        """What the tokens write, without marks."""
        return self.tokenizer.decode(list(tokens), skip_special_tokens=True).strip()

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer itself; names of marks in a text are text."""
        return opened(self.tokenizer_json)

    @cached_property
    def answer_tokenizer(self) -> Tokenizer:
        """That of the answers; the same where they have none of their own."""
        return opened(self.answer_tokenizer_json or self.tokenizer_json)

    @cached_property
    def _cutting(self) -> dict[str, Tokenizer]:
        """The tokenizer of each column, which gives no more than its longest."""
        sources, answers = opened(self.tokenizer_json), opened(self.answer_tokenizer_json or self.tokenizer_json)
        sources.enable_truncation(self.max_length)
        answers.enable_truncation(self.answer_length)
        return {self.source: sources, self.target: answers}

    def _ids(self, texts: Sequence[str], column: str, rows: Rows, progress: Progress | None) -> list[Ids]:
        """The tokens of each text, its marks around them, no more than the column's longest."""
        tokenizer = self._cutting[column]
        ids, long = list[Ids](), np.zeros(len(texts), bool)
        for part in chunks(len(texts), _CHUNK, progress):
            for row, found in enumerate(tokenizer.encode_batch(texts[part]), part.start):
                long[row] = bool(found.overflowing)
                ids.append(found.ids)
        self._judge(long, texts, column, rows)
        return ids

    def _judge(self, long: np.ndarray, texts: Sequence[str], column: str, rows: Rows) -> None:
        """Count what is too long, or refuse it."""
        if self.over_long == "refuse" and long.any():
            length = len(self.tokenizer.encode(texts[int(long.argmax())]))
            place, longest = rows.first(long), self.answer_length if column == self.target else self.max_length
            raise DanluError("codec.text_too_long", place=place, column=column, length=length, longest=longest)
        rows.count("codec.text_cut", column, long)


def fit_pairs(
    train: Examples,
    target: str,
    config: TextConfig,
    checkpoint: Checkpoint | None = None,
    progress: Progress | None = None,
) -> tuple[Pairs, list[Note]]:
    """The checkpoint's tokenizer, or one trained on both columns, and what was chosen.

    Raises DanluError where there is no pair of texts, where a setting has no use, or the checkpoint says not how an
    answer begins.
    """
    source = next(c.name for c in train.columns.values() if c.kind == "text" and c.name != target)
    texts = texts_of(train.frame[source], source)
    answers = list(chain.from_iterable(references(train.frame[target])))
    if config.max_length and config.max_length < SHORTEST:
        raise DanluError("pairs.too_short", got=config.max_length, needed=SHORTEST)
    if progress and not checkpoint:
        progress(Note("corpus.training_tokenizer"), 0, 0)
    marked = _given(checkpoint, config) if checkpoint else _trained([*texts, *answers], config)
    most = checkpoint.max_length if checkpoint else _LONGEST
    reader, writer = (opened(each) for each in (marked.tokenizer_json, marked.of_answers))
    pairs = Pairs(
        source=source,
        target=target,
        max_length=_longest(reader, texts, config, most),
        answer_length=_longest(writer, answers, config, most),
        over_long=config.over_long,
        bleu_words=_bleu_words(answers),
        **vars(marked),
    )
    return pairs, _said(pairs, Note(f"pairs.kind_{'pretrained' if checkpoint else config.tokenizer or 'bpe'}"))


def _said(pairs: Pairs, kind: Note) -> list[Note]:
    lengths = {"longest": pairs.max_length, "answer": pairs.answer_length}
    fitted = Note("pairs.tokens", source=pairs.source, target=pairs.target, size=pairs.size, kind=kind, **lengths)
    return [fitted, Note(f"pairs.bleu_{pairs.bleu_words}")]


def references(series: pl.Series) -> list[list[str]]:
    """The texts, each of which is a right answer, of each row."""
    return [list(each or ()) for each in series.to_list()]


@dataclass(frozen=True)
class _Marked:
    """A tokenizer that closes a text, and the tokens that stand before and behind an answer."""

    tokenizer_json: str
    size: int
    start: int
    end: int
    answer_tokenizer_json: str | None = None
    forced: Forced = FREE

    @property
    def of_answers(self) -> str:
        """The tokenizer that reads answers."""
        return self.answer_tokenizer_json or self.tokenizer_json


def _trained(texts: Sequence[str], config: TextConfig) -> _Marked:
    """A tokenizer of the texts, which closes each by END."""
    kind, lowered = config.tokenizer or "bpe", [text.lower() for text in texts] if config.lowercase else texts
    tokenizer = trained_tokenizer(kind, lowered, config.vocab_size or _vocabulary(kind, texts))
    if config.lowercase:
        tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.add_special_tokens([START])
    marks = tokenizer.get_vocab()
    start, end = marks[START], marks[END]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"$A {END}", special_tokens=[(END, end)])
    return _Marked(tokenizer.to_str(), tokenizer.get_vocab_size(), start, end)


def _vocabulary(kind: str, texts: Sequence[str]) -> int | None:
    """Parts of words, few where there is little text; of whole words and characters, as many as usual."""
    least, most = _PARTS
    parts = min(most, least + sum(len(text.encode()) for text in texts) // _BYTES_PER_TOKEN)
    return None if kind in ("word", "char") else parts


def _given(checkpoint: Checkpoint, config: TextConfig) -> _Marked:
    """The checkpoint's tokenizer, with the marks as it puts them."""
    checkpoint_only(config)
    if checkpoint.start is None:
        raise DanluError("pairs.no_start")
    end = opened(checkpoint.tokenizer_json).encode("a").ids[-1]
    return _Marked(
        checkpoint.tokenizer_json,
        checkpoint.size,
        checkpoint.start,
        end,
        checkpoint.answer_tokenizer_json,
        checkpoint.forced,
    )


def _bleu_words(answers: Sequence[str]) -> BleuWords:
    """Chinese as published figures divide it; Japanese, whose words only a dictionary tells, by characters."""
    sample = "".join(answers[:: max(1, len(answers) // _SAMPLE)])
    if share_of_ideographs([sample]) <= 0.3:
        return "13a"
    return "char" if len(re.findall(r"[\u3040-\u30ff]", sample)) > 0.05 * len(sample) else "zh"


def _longest(tokenizer: Tokenizer, texts: Sequence[str], config: TextConfig, most: int) -> int:
    """Long enough for 99 of 100 texts, or for all where none may be cut; no more than a model takes."""
    if config.max_length:
        return min(config.max_length, most)
    whole = config.over_long == "refuse"
    chosen = texts if whole else texts[:: max(1, len(texts) // _SAMPLE)]
    lengths = [len(found.ids) for found in tokenizer.encode_batch_fast(chosen)]
    return max(SHORTEST, min(most, int(np.ceil(np.quantile(lengths, 1.0 if whole else 0.99)))))


def _ragged(rows: Sequence[Ids], padding: int = 0) -> Ragged:
    values = np.fromiter(chain.from_iterable(rows), np.int64)
    offsets = offsets_of(np.array([len(ids) for ids in rows], np.int64))
    return Ragged(torch.from_numpy(values), torch.from_numpy(offsets), padding)
