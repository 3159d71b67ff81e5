"""The evaluation says what the numbers say, and nothing else."""

import base64
import io
import json

import numpy as np
import polars as pl
import pytest
from PIL import Image

from danlu.data.examples import Column
from danlu.evaluation.baseline import Baseline, trivial
from danlu.evaluation.calibrate import calibrated, fit_temperature
from danlu.evaluation.judge import About, Evidence, cross_validation, evaluation
from danlu.evaluation.metrics import LOWER_IS_BETTER, MAIN, measure
from danlu.evaluation.mistakes import worst
from danlu.evaluation.outcome import Outcome
from danlu.evaluation.overlap import ROUGE
from danlu.evaluation.summary import summary
from danlu.evaluation.verdict import _against_constant
from danlu.words import Note

COLUMNS = {"x": Column("x", "number", Note("evaluate.boosting"))}


def class_outcome(truth, right, rows=None, classes=("no", "yes"), confidence=0.9) -> Outcome:
    """Answers that are right where `right` says so."""
    truth = np.asarray(truth)
    answer = np.where(right, truth, (truth + 1) % len(classes))
    prediction = np.full((len(truth), len(classes)), (1 - confidence) / (len(classes) - 1))
    prediction[np.arange(len(truth)), answer] = confidence
    return outcome("class", truth, prediction, classes)


def outcome(kind, truth, prediction, classes=(), frame=None) -> Outcome:
    places = [f"test.csv row {i + 1}" for i in range(len(truth))]
    frame = pl.DataFrame({"x": np.arange(float(len(truth)))}) if frame is None else frame
    return Outcome("y", kind, tuple(classes), np.asarray(truth), np.asarray(prediction, dtype=float), places, frame)


def told(o: Outcome, *baselines: Baseline, **about) -> dict:
    return evaluation([Evidence(o, baselines)], About("run", "tabular-classification", "mlp", COLUMNS, **about), 400)


def rival(o: Outcome, prediction) -> Baseline:
    return Baseline(Note("evaluate.boosting"), np.asarray(prediction, dtype=float), 100, 100, 0.5)


def codes(report: dict) -> list[str]:
    return [note["code"] for note in report["targets"][0]["verdict"]]


TRUTH = np.random.default_rng(1).integers(0, 2, 400)


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"), [(0.95, 0.7, "ahead"), (0.7, 0.95, "behind"), (0.8, 0.8, "level")]
)
def test_the_verdict_names_the_winner_only_where_chance_cannot_explain_it(ours, theirs, expected):
    rng = np.random.default_rng(5)
    model = class_outcome(TRUTH, rng.random(400) < ours)
    other = class_outcome(TRUTH, rng.random(400) < theirs).prediction
    report = told(model, trivial(TRUTH, model), rival(model, other))
    assert codes(report)[:2] == ["evaluate.headline_class", f"evaluate.{expected}"]
    assert report["targets"][0]["baselines"][1]["standing"] == expected


@pytest.mark.parametrize(("noise", "other_noise", "expected"), [(1, 3, "ahead"), (3, 1, "behind")])
def test_the_verdict_on_numbers_knows_that_lower_errors_are_better(noise, other_noise, expected):
    rng = np.random.default_rng(0)
    truth = 50 + 10 * rng.standard_normal(300)
    model = outcome("number", truth, truth + noise * rng.standard_normal(300))
    report = told(model, trivial(truth, model), rival(model, truth + other_noise * rng.standard_normal(300)))
    assert codes(report) == ["evaluate.headline_number_r2", f"evaluate.{expected}"]


def test_the_headline_holds_the_measured_numbers():
    model = class_outcome(TRUTH, np.arange(400) >= 20)
    report = told(model, trivial(np.ones(10, dtype=int), model))
    text = report["targets"][0]["verdict"][0]["text"]
    low, high = report["targets"][0]["intervals"]["accuracy"]
    assert text.startswith(f"On 400 rows the model never saw, 95.0 % ({100 * low:.1f}–{100 * high:.1f})")
    assert f"always saying “yes” gives {100 * TRUTH.mean():.1f} %" in text


def test_a_model_that_learned_nothing_is_called_useless():
    rng = np.random.default_rng(0)
    model = class_outcome(TRUTH, rng.random(400) < 0.5, confidence=0.6)
    assert "evaluate.constant_as_good" in codes(told(model, trivial(np.ones(400, dtype=int), model)))


