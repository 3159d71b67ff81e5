"""Temperature equals an independent optimum and keeps its promises."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_softmax, softmax

from danlu.evaluation.calibrate import PRIOR, calibrated, fit_temperature


def rows(n: int, k: int, true_temperature: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose classes are drawn at `true_temperature`."""
    rng = np.random.default_rng(seed)
    logits = 4 * rng.standard_normal((n, k))
    p = softmax(logits / true_temperature, axis=1)
    return logits, (p.cumsum(1) > rng.random((n, 1))).argmax(1)


def class_loss(logits, truth, temperature):
    return -log_softmax(logits / temperature, axis=1)[np.arange(len(truth)), truth].sum()


def label_loss(logits, truth, temperature):
    z = logits / temperature
    return (np.logaddexp(0, z) - truth * z).sum()


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
@pytest.mark.parametrize("n", [20, 3000])
def test_temperature_equals_scipys_optimum(temperature, n):
    logits, truth = rows(n, 4, temperature)
    best = minimize_scalar(
        lambda b: class_loss(logits, truth, 1 / b) + PRIOR / 2 * (b - 1) ** 2,
        bounds=(0.05, 20),
        method="bounded",
        options={"xatol": 1e-10},
    )
    assert fit_temperature(logits, truth) == pytest.approx(1 / best.x, rel=1e-5)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_temperature_of_many_rows_is_the_true_one(temperature):
    assert fit_temperature(*rows(20_000, 5, temperature)) == pytest.approx(temperature, rel=0.05)


def test_temperature_of_labels_equals_scipys_optimum():
    rng = np.random.default_rng(1)
    logits = 3 * rng.standard_normal((500, 6))
    truth = (rng.random((500, 6)) < expit(logits / 2)).astype(float)
    best = minimize_scalar(
        lambda b: label_loss(logits, truth, 1 / b) + PRIOR / 2 * (b - 1) ** 2,
        bounds=(0.05, 20),
        method="bounded",
        options={"xatol": 1e-10},
    )
    assert fit_temperature(logits, truth, "labels") == pytest.approx(1 / best.x, rel=1e-5)


@pytest.mark.parametrize("n", [1, 2, 5, 50])
@pytest.mark.parametrize("seed", range(10))
def test_validation_loss_never_gets_worse(n, seed):
    logits, truth = rows(n, 3, true_temperature=[0.3, 1, 5][seed % 3], seed=seed)
    fitted = class_loss(logits, truth, fit_temperature(logits, truth))
    assert fitted <= class_loss(logits, truth, 1.0) + 1e-9


@pytest.mark.parametrize("members", [1, 8])
@pytest.mark.parametrize("temperature", [0.2, 7.0])
def test_answers_never_change(members, temperature):
    logits = 3 * np.random.default_rng(0).standard_normal((400, members, 5))
    before, after = calibrated(logits, 1.0), calibrated(logits, temperature)
    np.testing.assert_array_equal(before.argmax(1), after.argmax(1))
    np.testing.assert_array_equal(
        calibrated(logits, 1.0, "labels") > 0.5, calibrated(logits, temperature, "labels") > 0.5
    )


def test_temperature_one_is_the_mean_of_the_members():
    logits = 3 * np.random.default_rng(0).standard_normal((50, 4, 5))
    np.testing.assert_allclose(calibrated(logits, 1.0), softmax(logits, axis=2).mean(1))
    np.testing.assert_allclose(calibrated(logits, 1.0, "labels"), expit(logits).mean(1))


def test_few_separated_rows_do_not_claim_certainty():
    """Ten rows, all right by a margin of 3: without a prior the best temperature would be 0."""
    logits = np.tile([3.0, 0.0], (10, 1))
    temperature = fit_temperature(logits, np.zeros(10, dtype=int))
    assert 0.6 < temperature < 1
    assert calibrated(logits, temperature).max() < 0.99


def test_rows_of_unknown_classes_and_no_rows_leave_probabilities_alone():
    logits, truth = rows(100, 3, 2.0)
    with_unknown = fit_temperature(np.vstack([logits, logits[:5]]), np.append(truth, [-1] * 5))
    assert with_unknown == fit_temperature(logits, truth)
    assert fit_temperature(logits[:5], np.full(5, -1)) == 1.0


def test_extreme_scores_stay_finite():
    logits = np.array([[1e4, -1e4], [-1e4, 1e4], [1e4, -1e4]])
    temperature = fit_temperature(logits, np.array([0, 0, 1]))
    assert temperature == pytest.approx(20, rel=1e-3)
    assert np.isfinite(calibrated(logits, temperature)).all()
