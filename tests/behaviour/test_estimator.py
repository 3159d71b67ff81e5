"""The estimator is scikit-learn's: its own checks pass, and what was trained is what `danlu` serves."""

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import danlu
from danlu.estimator import Estimator

CLASSIFICATION, REGRESSION = "tabular-classification", "tabular-regression"


@pytest.mark.parametrize("task", [CLASSIFICATION, REGRESSION])
def test_scikit_learn_finds_no_fault(task: str) -> None:
    """Every check, none expected to fail; those that scikit-learn itself leaves out need settings of its own."""
    results = check_estimator(Estimator(task, model="linear"), on_skip=None)
    assert {result["status"] for result in results} <= {"passed", "skipped"}
    assert [r["check_name"] for r in results if r["status"] == "skipped"] in ([], ["check_array_api_input"])


def test_linear_regression_is_least_squares() -> None:
    X, y = load_diabetes(return_X_y=True)
    ours = Estimator(model="linear", validation=0.0).fit(X, y)
    np.testing.assert_allclose(ours.predict(X), LinearRegression().fit(X, y).predict(X), rtol=1e-3)


def test_probabilities_belong_to_the_classes_in_their_order() -> None:
    X, y = load_breast_cancer(return_X_y=True)
    names = np.array(["NA", "0"])[y]  # labels that look like a missing value and like a number
    model = Estimator(model="linear").fit(X, names)
    assert list(model.classes_) == ["0", "NA"]
    chances = model.predict_proba(X)
    np.testing.assert_allclose(chances.sum(1), 1)
    assert (model.classes_[chances.argmax(1)] == model.predict(X)).all()
    assert model.score(X, names) > 0.95


@pytest.mark.parametrize("frame_of", [pd.DataFrame, pl.DataFrame])
def test_frames_may_hold_words_and_gaps(frame_of: type) -> None:
    rng = np.random.default_rng(0)
    size = rng.normal(size=200)
    colour = np.where(rng.integers(0, 2, 200), "red", "blue")
    y = 3 * size + np.where(colour == "red", 2.0, 0.0) + 0.01 * rng.normal(size=200)
    size[::20] = np.nan
    frame = frame_of({"size": size, "colour": colour})
    model = Estimator(model="linear").fit(frame, y)
    known = ~np.isnan(size)
    assert np.abs(model.predict(frame) - y)[known].mean() < 0.3
    assert list(model.feature_names_in_) == ["size", "colour"]


def test_few_integers_are_classes_and_other_numbers_are_regressed() -> None:
    X = np.random.default_rng(0).normal(size=(60, 2))
    assert hasattr(Estimator(model="linear").fit(X, (X[:, 0] > 0).astype(int)), "predict_proba")
    assert not hasattr(Estimator(model="linear").fit(X, X[:, 0]), "predict_proba")
    assert not hasattr(Estimator(model="linear").fit(X, np.arange(60)), "predict_proba")


def test_estimator_works_in_pipelines_searches_and_cross_validation() -> None:
    X, y = load_breast_cancer(return_X_y=True)
    model = Estimator(CLASSIFICATION, model="linear")
    assert cross_val_score(make_pipeline(StandardScaler(), model), X, y, cv=3).mean() > 0.95
    strengths = [{"train__l2": 1000.0}, {"train__l2": 0.1}]
    search = GridSearchCV(model, {"settings": strengths}, cv=3).fit(X, y)
    assert search.best_params_["settings"] == strengths[1]


def test_out_keeps_a_run_that_predicts_the_same(tmp_path: Path) -> None:
    X, y = load_breast_cancer(return_X_y=True)
    model = Estimator(model="linear", out=str(tmp_path / "run")).fit(X, y)
    served = danlu.load(tmp_path / "run").predict(X)
    assert np.array_equal(served["probability_1: 1"].to_numpy(), model.predict_proba(X)[:, 1])


def test_fitted_estimator_survives_pickling_without_its_run() -> None:
    X, y = load_diabetes(return_X_y=True)
    model = Estimator(model="mlp", settings={"train__epochs": 2, "model__width": 8}).fit(X, y)
    assert np.array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))


def test_unknown_setting_is_refused() -> None:
    X, y = load_diabetes(return_X_y=True)
    with pytest.raises(danlu.DanluError, match="train__epochs"):
        Estimator(settings={"train__epoch": 2}).fit(X, y)
