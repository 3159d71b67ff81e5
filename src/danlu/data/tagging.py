"""Texts as tokens that are told word by word: windows of a sentence, and which token speaks for which word.

The first token of a word carries its class. A text with more tokens than the model takes becomes several overlapping
windows, each word being told in one of them, where most stands around it: every word is told.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from tokenizers import Tokenizer

from danlu.data.entity_rows import TEXT
from danlu.data.examples import Examples
from danlu.data.spans import WORDS, bio_classes, labels_of, words_in
from danlu.data.store import Ragged, Shapes, Store
from danlu.data.tally import Rows
from danlu.data.targets import UNKNOWN_CLASS, Target
from danlu.data.text import Checkpoint, chunks, fit_tokens, given_tokens, opened, texts_of
from danlu.data.values import natural_order, offsets_of
from danlu.errors import DanluError
from danlu.events import Progress
from danlu.recipe import TextConfig
from danlu.words import Note

WORD = "word"  # the feed that says which word each position tells
LEAST = 128  # tokens of a window where the recipe names no number
SHORTEST = 8  # tokens of a window, marks included
OVERLAP = 4  # of a window, one part in so many is shared with the next
_CHUNK = 5000  # texts between two signs of progress

Ids = list[int]


@dataclass(frozen=True)
class Places:
    """Where W words lie, text after text: the row of each, and its first and last + 1 character."""

    row: np.ndarray
    start: np.ndarray
    end: np.ndarray


@dataclass(frozen=True)
class Tagging:
    """A column of texts told word by word, and the tokenizer as the text of a `tokenizer.json`."""

    column: str
    max_length: int
    size: int
    tokenizer_json: str
    reads: Literal["words"] = "words"

    def places(self, examples: Examples) -> Places:
        """Where the words of all texts lie."""
        return _places(_divided(examples, self.column))

    def encode(
        self, examples: Examples, targets: Mapping[str, Target], rows: Rows, progress: Progress | None = None
    ) -> Store:
        """Windows of tokens; by position the word that each tells and, of a target, that word's class.

        Texts of several windows are counted, and so are rows with entities that words cannot tell.
        """
        texts, divided = texts_of(examples.frame[self.column], self.column), _divided(examples, self.column)
        windows, word = list[_Window](), 0
        long = np.zeros(len(texts), bool)
        for row, pieces in enumerate(self._pieces(texts, divided, progress)):
            cuts = list(windows_of([len(piece) for piece in pieces], self.max_length - sum(map(len, self._marks))))
            windows += [self._window(row, pieces, cut, word) for cut in cuts]
            long[row] = len(cuts) > 1
            word += len(pieces)
        rows.count("entities.windows", self.column, long)
        offsets = torch.from_numpy(offsets_of(np.array([len(window.ids) for window in windows], np.int64)))
        told = _joined([window.words for window in windows])
        by_position = {WORD: Ragged(told, offsets, padding=UNKNOWN_CLASS)}
        for target in targets.values():
            classes = torch.from_numpy(np.append(word_classes(examples, target, _places(divided), rows), UNKNOWN_CLASS))
            by_position[target.name] = Ragged(classes[told], offsets, padding=UNKNOWN_CLASS)
        place = torch.from_numpy(rows.positions)[torch.tensor([w.row for w in windows], dtype=torch.long)]
        return Store({"tokens": Ragged(_joined([w.ids for w in windows]), offsets)}, {}, place, by_position)

    def shapes(self, targets: Mapping[str, Target]) -> Shapes:
        """Tokens, each of which has an answer."""
        heads = {name: target.size for name, target in targets.items()}
        return Shapes(tokens=self.size, max_tokens=self.max_length, per_token=True, heads=heads)

    def _window(self, row: int, pieces: list[Ids], cut: "Cut", before: int) -> "_Window":
        """The tokens of some words between the marks; `before`: words of all texts before this one."""
        opening, closing = self._marks
        ids, words = list(opening), [UNKNOWN_CLASS] * len(opening)
        for word in range(cut.first, cut.end):
            ids += pieces[word]
            told = before + word if cut.told_from <= word < cut.told_to else UNKNOWN_CLASS
            words += [told, *[UNKNOWN_CLASS] * (len(pieces[word]) - 1)]
        return _Window(row, ids + list(closing), words + [UNKNOWN_CLASS] * len(closing))

    def _pieces(
        self, texts: Sequence[str], divided: Sequence[list[tuple[int, int]]], progress: Progress | None
    ) -> Iterator[list[Ids]]:
        """The tokens of each word of each text: at least one, at most half a window."""
        most = max(1, (self.max_length - sum(map(len, self._marks))) // 2)
        for part in chunks(len(texts), _CHUNK, progress):
            worded = [
                [text[start:end] for start, end in places]
                for text, places in zip(texts[part], divided[part], strict=True)
            ]
            encodings = self._tokenizer.encode_batch(worded, is_pretokenized=True, add_special_tokens=False)
            for words, encoding in zip(worded, encodings, strict=True):
                pieces: list[Ids] = [[] for _ in words]
                for token, word in zip(encoding.ids, encoding.word_ids, strict=True):
                    if word is not None:  # a mark, of which there are none here
                        pieces[word].append(token)
                yield [piece[:most] or [self._unknown] for piece in pieces]

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return opened(self.tokenizer_json)

    @cached_property
    def _marks(self) -> tuple[Ids, Ids]:
        """What the tokenizer puts before and behind a text."""
        seen = self._tokenizer.encode(["a"], is_pretokenized=True)
        text = [place for place, special in enumerate(seen.special_tokens_mask) if not special]
        return seen.ids[: text[0]], seen.ids[text[-1] + 1 :]

    @cached_property
    def _unknown(self) -> int:
        """The token of a word of which nothing is left, such as one of control characters."""
        mark = getattr(self._tokenizer.model, "unk_token", None)
        return (self._tokenizer.token_to_id(mark) if mark else None) or 0


@dataclass(frozen=True)
class _Window:
    row: int
    ids: Ids
    words: Ids  # which word of all texts each position tells


@dataclass(frozen=True)
class Cut:
    """The words of a window, first … end - 1, and those of them that are told in it."""

    first: int
    end: int
    told_from: int
    told_to: int


def windows_of(sizes: Sequence[int], limit: int) -> Iterator[Cut]:
    """The windows of a text whose words have so many tokens, at most `limit` in each; every word is told once."""
    before = np.append(0, np.cumsum(sizes, dtype=np.int64))
    first, told, count = 0, 0, len(sizes)
    while told < count:
        end = int(np.searchsorted(before, before[first] + limit, side="right")) - 1
        if end == count:
            yield Cut(first, count, told, count)
            return
        shared = int(np.searchsorted(before, before[end] - limit // OVERLAP))
        following = min(max(shared, first + 1), end)
        middle = max((following + end) // 2, told)
        yield Cut(first, end, told, middle)
        first, told = following, middle


def fit_tagging(
    train: Examples,
    target: str,
    config: TextConfig,
    checkpoint: Checkpoint | None = None,
    progress: Progress | None = None,
) -> tuple[Tagging, Target, list[Note]]:
    """The checkpoint's tokenizer, or one trained on the texts; the tags of the training rows; what was chosen.

    Raises DanluError where there is no entity, or a setting has no use here.
    """
    if "over_long" in config.model_fields_set:
        raise DanluError("entities.over_long")
    labels = train.frame[target].explode().struct.field("label").drop_nulls().unique().to_list()
    if not labels:
        raise DanluError("entities.none", column=target)
    all_fit = config.model_copy(update={"over_long": "refuse"})
    if checkpoint:
        tokens, said = given_tokens(checkpoint, train.frame, (TEXT,), all_fit, progress)
        limit = checkpoint.max_length
    else:
        in_capitals = all_fit.model_copy(update={"lowercase": bool(config.lowercase)})
        tokens, said = fit_tokens(train.frame, (TEXT,), in_capitals, progress)
        limit = max(tokens.max_length, LEAST)
    longest = min(config.max_length or limit, limit) if checkpoint else config.max_length or limit
    tagging = Tagging(TEXT, longest, tokens.size, _with_spaces(tokens.tokenizer_json))
    if config.max_length and longest < SHORTEST:
        raise DanluError("entities.too_short", got=longest, needed=SHORTEST)
    read = Note("entities.tokens", column=TEXT, size=tokens.size, longest=longest)
    return tagging, Target(target, "entities", bio_classes(natural_order(labels))), [*said[:-1], read]


def word_classes(examples: Examples, target: Target, places: Places, rows: Rows) -> np.ndarray:
    """(W,): the class of each word; rows with entities that words cannot tell are counted.

    An entity has the words that it touches; of two that touch a word, the first has it. One of a kind that training
    never saw has no class, so its words have no loss.
    """
    classes = np.zeros(len(places.row), np.int64)
    known = {label: number for number, label in enumerate(labels_of(target.classes))}
    inexact, unseen = np.zeros(len(examples), bool), np.zeros(len(examples), bool)
    edges = np.searchsorted(places.row, np.arange(len(examples) + 1))
    for row, entities in enumerate(examples.frame[target.name].to_list()):
        start, end = (each[edges[row] : edges[row + 1]] for each in (places.start, places.end))
        mine = classes[edges[row] : edges[row + 1]]
        for entity in entities or ():
            touched = np.flatnonzero((start < entity["end"]) & (end > entity["start"]))
            free = touched[mine[touched] == 0]
            exact = len(touched) and start[touched[0]] == entity["start"] and end[touched[-1]] == entity["end"]
            inexact[row] |= not exact or len(free) < len(touched)
            label = known.get(entity["label"])
            unseen[row] |= label is None
            mine[free] = UNKNOWN_CLASS if label is None else 2 * label + 2
            if label is not None:
                mine[free[:1]] = 2 * label + 1
    rows.count("entities.inexact", target.name, inexact)
    rows.count("entities.unseen", target.name, unseen)
    return classes


def _divided(examples: Examples, column: str) -> list[list[tuple[int, int]]]:
    given = examples.columns[column].format == WORDS
    return [words_in(text, given) for text in texts_of(examples.frame[column], column)]


def _places(divided: Sequence[list[tuple[int, int]]]) -> Places:
    row = np.repeat(np.arange(len(divided)), [len(words) for words in divided])
    flat = np.array([place for words in divided for place in words], np.int64).reshape(-1, 2)
    return Places(row, flat[:, 0], flat[:, 1])


def _joined(parts: Sequence[Ids]) -> torch.Tensor:
    return torch.tensor([value for part in parts for value in part], dtype=torch.long)


def _with_spaces(tokenizer_json: str) -> str:
    """A byte-level tokenizer that reads words one by one as it reads them in a text: with the space before."""
    content = json.loads(tokenizer_json)

    def spaced(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: True if key == "add_prefix_space" else spaced(value) for key, value in part.items()}
        return [spaced(each) for each in part] if isinstance(part, list) else part

    return json.dumps(content | {"pre_tokenizer": spaced(content["pre_tokenizer"])}, ensure_ascii=False)
