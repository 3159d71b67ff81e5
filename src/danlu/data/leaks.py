"""Which single column tells the target almost alone. Knows nothing of why it does."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from danlu.data.content import Labels, codes
from danlu.data.examples import Examples
from danlu.data.values import Floats, Mask, as_numbers

MIN_ROWS = 100  # below, 0.98 of the scored half is a matter of luck
ACCURACY = 0.98
ERRORS_LEFT = 0.2  # of those of the commonest class, at most: 0.98 says little where 0.97 is trivial
R2 = 0.98
BINS = 256  # of a number, equally full: a threshold within the column costs at most 1/256 of the rows


def leaks(rows: Examples, target: str, inputs: Sequence[str], classification: bool) -> dict[str, float]:
    """{column: score} of the inputs that predict `target` almost alone; accuracy, or R² of a number's ranks.

    A predictor of each column alone is made from the first half of the rows and scored on the second. `rows`
    should be in random order and without duplicates, or the halves do not differ as new rows would.
    """
    if len(rows) < MIN_ROWS:
        return {}
    half = np.arange(len(rows)) < len(rows) // 2
    columns = [rows.frame[name] for name in inputs if rows.columns[name].kind in _COMPARED]
    if classification:
        classes = codes(rows.frame[target])
        enough = max(ACCURACY, 1 - ERRORS_LEFT * _trivial_errors(classes, half))
        scores = {column.name: accuracy_alone(column, classes, half) for column in columns}
    else:
        enough, ranks = R2, rows.frame[target].rank().to_numpy()  # ranks: a long tail would decide alone
        scores = {column.name: r2_alone(column, ranks, half) for column in columns}
    return {name: score for name, score in scores.items() if score >= enough}


_COMPARED = ("number", "boolean", "date", "category")


def accuracy_alone(column: pl.Series, classes: Labels, half: Mask) -> float:
    """Accuracy, on the rows outside `half`, of the most frequent class that each value of `column` has within."""
    value, count = _bins(column, half).astype(np.int64), int(classes.max()) + 1
    pairs, seen = np.unique((value * count + classes)[half], return_counts=True)
    values, frequent = np.divmod(pairs[seen.argsort(kind="stable")], count)
    answer = np.full(value.max() + 1, np.bincount(classes[half]).argmax())
    answer[values] = frequent  # the last assignment to a value stays: its most frequent class
    return float((answer[value] == classes)[~half].mean())


def r2_alone(column: pl.Series, truth: Floats, half: Mask) -> float:
    """R², on the rows outside `half`, of interpolating between the means that each value has within."""
    x = _numbers(column)
    fitted, scored = half & ~np.isnan(x), ~half & ~np.isnan(x)
    errors_without = ((truth - truth[half].mean())[~half] ** 2).sum()
    if not fitted.any() or errors_without == 0:
        return 0.0
    values, place = np.unique(x[fitted], return_inverse=True)
    means = np.bincount(place, truth[fitted]) / np.bincount(place)
    answer = np.full(len(x), truth[half].mean())  # where the column is missing it tells nothing
    answer[scored] = np.interp(x[scored], values, means)
    return 1 - float(((truth - answer)[~half] ** 2).sum() / errors_without)


def _trivial_errors(classes: Labels, half: Mask) -> float:
    """Share of errors, on the rows outside `half`, of always answering the commonest class within."""
    return float((classes[~half] != np.bincount(classes[half]).argmax()).mean())


def _bins(column: pl.Series, half: Mask) -> Labels:
    """(rows,): a number for each value of a category, or for each of BINS spans of a number; 0 where missing."""
    if column.dtype == pl.String:
        return codes(column) + np.int32(1)
    x = _numbers(column)
    known = x[half & ~np.isnan(x)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1])) if len(known) else known
    return np.where(np.isnan(x), 0, np.searchsorted(edges, x) + 1).astype(np.int32)


def _numbers(column: pl.Series) -> Floats:
    """(rows,) float64, a category by its place in the alphabet; NaN where missing or infinite."""
    values = codes(column).astype(np.float64) if column.dtype == pl.String else as_numbers(column)
    values[~np.isfinite(values)] = np.nan
    return values
