"""95 % intervals by resampling the test rows. Knows nothing of how a metric is computed."""

from collections.abc import Mapping

import numpy as np

from danlu.evaluation.metrics import LOWER_IS_BETTER, Values, measure, statistics
from danlu.evaluation.outcome import Outcome
from danlu.events import Progress
from danlu.words import Note

Intervals = dict[str, tuple[float, float]]

SHARES_OF_ROWS = ("accuracy", "subset_accuracy")
CHUNK = 1_000_000  # weights held at once: 8 MB
BUDGET = 200_000_000  # passes over a weight that one metric may cost: about a second


def intervals(outcome: Outcome, samples: int = 1000, seed: int = 0, progress: Progress | None = None) -> Intervals:
    """metric → (low, high) that hold 95 % of its values over resampled rows.

    A metric that no resample moves has no interval, except a share of rows that is 0 or 1 throughout: it gets the
    exact binomial one (Clopper and Pearson 1934), because ten of ten right do not prove a hundred of a hundred.
    """
    return intervals_of(resampled(outcome, samples, seed, progress), measure(outcome), len(outcome))


def intervals_of(values: Values, metrics: Mapping[str, float], rows: int) -> Intervals:
    """The intervals of resampled values around the metrics of all `rows`."""
    found: Intervals = {}
    for name, value in metrics.items():
        low, high = _middle(values.get(name, np.empty(0)))
        if name == "ece":  # resampling adds noise, which only ever raises the ECE: reflect it (basic bootstrap)
            low, high = max(2 * value - high, 0.0), max(2 * value - low, 0.0)
        if low < high:
            found[name] = (low, high)
        elif name in SHARES_OF_ROWS and value in (0.0, 1.0):
            bound = 0.025 ** (1 / rows)
            found[name] = (bound, 1.0) if value == 1.0 else (0.0, 1 - bound)
    return found


def resampled(
    outcome: Outcome, samples: int, seed: int, progress: Progress | None = None, ranking: bool = True
) -> Values:
    """metric → its values over resampled rows; the same seed draws the same rows for any outcome of as many rows.

    A costly metric (ranking, many classes) is resampled fewer times, at least a hundred; `ranking` False leaves it out.
    """
    rng, rows = np.random.default_rng(seed), len(outcome)
    chosen = [s for s in statistics(outcome) if ranking or s.cost == 1]
    todo = [(s.of, min(samples, max(100, BUDGET // (s.cost * rows)))) for s in chosen]
    most = max(enough for _, enough in todo)
    found: dict[str, list[np.ndarray]] = {}
    for start in range(0, most, step := max(1, CHUNK // rows)):
        weights = _counts(rng, min(step, most - start), rows)
        for of, enough in todo:
            if start < enough:
                for name, values in of(weights[: enough - start]).items():
                    found.setdefault(name, []).append(values)
        if progress:
            progress(Note("evaluate.resampling"), min(start + step, most), most)
    return {name: np.concatenate(parts) for name, parts in found.items()}


def advantage(ours: Values, theirs: Values, metric: str) -> tuple[float, float]:
    """95 % interval of how much better `ours` is than `theirs` on the same resampled rows; above 0 is better."""
    sign = -1 if metric in LOWER_IS_BETTER else 1
    return _middle(sign * (ours[metric] - theirs[metric]))


def _counts(rng: np.random.Generator, samples: int, rows: int) -> np.ndarray:
    """(samples, rows): how often each row is drawn."""
    drawn = rng.integers(0, rows, (samples, rows)) + rows * np.arange(samples)[:, None]
    return np.bincount(drawn.ravel(), minlength=samples * rows).reshape(samples, rows).astype(np.float64)


def _middle(values: np.ndarray) -> tuple[float, float]:
    """The 2.5 % and 97.5 % quantiles; (0, 0) of nothing."""
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return 0.0, 0.0
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
