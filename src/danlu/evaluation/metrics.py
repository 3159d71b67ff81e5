"""Metrics of classes, labels and numbers. Knows nothing of models.

Every metric is computed from how often each row counts, `weights` (B, N): ones give the metric itself, bootstrap
counts give B resampled values at once. What can be sorted or binned is sorted once, before the weights come.
A metric that these rows do not define (ROC-AUC of one class, R² of a constant) is nan, and `measure` leaves it out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from danlu.evaluation import overlap
from danlu.evaluation.outcome import Outcome

Values = dict[str, np.ndarray]  # metric → (B,)

LOWER_IS_BETTER = frozenset(
    {"log_loss", "brier", "ece", "hamming_loss", "mae", "rmse", "median_absolute_error", "mape"}
    | {"bits_per_byte", "perplexity", "loss"}
)
HEADLINE: Mapping[str, str] = {
    "class": "accuracy",
    "labels": "f1_micro",
    "number": "mae",
    "text": "bits_per_byte",
    "entities": "f1_micro",
    "masked": "accuracy",
    "answers": "f1",
    "translation": "bleu",
    "summary": "rouge_l",
}  # what the verdict rests on
MAIN: Mapping[str, tuple[str, ...]] = {  # what is shown first, in this order
    "class": (
        *("accuracy", "balanced_accuracy", "f1_macro", "roc_auc", "roc_auc_macro", "pr_auc", "pr_auc_macro"),
        *("log_loss", "brier", "ece"),
    ),
    "labels": ("f1_micro", "f1_macro", "subset_accuracy", "roc_auc_macro", "pr_auc_macro", "log_loss", "ece"),
    "number": ("mae", "rmse", "r2", "median_absolute_error", "mape"),
    "entities": ("f1_micro", "precision_micro", "recall_micro", "f1_macro", "precision_macro", "recall_macro"),
    "answers": ("f1", "exact_match", "f1_answerable", "exact_match_answerable", "no_answer_accuracy"),
    "text": ("bits_per_byte", "perplexity", "loss", "accuracy"),
    "masked": ("accuracy", "top5_accuracy", "perplexity", "loss", "next_accuracy"),
    "translation": ("bleu", "chrf", "rouge_l", "loss", "accuracy"),
    "summary": ("rouge_l", "rouge_1", "rouge_2", "bleu", "chrf", "loss", "accuracy"),
}
BINS = 15


@dataclass(frozen=True)
class Statistic:
    """Metrics of weighted rows: `of(weights (B, N)) → {metric: (B,)}`; `cost` is the number of passes over them."""

    of: Callable[[np.ndarray], Values]
    cost: int = 1


def measure(outcome: Outcome) -> dict[str, float]:
    """Every metric that these rows define. Shares are 0 … 1, errors in the target's unit."""
    ones = np.ones((1, len(outcome)))
    values = {name: float(v[0]) for statistic in statistics(outcome) for name, v in statistic.of(ones).items()}
    return {name: value for name, value in values.items() if np.isfinite(value)}


def statistics(outcome: Outcome) -> list[Statistic]:
    """The metrics that suit the outcome's kind, as functions of row weights."""
    if outcome.kind == "class":
        return [_class_decisions(outcome), _class_probabilities(outcome), _ranking(outcome)]
    if outcome.kind == "labels":
        return [_label_decisions(outcome), _label_probabilities(outcome), _ranking(outcome)]
    if outcome.kind == "text":
        return [_text_costs(outcome)]
    if outcome.kind == "masked":
        return [_hidden_tokens(outcome)]
    if outcome.kind == "entities":
        return [_entities_found(outcome)]
    if outcome.kind == "answers":
        return [_answers_right(outcome)]
    if outcome.kind in ("translation", "summary"):
        return [_texts_written(outcome)]
    return [_number_errors(outcome), _median_error(outcome)]


