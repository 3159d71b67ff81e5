"""Questions and contexts as pairs of texts in tokens, and which characters of the context each token stands for.

A context with more tokens than fit beside its question becomes several overlapping windows (Devlin et al. 2019). The
answer of a window is its first and last token, or the window's first position where the answer lies elsewhere.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from tokenizers import Encoding, Tokenizer

from danlu.data.examples import Examples
from danlu.data.question_rows import ANSWERS, CONTEXT, QUESTION
from danlu.data.store import Ragged, Shapes, Store
from danlu.data.tally import Rows
from danlu.data.targets import UNKNOWN_CLASS, Target
from danlu.data.text import (
    UNKNOWN,
    Checkpoint,
    checkpoint_only,
    chosen_kind,
    chunks,
    opened,
    share_of_ideographs,
    texts_of,
    trained_tokenizer,
)
from danlu.data.values import offsets_of
from danlu.errors import DanluError
from danlu.events import Progress
from danlu.recipe import TextConfig
from danlu.words import Note

ANSWER = "answer"  # the head that scores where an answer begins and where it ends
BEGINS, ENDS = "begins", "ends"  # by position, the characters of the context that a token stands for

LONGEST = 384  # tokens of a window where the recipe names no number
FROM_SCRATCH = 256  # the same of a model that begins from nothing, to which more would cost more than it tells
SHORTEST = 16
PART = 3  # of a window at most one part in so many is the question, and by default shared with the next window
LONGEST_ANSWER = 30  # tokens, unless those of the training rows are longer
TYPICAL = 0.99  # share of the training answers that can be told in full
CHINESE = 0.3  # share of ideographs beyond which answers are compared character by character
WEIGHTS = (0.0, 0.25, 1.0)  # of a token of the context: not in the question, in it, in it beside the same neighbour
NEAR = 16  # tokens on either side that are its neighbourhood
LEVELS = 3  # of what it weighs, as a share of the heaviest
KINDS = 1 + len(WEIGHTS) * (LEVELS + 1)  # of segment: the question, and each kind of token of a context
_CHUNK = 2000  # texts between two signs of progress
NO_ANSWER = (UNKNOWN_CLASS, UNKNOWN_CLASS)  # among the tokens of a context

Ids = np.ndarray  # (tokens,) int64


@dataclass(frozen=True)
class Pieces:
    """A text in N tokens: their ids, and the first and last + 1 character of each; equal where it stands for none."""

    ids: Ids
    begins: np.ndarray
    ends: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def cut(self, first: int, count: int) -> "Pieces":
        """`count` tokens from `first`."""
        part = slice(first, first + count)
        return Pieces(self.ids[part], self.begins[part], self.ends[part])

    def span(self, start: int, end: int) -> tuple[int, int] | None:
        """The first and last token of the characters `start` … `end` - 1; None where none stands for them."""
        told = np.flatnonzero(self.begins < self.ends)
        first = int(np.searchsorted(self.ends[told], start, side="right"))
        last = int(np.searchsorted(self.begins[told], end, side="left")) - 1
        return (int(told[first]), int(told[last])) if first <= last else None


@dataclass(frozen=True)
class _Marks:
    """What a tokenizer puts before, between and behind a pair of texts, and the segment of the second."""

    opening: Ids
    middle: Ids
    closing: Ids
    segment: int

    @property
    def count(self) -> int:
        return self.before + len(self.closing)

    @property
    def before(self) -> int:
        return len(self.opening) + len(self.middle)


@dataclass(frozen=True)
class _Window:
    """Tokens of a context, from its token `first`, beside the question of a row."""

    row: int
    question: Pieces
    first: int
    context: Pieces
    kinds: np.ndarray  # of segment, of each token of the context


@dataclass(frozen=True)
class Passages:
    """How questions and contexts are read, and the tokenizer as the text of a `tokenizer.json`.

    `stride` tokens are shared by neighbouring windows. Answers are looked for up to `max_answer` tokens, and compared
    by characters where `by_character`. `segments`: kinds that the model is told; `likeness`: whether they say how
    like the question each place of the context is. `threshold`: how far an answer's score must be above that of having
    none; None where the training rows all had one.
    """

    max_length: int
    stride: int
    max_answer: int
    size: int
    segments: int
    likeness: bool
    by_character: bool
    tokenizer_json: str
    threshold: float | None = None
    reads: Literal["passages"] = "passages"

    def shapes(self, targets: Mapping[str, Target]) -> Shapes:
        """Windows, of which a model scores each token as an answer's first and as its last."""
        return Shapes(
            tokens=self.size,
            max_tokens=self.max_length,
            segments=self.segments,
            per_token=True,
            spans=True,
            heads={ANSWER: 2},
        )

    def encode(
        self, examples: Examples, targets: Mapping[str, Target], rows: Rows, progress: Progress | None = None
    ) -> Store:
        """Windows of tokens; by position BEGINS and ENDS, and with `targets` the answer's two positions.

        A target is (first, last), the first position where a window does not hold the answer, UNKNOWN_CLASS where
        nobody knows. Rows of several windows, cut questions and answers that cannot be told are counted.
        """
        contexts, questions = (self._pieces(examples, name, progress) for name in (CONTEXT, QUESTION))
        windows = list(self._windows(questions, contexts))
        row = np.array([window.row for window in windows], np.int64)
        rows.count("qa.question_cut", QUESTION, np.array([len(each) for each in questions]) > self.max_length // PART)
        rows.count("qa.windows", CONTEXT, np.bincount(row, minlength=len(examples)) > 1)
        told = {}
        if targets:
            spans = _spans(examples, contexts, rows)
            wanted = [_target(window, spans[window.row], self._marks.before) for window in windows]
            told = dict.fromkeys(targets, torch.tensor(wanted, dtype=torch.long).reshape(-1, 2))
        parts = [self._tensors(window) for window in windows]
        offsets = torch.from_numpy(offsets_of(np.array([part.shape[1] for part in parts], np.int64)))
        tokens, segments, begins, ends = torch.from_numpy(np.concatenate([np.empty((4, 0), np.int64), *parts], axis=1))
        feeds = {"tokens": Ragged(tokens, offsets)} | ({"segments": Ragged(segments, offsets)} if self.segments else {})
        characters = ((BEGINS, begins), (ENDS, ends))
        by_position = {name: Ragged(values.int(), offsets, padding=UNKNOWN_CLASS) for name, values in characters}
        return Store(feeds, told, torch.from_numpy(rows.positions[row]), by_position)

    def _windows(self, questions: Sequence[Pieces], contexts: Sequence[Pieces]) -> Iterator[_Window]:
        for row, (whole, context) in enumerate(zip(questions, contexts, strict=True)):
            question = whole.cut(0, self.max_length // PART)
            room = self.max_length - self._marks.count - len(question)
            kinds = likeness(question.ids, context.ids) if self.likeness else np.full(len(context), self._marks.segment)
            for first in starts(len(context), room, self.stride):
                yield _Window(row, question, first, context.cut(first, room), kinds[first : first + room])

    def _tensors(self, window: _Window) -> np.ndarray:
        """(4, T) int64: tokens, segments, first and last + 1 character of the context, UNKNOWN_CLASS for the others."""
        marks, question, context = self._marks, window.question.ids, window.context
        before, behind = len(marks.opening) + len(question) + len(marks.middle), len(marks.closing)
        nowhere = context.begins == context.ends
        tokens = np.concatenate([marks.opening, question, marks.middle, context.ids, marks.closing])
        segments = np.concatenate([np.zeros(before, np.int64), window.kinds, np.full(behind, marks.segment)])
        begins, ends = (
            np.pad(np.where(nowhere, UNKNOWN_CLASS, values), (before, behind), constant_values=UNKNOWN_CLASS)
            for values in (context.begins, context.ends)
        )
        return np.stack([tokens, segments, begins, ends])

    def _pieces(self, examples: Examples, column: str, progress: Progress | None) -> list[Pieces]:
        """The tokens of each row's text; equal texts are divided once."""
        texts = texts_of(examples.frame[column], column)
        distinct = list(dict.fromkeys(texts))
        found: dict[str, Pieces] = {}
        for part in chunks(len(distinct), _CHUNK, progress):
            encodings = self._tokenizer.encode_batch(distinct[part], add_special_tokens=False)
            found |= {text: _pieces_of(text, each) for text, each in zip(distinct[part], encodings, strict=True)}
        return [found[text] for text in texts]

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return opened(self.tokenizer_json)

    @cached_property
    def _marks(self) -> _Marks:
        return _marks_of(self._tokenizer)


def fit_passages(
    train: Examples, config: TextConfig, checkpoint: Checkpoint | None = None
) -> tuple[Passages, list[Note]]:
    """The checkpoint's tokenizer, or one trained on the texts; windows that suit them; what was chosen.

    Raises DanluError where no answer stands in its context, or a setting has no use here.
    """
    if "over_long" in config.model_fields_set:
        raise DanluError("qa.over_long")
    answers = train.frame[ANSWERS].explode().drop_nulls().struct.unnest().drop_nulls()["text"].to_list()
    if not answers:
        raise DanluError("qa.none_known", column=ANSWERS)
    tokenizer_json, size, limit, said = _tokenizer_for(train, config, checkpoint)
    tokenizer = Tokenizer.from_str(tokenizer_json)
    marks = _marks_of(tokenizer)
    longest = min(config.max_length or LONGEST, limit)
    lengths = [len(encoding) for encoding in tokenizer.encode_batch(answers, add_special_tokens=False)]
    passages = Passages(
        max_length=longest,
        stride=_stride(config, longest, marks.count),
        max_answer=config.max_answer or max(LONGEST_ANSWER, int(np.ceil(np.quantile(lengths, TYPICAL)))),
        size=size,
        segments=KINDS if checkpoint is None else marks.segment + 1 if marks.segment else 0,
        likeness=checkpoint is None,
        by_character=share_of_ideographs(answers) > CHINESE,
        tokenizer_json=tokenizer_json,
        threshold=0.0 if (train.frame[ANSWERS].list.len() == 0).any() else None,
    )
    fields = {name: getattr(passages, name) for name in ("size", "max_length", "stride", "max_answer")}
    return passages, [*said, Note("qa.tokens", **fields)]


def starts(tokens: int, room: int, stride: int) -> Iterator[int]:
    """The first token of each window of a text: `room` tokens in each, `stride` of them in the next one too."""
    yield 0
    yield from range(room - stride, max(tokens - stride, 0), room - stride)


def likeness(question: Ids, context: Ids) -> np.ndarray:
    """(context tokens,) int64, 1 … KINDS - 1: how like the question each token and its neighbourhood are.

    A model that begins from nothing is told it: which tokens the question has too, and where most of them stand, takes
    far more questions to learn than most data have.
    """
    known = np.isin(context, question[question != UNKNOWN])
    pairs = np.isin(*(ids[:-1] << 32 | ids[1:] for ids in (context, question))) & known[:-1] & known[1:]
    match = known.astype(np.int64) + (np.append(pairs, False)[: len(known)] | np.append(False, pairs)[: len(known)])
    upto = np.append(0.0, np.cumsum(np.array(WEIGHTS)[match]))
    place = np.arange(len(context))
    near = upto[np.minimum(place + NEAR + 1, len(context))] - upto[np.maximum(place - NEAR, 0)]
    level = np.ceil(LEVELS * near / max(near.max(initial=0), 1.0)).astype(np.int64)
    return 1 + match + len(WEIGHTS) * level


def _tokenizer_for(
    train: Examples, config: TextConfig, checkpoint: Checkpoint | None
) -> tuple[str, int, int, list[Note]]:
    """The tokenizer, how many tokens have a vector, the most of a window, and why."""
    if checkpoint:
        checkpoint_only(config)
        return checkpoint.tokenizer_json, checkpoint.size, checkpoint.max_length, []
    texts = [texts_of(train.frame[name].unique(maintain_order=True), name) for name in (QUESTION, CONTEXT)]
    kind, why = (config.tokenizer, None) if config.tokenizer else chosen_kind(texts)
    tokenizer = trained_tokenizer(kind, texts, config, marked=True)
    longest = sum(max(len(encoding) for encoding in tokenizer.encode_batch_fast(column)) for column in texts)
    limit = max(min(longest, FROM_SCRATCH), SHORTEST) if config.max_length is None else config.max_length
    return tokenizer.to_str(), tokenizer.get_vocab_size(), limit, [why] if why else []


def _stride(config: TextConfig, longest: int, marks: int) -> int:
    """DanluError where a window is too short for marks, question, what it shares, and one more token."""
    if longest < SHORTEST:
        raise DanluError("qa.too_short", got=longest, needed=SHORTEST)
    most = longest - marks - longest // PART - 1
    stride = min(longest // PART, most) if config.stride is None else config.stride
    if stride > most:
        raise DanluError("qa.stride", got=stride, most=most, longest=longest)
    return stride


def _marks_of(tokenizer: Tokenizer) -> _Marks:
    seen = tokenizer.encode("a", "a")
    ids, part = np.array(seen.ids, np.int64), np.array([-1 if which is None else which for which in seen.sequence_ids])
    first, second = (np.flatnonzero(part == which) for which in (0, 1))
    segment = seen.type_ids[second[0]]
    return _Marks(ids[: first[0]], ids[first[-1] + 1 : second[0]], ids[second[-1] + 1 :], segment)


def _pieces_of(text: str, encoding: Encoding) -> Pieces:
    """The tokens of a text without the white space at their ends, which byte-level tokenizers count among them."""
    ids, places = np.array(encoding.ids, np.int64), np.array(encoding.offsets, np.int64).reshape(-1, 2)
    blank = np.array([*(letter.isspace() for letter in text), False])
    solid, every = ~blank[:-1], np.arange(len(text))
    following = np.append(np.minimum.accumulate(np.where(solid, every, len(text))[::-1])[::-1], len(text))
    before = np.append(0, np.maximum.accumulate(np.where(solid, every + 1, 0)))
    begins, ends = following[places[:, 0]], before[places[:, 1]]
    return Pieces(ids, np.minimum(begins, ends), ends)


def _spans(examples: Examples, contexts: Sequence[Pieces], rows: Rows) -> list[tuple[int, int] | None]:
    """The tokens of each row's first answer that stands in its context: NO_ANSWER without any, None where none does."""
    spans: list[tuple[int, int] | None] = []
    for given, context in zip(examples.frame[ANSWERS].to_list(), contexts, strict=True):
        placed = next((answer for answer in given or () if answer["start"] is not None), None)
        span = context.span(placed["start"], placed["start"] + len(placed["text"])) if placed else None
        spans.append(NO_ANSWER if given == [] else span)
    rows.count("qa.untold", ANSWERS, np.array([span is None for span in spans], bool))
    return spans


def _target(window: _Window, span: tuple[int, int] | None, marks: int) -> tuple[int, int]:
    """The answer's positions in the window."""
    if span is None:
        return UNKNOWN_CLASS, UNKNOWN_CLASS
    first, last = (place - window.first for place in span)
    if first < 0 or last >= len(window.context):
        return 0, 0
    before = marks + len(window.question)
    return before + first, before + last
