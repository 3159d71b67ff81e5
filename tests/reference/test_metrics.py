"""Metrics equal scikit-learn's, and intervals do what an interval must."""

import math

import numpy as np
import polars as pl
import pytest
from sklearn import metrics as sk

from danlu.evaluation import metrics
from danlu.evaluation.bootstrap import advantage, intervals, resampled
from danlu.evaluation.outcome import Outcome


def class_outcome(rows: int, size: int, seed: int, unseen: int = 0, ties: bool = False) -> Outcome:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, size, rows)
    p = rng.dirichlet(np.ones(size), rows) + 1.5 * np.eye(size)[truth] * rng.random((rows, 1))
    p = np.round(p, 1) + 0.05 if ties else p
    truth[:unseen] = -1
    return outcome("class", size, truth, p / p.sum(1, keepdims=True))


def label_outcome(rows: int, size: int, seed: int) -> Outcome:
    rng = np.random.default_rng(seed)
    truth = (rng.random((rows, size)) < 0.3).astype(np.float32)
    return outcome("labels", size, truth, np.clip(0.4 * truth + 0.6 * rng.random((rows, size)), 0, 1))


def number_outcome(rows: int, seed: int) -> Outcome:
    rng = np.random.default_rng(seed)
    truth = 100 + 20 * rng.standard_normal(rows)
    return outcome("number", 0, truth, truth + 5 * rng.standard_normal(rows))


def outcome(kind, size, truth, prediction) -> Outcome:
    rows = len(truth)
    classes = tuple(f"c{i}" for i in range(size))
    places = [f"test.csv row {i + 1}" for i in range(rows)]
    return Outcome("y", kind, classes, truth, prediction, places, pl.DataFrame({"x": range(rows)}))


@pytest.mark.parametrize("size", [2, 3, 12])
@pytest.mark.parametrize("unseen", [0, 5])
def test_class_decisions_equal_scikit_learn(size, unseen):
    o = class_outcome(200, size, seed=size, unseen=unseen)
    found, answer = metrics.measure(o), o.prediction.argmax(1)
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(o.truth, answer))
    assert found["balanced_accuracy"] == pytest.approx(
        sk.recall_score(o.truth, answer, labels=np.unique(o.truth), average="macro", zero_division=0)
    )
    for average in ("micro", "macro", "weighted"):
        expected = sk.precision_recall_fscore_support(o.truth, answer, average=average, zero_division=0)[:3]
        got = [found[f"{name}_{average}"] for name in ("precision", "recall", "f1")]
        assert got == pytest.approx(list(expected))


@pytest.mark.parametrize("ties", [False, True])
def test_binary_probability_metrics_equal_scikit_learn(ties):
    o = class_outcome(300, 2, seed=7, ties=ties)
    found, p = metrics.measure(o), o.prediction[:, 1]
    assert found["roc_auc"] == pytest.approx(sk.roc_auc_score(o.truth, p))
    assert found["pr_auc"] == pytest.approx(sk.average_precision_score(o.truth, p))
    assert found["log_loss"] == pytest.approx(sk.log_loss(o.truth, o.prediction))
    assert found["brier"] == pytest.approx(sk.brier_score_loss(o.truth, p))


@pytest.mark.parametrize("ties", [False, True])
def test_many_class_probability_metrics_equal_scikit_learn(ties):
    o = class_outcome(300, 5, seed=8, ties=ties)
    found, one_hot = metrics.measure(o), np.eye(5)[o.truth]
    assert found["roc_auc_macro"] == pytest.approx(
        sk.roc_auc_score(o.truth, o.prediction, multi_class="ovr", average="macro")
    )
    assert found["pr_auc_macro"] == pytest.approx(sk.average_precision_score(one_hot, o.prediction, average="macro"))
    assert found["log_loss"] == pytest.approx(sk.log_loss(o.truth, o.prediction))
    assert found["brier"] == pytest.approx(sk.brier_score_loss(o.truth, o.prediction))


