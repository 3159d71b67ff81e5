"""Every task with every family that can do it: train, evaluate, save, load, predict; from table to answer."""

import json

import numpy as np
import polars as pl
import pytest

import danlu
from danlu.models import FAMILIES
from danlu.tasks import TASKS

ROWS = 90
SMALL = {
    "linear": {},
    "mlp": {"width": 8},
    "cnn": {"width": 8},
    "resnet": {"width": 8},
    "rnn": {"width": 8},
    "lstm": {"width": 8},
    "gru": {"width": 8},
    "bert": {"width": 8},
    "roberta": {"width": 8},
    "distilbert": {"width": 8},
    **{name: {"width": 8, "depth": 1, "heads": 2} for name in ("gpt2", "llama", "mistral", "qwen2", "qwen3")},
    "vit": {"width": 8},
}
PAIRS = [
    (name, family)
    for name, task in TASKS.items()
    for family in FAMILIES
    if task.goal in ("classification", "regression") and task.modality in FAMILIES[family].reads
]


def rows_of(modality: str, goal: str) -> pl.DataFrame:
    """Rows in which the target follows from the inputs."""
    rng = np.random.default_rng(0)
    value = rng.normal(size=ROWS)
    high = np.where(value > 0, "high", "low")
    inputs = {
        "table": lambda: {
            "a": value,
            "b": [None if i % 9 == 0 else float(v) for i, v in enumerate(rng.normal(size=ROWS))],
            "c": rng.choice(["red", "green", "blue"], ROWS),
        },
        "text": lambda: {"text": [f"{'good 好' if v > 0 else 'bad 坏'} thing {i} 文本" for i, v in enumerate(value)]},
        "image": lambda: {
            "image": pl.Series(
                np.clip(rng.normal(size=(ROWS, 12, 12)) * 20 + 100 + 60 * value[:, None, None], 0, 255).astype(np.uint8)
            )
        },
        "sequence": lambda: {
            "signal": pl.Series(
                [list(v + rng.normal(size=rng.integers(5, 12)).round(3)) for v in value], dtype=pl.List(pl.Float32)
            )
        },
    }[modality]()
    return pl.DataFrame(inputs | {"target": high if goal == "classification" else value * 10 + 3})


@pytest.mark.parametrize(("task", "family"), PAIRS)
def test_task_trains_evaluates_and_predicts_alike_after_loading(tmp_path, task, family):
    rows = rows_of(TASKS[task].modality, TASKS[task].goal)
    run = danlu.train(
        rows, target="target", task=task, model={"family": family, **SMALL[family]}, out=tmp_path / "run", quiet=True,
        train__steps=6, train__early_stopping=False, evaluate__bootstrap=20, evaluate__baseline=False,
    )  # fmt: skip
    report = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    assert report["task"] == task
    assert report["targets"][0]["rows"] == len(rows) // 10
    assert (tmp_path / "run" / "report.html").stat().st_size > 10_000
    model = danlu.load(run)
    answers = model.predict(rows.drop("target"))
    assert answers.height == ROWS
    chances = [c for c in answers.columns if c.startswith("probability_")]
    if TASKS[task].goal == "classification":
        assert chances == ["probability_high", "probability_low"]
        np.testing.assert_allclose(answers.select(chances).sum_horizontal(), 1, atol=1e-9)
        picked = answers.select(pl.concat_list(chances).list.arg_max()).to_series()
        assert answers["prediction"].to_list() == [("high", "low")[i] for i in picked]
    else:
        assert answers["prediction"].dtype == pl.Float64
        assert not chances
    alone = model.predict(rows.drop("target")[7:8])
    for name in ["prediction", *chances]:
        if answers[name].dtype == pl.Float64:
            assert alone[name][0] == pytest.approx(answers[name][7], abs=1e-5), "an answer hangs on its row alone"
    measured = model.evaluate(rows)["targets"][0]["metrics"]
    if TASKS[task].goal == "classification":
        right = (answers["prediction"] == rows["target"]).mean()
        assert measured["accuracy"] == pytest.approx(right)
    else:
        error = (answers["prediction"] - rows["target"]).abs().mean()
        assert measured["mae"] == pytest.approx(error, rel=1e-5, abs=1e-6)
