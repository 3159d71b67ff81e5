"""The classical models that danlu is compared with keep their promises."""

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from danlu.data.examples import ROW, Column, Examples
from danlu.evaluation.baseline import Baseline, classical, trivial
from danlu.evaluation.metrics import measure
from danlu.evaluation.outcome import Outcome
from danlu.words import Note


def halves(frame: pl.DataFrame, kinds: dict[str, str], truth: np.ndarray, kind: str, classes=()) -> tuple:
    """(train, training truth, outcome of the other half)."""
    columns = {name: Column(name, k, Note("evaluate.boosting")) for name, k in kinds.items()}
    frame = frame.with_row_index(ROW)
    order = np.random.default_rng(0).permutation(len(frame))
    first, second = order[: len(order) // 2], order[len(order) // 2 :]
    prediction = np.zeros((len(second), len(classes)) if classes else len(second))
    places = [f"row {i}" for i in second]
    outcome = Outcome("y", kind, tuple(classes), truth[second], prediction, places, frame[second].drop(ROW))
    return Examples(frame[first], columns), truth[first], outcome


def measured(baseline: Baseline, outcome: Outcome) -> dict[str, float]:
    return measure(outcome.predicted(baseline.prediction))


def test_tables_get_scikit_learns_gradient_boosting_of_the_same_rows():
    x, y = load_breast_cancer(return_X_y=True)
    frame = pl.DataFrame({f"x{i}": x[:, i] for i in range(6)})
    train, truth, outcome = halves(frame, dict.fromkeys(frame.columns, "number"), y, "class", ("no", "yes"))
    found = classical(train, truth, outcome)
    expected = HistGradientBoostingClassifier(random_state=0).fit(train.frame.drop(ROW).to_numpy(), truth)
    np.testing.assert_allclose(found.prediction, expected.predict_proba(outcome.frame.to_numpy()))
    assert found.name.text("en") == "gradient boosting"
    assert found.rows == found.available == len(train)


def test_regression_gets_scikit_learns_gradient_boosting_of_the_same_rows():
    x, y = load_diabetes(return_X_y=True)
    frame = pl.DataFrame({f"x{i}": x[:, i] for i in range(4)})
    train, truth, outcome = halves(frame, dict.fromkeys(frame.columns, "number"), y, "number")
    expected = HistGradientBoostingRegressor(random_state=0).fit(train.frame.drop(ROW).to_numpy(), truth)
    np.testing.assert_allclose(classical(train, truth, outcome).prediction, expected.predict(outcome.frame.to_numpy()))


def test_every_kind_of_table_column_is_used():
    """Each column alone gives the target away."""
    rng, n = np.random.default_rng(0), 400
    y = rng.integers(0, 2, n)
    frames = {
        "number": pl.Series("x", [None if i % 9 == 0 else float(v) for i, v in enumerate(y)]),
        "boolean": pl.Series("x", y == 1),
        "category": pl.Series("x", [["Köln", None][v] for v in y]),
        "date": pl.Series("x", [datetime(2024, 1, 1) + timedelta(days=30 * int(v)) for v in y]),
        "sequence": pl.Series("x", [list(np.full(5 + i % 3, float(v))) for i, v in enumerate(y)], pl.List(pl.Float32)),
        "text": pl.Series("x", [["good film", "bad film"][v] for v in y]),
    }
    for kind, series in frames.items():
        train, truth, outcome = halves(pl.DataFrame({"x": series}), {"x": kind}, y, "class", ("a", "b"))
        assert measured(classical(train, truth, outcome), outcome)["accuracy"] > 0.85, kind


def test_texts_are_read_beside_the_other_columns():
    rng, n = np.random.default_rng(1), 400
    word, number = rng.integers(0, 2, n), rng.standard_normal(n)
    y = ((2 * word - 1) + 3 * number > 0).astype(int)
    frame = pl.DataFrame({"t": [["bad plot", "good plot"][w] for w in word], "x": number, "c": ["a", None] * (n // 2)})
    kinds = {"t": "text", "x": "number", "c": "category"}
    train, truth, outcome = halves(frame, kinds, y, "class", ("n", "y"))
    assert measured(classical(train, truth, outcome), outcome)["accuracy"] > 0.95


def test_chinese_texts_are_read_by_character():
    y = np.tile([0, 1], 100)
    texts = [["这本书很无聊，浪费时间", "这本书很精彩，值得一读"][v] + "。" * (i % 4) for i, v in enumerate(y)]
    train, truth, outcome = halves(pl.DataFrame({"t": texts}), {"t": "text"}, y, "class", ("差", "好"))
    assert measured(classical(train, truth, outcome), outcome)["accuracy"] == 1.0


def test_images_get_a_linear_model():
    digits = load_digits()
    pixels = (digits.images * 15).astype(np.uint8)[:600]
    frame = pl.DataFrame({"image": pl.Series(pixels, dtype=pl.Array(pl.UInt8, (8, 8)))})
    classes = tuple(str(d) for d in range(10))
    train, truth, outcome = halves(frame, {"image": "image"}, digits.target[:600], "class", classes)
    assert measured(classical(train, truth, outcome), outcome)["accuracy"] > 0.9


def test_several_labels_and_constant_labels_are_predicted():
    rng = np.random.default_rng(2)
    x = rng.standard_normal((300, 3))
    truth = np.stack([x[:, 0] > 0, x[:, 1] > 0.5, np.zeros(300)], axis=1).astype(np.float32)
    frame = pl.DataFrame({f"x{i}": x[:, i] for i in range(3)})
    kinds = dict.fromkeys(frame.columns, "number")
    train, targets, outcome = halves(frame, kinds, truth, "labels", ("a", "b", "never"))
    found = classical(train, targets, outcome)
    assert measured(found, outcome)["subset_accuracy"] > 0.85
    assert (found.prediction[:, 2] == 0).all()


def test_a_class_absent_from_training_gets_no_probability():
    x = np.arange(60.0)
    frame = pl.DataFrame({"x": x})
    train, truth, outcome = halves(frame, {"x": "number"}, (x > 30).astype(int) * 2, "class", ("a", "never", "c"))
    found = classical(train, truth, outcome)
    np.testing.assert_allclose(found.prediction.sum(1), 1)
    assert (found.prediction[:, 1] == 0).all()


def test_a_large_training_set_is_sampled_and_said(monkeypatch):
    from danlu.evaluation import baseline

    monkeypatch.setitem(baseline.MOST_ROWS, "boosting", 50)
    frame = pl.DataFrame({"x": np.arange(400.0)})
    train, truth, outcome = halves(frame, {"x": "number"}, np.arange(400.0), "number")
    found = classical(train, truth, outcome)
    assert (found.rows, found.available) == (50, 200)


@pytest.mark.parametrize("kind", ["ignore", "text"])
def test_columns_without_information_have_no_classical_model(kind):
    frame = pl.DataFrame({"x": ["", None, "!", "?"]})
    train, truth, outcome = halves(frame, {"x": kind}, np.array([0, 1, 0, 1]), "class", ("a", "b"))
    assert classical(train, truth, outcome) is None


def test_trivial_answers_are_the_commonest_class_and_the_median():
    frame = pl.DataFrame({"x": range(4)})
    _, _, outcome = halves(frame, {"x": "number"}, np.array([0, 1, 2, 2]), "class", ("a", "b", "c"))
    found = trivial(np.array([2, 2, 1, -1]), outcome)
    assert found.name.text("en") == "always saying “c”"
    np.testing.assert_allclose(found.prediction[0], [0, 1 / 3, 2 / 3])
    _, _, numbers = halves(frame, {"x": "number"}, np.arange(4.0), "number")
    assert trivial(np.array([1.0, 2.0, 90.0]), numbers).prediction.tolist() == [2.0, 2.0]
