"""Texts with hidden tokens, which are told from both sides (Devlin et al. 2019). Knows nothing of models.

A row is a part of one document between the tokenizer's marks: documents never share a row. In a `Store` the hidden
tokens are the same in every run, so that models are measured alike; for training they are drawn anew at each step.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from tokenizers import Encoding, Tokenizer
from torch import Tensor

from danlu.data.chinese import goes_on, ideographs, learned_pairs, pair_keys
from danlu.data.corpus import LEARNED, Unit
from danlu.data.examples import Examples
from danlu.data.kept import byte_sizes, sample, texts_at
from danlu.data.store import Batch, Ragged, Shapes, Store
from danlu.data.tally import Rows
from danlu.data.targets import UNKNOWN_CLASS, Target
from danlu.data.text import Checkpoint, checkpoint_only, chunks, opened, require_texts, texts_of, trained_tokenizer
from danlu.data.values import code_points, offsets_of
from danlu.errors import DanluError
from danlu.events import Progress
from danlu.recipe import DataConfig, TextConfig
from danlu.words import Note

HIDDEN = 0.15  # share of the tokens, or words, that are to be told; of these
MASKED, SWAPPED = 0.8, 0.1  # the mask stands in place of 80 %, any other token of 10 %, and 10 % stay
LONGEST = 128  # tokens of a row where the recipe names no number: nine tenths of BERT's own training
SHORTEST = 8
MASKS = ("[MASK]", "<mask>")  # as a user may write one
FOLLOWS, OTHER = 0, 1  # classes of a pair's second part, as in BERT's own checkpoints
_FIXED = 15  # seeds what is hidden where models are measured
_CHUNK = 1000  # documents between two signs of progress
_SENTENCE_END = re.compile(r"[.!?…]+[\"'”’)\]]*\s+|[。！？…]+[”’）」』]*|\n+")

Ints = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Masking:
    """The column of documents, and their tokenizer as the text of a `tokenizer.json`.

    `unit`: what a document is in plain text files. `whole_word`: the tokens of a word are hidden together, `together`:
    pairs of ideographs that are of one word. `next_sentence`: a row holds two parts of texts, of which the second
    follows the first in every second row.
    """

    column: str
    unit: Unit | None
    max_length: int
    size: int
    tokenizer_json: str
    whole_word: bool = False
    next_sentence: bool = False
    together: tuple[str, ...] = ()
    reads: Literal["masked"] = "masked"

    def encode(
        self, examples: Examples, targets: Mapping[str, Target], rows: Rows, progress: Progress | None = None
    ) -> Store:
        """Rows of tokens, some of them hidden, and by position those tokens; of pairs also whether they belong.

        Documents of one token have no second part: they are left out of pairs, and counted.
        """
        documents = list(self._documents(texts_of(examples.frame[self.column], self.column), progress))
        rng = torch.Generator().manual_seed(_FIXED)
        if not self.next_sentence:
            parts = [(part,) for part in self._parts(documents)]
            return self._store(parts, torch.from_numpy(rows.positions), rng)
        rows.count("masking.no_pair", self.column, np.array([len(each.ids) < 2 for each in documents]))
        pairs, classes = _mixed(list(self._pairs(documents)), self._room(2), rng)
        store = self._store(pairs, torch.from_numpy(rows.positions), rng)
        return replace(store, targets={"next": classes})

    def shapes(self, targets: Mapping[str, Target]) -> Shapes:
        """Tokens, and no head of a target: what is told are the hidden ones."""
        segments = 2 if self.next_sentence else 0
        return Shapes(tokens=self.size, max_tokens=self.max_length, segments=segments, next_sentence=self.next_sentence)

    def redrawn(self, batch: Batch, rng: torch.Generator) -> Batch:
        """The batch with other tokens hidden."""
        tokens, wanted = batch.inputs["tokens"], batch.targets["tokens"]
        whole = torch.where(wanted == UNKNOWN_CLASS, tokens, wanted)
        inside = torch.arange(whole.shape[1], device=whole.device) < batch.inputs["tokens_length"][:, None]
        given, wanted = self._hidden(whole, inside, batch.targets.get("begins"), rng)
        inputs = batch.inputs | {"tokens": given, "told": wanted != UNKNOWN_CLASS}
        return replace(batch, inputs=inputs, targets=batch.targets | {"tokens": wanted})

    def questions(self, texts: Sequence[str]) -> Store:
        """A row for each mask that is written in the texts, with as much around it as fits; `rows` are the texts'."""
        asked = [
            (number, ids, place)
            for number, text in enumerate(texts)
            for ids in [np.array(self._asked.encode(self._with_mask(text), add_special_tokens=False).ids, np.int32)]
            for place in np.flatnonzero(ids == self.mask).tolist()
        ]
        windows = [self._window(ids, place) for _, ids, place in asked]
        feeds = {name: _ragged([window[i] for window in windows]) for i, name in enumerate(("tokens", "told"))}
        return Store(feeds, {}, torch.tensor([number for number, _, _ in asked], dtype=torch.long))

    @cached_property
    def _pair_keys(self) -> npt.NDArray[np.int64]:
        return pair_keys(self.together)

    @cached_property
    def written_mask(self) -> re.Pattern[str]:
        """What counts as a mask in a text."""
        return re.compile("|".join(map(re.escape, MASKS)))

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer itself; names of marks in a text are text."""
        return opened(self.tokenizer_json)

    @property
    def mask_text(self) -> str:
        """How the tokenizer writes the mask."""
        return _mask_of(self.tokenizer)

    @cached_property
    def mask(self) -> int:
        """The token that stands in place of a hidden one."""
        number = self.tokenizer.token_to_id(self.mask_text)
        assert number is not None
        return number

    @cached_property
    def tellable(self) -> Tensor:
        """(size,) bool: the tokens that can be hidden and told: all but marks and what stands for unknown text."""
        marks = {number for number, token in self.tokenizer.get_added_tokens_decoder().items() if token.special}
        unknown = self.tokenizer.token_to_id(getattr(self.tokenizer.model, "unk_token", None) or "")
        known = [n for n in self.tokenizer.get_vocab().values() if n not in marks and n != unknown]
        return torch.zeros(self.size, dtype=torch.bool).index_fill(0, torch.tensor(known), True)

    def _hidden(
        self, tokens: Tensor, inside: Tensor, begins: Tensor | None, rng: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """What a model is given of tokens (…, T), and what it has to tell, UNKNOWN_CLASS elsewhere.

        Each token that is `inside` the text has the chance HIDDEN; each word where `begins` tells where words begin.
        """
        chance, fate = (torch.rand(tokens.shape, generator=rng).to(tokens.device) for _ in range(2))
        if begins is not None:
            chance = chance.gather(-1, begins.long().cumsum(-1) - 1)
        choices = self.tellable.nonzero()[:, 0]
        others = choices[torch.randint(len(choices), tokens.shape, generator=rng)].to(tokens)
        told = inside & self.tellable.to(tokens.device)[tokens.long()] & (chance < HIDDEN)
        given = tokens.masked_fill(told & (fate < MASKED), self.mask)
        given = torch.where(told & (fate >= MASKED) & (fate < MASKED + SWAPPED), others, given)
        return given, tokens.masked_fill(~told, UNKNOWN_CLASS)

    def _store(self, rows: Sequence[tuple["_Part", ...]], positions: Tensor, rng: torch.Generator) -> Store:
        """Rows of one or two parts between the marks; `positions` are those of the documents."""
        marked = [self._marked(row) for row in rows]
        tokens, begins, segments = (_ragged([row[i] for row in marked]) for i in range(3))
        everywhere = torch.ones_like(tokens.values, dtype=torch.bool)
        given, wanted = self._hidden(tokens.values, everywhere, begins.values if self.whole_word else None, rng)
        feeds = {"tokens": replace(tokens, values=given), "told": replace(tokens, values=wanted != UNKNOWN_CLASS)}
        by_position = {"tokens": replace(tokens, values=wanted, padding=UNKNOWN_CLASS)}
        document = torch.tensor([row[0].document for row in rows], dtype=torch.long)
        return Store(
            feeds | ({"segments": segments} if self.next_sentence else {}),
            {},
            positions[document],
            by_position | ({"begins": begins} if self.whole_word else {}),
        )

    def _marked(self, parts: tuple["_Part", ...]) -> tuple[Ints, Flags, Ints]:
        """Tokens of a row, which of them begin a word, and their segments."""
        marks = [self._marks[0], *[self._marks[1]] * (len(parts) - 1), self._marks[2]]
        ids, begins = [marks[0]], [np.ones(len(marks[0]), bool)]
        for part, mark in zip(parts, marks[1:], strict=True):
            ids += [part.ids, mark]
            begins += [part.begins, np.ones(len(mark), bool)]
        first = sum(map(len, ids[:3]))
        joined = np.concatenate(ids)
        return joined, np.concatenate(begins), (np.arange(len(joined)) >= first).astype(np.int32)

    def _documents(self, texts: Sequence[str], progress: Progress | None) -> Iterator["_Document"]:
        for part in chunks(len(texts), _CHUNK, progress):
            encodings = self.tokenizer.encode_batch(texts[part], add_special_tokens=False)
            yield from (
                _document(text, each, self._pair_keys) for text, each in zip(texts[part], encodings, strict=True)
            )

    def _parts(self, documents: Sequence["_Document"]) -> Iterator["_Part"]:
        """Each document in equal parts that fit."""
        for number, document in enumerate(documents):
            for begin, end in pairwise(_even_cuts(len(document.ids), self._room(1))):
                yield document.part(number, begin, end)

    def _pairs(self, documents: Sequence["_Document"]) -> Iterator[tuple["_Part", "_Part"]]:
        """Each document in parts that fit, each of them cut in two near its middle, between sentences if possible."""
        for number, document in enumerate(documents):
            for begin, end in pairwise(_even_cuts(len(document.ids), self._room(2))):
                if end - begin > 1:
                    cut = document.cut(begin, end)
                    yield document.part(number, begin, cut), document.part(number, cut, end)

    def _window(self, ids: Ints, place: int) -> tuple[Ints, Flags]:
        """The tokens around a place, between the marks, and which of them it is."""
        opening, _, closing = self._marks
        room = self._room(1)
        begin = max(0, min(place - room // 2, len(ids) - room))
        tokens = np.concatenate([opening, ids[begin : begin + room], closing])
        return tokens, np.arange(len(tokens)) == len(opening) + place - begin

    def _room(self, parts: int) -> int:
        """Tokens of texts in a row of one part or two."""
        opening, between, closing = map(len, self._marks)
        return self.max_length - opening - between * (parts - 1) - closing

    def _with_mask(self, text: str) -> str:
        return self.written_mask.sub(lambda _: self.mask_text, text)

    @cached_property
    def _asked(self) -> Tokenizer:
        """The tokenizer for texts in which the mask is a mark."""
        return opened(self.tokenizer_json, reads_marks=True)

    @cached_property
    def _marks(self) -> tuple[Ints, Ints, Ints]:
        """What the tokenizer puts before a text, between two, and behind."""
        seen = self.tokenizer.encode("a", "a")
        ids, of = np.array(seen.ids, np.int32), [-1 if s is None else s for s in seen.sequence_ids]
        first, last = of.index(0), len(of) - of[::-1].index(0)
        second, end = of.index(1), len(of) - of[::-1].index(1)
        return ids[:first], ids[last:second], ids[end:]


@dataclass(frozen=True)
class _Part:
    """Some tokens of a document, and which of them begin a word."""

    document: int
    ids: Ints
    begins: Flags

    def shortened(self, most: int) -> "_Part":
        """The first tokens."""
        return replace(self, ids=self.ids[:most], begins=self.begins[:most])


@dataclass(frozen=True)
class _Document:
    """The tokens of a document, which of them begin a word, and the places behind the ends of its sentences."""

    ids: Ints
    begins: Flags
    sentences: npt.NDArray[np.int64]

    def part(self, number: int, begin: int, end: int) -> _Part:
        """The tokens begin … end - 1 of this document, which is the `number`-th."""
        return _Part(number, self.ids[begin:end], self.begins[begin:end])

    def cut(self, begin: int, end: int) -> int:
        """Where the tokens begin … end - 1 are cut in two: the end of a sentence nearest to the middle, or that."""
        middle = (begin + end) // 2
        inside = self.sentences[(self.sentences > begin) & (self.sentences < end)]
        return int(inside[np.abs(inside - middle).argmin()]) if len(inside) else middle


def fit_masking(
    train: Examples,
    column: str,
    config: DataConfig,
    checkpoint: Checkpoint | None = None,
    progress: Progress | None = None,
    tokenizer_json: str | None = None,
) -> tuple[Masking, list[Note]]:
    """The checkpoint's tokenizer, or one trained on the documents, and what was chosen.

    `tokenizer_json`: of a run that is resumed, which was trained on them already. Raises DanluError where a setting
    has no use here, the tokenizer has no mask, or a single document is to give pairs of different documents.
    """
    text = config.text
    if "over_long" in text.model_fields_set:
        raise DanluError("corpus.over_long")
    if text.next_sentence and len(train) < 2:
        raise DanluError("masking.one_document")
    longest = text.max_length or LONGEST
    if longest < SHORTEST:
        raise DanluError("masking.too_short", got=longest, needed=SHORTEST)
    if checkpoint:
        checkpoint_only(text)
        tokenizer_json, size = checkpoint.tokenizer_json, checkpoint.size
        longest = min(longest, checkpoint.max_length)
    else:
        tokenizer_json = tokenizer_json or _trained(train.frame[column], column, text, progress)
        size = Tokenizer.from_str(tokenizer_json).get_vocab_size()
    _mask_of(Tokenizer.from_str(tokenizer_json))
    together = learned_pairs(_learned_from(train.frame[column])) if text.whole_word else ()
    masking = Masking(
        column, config.documents, longest, size, tokenizer_json, text.whole_word, text.next_sentence, together
    )
    kind = Note(f"masking.{'pretrained' if checkpoint else text.tokenizer or 'wordpiece'}")
    unit = Note("masking.words" if text.whole_word else "masking.tokens")
    fitted = Note("masking.fitted", column=column, kind=kind, size=size, longest=longest, unit=unit)
    return masking, [fitted, *([Note("masking.together", count=len(together))] if together else [])]


def _trained(series: pl.Series, column: str, config: TextConfig, progress: Progress | None) -> str:
    """A tokenizer with marks, trained on all texts, or of a large corpus on some from everywhere."""
    if progress:
        progress(Note("corpus.training_tokenizer"), 0, 0)
    require_texts(series, column)
    return trained_tokenizer(config.tokenizer or "wordpiece", [_learned_from(series)], config, marked=True).to_str()


def _learned_from(series: pl.Series) -> list[str]:
    """All texts, or of a large corpus some from everywhere."""
    return texts_at(series) if byte_sizes(series).sum() <= LEARNED else sample(series, LEARNED, seed=0)


def _mixed(
    pairs: Sequence[tuple[_Part, _Part]], limit: int, rng: torch.Generator
) -> tuple[list[tuple[_Part, _Part]], Tensor]:
    """The pairs, the second part of about every second one from another document, and the class (N,) of each.

    No pair has more than `limit` tokens. Of a single document all stay as they are.
    """
    document = np.array([first.document for first, _ in pairs], np.int64)
    begin = np.searchsorted(document, document)
    own = np.searchsorted(document, document, side="right") - begin
    chance, place = (torch.rand(len(pairs), generator=rng, dtype=torch.float64).numpy() for _ in range(2))
    drawn = (place * (len(pairs) - own)).astype(np.int64)
    other = drawn + own * (drawn >= begin)  # each pair of another document is as likely
    swapped = (chance < 0.5) & (own < len(pairs))
    mixed = [
        (first, pairs[other[i]][1].shortened(limit - len(first.ids)) if swapped[i] else second)
        for i, (first, second) in enumerate(pairs)
    ]
    return mixed, torch.from_numpy(np.where(swapped, OTHER, FOLLOWS))


def _even_cuts(length: int, limit: int) -> list[int]:
    """Where parts of nearly equal length, at most `limit`, begin, and where the last one ends."""
    count = -(-length // limit)
    return [round(length * i / count) for i in range(count + 1)] if count else [0]


def _document(text: str, encoding: Encoding, together: npt.NDArray[np.int64]) -> _Document:
    starts = np.array([start for start, _ in encoding.offsets], np.int64)
    words = np.array(encoding.word_ids, np.float64)
    codes = code_points(text)
    other_place = np.diff(starts, prepend=-1) != 0
    begins = (np.diff(words, prepend=-1) != 0) | (ideographs(codes)[starts] & other_place)
    begins &= ~(goes_on(codes, together)[starts] & other_place)  # a run of ideographs is several words
    ends = [found.end() for found in _SENTENCE_END.finditer(text)]
    return _Document(np.array(encoding.ids, np.int32), begins, np.searchsorted(starts, np.array(ends, np.int64)))


def _ragged(rows: Sequence[npt.NDArray[Any]]) -> Ragged:
    offsets = offsets_of(np.array([len(row) for row in rows], np.int64))
    return Ragged(
        torch.from_numpy(np.concatenate([*rows, np.empty(0, rows[0].dtype if rows else np.int32)])),
        torch.from_numpy(offsets),
    )


def _mask_of(tokenizer: Tokenizer) -> str:
    """The tokenizer's own mask; DanluError where it has none."""
    found = next((mark for mark in MASKS if tokenizer.token_to_id(mark) is not None), None)
    if found is None:
        raise DanluError("masking.no_mask_token", marks=", ".join(MASKS))
    return found
