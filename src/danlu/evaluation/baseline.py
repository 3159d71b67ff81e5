"""What danlu is compared with: a constant answer, and a classical model trained on the same rows.

scikit-learn is imported late: only a run that compares pays for it.
"""

import re
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from danlu.data.examples import Column, Examples
from danlu.data.text import share_of_ideographs, texts_of
from danlu.data.values import as_numbers, as_texts, as_times
from danlu.evaluation.numerals import number
from danlu.evaluation.outcome import Outcome
from danlu.evaluation.preview import picture
from danlu.recipe import ColumnKind
from danlu.words import Note

# Training rows beyond which a sample is taken, so that the comparison costs seconds, not the length of the run.
MOST_ROWS = {"boosting": 100_000, "texts": 50_000, "pixels": 4_000, "sequences": 20_000}
TREES = 1500  # of all classes together
CATEGORIES = 250  # that histogram gradient boosting can tell apart; rarer ones count as missing
PIXELS = 16  # side of the images that a linear model sees
LONGEST_TEXT = 10_000  # characters

Fit = Callable[[], Any]  # a new scikit-learn estimator
Features = tuple[Any, Any, list[int]]  # of the training rows, of the rows asked, positions of categorical ones


@dataclass(frozen=True)
class Baseline:
    """A model to compare with: its name, what it predicts for the outcome's rows (as Outcome.prediction), its cost.

    `rows` training rows were used of `available`.
    """

    name: Note
    prediction: np.ndarray
    rows: int
    available: int
    fit_s: float = 0.0


def trivial(truth: np.ndarray, outcome: Outcome) -> Baseline:
    """Always the same: the shares of the classes in the training `truth` (so the commonest one), or its median."""
    if outcome.kind == "number":
        constant = np.full(len(outcome), np.median(truth))
        name = Note("evaluate.always", answer=number(float(np.median(truth))))
    else:
        share = _share_of_each(truth, outcome)
        constant = np.tile(share, (len(outcome), 1))
        name = _constant_answer(share, outcome)
    return Baseline(name, constant, len(truth), len(truth))


def classical(train: Examples, truth: np.ndarray, outcome: Outcome, seed: int = 0) -> Baseline | None:
    """A strong classical model of the same columns, trained on the same rows; None where there is no input for one.

    `truth` are the training rows' targets, coded as `outcome.truth`; the columns are those of `outcome.frame`.
    Tables: histogram gradient boosting. Texts: TF-IDF of words (characters for Chinese) and a linear model. Images: a
    linear model of small grey pixels. Sequences: gradient boosting on their statistics.
    """
    columns = [c for name, c in train.columns.items() if name in outcome.frame.columns and _usable(c, train.frame)]
    known = np.flatnonzero(truth >= 0 if outcome.kind == "class" else np.isfinite(truth.reshape(len(truth), -1)).all(1))
    if not columns or len(known) < 2:
        return None
    began = time.monotonic()
    name, features = _suited({c.kind for c in columns})
    chosen = _sample(known, MOST_ROWS[name], seed)
    fitted, asked, categorical = features(train.frame[chosen], outcome.frame, columns)
    make = _linear(outcome) if name in ("texts", "pixels") else _boosting(outcome, categorical, seed)
    with warnings.catch_warnings():  # a fit that ends before it has converged is still a fair comparison
        warnings.simplefilter("ignore")
        prediction = _predicted(make, fitted, truth[chosen], asked, outcome)
    return Baseline(Note(f"evaluate.{name}"), prediction, len(chosen), len(known), time.monotonic() - began)


def _usable(column: Column, frame: pl.DataFrame) -> bool:
    """Whether a classical model can be given the column; a text column needs one word at least."""
    if column.kind == "text":
        return any(re.search(r"\w", text) for text in texts_of(frame[column.name], column.name))
    return column.kind not in ("ignore", "labels")


