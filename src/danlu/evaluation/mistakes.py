"""The answers that were most surely wrong, with the rows themselves. Knows nothing of pages."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from danlu.data.examples import Column
from danlu.evaluation.outcome import Outcome
from danlu.evaluation.preview import previews

SHOWN = 24


def worst(outcome: Outcome, columns: Mapping[str, Column]) -> list[dict[str, Any]]:
    """Up to SHOWN wrong answers, the surest first (numbers: the farthest off first), each with its input columns.

    class: {place, truth, answer, claimed, truth_claimed, inputs}; a truth never seen in training is null.
    labels: {place, truth, answer, missed, wrong, inputs}, lists of labels. number: {place, truth, answer, inputs}.
    What a text costs is no answer, and of entities and texts that are written only counts are known: of these none are.
    """
    if outcome.kind not in ("class", "labels", "number"):
        return []
    badness = _badness(outcome)
    order = [i for i in np.argsort(-badness, kind="stable")[:SHOWN].tolist() if badness[i] > 0]
    kinds = {name: column.kind for name, column in columns.items()}
    describe = {"class": _class, "labels": _labels, "number": _number}[outcome.kind]
    return [
        {
            "place": outcome.places[i],
            **describe(outcome, i),
            "inputs": previews(outcome.frame.row(i, named=True), kinds),
        }
        for i in order
    ]


def _badness(outcome: Outcome) -> np.ndarray:
    """(N,): the larger the surer of what is wrong; 0 for what is right."""
    if outcome.kind == "number":
        return np.abs(outcome.prediction - outcome.truth)
    if outcome.kind == "class":
        return outcome.prediction.max(1) * (outcome.decision != outcome.truth)
    return np.abs(outcome.prediction - outcome.truth).max(1) * (outcome.decision != outcome.truth).any(1)


def _class(outcome: Outcome, i: int) -> dict[str, Any]:
    truth, answer = int(outcome.truth[i]), int(outcome.decision[i])
    return {
        "truth": outcome.classes[truth] if truth >= 0 else None,
        "answer": outcome.classes[answer],
        "claimed": float(outcome.prediction[i, answer]),
        "truth_claimed": float(outcome.prediction[i, truth]) if truth >= 0 else 0.0,
    }


def _labels(outcome: Outcome, i: int) -> dict[str, Any]:
    names, true, given = (
        np.array(outcome.classes, dtype=object),
        outcome.truth[i] == 1,
        outcome.decision[i] == 1,
    )
    return {
        "truth": names[true].tolist(),
        "answer": names[given].tolist(),
        "missed": names[true & ~given].tolist(),
        "wrong": names[given & ~true].tolist(),
    }


def _number(outcome: Outcome, i: int) -> dict[str, Any]:
    return {"truth": float(outcome.truth[i]), "answer": float(outcome.prediction[i])}
