"""Temperature: one number that makes probabilities mean what they say. Knows nothing of models.

The scores of a model are divided by T before they become probabilities (Guo et al. 2017). Members of an ensemble are
pooled first and calibrated after (Rahaman and Thiery 2021), so that T never changes which class is answered.
"""

from collections.abc import Callable

import numpy as np

from danlu.evaluation.outcome import TargetKind

LARGEST = 20.0  # of T and of 1/T
PRIOR = 4.0  # pull of 1/T towards 1, as strong as a Gaussian of deviation ½
ENOUGH = 10_000_000  # scores that settle one number


def fit_temperature(logits: np.ndarray, truth: np.ndarray, kind: TargetKind = "class") -> float:
    """T that makes the validation rows likeliest: the minimum of their negative log likelihood (sum over rows).

    logits: (N, K) or (N, members, K). truth: (N,) class index, -1 is left out; or (N, K) 0/1 for labels.
    A prior on 1/T keeps few or perfectly separated rows from claiming certainty; as the penalty is 0 at T = 1, the
    validation loss never ends above that of T = 1. Convex in 1/T, so one minimum. Without rows: 1.
    """
    scores = pooled(logits, kind)
    if kind == "class":
        scores, truth = scores[truth >= 0], truth[truth >= 0]
    stride = max(1, scores.size // ENOUGH)
    scores, truth = scores[::stride], truth[::stride]
    if len(scores) == 0:
        return 1.0
    slopes = _class_slopes if kind == "class" else _label_slopes
    return 1 / _root(lambda inverse: slopes(scores, truth, inverse))


def calibrated(logits: np.ndarray, temperature: float, kind: TargetKind = "class") -> np.ndarray:
    """(N, K) or (N, members, K) logits → (N, K) probabilities at this temperature."""
    scores = pooled(logits, kind) / temperature
    return np.exp(_log_softmax(scores)) if kind == "class" else _sigmoid(scores)


def pooled(logits: np.ndarray, kind: TargetKind = "class") -> np.ndarray:
    """(N, K) scores of the members' mean probability: its logarithm for a class, its log odds for labels."""
    logits = np.asarray(logits, dtype=np.float64)
    if logits.ndim == 2:
        return logits
    if kind == "class":
        return _log_mean_exp(_log_softmax(logits))
    return _log_mean_exp(-np.logaddexp(0, -logits)) - _log_mean_exp(-np.logaddexp(0, logits))


def _class_slopes(scores: np.ndarray, truth: np.ndarray, inverse: float) -> tuple[float, float]:
    """First and second derivative of the summed loss by 1/T: expected minus true score, variance of the score."""
    p = np.exp(_log_softmax(scores * inverse))
    mean = (p * scores).sum(1)
    spread = (p * (scores - mean[:, None]) ** 2).sum()
    return float(mean.sum() - np.take_along_axis(scores, truth[:, None], axis=1).sum()), float(spread)


def _label_slopes(scores: np.ndarray, truth: np.ndarray, inverse: float) -> tuple[float, float]:
    p = _sigmoid(scores * inverse)
    return float(((p - truth) * scores).sum()), float((p * (1 - p) * scores**2).sum())


def _root(slopes: Callable[[float], tuple[float, float]]) -> float:
    """Where the rising function crosses 0 between 1/LARGEST and LARGEST: Newton's steps, bisection where they leave."""
    low, high, x = 1 / LARGEST, LARGEST, 1.0
    for _ in range(60):
        slope, curvature = slopes(x)
        slope, curvature = slope + PRIOR * (x - 1), curvature + PRIOR
        low, high = (x, high) if slope < 0 else (low, x)
        guess = x - slope / curvature
        last, x = x, guess if low < guess < high else (low + high) / 2
        if abs(x - last) < 1e-10 * x:
            break
    return x


def _log_softmax(scores: np.ndarray) -> np.ndarray:
    shifted = scores - scores.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def _log_mean_exp(values: np.ndarray) -> np.ndarray:
    """(N, members, K) → (N, K)."""
    top = values.max(axis=1)
    return top + np.log(np.exp(values - top[:, None]).mean(axis=1))


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0, -x))
