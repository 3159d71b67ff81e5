"""Answers to questions and how right they are. Knows nothing of files.

Exact match and F1 are those of SQuAD's own evaluation script (Rajpurkar et al. 2016, 2018): capitals, punctuation and
articles do not count, and the best of the references does. Chinese answers are compared as CMRC 2018 does (Cui et al.
2019): characters are words, and F1 is that of the longest run that both have.
"""

import re
import string
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from torch import nn

from danlu.data.codec import Codec
from danlu.data.examples import ROW, Examples
from danlu.data.passages import Passages
from danlu.data.question_rows import ANSWERS, CONTEXT, QUESTION
from danlu.data.text import texts_of
from danlu.data.values import IDEOGRAPHS
from danlu.evaluation.asking import Answers, Asking
from danlu.evaluation.baseline import Baseline
from danlu.evaluation.judge import Evidence
from danlu.evaluation.mistakes import SHOWN
from danlu.evaluation.outcome import Outcome
from danlu.evaluation.preview import previews
from danlu.tasks.question_answering import Spans, best_spans
from danlu.words import Note

AROUND = 120  # characters of the context on either side that a mistake shows

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_UNIT = re.compile(rf"[{IDEOGRAPHS}]|[^\W{IDEOGRAPHS}]+")
_SENTENCE = re.compile(r"[^。！？!?.\n]*(?:[.](?!\s|$)[^。！？!?.\n]*)*[。！？!?.\n]?")

Scores = tuple[float, float]  # exact match, F1


@dataclass(frozen=True)
class Asked(Answers):
    """What a model answers to the questions of some rows."""

    asking: Asking

    @property
    def reading(self) -> Passages:
        """How they are read."""
        assert isinstance(self.asking.codec.reading, Passages)
        return self.asking.codec.reading

    @property
    def examples(self) -> Examples:
        """The questions and their contexts."""
        return self.asking.examples

    @cached_property
    def contexts(self) -> list[str]:
        """The texts that hold the answers."""
        return texts_of(self.examples.frame[CONTEXT], CONTEXT)

    @cached_property
    def references(self) -> list[list[str]]:
        """The right answers of each row; none where the context does not tell."""
        return [[answer["text"] for answer in given] for given in self.examples.frame[ANSWERS].to_list()]

    @cached_property
    def spans(self) -> Spans:
        """The best answer of each row, over all windows of its context."""
        windows = self.asking.codec.encode(self.examples, self.asking.with_targets, tally=self.asking.tally)
        positions = self.examples.frame[ROW].to_numpy()
        order = positions.argsort()
        row = order[np.searchsorted(positions[order], windows.rows.numpy())]
        found = best_spans(self.asking.module, windows, self.reading.max_answer, self.asking.progress)
        best = np.lexsort((-found.margin, row))
        best = best[np.searchsorted(row[best], np.arange(len(self.examples)))]
        return Spans(*(values[best] for values in vars(found).values()))

    @cached_property
    def answered(self) -> np.ndarray:
        """(N,) bool: whether an answer is given."""
        threshold = -np.inf if self.reading.threshold is None else self.reading.threshold
        return self.spans.margin > threshold

    @cached_property
    def texts(self) -> list[str]:
        """The answers, "" where none is given."""
        each = zip(self.contexts, self.answered, self.spans.begins, self.spans.ends, strict=True)
        return [context[start:end] if given else "" for context, given, start, end in each]

    @cached_property
    def claimed(self) -> np.ndarray:
        """(N,): the probability of both ends of the answer, or of none."""
        return np.where(self.answered, self.spans.chance, self.spans.chance_of_none)

    def columns(self) -> dict[str, pl.Series]:
        """`prediction`, the characters `start` … `end` - 1 of the context, and `score`: how likely both ends are."""
        spans, given = self.spans, pl.Series(self.answered)
        places = pl.DataFrame({"start": spans.begins, "end": spans.ends, "given": given})
        start, end = places.select(pl.when("given").then(pl.col("start", "end"))).get_columns()
        return {
            "prediction": pl.Series(self.texts, dtype=pl.String),
            "start": start,
            "end": end,
            "score": pl.Series(self.claimed),
        }

    def evidence(self) -> Evidence:
        """The answers beside the references."""
        return Evidence(self.outcome, mistakes=self._mistakes())

    @cached_property
    def outcome(self) -> Outcome:
        """The answers as an outcome, one row per question."""
        truth = np.array([bool(right) for right in self.references], np.float64)
        shown = self.examples.frame.select(QUESTION, CONTEXT)
        return Outcome(
            ANSWERS,
            "answers",
            (),
            truth,
            self.scored(self.texts),
            self.examples.origin.places(self.examples.frame[ROW]),
            shown,
        )

    def scored(self, answers: Sequence[str]) -> np.ndarray:
        """(N, 2): exact match and F1 of these answers."""
        compare = chinese_scores if self.reading.by_character else squad_scores
        each = [best_scores(answer, right, compare) for answer, right in zip(answers, self.references, strict=True)]
        return np.array(each, np.float64).reshape(-1, 2)

    def rivals(self, train: Examples) -> Iterator[Baseline]:
        """The first sentence of the context, and the one that has most words of the question."""
        rows = len(train)
        divided = {context: sentences(context) for context in set(self.contexts)}
        first = [divided[context][0] for context in self.contexts]
        yield Baseline(Note("qa.first_sentence"), self.scored(first), rows, rows)
        questions = texts_of(self.examples.frame[QUESTION], QUESTION)
        likest = [
            _likest(question, divided[context]) for question, context in zip(questions, self.contexts, strict=True)
        ]
        yield Baseline(Note("qa.likest_sentence"), self.scored(likest), rows, rows)

    def _mistakes(self) -> list[dict[str, Any]]:
        """Wrong answers, the surest first of those with least in common: {place, truth, answer, claimed, inputs}."""
        f1 = self.outcome.prediction[:, 1]
        order = [row for row in np.lexsort((-self.claimed, f1)).tolist() if f1[row] < 1]
        return [self._mistake(row) for row in order[:SHOWN]]

    def _mistake(self, row: int) -> dict[str, Any]:
        placed = [each for each in self.examples.frame[ANSWERS][row] if each["start"] is not None]
        places = [(each["start"], each["start"] + len(each["text"])) for each in placed[:1]]
        if self.answered[row]:
            places.append((int(self.spans.begins[row]), int(self.spans.ends[row])))
        cells = {QUESTION: self.examples.frame[QUESTION][row], CONTEXT: _piece(self.contexts[row], places)}
        return {
            "place": self.outcome.places[row],
            "truth": next(iter(self.references[row]), None),
            "answer": self.texts[row] or None,
            "claimed": float(self.claimed[row]),
            "inputs": previews(cells, dict.fromkeys(cells, "text")),
        }


