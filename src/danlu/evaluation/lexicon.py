"""Which token goes with which across two languages: IBM model 1 (Brown et al. 1993). Knows nothing of texts."""

from collections.abc import Sequence

import numpy as np

ROUNDS = 5  # of expectation and maximisation
MOST = 5_000_000  # pairs of tokens that stand in one row; of more, rows are left out evenly

Ids = Sequence[int]


def lexicon(sources: Sequence[Ids], answers: Sequence[Ids], size: int) -> np.ndarray:
    """(size,) int64: the likeliest token of the answers for each token of the sources; itself where it never stood."""
    pairs = sum(len(one) * len(other) for one, other in zip(sources, answers, strict=True))
    every = max(1, -(-pairs // MOST))
    code, position = _met(sources[::every], answers[::every], size)
    known, pair = np.unique(code, return_inverse=True)
    source, answer = known // size, known % size
    chance = np.ones(len(known))
    for _ in range(ROUNDS):
        weight = chance[pair]
        total = np.bincount(pair, weight / np.bincount(position, weight)[position], minlength=len(known))
        chance = total / np.bincount(source, total, minlength=size)[source]
    best = np.arange(size)
    order = np.argsort(chance, kind="stable")
    best[source[order]] = answer[order]  # of each source token, the likeliest is written last
    return best


def _met(sources: Sequence[Ids], answers: Sequence[Ids], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Of each pair of tokens in one row: source · size + answer, and which of all answers' tokens it is."""
    codes, positions, before = [np.empty(0, np.int64)], [np.empty(0, np.int64)], 0
    for one, other in zip(sources, answers, strict=True):
        codes.append((np.array(one, np.int64)[None] * size + np.array(other, np.int64)[:, None]).ravel())
        positions.append(np.repeat(np.arange(before, before + len(other)), len(one)))
        before += len(other)
    return np.concatenate(codes), np.concatenate(positions)