@pytest.mark.parametrize(("kind", "expected"), [("translation", "behind"), ("labels", "constant_level")])
def test_a_simplest_answer_that_is_better_is_called_better_where_it_can_be_used(kind, expected):
    few = outcome(kind, np.zeros((9, 1)), np.zeros((9, 1)), ("a",))
    first = {"name": Note("evaluate.first_sentence").to_json(), "standing": "behind", "headline": [0.01, 0.3]}
    said = _against_constant(first, few, {"metrics": {}, "intervals": {}})
    assert said.key == f"evaluate.{expected}"


def test_a_model_that_only_ranks_is_not_called_useless():
    """Rare positives, never answered, yet ranked first."""
    truth = (np.arange(400) < 20).astype(int)
    yes = 0.1 + 0.3 * truth
    model = outcome("class", truth, np.stack([1 - yes, yes], 1), ("no", "yes"))
    found = codes(told(model, trivial(truth, model)))
    assert "evaluate.only_ranks" in found
    assert "evaluate.rarer" in found


def test_few_rows_and_unseen_classes_are_said():
    model = outcome("class", [0, -1, 1], np.eye(2)[[0, 0, 1]], ("a", "b"))
    report = told(model, trivial(np.array([0, 1]), model))
    assert {"evaluate.few_rows", "evaluate.unseen"} <= set(codes(report))
    assert report["targets"][0]["metrics"]["accuracy"] == pytest.approx(2 / 3)
    assert [-1, 0, 1] in report["targets"][0]["confusion"]


def test_no_test_rows_are_no_error():
    model = outcome("class", np.zeros(0, dtype=int), np.zeros((0, 2)), ("a", "b"))
    report = told(model)
    assert codes(report) == ["evaluate.no_rows"]
    assert report["targets"][0]["metrics"] == {}


def test_the_report_is_strict_json_of_the_measured_metrics():
    rng = np.random.default_rng(0)
    model = class_outcome(TRUTH, rng.random(400) < 0.9)
    report = told(model, trivial(TRUTH, model), notes=[Note("evaluate.boosting")], rows={"test": 400})
    again = json.loads(json.dumps(report, allow_nan=False))
    assert again["targets"][0]["metrics"] == measure(model)
    assert again["targets"][0]["calibration"]["before"] == again["targets"][0]["calibration"]["after"]


def test_calibration_before_and_after_is_told():
    rng = np.random.default_rng(0)
    logits = 8 * rng.standard_normal((600, 3))
    p = np.exp(logits / 4)
    truth = (p.cumsum(1) > rng.random((600, 1)) * p.sum(1, keepdims=True)).argmax(1)
    temperature = fit_temperature(logits[:300], truth[:300])
    model = outcome("class", truth[300:], calibrated(logits[300:], temperature), "abc")
    evidence = Evidence(model, (), calibrated(logits[300:], 1.0), temperature)
    report = evaluation([evidence], About("run", "tabular-classification", "mlp", COLUMNS), samples=0)
    told = report["targets"][0]["calibration"]
    assert told["after"]["ece"] < told["before"]["ece"] / 2
    assert "evaluate.calibrated" in [note.key for note in summary(report)]
    assert report["targets"][0]["intervals"] == {}


def test_mistakes_are_the_surest_wrong_answers_first():
    prediction = np.array([[0.9, 0.1], [0.3, 0.7], [0.2, 0.8], [0.6, 0.4]])
    found = worst(outcome("class", [0, 0, 0, 1], prediction, ("a", "b")), COLUMNS)
    assert [m["place"] for m in found] == ["test.csv row 3", "test.csv row 2", "test.csv row 4"]
    assert found[0] | {"inputs": []} == {
        "place": "test.csv row 3",
        "truth": "a",
        "answer": "b",
        "claimed": 0.8,
        "truth_claimed": 0.2,
        "inputs": [],
    }


def test_mistakes_of_numbers_are_the_largest_errors_first():
    found = worst(outcome("number", [1.0, 2.0, 3.0], [1.0, 9.0, 4.0]), COLUMNS)
    assert [(m["truth"], m["answer"]) for m in found] == [(2.0, 9.0), (3.0, 4.0)]


def test_mistakes_of_labels_say_what_was_missed_and_what_was_too_much():
    found = worst(outcome("labels", [[1, 0, 1]], [[0.2, 0.9, 0.8]], ("a", "b", "c")), COLUMNS)
    assert (found[0]["missed"], found[0]["wrong"]) == (["a"], ["b"])