@dataclass(frozen=True)
class Counts:
    """How often each class was answered rightly, answered, and true: each (..., classes)."""

    hits: np.ndarray
    answered: np.ndarray
    actual: np.ndarray

    @property
    def precision(self) -> np.ndarray:
        """Share of the answers that are right; 0 for a class that is never answered."""
        return _ratio(self.hits, self.answered, empty=0.0)

    @property
    def recall(self) -> np.ndarray:
        """Share of the class that is found; 0 for a class without rows."""
        return _ratio(self.hits, self.actual, empty=0.0)

    @property
    def f1(self) -> np.ndarray:
        """Harmonic mean of precision and recall."""
        return _ratio(2 * self.hits, self.answered + self.actual, empty=0.0)


def class_counts(outcome: Outcome) -> Counts:
    """Counts (K,) of each class of a class or labels outcome, or kind of entity, for the table per class."""
    if outcome.kind == "entities":
        hits, answered = outcome.prediction.sum(0).T
        return Counts(hits, answered, outcome.truth.sum(0))
    size = len(outcome.classes)
    if outcome.kind == "labels":
        return Counts(
            (outcome.truth * outcome.decision).sum(0),
            outcome.decision.sum(0),
            outcome.truth.astype(np.int64).sum(0),
        )
    known = outcome.truth[outcome.truth >= 0]
    return Counts(
        np.bincount(outcome.truth[outcome.truth == outcome.decision], minlength=size),
        np.bincount(outcome.decision, minlength=size),
        np.bincount(known, minlength=size),
    )


def one_against_rest(outcome: Outcome) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """class index → (scores (N,), is it this class (N,) bool), for classes with rows on both sides.

    Of two exclusive classes only the second is given: the first is its mirror.
    """
    exclusive = outcome.kind == "class"
    chosen = [1] if exclusive and len(outcome.classes) == 2 else range(len(outcome.classes))
    pairs = {
        k: (outcome.prediction[:, k], outcome.truth == k if exclusive else outcome.truth[:, k] == 1) for k in chosen
    }
    return {k: (score, positive) for k, (score, positive) in pairs.items() if 0 < positive.sum() < len(positive)}