def _suited(
    kinds: set[ColumnKind],
) -> tuple[str, Callable[[pl.DataFrame, pl.DataFrame, list[Column]], Features]]:
    """The model for these kinds of columns, and what turns them into its features."""
    if "image" in kinds:
        return "pixels", _pixels
    if "text" in kinds:
        return "texts", _terms
    return ("sequences" if "sequence" in kinds else "boosting"), _table


def _share_of_each(truth: np.ndarray, outcome: Outcome) -> np.ndarray:
    if outcome.kind == "labels":
        return truth.mean(0, dtype=np.float64)
    counts = np.bincount(truth[truth >= 0], minlength=len(outcome.classes))
    return counts / counts.sum()


def _constant_answer(share: np.ndarray, outcome: Outcome) -> Note:
    if outcome.kind == "class":
        return Note("evaluate.always", answer=outcome.classes[int(share.argmax())])
    usual = [c for c, s in zip(outcome.classes, share, strict=True) if s > 0.5]
    return Note("evaluate.always", answer=", ".join(usual)) if usual else Note("evaluate.always_none")


def _sample(rows: np.ndarray, most: int, seed: int) -> np.ndarray:
    return rows if len(rows) <= most else np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


def _predicted(make: Fit, fitted: Any, truth: np.ndarray, asked: Any, outcome: Outcome) -> np.ndarray:
    if outcome.kind == "number":
        return make().fit(fitted, truth).predict(asked).astype(np.float64)
    if outcome.kind == "class":
        return _shares(make, fitted, truth, asked, len(outcome.classes))
    each = [_shares(make, fitted, truth[:, k].astype(np.int64), asked, 2)[:, 1] for k in range(truth.shape[1])]
    return np.stack(each, axis=1)


def _shares(make: Fit, fitted: Any, truth: np.ndarray, asked: Any, size: int) -> np.ndarray:
    """(N, size) probabilities; certainty where training held one class only, which no classifier is fitted to."""
    shares = np.zeros((asked.shape[0], size))
    present = np.unique(truth)
    if len(present) == 1:
        shares[:, present] = 1.0
    else:
        shares[:, present] = make().fit(fitted, truth).predict_proba(asked)
    return shares