def test_mistakes_show_the_row_itself(tmp_path):
    Image.new("RGB", (300, 200), "red").save(tmp_path / "red.png")
    data = io.BytesIO()
    Image.new("L", (8, 8), 77).save(data, "PNG")
    frame = pl.DataFrame(
        {
            "path": [str(tmp_path / "red.png")],
            "gone": [str(tmp_path / "gone.png")],
            "bytes": [data.getvalue()],
            "pixels": pl.Series([np.full((4, 4, 3), 9, np.uint8)], dtype=pl.Array(pl.UInt8, (4, 4, 3))),
            "text": ["long " * 200],
            "curve": pl.Series([[[1.0, 2.0], [3.0, None]]], dtype=pl.List(pl.Array(pl.Float32, 2))),
            "value": [None],
            "unused": ["secret"],
        },
        schema_overrides={"value": pl.Float64},
    )
    kinds = dict.fromkeys(("path", "gone", "bytes", "pixels"), "image")
    kinds |= {"text": "text", "curve": "sequence", "value": "number"}
    columns = {name: Column(name, kind, Note("evaluate.boosting")) for name, kind in kinds.items()}
    (mistake,) = worst(outcome("class", [0], [[0.1, 0.9]], ("a", "b"), frame), columns)
    shown = {cell["name"]: cell for cell in mistake["inputs"]}
    assert (shown["path"]["width"], shown["path"]["height"]) == (300, 200)
    assert max(Image.open(io.BytesIO(base64.b64decode(shown["path"]["png"]))).size) == 128
    assert Image.open(io.BytesIO(base64.b64decode(shown["bytes"]["png"]))).getpixel((0, 0)) == 77
    assert Image.open(io.BytesIO(base64.b64decode(shown["pixels"]["png"]))).getpixel((1, 1)) == (9, 9, 9)
    assert shown["gone"]["kind"] == "value"
    assert len(shown["text"]["text"]) == 502
    assert shown["curve"]["channels"] == [[1.0, 3.0], [2.0, None]]
    assert shown["value"]["text"] is None
    assert "unused" not in shown


def test_a_large_run_makes_a_small_report():
    rng = np.random.default_rng(0)
    rows = 20_000
    truth = rng.integers(0, 2, rows)
    model = outcome("class", truth, rng.dirichlet([1, 1], rows), ("a", "b"))
    history = [{"step": i, "loss": 1.0} for i in range(50_000)]
    report = evaluation([Evidence(model)], About("r", "t", "f", COLUMNS, history=history), samples=0)
    assert len(json.dumps(report)) < 200_000
    assert report["history"][-1]["step"] == 49_999


def test_cross_validation_gives_mean_and_deviation():
    folds = [{"y": {"accuracy": v}} for v in (0.8, 0.9, 1.0)]
    found = cross_validation(folds, Note("evaluate.boosting"))["targets"]["y"]
    assert found["mean"]["accuracy"] == pytest.approx(0.9)
    assert found["std"]["accuracy"] == pytest.approx(0.1)


def test_every_main_metric_is_measured_and_every_direction_known():
    rng = np.random.default_rng(0)
    three = class_outcome(rng.integers(0, 3, 50), rng.random(50) < 0.8, classes="abc")
    two = class_outcome(rng.integers(0, 2, 50), rng.random(50) < 0.8)
    labels = outcome("labels", rng.integers(0, 2, (50, 3)), rng.random((50, 3)), "abc")
    number = outcome("number", 10 + rng.random(50), 10 + rng.random(50))
    text = outcome("text", 10 + rng.random((50, 2)), rng.random((50, 2)))
    entities = outcome("entities", rng.integers(0, 3, (50, 3)), rng.integers(1, 3, (50, 3, 2)), "abc")
    written = outcome("translation", np.full((50, 1), 9.0), np.ones((50, ROUGE.stop + 2)))
    measured = {
        "class": {*measure(three), *measure(two)},
        "labels": {*measure(labels)},
        "number": {*measure(number)},
        "text": {*measure(text)},
        "entities": {*measure(entities)},
        "masked": {*measure(outcome("masked", 10 + rng.random((50, 2)), rng.random((50, 4))))},
        "answers": {*measure(outcome("answers", np.arange(50) % 2, rng.random((50, 2))))},
    } | {kind: {*measure(written)} for kind in ("translation", "summary")}
    for kind, names in MAIN.items():
        assert set(names) <= measured[kind]
    assert set.union(*measured.values()) >= LOWER_IS_BETTER