def thresholded(codec: Codec, module: nn.Module, validation: Examples) -> Codec:
    """The codec, answers being given where that makes the F1 of the validation rows highest.

    As it is where the training rows all had an answer, or there are no validation rows.
    """
    reading = codec.reading
    assert isinstance(reading, Passages)
    if reading.threshold is None or not len(validation):
        return codec
    always = Asked(Asking(replace(codec, reading=replace(reading, threshold=None)), module, validation))
    gain = always.scored(always.texts)[:, 1] - always.scored([""] * len(validation))[:, 1]
    threshold = best_threshold(always.spans.margin, gain)
    return replace(codec, reading=replace(reading, threshold=threshold))


def best_threshold(margin: np.ndarray, gain: np.ndarray) -> float:
    """The value above which rows with such a `margin` (N,) have the highest sum of `gain` (N,); midway between two."""
    told = np.isfinite(margin)  # a context without a token holds no answer
    if not told.any():
        return 0.0
    values, which = np.unique(-margin[told], return_inverse=True)
    total = np.append(0.0, np.cumsum(np.bincount(which, gain[told])))
    edges = np.concatenate([[1 - values[0]], -(values[:-1] + values[1:]) / 2, [-values[-1] - 1]])
    return float(edges[total.argmax()])


# Metrics --------------------------------------------------------------------------------------------------


def best_scores(answer: str, references: Sequence[str], compare: Callable[[str, str], Scores]) -> Scores:
    """Exact match and F1 against the references, the best of each; no references: the right answer is none."""
    each = [compare(answer, reference) for reference in references or [""]]
    return max(exact for exact, _ in each), max(f1 for _, f1 in each)


def squad_scores(answer: str, reference: str) -> Scores:
    """Exact match and F1 of words, as SQuAD's evaluation script gives them."""
    said, right = (normalized(text) for text in (answer, reference))
    words, wanted = said.split(), right.split()
    if not words or not wanted:
        return float(said == right), float(words == wanted)
    common = (Counter(words) & Counter(wanted)).total()
    return float(said == right), 2 * common / (len(words) + len(wanted))


def chinese_scores(answer: str, reference: str) -> Scores:
    """Exact match and F1 of the longest common run, as CMRC 2018 gives them; words are runs of letters and digits."""
    said, right = units(answer), units(reference)
    if not said or not right:
        return float(said == right), float(said == right)
    return float(said == right), 2 * _longest_run(said, right) / (len(said) + len(right))


def normalized(text: str) -> str:
    """Small letters without ASCII punctuation, English articles and white space at the ends; single spaces."""
    letters = "".join(letter for letter in text.lower() if letter not in _PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", letters).split())


def units(text: str) -> list[str]:
    """Each ideograph and each run of other letters and digits, in small letters; punctuation is none."""
    return _UNIT.findall(text.lower())


_PUNCTUATION = frozenset(string.punctuation)


def _longest_run(one: Sequence[str], other: Sequence[str]) -> int:
    """Length of the longest run of units that both have."""
    before, longest = [0] * (len(other) + 1), 0
    for unit in one:
        now = [0] + [before[place] + 1 if unit == each else 0 for place, each in enumerate(other)]
        longest, before = max(longest, *now), now
    return longest


# Sentences ------------------------------------------------------------------------------------------------


def sentences(text: str) -> list[str]:
    """The sentences of a text, which end with a mark or a line; at least one."""
    return [found.strip() for found in _SENTENCE.findall(text) if found.strip()] or [text]


def _likest(question: str, among: Sequence[str]) -> str:
    """The sentence that has most words of the question, the first of several."""
    wanted = set(units(question))
    return max(among, key=lambda sentence: len(wanted & set(units(sentence))))


def _piece(context: str, places: Sequence[tuple[int, int]]) -> str:
    """The context around these characters, from its beginning where there are none."""
    start = max(min((start for start, _ in places), default=0) - AROUND, 0)
    end = min(max((end for _, end in places), default=0) + AROUND, len(context))
    return ("… " if start else "") + context[start:end] + (" …" if end < len(context) else "")
