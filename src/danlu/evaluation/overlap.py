"""How far an answer is like its references: BLEU, chrF, ROUGE, from figures of each row that add up. Knows no model.

sacrebleu, which divides texts into the words that published BLEU figures count, is imported late.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from danlu.data.pairs import BleuWords
from danlu.data.values import IDEOGRAPHS

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEUScore

WORDS = 4  # longest n-gram of words that BLEU counts
CHARACTERS = 6  # the same of characters and chrF
BETA = 2  # chrF holds recall for so many times as important as precision
BLEU = slice(0, 2 + 2 * WORDS)
CHRF = slice(BLEU.stop, BLEU.stop + 3 * CHARACTERS)
ROUGE = slice(CHRF.stop, CHRF.stop + 3)
_WORD = re.compile(rf"[{IDEOGRAPHS}]|[^\W_{IDEOGRAPHS}]+")  # to ROUGE each ideograph is one


def figures(answers: Sequence[str], references: Sequence[Sequence[str]], words: BleuWords) -> np.ndarray:
    """(N, ROUGE.stop) float64; sums over rows of BLEU and CHRF, means of ROUGE give the figures of all rows.

    Each answer has at least one reference. BLEU counts n-grams that any of them has; chrF and each ROUGE are those of
    the reference that is nearest to the answer.
    """
    from sacrebleu.metrics import bleu as sacrebleu

    counted = sacrebleu.BLEU(tokenize=words, effective_order=True)
    rows = [
        [*_bleu_counts(counted.sentence_score(said, list(right))), *_chrf_counts(said, right), *rouge(said, right)]
        for said, right in zip(answers, references, strict=True)
    ]
    return np.array(rows, np.float64).reshape(len(answers), ROUGE.stop)


def bleu(sums: np.ndarray) -> np.ndarray:
    """0 … 100 from sums (..., 10) of BLEU's columns (Papineni et al. 2002), smoothed as sacrebleu does by default.

    An order without a match counts as half a match, the next such order as a quarter.
    """
    length, reference, right, every = sums[..., 0], sums[..., 1], sums[..., 2 : 2 + WORDS], sums[..., 2 + WORDS :]
    halved = 0.5 ** np.cumsum(right == 0, axis=-1)
    share = np.where(right > 0, right, halved) / np.maximum(every, 1)
    brevity = np.minimum(0.0, 1 - reference / np.maximum(length, 1))
    defined = (right.sum(-1) > 0) & (every > 0).all(-1)
    return 100 * np.where(defined, np.exp(brevity + np.log(share).mean(-1)), 0.0)


def chrf(sums: np.ndarray) -> np.ndarray:
    """0 … 100 from sums (..., 18) of chrF's columns (Popović 2015): F2 of the mean precision and recall of n-grams."""
    answered, true, shared = np.moveaxis(sums.reshape(*sums.shape[:-1], CHARACTERS, 3), -1, 0)
    counted = (answered > 0) & (true > 0)
    orders = np.maximum(counted.sum(-1), 1)
    precision, recall = (
        np.where(counted, shared / np.maximum(each, 1), 0.0).sum(-1) / orders for each in (answered, true)
    )
    return 100 * (1 + BETA**2) * precision * recall / np.maximum(BETA**2 * precision + recall, 1e-16)


def rouge(answer: str, references: Sequence[str]) -> tuple[float, float, float]:
    """F1 of single words, of pairs of words, and of the longest common subsequence, 0 … 1 (Lin 2004).

    In small letters and without marks; Chinese characters are words. Of several references the best counts, figure by
    figure.
    """
    said = words_of(answer)
    each = [_rouge_of(said, words_of(reference)) for reference in references]
    one, two, longest = (max(figure) for figure in zip(*each, strict=True))
    return one, two, longest


def words_of(text: str) -> list[str]:
    """The words that ROUGE compares."""
    return _WORD.findall(text.lower())


def _rouge_of(said: list[str], true: list[str]) -> tuple[float, float, float]:
    shared = [(_ngrams(said, n) & _ngrams(true, n)).total() for n in (1, 2)]
    sizes = [(len(said) - n, len(true) - n) for n in (0, 1)]
    one, two = (_f1(right, *size) for right, size in zip(shared, sizes, strict=True))
    return one, two, _f1(_common(said, true), len(said), len(true))


def _f1(right: int, said: int, true: int) -> float:
    return 2 * right / (said + true) if right else 0.0


def _ngrams(words: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """Length of the longest common subsequence."""
    before = [0] * (len(other) + 1)
    for word in one:
        row = [0]
        for place, met in enumerate(other):
            row.append(before[place] + 1 if word == met else max(row[place], before[place + 1]))
        before = row
    return before[-1]


def _bleu_counts(score: "BLEUScore") -> list[float]:
    return [score.sys_len, score.ref_len, *score.counts, *score.totals]


def _chrf_counts(answer: str, references: Sequence[str]) -> list[float]:
    """n-grams of characters in the answer, in the reference and in both, for each n; of the reference nearest to it."""
    said = _characters(answer)
    each = [_matches(said, _characters(reference)) for reference in references]
    return max(each, key=lambda counts: float(chrf(np.array(counts, np.float64))))


def _matches(said: list[Counter[str]], true: list[Counter[str]]) -> list[float]:
    return [
        count
        for one, other in zip(said, true, strict=True)
        for count in (one.total() if other else 0, other.total(), (one & other).total())
    ]


def _characters(text: str) -> list[Counter[str]]:
    """Counts of the n-grams of its characters, spaces left out, for n from 1."""
    close = "".join(text.split())
    return [Counter(close[i : i + n] for i in range(len(close) - n + 1)) for n in range(1, CHARACTERS + 1)]