def roc_curve(score: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(false positive rate, true positive rate) at every distinct score, from (0, 0) to (1, 1)."""
    true, false = (np.append(0.0, c[0]) for c in _cumulated(score, positive, np.ones((1, len(score)))))
    return false / false[-1], true / true[-1]


def precision_recall_curve(score: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(precision, recall) at every distinct score, recall rising."""
    true, false = (c[0] for c in _cumulated(score, positive, np.ones((1, len(score)))))
    return true / (true + false), true / true[-1]


def roc_auc(score: np.ndarray, positive: np.ndarray) -> float:
    """Chance that a positive row scores above a negative one; ties count half."""
    return float(_areas(score, positive, np.ones((1, len(score))))[0][0])


def average_precision(score: np.ndarray, positive: np.ndarray) -> float:
    """Area under the precision-recall steps: sum of precision times the gain in recall."""
    return float(_areas(score, positive, np.ones((1, len(score))))[1][0])


def confidence(outcome: Outcome) -> tuple[np.ndarray, np.ndarray]:
    """(claimed probability, was it right): of the answer of each row, or of each label of each row, flattened."""
    if outcome.kind == "labels":
        return outcome.prediction.ravel(), outcome.truth.ravel() == 1
    return outcome.prediction.max(axis=1), outcome.decision == outcome.truth


@dataclass(frozen=True)
class Bin:
    """Answers whose claimed probability lies in low … high: how many, the mean claim, the share that is right."""

    low: float
    high: float
    count: int
    claimed: float
    right: float


def reliability(claimed: np.ndarray, right: np.ndarray, bins: int = BINS, equal_mass: bool = False) -> list[Bin]:
    """The non-empty bins of equal width, or of equal counts."""
    index, edges = _binned(claimed, bins, equal_mass)
    found = [(b, index == b) for b in np.unique(index)]
    return [
        Bin(
            float(edges[b]),
            float(edges[b + 1]),
            int(i.sum()),
            float(claimed[i].mean()),
            float(right[i].mean()),
        )
        for b, i in found
    ]


def calibration_error(claimed: np.ndarray, right: np.ndarray, bins: int = BINS, equal_mass: bool = False) -> float:
    """Expected calibration error (Guo et al. 2017): mean distance of claim and share right, weighted by bin."""
    found = reliability(claimed, right, bins, equal_mass)
    return sum(b.count * abs(b.claimed - b.right) for b in found) / len(claimed)


def _class_decisions(outcome: Outcome) -> Statistic:
    size = len(outcome.classes) + 1  # the last is "never in training": true sometimes, answered never
    truth = np.where(outcome.truth < 0, size - 1, outcome.truth)
    right = (truth == outcome.decision).astype(np.float64)
    by_truth, by_decision = _sums_by(truth, size), _sums_by(outcome.decision, size)

    def of(weights: np.ndarray) -> Values:
        counts = Counts(by_truth(weights * right), by_decision(weights), by_truth(weights))
        occurs = counts.answered + counts.actual > 0
        balanced = _ratio(counts.recall.sum(1), (counts.actual > 0).sum(1))
        accuracy = weights @ right / weights.sum(1)
        return {"accuracy": accuracy, "balanced_accuracy": balanced} | _averages(counts, occurs)

    return Statistic(of)


def _label_decisions(outcome: Outcome) -> Statistic:
    truth, decision = outcome.truth.astype(np.float64), outcome.decision.astype(np.float64)
    same = truth == decision
    every, share = same.all(axis=1).astype(np.float64), 1 - same.mean(axis=1)

    def of(weights: np.ndarray) -> Values:
        rows = weights.sum(1)
        counts = Counts(weights @ (truth * decision), weights @ decision, weights @ truth)
        exact = {"subset_accuracy": weights @ every / rows, "hamming_loss": weights @ share / rows}
        return exact | _averages(counts, np.ones_like(counts.hits, dtype=bool))

    return Statistic(of)


def _averages(counts: Counts, occurs: np.ndarray) -> Values:
    """Precision, recall, F1: over all answers (micro), over classes that occur (macro), over true rows (weighted)."""
    total = Counts(*(part.sum(1) for part in (counts.hits, counts.answered, counts.actual)))
    result: Values = {}
    for name in ("precision", "recall", "f1"):
        value: np.ndarray = getattr(counts, name)
        result[f"{name}_micro"] = getattr(total, name)
        result[f"{name}_macro"] = (value * occurs).sum(1) / occurs.sum(1)
        result[f"{name}_weighted"] = _ratio((value * counts.actual).sum(1), total.actual, empty=0.0)
    return result


def _class_probabilities(outcome: Outcome) -> Statistic:
    """Rows of a class never in training have no log loss; in Brier score and ECE they are plainly wrong."""
    known = (outcome.truth >= 0).astype(np.float64)
    true_share = np.take_along_axis(outcome.prediction, np.maximum(outcome.truth, 0)[:, None], axis=1)[:, 0]
    surprise = -np.log(_clipped(true_share)) * known
    square = (outcome.prediction**2).sum(1) + 1 - 2 * true_share * known
    if len(outcome.classes) == 2:
        square = square / 2  # the usual Brier score of two classes looks at one of them
    gap = _bin_gaps(*confidence(outcome), len(outcome))

    def of(weights: np.ndarray) -> Values:
        rows = weights.sum(1)
        log_loss = _ratio(weights @ surprise, weights @ known)
        return {
            "log_loss": log_loss,
            "brier": weights @ square / rows,
            "ece": np.abs(weights @ gap).sum(1) / rows,
        }

    return Statistic(of)


def _label_probabilities(outcome: Outcome) -> Statistic:
    p, truth = outcome.prediction, outcome.truth
    surprise = -np.log(_clipped(np.where(truth == 1, p, 1 - p))).mean(axis=1)
    square = ((p - truth) ** 2).mean(axis=1)
    gap = _bin_gaps(*confidence(outcome), len(outcome)) / p.shape[1]

    def of(weights: np.ndarray) -> Values:
        rows = weights.sum(1)
        ece = np.abs(weights @ gap).sum(1) / rows
        return {"log_loss": weights @ surprise / rows, "brier": weights @ square / rows, "ece": ece}

    return Statistic(of)


def _ranking(outcome: Outcome) -> Statistic:
    """ROC-AUC and average precision, the mean over classes that have rows on both sides."""
    pairs = list(one_against_rest(outcome).values())
    suffix = "" if outcome.kind == "class" and len(outcome.classes) == 2 else "_macro"

    def of(weights: np.ndarray) -> Values:
        if not pairs:
            return {}
        each = [_areas(score, positive, weights) for score, positive in pairs]
        roc, precision = (np.stack(part) for part in zip(*each, strict=True))
        return {f"roc_auc{suffix}": _mean_of_defined(roc), f"pr_auc{suffix}": _mean_of_defined(precision)}

    return Statistic(of, cost=10 * max(len(pairs), 1))


def _areas(score: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(ROC-AUC (B,), average precision (B,)) of weights (B, N)."""
    true, false = _cumulated(score, positive, weights)
    new_true, new_false = np.diff(true, prepend=0.0), np.diff(false, prepend=0.0)
    above = (new_false * (true - new_true / 2)).sum(1)
    steps = (new_true * _ratio(true, true + false, empty=0.0)).sum(1)
    return _ratio(above, true[:, -1] * false[:, -1]), _ratio(steps, true[:, -1])


def _cumulated(score: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(true, false) positives (B, distinct scores) of weights (B, N), where the best scored are taken first."""
    order = np.argsort(-score, kind="stable")
    last = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)  # of each run of equal scores
    ordered = weights[:, order]
    true = np.cumsum(ordered * positive[order], axis=1)[:, last]
    return true, np.cumsum(ordered, axis=1)[:, last] - true


def _text_costs(outcome: Outcome) -> Statistic:
    """Cost per token and per byte (a bit is ln 2 nats), and the share of tokens told right."""

    def of(weights: np.ndarray) -> Values:
        tokens, size = (weights @ outcome.truth).T
        nats, right = (weights @ outcome.prediction).T
        return {
            "bits_per_byte": nats / np.log(2) / size,
            "perplexity": np.exp(nats / tokens),
            "loss": nats / tokens,
            "accuracy": right / tokens,
        }

    return Statistic(of)


def _hidden_tokens(outcome: Outcome) -> Statistic:
    """Cost per hidden token, and how often it is the likeliest or among the first; how often a pair is told right."""

    def of(weights: np.ndarray) -> Values:
        tokens, pairs = (weights @ outcome.truth).T
        nats, right, among, pairs_right = (weights @ outcome.prediction).T
        return {
            "accuracy": _ratio(right, tokens),
            "top5_accuracy": _ratio(among, tokens),
            "perplexity": np.exp(_ratio(nats, tokens)),
            "loss": _ratio(nats, tokens),
            "next_accuracy": _ratio(pairs_right, pairs),
        }

    return Statistic(of)


def _entities_found(outcome: Outcome) -> Statistic:
    """Of all entities, and as the mean over kinds that occur; one counts as found where span and kind are right."""

    def of(weights: np.ndarray) -> Values:
        hits, answered = (weights @ outcome.prediction[:, :, part] for part in (0, 1))
        counts = Counts(hits, answered, weights @ outcome.truth)
        return _averages(counts, counts.answered + counts.actual > 0)

    return Statistic(of)


def _texts_written(outcome: Outcome) -> Statistic:
    """Likeness to the references, and what telling them costs per token, where the answers come of a model."""

    def of(weights: np.ndarray) -> Values:
        sums, tokens = weights @ outcome.prediction, (weights @ outcome.truth)[:, 0]
        rouge = (sums[:, overlap.ROUGE] / weights.sum(1)[:, None]).T
        likeness = {"bleu": overlap.bleu(sums[:, overlap.BLEU]), "chrf": overlap.chrf(sums[:, overlap.CHRF])}
        named = dict(zip(("rouge_1", "rouge_2", "rouge_l"), rouge, strict=True))
        nats, right = sums[:, overlap.ROUGE.stop :].T
        return likeness | named | {"loss": nats / tokens, "accuracy": right / tokens}

    return Statistic(of)


def _answers_right(outcome: Outcome) -> Statistic:
    """Exact match and F1 over all questions; where some have no answer, of either kind of question too."""
    (exact, f1), answerable = outcome.prediction.T, outcome.truth

    def of(weights: np.ndarray) -> Values:
        rows, held = weights.sum(1), weights @ answerable
        all_rows = {"exact_match": weights @ exact / rows, "f1": weights @ f1 / rows}
        if answerable.all():
            return all_rows
        return all_rows | {
            "exact_match_answerable": _ratio(weights @ (exact * answerable), held),
            "f1_answerable": _ratio(weights @ (f1 * answerable), held),
            "no_answer_accuracy": _ratio(weights @ (exact * (1 - answerable)), rows - held),
        }

    return Statistic(of)


def _number_errors(outcome: Outcome) -> Statistic:
    truth, error = outcome.truth, outcome.prediction - outcome.truth
    centred = truth - truth.mean()  # so that the sums of squares below lose no digits
    columns = np.stack([np.abs(error), error**2, centred, centred**2], axis=1)
    relative = np.abs(error) / np.abs(truth) if _far_from_zero(truth) else None

    def of(weights: np.ndarray) -> Values:
        rows = weights.sum(1)
        absolute, square, first, second = (weights @ columns).T / rows
        spread = second - first**2
        result = {"mae": absolute, "rmse": np.sqrt(square), "r2": 1 - _ratio(square, spread)}
        return result if relative is None else result | {"mape": weights @ relative / rows}

    return Statistic(of)


def _far_from_zero(truth: np.ndarray) -> bool:
    """Whether an error in per cent of the truth means anything: no value below a hundredth of the usual size."""
    size = np.abs(truth)
    return bool(size.min() > 0.01 * size.mean())


def _median_error(outcome: Outcome) -> Statistic:
    error = np.abs(outcome.prediction - outcome.truth)
    order = np.argsort(error, kind="stable")

    def of(weights: np.ndarray) -> Values:
        upto = np.cumsum(weights[:, order], axis=1)
        rows = upto[:, -1:]
        low = (upto < np.ceil(rows / 2)).sum(axis=1)  # position of the middle value, or of the lower of two
        high = (upto < np.floor(rows / 2) + 1).sum(axis=1)
        return {"median_absolute_error": (error[order[low]] + error[order[high]]) / 2}

    return Statistic(of)


def _bin_gaps(claimed: np.ndarray, right: np.ndarray, rows: int) -> np.ndarray:
    """(rows, BINS): right minus claimed, summed over the row's claims in each bin; |sums| make up the ECE."""
    index, _ = _binned(claimed, BINS, equal_mass=False)
    row = np.repeat(np.arange(rows), len(claimed) // rows)
    return np.bincount(row * BINS + index, right - claimed, minlength=rows * BINS).reshape(rows, BINS)


def _binned(claimed: np.ndarray, bins: int, equal_mass: bool) -> tuple[np.ndarray, np.ndarray]:
    """(bin of each value (N,), edges (bins + 1,)); a value on an edge belongs below it, as in Guo et al."""
    edges = np.quantile(claimed, np.linspace(0, 1, bins + 1)) if equal_mass else np.linspace(0, 1, bins + 1)
    return np.clip(np.searchsorted(edges, claimed, side="left") - 1, 0, bins - 1), edges


def _sums_by(group: np.ndarray, size: int) -> Callable[[np.ndarray], np.ndarray]:
    """weights (B, N) → (B, size): their sums over the rows of each group."""
    order = np.argsort(group, kind="stable")
    present, starts = np.unique(group[order], return_index=True)

    def of(weights: np.ndarray) -> np.ndarray:
        sums = np.zeros((len(weights), size))
        sums[:, present] = np.add.reduceat(weights[:, order], starts, axis=1)
        return sums

    return of


def _ratio(top: np.ndarray, bottom: np.ndarray, empty: float = np.nan) -> np.ndarray:
    top, bottom = np.broadcast_arrays(np.asarray(top, dtype=np.float64), bottom)
    return np.divide(top, bottom, out=np.full(top.shape, empty), where=bottom > 0)


def _mean_of_defined(values: np.ndarray) -> np.ndarray:
    """(classes, B) → (B,), the mean without nan."""
    defined = ~np.isnan(values)
    return _ratio(np.where(defined, values, 0.0).sum(0), defined.sum(0))


def _clipped(p: np.ndarray) -> np.ndarray:
    eps = np.finfo(np.float64).eps  # as scikit-learn: a certain and wrong answer costs 36 nats, not infinity
    return np.clip(p, eps, 1 - eps)