def _boosting(outcome: Outcome, categorical: list[int], seed: int) -> Fit:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    trees_each = 1 if outcome.kind == "number" or len(outcome.classes) == 2 else len(outcome.classes)
    rounds = min(100, max(2, TREES // trees_each))
    estimator = HistGradientBoostingRegressor if outcome.kind == "number" else HistGradientBoostingClassifier
    return lambda: estimator(max_iter=rounds, categorical_features=categorical or None, random_state=seed)


def _linear(outcome: Outcome) -> Fit:
    from sklearn.linear_model import LogisticRegression, Ridge

    return Ridge if outcome.kind == "number" else lambda: LogisticRegression(C=4.0, max_iter=300)


def _table(train: pl.DataFrame, asked: pl.DataFrame, columns: list[Column]) -> Features:
    """Numbers as they are, dates in parts, categories as codes, sequences as statistics; NaN where missing."""
    parts = [_numeric(train[c.name], asked[c.name], c) for c in columns]
    widths = [part[0].shape[1] for part in parts]
    firsts = np.cumsum([0, *widths[:-1]])
    categorical = [int(first) for first, c in zip(firsts, columns, strict=True) if c.kind == "category"]
    return np.hstack([p[0] for p in parts]), np.hstack([p[1] for p in parts]), categorical


def _numeric(train: pl.Series, asked: pl.Series, column: Column) -> tuple[np.ndarray, np.ndarray]:
    """(N, width) of both."""
    if column.kind == "category":
        return _codes(as_texts(train), as_texts(asked))
    if column.kind == "date":
        return _date_parts(train), _date_parts(asked)
    if column.kind == "sequence":
        return _statistics(train), _statistics(asked)
    return as_numbers(train)[:, None], as_numbers(asked)[:, None]


def _codes(train: pl.Series, asked: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """Position among the commonest training values; NaN for the others."""
    common = train.drop_nulls().value_counts(sort=True)[train.name].to_list()[:CATEGORIES]
    code = {value: float(i) for i, value in enumerate(sorted(common))}
    first, second = (np.array([code.get(v, np.nan) for v in series]) for series in (train, asked))
    return first[:, None], second[:, None]


def _date_parts(series: pl.Series) -> np.ndarray:
    times = as_times(series)
    parts = (times.dt.epoch("s"), times.dt.month(), times.dt.weekday(), times.dt.hour())
    return np.stack([part.cast(pl.Float64).to_numpy() for part in parts], axis=1)


def _statistics(series: pl.Series) -> np.ndarray:
    """Length, and per channel: mean, deviation, extremes, first, last and mean absolute step."""
    rows = [np.asarray(r.to_list() if isinstance(r, pl.Series) else r or [], dtype=np.float64) for r in series]
    inner = series.dtype.inner if isinstance(series.dtype, pl.List) else None
    width = inner.size if isinstance(inner, pl.Array) else 1
    result = np.full((len(rows), 1 + 7 * width), np.nan)
    for i, row in enumerate(rows):
        result[i, 0] = len(row)
        if len(row):
            steps = row.reshape(len(row), width)
            moved = np.abs(np.diff(steps, axis=0)).mean(0) if len(row) > 1 else np.zeros(width)
            facts = (steps.mean(0), steps.std(0), steps.min(0), steps.max(0), steps[0], steps[-1], moved)
            result[i, 1:] = np.concatenate(facts)
    return result


def _terms(train: pl.DataFrame, asked: pl.DataFrame, columns: list[Column]) -> Features:
    """TF-IDF of every text column, beside the other columns standardised or one-hot."""
    from scipy.sparse import hstack

    parts = [_weighted_terms(train[c.name], asked[c.name]) for c in columns if c.kind == "text"]
    parts += [_scaled(*_numeric(train[c.name], asked[c.name], c), c) for c in columns if c.kind != "text"]
    return hstack([p[0] for p in parts], format="csr"), hstack([p[1] for p in parts], format="csr"), []


def _weighted_terms(train: pl.Series, asked: pl.Series) -> tuple[Any, Any]:
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts, wanted = ([t[:LONGEST_TEXT] for t in texts_of(s, s.name)] for s in (train, asked))
    analyzer = "char" if share_of_ideographs(texts) > 0.3 else "word"
    words = None if analyzer == "char" else r"(?u)\b\w+\b"  # of one letter too
    terms = TfidfVectorizer(analyzer=analyzer, ngram_range=(1, 2), sublinear_tf=True, token_pattern=words)
    return terms.fit_transform(texts), terms.transform(wanted)


def _scaled(train: np.ndarray, asked: np.ndarray, column: Column) -> tuple[Any, Any]:
    """Sparse columns of mean 0 and deviation 1, 0 where missing; or one per category."""
    from scipy.sparse import csr_matrix

    if column.kind == "category":
        codes = np.arange(CATEGORIES)
        return csr_matrix((train == codes).astype(float)), csr_matrix((asked == codes).astype(float))
    count = np.maximum(np.isfinite(train).sum(0), 1)
    mean = np.where(np.isfinite(train), train, 0.0).sum(0) / count
    scale = np.sqrt(np.where(np.isfinite(train), (train - mean) ** 2, 0.0).sum(0) / count)
    first, second = ((part - mean) / np.where(scale > 0, scale, 1.0) for part in (train, asked))
    return csr_matrix(np.where(np.isfinite(first), first, 0)), csr_matrix(np.where(np.isfinite(second), second, 0))


def _pixels(train: pl.DataFrame, asked: pl.DataFrame, columns: list[Column]) -> Features:
    names = [c.name for c in columns if c.kind == "image"]
    fitted, wanted = (np.hstack([_small(frame[name]) for name in names]) for frame in (train, asked))
    return fitted, wanted, []


def _small(images: pl.Series) -> np.ndarray:
    """(N, PIXELS²) grey values of 0 … 1."""
    grey = [np.asarray(picture(image).convert("L").resize((PIXELS, PIXELS))) for image in images]
    return np.stack(grey).reshape(len(grey), -1) / 255