def test_label_metrics_equal_scikit_learn():
    o = label_outcome(250, 6, seed=1)
    found, answer = metrics.measure(o), (o.prediction > 0.5).astype(int)
    truth = o.truth.astype(int)
    assert found["subset_accuracy"] == pytest.approx(sk.accuracy_score(truth, answer))
    assert found["hamming_loss"] == pytest.approx(sk.hamming_loss(truth, answer))
    assert found["roc_auc_macro"] == pytest.approx(sk.roc_auc_score(truth, o.prediction))
    assert found["pr_auc_macro"] == pytest.approx(sk.average_precision_score(truth, o.prediction))
    per_label = [sk.log_loss(truth[:, k], o.prediction[:, k], labels=[0, 1]) for k in range(6)]
    assert found["log_loss"] == pytest.approx(np.mean(per_label))
    for average in ("micro", "macro", "weighted"):
        expected = sk.precision_recall_fscore_support(truth, answer, average=average, zero_division=0)[:3]
        assert [found[f"{n}_{average}"] for n in ("precision", "recall", "f1")] == pytest.approx(list(expected))


def test_number_metrics_equal_scikit_learn():
    o = number_outcome(101, seed=3)
    found = metrics.measure(o)
    assert found == pytest.approx(
        {
            "mae": sk.mean_absolute_error(o.truth, o.prediction),
            "rmse": sk.root_mean_squared_error(o.truth, o.prediction),
            "r2": sk.r2_score(o.truth, o.prediction),
            "median_absolute_error": sk.median_absolute_error(o.truth, o.prediction),
            "mape": sk.mean_absolute_percentage_error(o.truth, o.prediction),
        }
    )


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 10])
def test_median_error_of_few_rows_is_the_median(rows):
    o = number_outcome(rows, seed=rows)
    expected = sk.median_absolute_error(o.truth, o.prediction)
    assert metrics.measure(o)["median_absolute_error"] == pytest.approx(expected)


def test_percentage_error_is_left_out_near_zero():
    o = outcome("number", 0, np.array([0.0, 10.0, -10.0]), np.array([1.0, 9.0, -9.0]))
    assert "mape" not in metrics.measure(o)


def test_curves_equal_scikit_learn():
    o = class_outcome(150, 2, seed=11, ties=True)
    positive, score = o.truth == 1, o.prediction[:, 1]
    false, true = metrics.roc_curve(score, positive)
    expected = sk.roc_curve(positive, score, drop_intermediate=False)
    np.testing.assert_allclose(false, expected[0])
    np.testing.assert_allclose(true, expected[1])
    precision, recall = metrics.precision_recall_curve(score, positive)
    expected = sk.precision_recall_curve(positive, score)
    np.testing.assert_allclose(precision, expected[0][-2::-1])
    np.testing.assert_allclose(recall, expected[1][-2::-1])
    assert metrics.roc_auc(score, positive) == pytest.approx(sk.roc_auc_score(positive, score))
    assert metrics.average_precision(score, positive) == pytest.approx(sk.average_precision_score(positive, score))


def test_counts_per_class_equal_scikit_learn():
    o = class_outcome(200, 4, seed=5, unseen=3)
    counts = metrics.class_counts(o)
    expected = sk.precision_recall_fscore_support(o.truth, o.decision, labels=range(4), zero_division=0)
    np.testing.assert_allclose([counts.precision, counts.recall, counts.f1, counts.actual], expected)


@pytest.mark.parametrize("make", [lambda: class_outcome(400, 3, 2, unseen=4), lambda: label_outcome(200, 3, 2)])
def test_calibration_error_equals_its_definition(make):
    o = make()
    claimed, right = metrics.confidence(o)
    total = 0.0
    for b in range(15):
        inside = (claimed > b / 15) & (claimed <= (b + 1) / 15)
        total += abs(right[inside].mean() - claimed[inside].mean()) * inside.mean() if inside.any() else 0.0
    assert metrics.calibration_error(claimed, right) == pytest.approx(total)
    per_label = metrics.measure(o)["ece"]
    assert per_label == pytest.approx(total)


