"""What a model fills into texts, how well it tells hidden tokens, and what it is compared with. Knows nothing of files.

The rivals see what the model sees: the same rows with the same tokens hidden.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from danlu.data.examples import ROW, Examples
from danlu.data.masking import Masking
from danlu.data.store import Feed, Ragged, Store
from danlu.data.tally import Rows, Tally
from danlu.data.targets import UNKNOWN_CLASS
from danlu.data.text import texts_of
from danlu.errors import DanluError
from danlu.evaluation.asking import Answers, Asking
from danlu.evaluation.baseline import Baseline
from danlu.evaluation.judge import Evidence
from danlu.evaluation.outcome import Outcome
from danlu.tasks.fill_mask import likeliest, told
from danlu.words import Note

ENOUGH = 30  # documents that are resampled whole; of fewer, rows of tokens are
TOP = 5  # tokens that are given for a mask
MOST_TOKENS = 5_000_000  # of training text that neighbours are counted in
FILLED = pl.Struct({"mask": pl.Int64, "token": pl.String, "score": pl.Float64})

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Filled(Answers):
    """What a model fills into texts, which have no targets, and how it tells their hidden tokens."""

    asking: Asking

    @property
    def masking(self) -> Masking:
        """How they are read."""
        assert isinstance(self.asking.codec.reading, Masking)
        return self.asking.codec.reading

    @property
    def examples(self) -> Examples:
        """The texts."""
        return self.asking.examples

    def columns(self) -> dict[str, pl.Series]:
        """Each text with its masks filled, and the likeliest tokens of each mask with their probabilities.

        Raises DanluError where a text has no mask.
        """
        texts = texts_of(self.examples.frame[self.masking.column], self.masking.column)
        self._refuse_without_mask(texts)
        store = self.masking.questions(texts)
        tokens, chances = likeliest(self.asking.module, store, TOP, self.masking.tellable, self.asking.progress)
        words = [[written(self.masking, number) for number in row] for row in tokens.tolist()]
        of_text: list[list[int]] = [[] for _ in texts]
        for place, text in enumerate(store.rows.tolist()):
            of_text[text].append(place)
        filled = [
            self._filled(text, [words[p][0] for p in places]) for text, places in zip(texts, of_text, strict=True)
        ]
        answers = [
            [
                {"mask": number, "token": word, "score": score}
                for number, place in enumerate(places, start=1)
                for word, score in zip(words[place], chances[place].tolist(), strict=True)
            ]
            for places in of_text
        ]
        return {"prediction": pl.Series(filled), "tokens": pl.Series(answers, dtype=pl.List(FILLED))}

    def evidence(self) -> Evidence:
        """Hidden tokens of each document, or of each row where documents are few."""
        said = told(self.asking.module, self.store, self.masking.size, self.asking.progress)
        pairs = None if said.next_right is None else said.next_right.double().numpy()
        asked = np.full(len(self.store), float(pairs is not None))
        truth = np.stack(
            [self._summed(self.group[self.row], np.ones(len(self.row))), self._summed(self.group, asked)], axis=1
        )
        prediction = self._prediction(said.nats.numpy(), said.rank.numpy(), pairs)
        rows = self.store.rows.numpy()[np.searchsorted(self.group, np.arange(len(truth)))]
        places = self.examples.origin.places(rows)
        return Evidence(Outcome("text", "masked", (), truth, prediction, places, pl.DataFrame()))

    def rivals(self, train: Examples) -> Iterator[Baseline]:
        """The commonest tokens, and those that stood between the same neighbours."""
        learned = _uncovered(self.masking.encode(train, {}, Rows.of(train, Tally())))
        asked = _hidden(self.store)
        for name, contexts in (("evaluate.commonest_token", ()), ("evaluate.neighbours", NEIGHBOURS)):
            began = time.monotonic()
            nats, rank = costs_by_neighbours(learned[:MOST_TOKENS], self.masking.tellable.numpy(), asked, contexts)
            used = min(len(learned), MOST_TOKENS)
            prediction = self._prediction(nats, rank, None)
            yield Baseline(Note(name), prediction, used, len(learned), time.monotonic() - began)

    @cached_property
    def store(self) -> Store:
        """The texts with hidden tokens."""
        return self.masking.encode(self.examples, {}, Rows.of(self.examples, self.asking.tally))

    @cached_property
    def row(self) -> Ints:
        """(n,): the row of each hidden token."""
        wanted = self.store.by_position["tokens"]
        assert isinstance(wanted, Ragged)
        place = (wanted.values != UNKNOWN_CLASS).nonzero()[:, 0]
        return (torch.searchsorted(wanted.offsets, place, right=True) - 1).numpy()

    @cached_property
    def group(self) -> Ints:
        """(rows,) rising from 0: what is resampled as one."""
        if len(self.examples) < ENOUGH:
            return np.arange(len(self.store))
        return np.unique(self.store.rows.numpy(), return_inverse=True)[1]

    def _prediction(self, nats: Floats, rank: Ints, pairs_right: Floats | None) -> Floats:
        """(groups, 4): nats, tokens told right, tokens among the first TOP, pairs told right (nan where not asked)."""
        pairs = np.full(len(self.store), np.nan) if pairs_right is None else pairs_right
        of_tokens = [nats, rank < 1, rank < TOP]
        return np.stack(
            [*(self._summed(self.group[self.row], each) for each in of_tokens), self._summed(self.group, pairs)], 1
        )

    def _summed(self, group: Ints, values: npt.NDArray[Any]) -> Floats:
        sums = np.zeros(int(self.group.max(initial=-1)) + 1)
        np.add.at(sums, group, values)
        return sums

    def _refuse_without_mask(self, texts: Sequence[str]) -> None:
        for row, text in enumerate(texts):
            if not self.masking.written_mask.search(text):
                place = self.examples.origin.place(int(self.examples.frame[ROW][row]))
                raise DanluError("masking.no_mask", place=place, text=text[:80], mask=self.masking.mask_text)

    def _filled(self, text: str, words: Iterable[str]) -> str:
        """The text with a word in place of each mask."""
        following = iter(words)
        return self.masking.written_mask.sub(lambda _: next(following), text)


@dataclass(frozen=True)
class Hidden:
    """The n hidden tokens of texts: which they are, and what is given before and behind each."""

    token: Ints
    left: Ints
    right: Ints

    def where(self, wanted: npt.NDArray[np.bool_]) -> "Hidden":
        """Those of them that are wanted."""
        return Hidden(self.token[wanted], self.left[wanted], self.right[wanted])


Context = Callable[[Ints, Ints, int], Ints]  # tokens before, tokens behind, size of the vocabulary → a number for both
NEIGHBOURS: tuple[Context, ...] = (
    lambda left, right, size: right,
    lambda left, right, size: left,
    lambda left, right, size: left * size + right,
)


def costs_by_neighbours(
    learned: Ints, tellable: npt.NDArray[np.bool_], asked: Hidden, contexts: Sequence[Context]
) -> tuple[Floats, Ints]:
    """Nats and rank of each hidden token by how often tokens stood in the same `contexts` among those `learned`.

    Counts of each context are mixed with what the one before it says (Witten and Bell 1991), the first with the counts
    of all tokens that are `tellable`.
    """
    size = len(tellable)
    known = Hidden(learned[1:-1], learned[:-2], learned[2:]).where(tellable[learned[1:-1]])
    alone = (np.bincount(known.token, minlength=size) + 1.0) * tellable
    tables = [_Table.of(known, context, size) for context in contexts]
    spans = [
        table.spans(context(asked.left, asked.right, size)) for table, context in zip(tables, contexts, strict=True)
    ]
    nats, rank = np.zeros(len(asked.token)), np.zeros(len(asked.token), np.int64)
    for place, token in enumerate(asked.token.tolist()):
        chance = alone / alone.sum()
        for table, (begin, end) in zip(tables, spans, strict=True):
            table.mix(chance, int(begin[place]), int(end[place]))
        nats[place] = -np.log(chance[token])
        rank[place] = np.count_nonzero(chance > chance[token]) + np.count_nonzero(chance[:token] == chance[token])
    return nats, rank


@dataclass(frozen=True)
class _Table:
    """How often each token stood in each context: context · size + token, rising, and the counts."""

    code: Ints
    count: Ints
    size: int

    @classmethod
    def of(cls, known: Hidden, context: Context, size: int) -> "_Table":
        code, count = np.unique(context(known.left, known.right, size) * size + known.token, return_counts=True)
        return cls(code, count, size)

    def spans(self, contexts: Ints) -> tuple[Ints, Ints]:
        """Where the tokens of each context begin and end."""
        begin, end = (np.searchsorted(self.code, (contexts + more) * self.size) for more in (0, 1))
        return begin, end

    def mix(self, chance: Floats, begin: int, end: int) -> None:
        """Let the counts of a context weigh on the chance (size,) of each token, in place."""
        count = self.count[begin:end]
        weight = count.sum() + len(count)
        if weight:
            chance *= len(count) / weight
            chance[self.code[begin:end] % self.size] += count / weight


def written(masking: Masking, token: int) -> str:
    """What a token writes into a text, without the space before it."""
    return masking.tokenizer.decode([token]).strip().removeprefix("##")


def _uncovered(store: Store) -> Ints:
    """The tokens of all rows, one behind the other, as they are when none is hidden."""
    given, wanted = (_values(part["tokens"]) for part in (store.feeds, store.by_position))
    return np.where(wanted == UNKNOWN_CLASS, given, wanted)


def _hidden(store: Store) -> Hidden:
    given, wanted = (_values(part["tokens"]) for part in (store.feeds, store.by_position))
    place = np.flatnonzero(wanted != UNKNOWN_CLASS)
    around = np.pad(given, 1, constant_values=-1)
    return Hidden(wanted[place], around[place], around[place + 2])


def _values(feed: Feed) -> Ints:
    assert isinstance(feed, Ragged)
    return feed.values.numpy().astype(np.int64)
