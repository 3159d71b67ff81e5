"""Entities that are told and true, counted by kind, and what a model is compared with. Knows nothing of files.

An entity is right where its first and last character and its kind are: for words with tags this is what conlleval and
seqeval's default count.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from danlu.data.codec import Codec
from danlu.data.examples import ROW, Examples
from danlu.data.spans import Positions, bio_spans, labels_of
from danlu.data.tagging import Places, Tagging, word_classes
from danlu.data.tally import Rows, Tally
from danlu.data.text import texts_of
from danlu.evaluation.asking import Answers, Asking
from danlu.evaluation.baseline import Baseline
from danlu.evaluation.judge import Evidence
from danlu.evaluation.mistakes import SHOWN
from danlu.evaluation.outcome import Outcome
from danlu.evaluation.preview import previews
from danlu.tasks.token_classification import word_chances
from danlu.words import Note

SPAN = ("row", "start", "end", "label")
ANSWER = pl.Struct({"text": pl.String, "label": pl.String, "start": pl.Int64, "end": pl.Int64, "score": pl.Float64})


@dataclass(frozen=True)
class Tagged:
    """Texts whose entities a model tells."""

    codec: Codec
    examples: Examples

    @property
    def target(self) -> str:
        """The column of entities."""
        return next(iter(self.codec.targets))

    @property
    def reading(self) -> Tagging:
        """How they are read."""
        assert isinstance(self.codec.reading, Tagging)
        return self.codec.reading

    @cached_property
    def texts(self) -> list[str]:
        """The texts."""
        return texts_of(self.examples.frame[self.reading.column], self.reading.column)

    @cached_property
    def places(self) -> Places:
        """Where their words lie."""
        return self.reading.places(self.examples)

    @cached_property
    def true(self) -> pl.DataFrame:
        """The entities as they were marked: row, start, end, label."""
        lists = self.examples.frame.select(pl.int_range(pl.len()).alias("row"), pl.col(self.target).alias("span"))
        return lists.explode("span").drop_nulls("span").unnest("span").select(SPAN).unique(maintain_order=True)

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """The K kinds of the training rows, and those that only these texts have."""
        known = labels_of(self.codec.targets[self.target].classes)
        return (*known, *sorted(set(self.true["label"]) - set(known)))

    def entities(self, classes: Positions, chance: np.ndarray) -> pl.DataFrame:
        """The entities of words with these classes, (W,), each with its chance."""
        found = bio_spans(classes, self.places.row)
        names = labels_of(self.codec.targets[self.target].classes)
        before = np.append(0.0, np.cumsum(chance))
        columns = {
            "row": self.places.row[found.first],
            "start": self.places.start[found.first],
            "end": self.places.end[found.end - 1],
            "label": [names[label] for label in found.label],
            "score": (before[found.end] - before[found.first]) / np.maximum(found.end - found.first, 1),
        }
        whole = pl.Int64()
        schema = {"row": whole, "start": whole, "end": whole, "label": pl.String(), "score": pl.Float64()}
        return pl.DataFrame(columns, schema=schema)

    def column(self, answers: pl.DataFrame) -> pl.Series:
        """The answers as a list of ANSWER per text."""
        lists: list[list[dict[str, Any]]] = [[] for _ in self.texts]
        for answer in answers.iter_rows(named=True):
            row = answer.pop("row")
            lists[row].append({"text": self.texts[row][answer["start"] : answer["end"]], **answer})
        return pl.Series(lists, dtype=pl.List(ANSWER))

    def outcome(self, answers: pl.DataFrame) -> Outcome:
        """The answers as an outcome, one row per text."""
        rows = self.examples.origin.places(self.examples.frame[ROW])
        shown = self.examples.frame.select(list(self.codec.inputs))
        truth = self._counted(self.true)
        return Outcome(self.target, "entities", self.kinds, truth, self.prediction(answers), rows, shown)

    def prediction(self, answers: pl.DataFrame) -> np.ndarray:
        """(N, K, 2): answers of each kind that are right, and all of them."""
        right = answers.join(self.true, on=SPAN, how="semi")
        return np.stack([self._counted(right), self._counted(answers)], axis=2)

    def mistakes(self, answers: pl.DataFrame) -> list[dict[str, Any]]:
        """Texts with wrong answers, the surest first, as `danlu.evaluation.mistakes` has labels."""
        wrong = answers.join(self.true, on=SPAN, how="anti").sort("score", descending=True, maintain_order=True)
        missed = self.true.join(answers, on=SPAN, how="anti")
        rows = list(dict.fromkeys([*wrong["row"], *missed["row"]]))[:SHOWN]
        said = {key: self._named(part) for key, part in (("wrong", wrong), ("missed", missed))}
        kinds = {name: self.examples.columns[name].kind for name in self.codec.inputs}
        return [
            {
                "place": self.examples.origin.place(int(self.examples.frame[ROW][row])),
                **{key: named.get(row, []) for key, named in said.items()},
                "inputs": previews(self.examples.frame.select(list(kinds)).row(row, named=True), kinds),
            }
            for row in rows
        ]

    def _named(self, entities: pl.DataFrame) -> Mapping[int, list[str]]:
        """row → its entities as "Paris (location)"."""
        found: dict[int, list[str]] = defaultdict(list)
        for row, start, end, label in entities.select(SPAN).iter_rows():
            found[row].append(f"{self.texts[row][start:end]} ({label})")
        return found

    def _counted(self, entities: pl.DataFrame) -> np.ndarray:
        """(N, K) float64: entities of each text and kind."""
        counts = np.zeros((len(self.examples), len(self.kinds)))
        kind = {name: place for place, name in enumerate(self.kinds)}
        columns = np.array([kind[name] for name in entities["label"]], np.int64)
        np.add.at(counts, (entities["row"].to_numpy(), columns), 1)
        return counts


@dataclass(frozen=True)
class Found(Answers):
    """The entities that a model tells in texts."""

    asking: Asking

    @cached_property
    def tagged(self) -> Tagged:
        """The texts."""
        return Tagged(self.asking.codec, self.asking.examples)

    @cached_property
    def answers(self) -> pl.DataFrame:
        """The entities as the model tells them: row, start, end, label, score (mean chance of their words' tags)."""
        asking, name = self.asking, self.tagged.target
        store = asking.codec.encode(asking.examples, asking.with_targets, tally=asking.tally)
        words, classes = len(self.tagged.places.row), len(asking.codec.targets[name].classes)
        chances = word_chances(asking.module, store, name, words, classes, asking.progress)
        return self.tagged.entities(chances.argmax(1), chances.max(1))

    def columns(self) -> dict[str, pl.Series]:
        """A list of ANSWER per text."""
        return {self.tagged.target: self.tagged.column(self.answers)}

    def evidence(self) -> Evidence:
        """The answers beside the true entities."""
        return Evidence(self.tagged.outcome(self.answers), mistakes=self.tagged.mistakes(self.answers))

    def rivals(self, train: Examples) -> Iterator[Baseline]:
        """No entity at all, and each word with the tag that it most often has in the training rows."""
        return rivals(Tagged(self.tagged.codec, train), self.tagged)


def rivals(train: Tagged, test: Tagged) -> Iterator[Baseline]:
    """No entity at all, and each word with the tag that it most often has in the training rows."""
    rows = len(train.examples)
    none = np.zeros(len(test.places.row), np.int64)
    sure = np.ones(len(none))
    nothing = test.prediction(test.entities(none, sure))
    yield Baseline(Note("evaluate.no_entity"), nothing, rows, rows)
    began = time.monotonic()
    known = _commonest(train)
    tags = np.array([known.get(word, 0) for word in _words(test)], np.int64)
    prediction = test.prediction(test.entities(tags, sure))
    yield Baseline(Note("evaluate.word_tags"), prediction, rows, rows, time.monotonic() - began)


def _commonest(train: Tagged) -> dict[str, int]:
    """word → the class that it most often has."""
    target = train.codec.targets[train.target]
    classes = word_classes(train.examples, target, train.places, Rows.of(train.examples, Tally()))
    counts: dict[str, Counter[int]] = defaultdict(Counter)
    for word, number in zip(_words(train), classes.tolist(), strict=True):
        counts[word][max(number, 0)] += 1
    return {word: counted.most_common(1)[0][0] for word, counted in counts.items()}


def _words(tagged: Tagged) -> list[str]:
    each = zip(tagged.places.row, tagged.places.start, tagged.places.end, strict=True)
    return [tagged.texts[row][start:end] for row, start, end in each]