def test_equal_mass_bins_hold_equal_counts():
    claimed = np.random.default_rng(0).random(1500) ** 3
    bins = metrics.reliability(claimed, claimed > 0.5, equal_mass=True)
    assert [b.count for b in bins] == [100] * 15


def test_metrics_that_the_rows_do_not_define_are_left_out():
    one_class = outcome("class", 2, np.zeros(4, dtype=int), np.tile([0.9, 0.1], (4, 1)))
    constant = outcome("number", 0, np.full(3, 5.0), np.array([5.0, 6.0, 4.0]))
    assert "roc_auc" not in metrics.measure(one_class)
    assert "r2" not in metrics.measure(constant)
    assert all(math.isfinite(v) for v in (metrics.measure(one_class) | metrics.measure(constant)).values())


@pytest.mark.parametrize("make", [lambda: class_outcome(60, 3, 4, ties=True), lambda: label_outcome(60, 3, 4)])
def test_resampled_metrics_equal_metrics_of_the_drawn_rows(make):
    """Counting rows gives the same as copying them, for every metric."""
    o = make()
    drawn = np.random.default_rng(9).integers(0, 60, 60)
    weights = np.bincount(drawn, minlength=60)[None, :].astype(float)
    copied = metrics.measure(outcome(o.kind, 3, o.truth[drawn], o.prediction[drawn]))
    counted = {k: v[0] for s in metrics.statistics(o) for k, v in s.of(weights).items()}
    assert counted == pytest.approx(copied)


def test_resampled_numbers_equal_metrics_of_the_drawn_rows():
    o = number_outcome(61, seed=1)
    for seed in range(20):
        drawn = np.random.default_rng(seed).integers(0, 61, 61)
        weights = np.bincount(drawn, minlength=61)[None, :].astype(float)
        copied = metrics.measure(outcome("number", 0, o.truth[drawn], o.prediction[drawn]))
        counted = {k: v[0] for s in metrics.statistics(o) for k, v in s.of(weights).items()}
        assert counted == pytest.approx(copied)


def test_accuracy_interval_agrees_with_the_normal_approximation():
    o = class_outcome(2000, 3, seed=3)
    low, high = intervals(o)["accuracy"]
    p = metrics.measure(o)["accuracy"]
    half = 1.96 * math.sqrt(p * (1 - p) / 2000)
    assert (low, high) == pytest.approx((p - half, p + half), abs=0.004)


def test_intervals_hold_the_truth_about_95_times_in_100():
    """Of 200 drawn test sets of known R², nearly all intervals hold it."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(200):
        truth = rng.standard_normal(200)
        o = outcome("number", 0, truth, truth + 0.5 * rng.standard_normal(200))
        low, high = intervals(o, samples=200)["mae"]
        held += low <= 0.5 * math.sqrt(2 / math.pi) <= high
    assert 180 <= held <= 198


def test_all_right_is_not_certain():
    o = outcome("class", 2, np.array([0, 1] * 18), np.tile(np.eye(2), (18, 1)))
    found = intervals(o)
    assert found["accuracy"] == pytest.approx((0.025 ** (1 / 36), 1.0))
    assert "f1_macro" not in found


def test_intervals_depend_on_the_seed_alone():
    o = class_outcome(100, 3, seed=1)
    assert intervals(o, seed=4) == intervals(o, seed=4)
    assert intervals(o, seed=4) != intervals(o, seed=5)


def test_advantage_compares_on_the_same_rows():
    o = number_outcome(200, seed=2)
    worse = o.predicted(o.prediction + np.where(o.prediction > o.truth, 0.5, -0.5))
    low, high = advantage(resampled(o, 300, 0), resampled(worse, 300, 0), "mae")
    assert low == pytest.approx(0.5)
    assert high == pytest.approx(0.5)


def test_slow_intervals_tell_their_progress():
    told = []
    intervals(class_outcome(50, 3, seed=1), 500, progress=lambda note, done, total: told.append((done, total)))
    assert told[-1] == (500, 500)
