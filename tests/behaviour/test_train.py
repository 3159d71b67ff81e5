"""The promises of a whole run: what is fitted, what is refused, what can be gone on with, what stands in the folder."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

import danlu
from danlu.errors import DanluError
from danlu.run import Run

QUICK = {"quiet": True, "evaluate__bootstrap": 20, "evaluate__baseline": False}
MLP = {"family": "mlp", "width": 8}


def table(rows=120, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 3))
    return pl.DataFrame(
        {
            "a": x[:, 0],
            "b": [None if i % 11 == 0 else float(v) for i, v in enumerate(x[:, 1])],
            "c": rng.choice(["red", "green", "blue"], rows),
            "label": np.where(x[:, 0] + x[:, 2] > 0, "yes", "no"),
        }
    )


@pytest.fixture
def files(tmp_path):
    """train.csv and test.csv."""
    table(120, 0).write_csv(tmp_path / "train.csv")
    table(40, 1).write_csv(tmp_path / "test.csv")
    return tmp_path


def train(folder, out, **settings):
    return danlu.train(folder / "train.csv", target="label", model=MLP, out=folder / out, **QUICK | settings)


def test_run_folder_holds_all_that_was_promised(files):
    run = train(files, "run", train__steps=5)
    names = {p.name for p in run.folder.iterdir()}
    assert names == {
        "recipe.yaml", "resolved.json", "data.json", "environment.json", "codec.json", "metrics.jsonl", "checkpoints",
        "model", "report.html", "report.json", "README.md", "samples.parquet", "drift.json",
    }  # fmt: skip
    assert {p.name for p in run.model.iterdir()} == {"model.safetensors", "config.json"}
    plan = json.loads((run.folder / "resolved.json").read_text())["train"]
    assert plan["learning_rate"] > 0
    assert None not in [plan["batch_size"], plan["optimizer"], plan["schedule"], plan["precision"], plan["threads"]]
    data = json.loads((run.folder / "data.json").read_text())
    assert data["files"][0]["rows"] == 120
    assert len(data["files"][0]["sha256"]) == 64


def test_changing_the_test_rows_changes_no_fitted_number(files):
    given = {"data__test_files": [str(files / "test.csv")], "train__steps": 12}
    one = train(files, "one", **given)
    other_rows = table(40, 1).with_columns(a=pl.col("a") * 1000 + 5, c=pl.lit("purple"))
    other_rows.write_csv(files / "test.csv")
    other = train(files, "other", **given)
    assert (one.folder / "codec.json").read_bytes() == (other.folder / "codec.json").read_bytes()
    assert (one.model / "model.safetensors").read_bytes() == (other.model / "model.safetensors").read_bytes()
    assert (one.model / "config.json").read_bytes() == (other.model / "config.json").read_bytes()
    assert one.report["targets"][0]["metrics"] != other.report["targets"][0]["metrics"]


def test_linear_model_finds_the_coefficients_of_least_squares(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.uniform(-5, 5, 100)
    rows = pl.DataFrame({"x": x, "y": 3 * x + 2 + rng.normal(scale=0.5, size=100)})
    run = danlu.train(rows, target="y", task="tabular-regression", model="linear", out=tmp_path / "run", **QUICK)
    model = danlu.load(run)
    at_zero, at_one = model.predict(pl.DataFrame({"x": [0.0, 1.0]}))["prediction"]
    material_rows = trained_rows(rows, run)
    witness = LinearRegression().fit(material_rows[["x"]].to_numpy(), material_rows["y"].to_numpy())
    assert at_one - at_zero == pytest.approx(witness.coef_[0], abs=1e-3)
    assert at_zero == pytest.approx(witness.intercept_, abs=1e-3)


def trained_rows(rows, run):
    """The rows that a run was trained on, by the same split."""
    from danlu.data.read import examples_of
    from danlu.data.split import split

    examples = examples_of(rows, run.recipe.data)
    parts = split(examples, run.recipe.data.target, run.recipe.data.split, run.recipe.seed, None)
    return rows[parts.train]


def test_logistic_regression_equals_scikit_learn(tmp_path):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(300, 3))
    label = np.where(x @ [1.0, -2.0, 0.5] + rng.logistic(size=300) > 0, "yes", "no")
    rows = pl.DataFrame(x, schema=["a", "b", "c"]).with_columns(label=pl.Series(label))
    quick = QUICK | {"evaluate__calibrate": False, "data__split": {"validation": 0.0, "test": 0.0}}
    run = danlu.train(rows, target="label", model="linear", out=tmp_path / "run", **quick)
    standard = (x - x.mean(0)) / x.std(0)
    witness = LogisticRegression(C=1.0, tol=1e-8).fit(standard, label)
    ours = danlu.load(run).predict(rows)["probability_yes"].to_numpy()
    np.testing.assert_allclose(ours, witness.predict_proba(standard)[:, 1], atol=1e-4)


def test_resume_refuses_changed_data_and_changed_recipe_and_loses_nothing(files):
    interrupted(files)
    run = files / "run"
    before = sorted(p.name for p in (run / "checkpoints").iterdir())
    content = (files / "train.csv").read_text()
    (files / "train.csv").write_text(content.replace("red", "blue", 1))
    with pytest.raises(DanluError) as refused:
        danlu.train(resume=run, quiet=True)
    assert refused.value.key == "run.data_changed"
    assert "train.csv" in str(refused.value)
    (files / "train.csv").write_text(content)
    recipe = (run / "recipe.yaml").read_text()
    (run / "recipe.yaml").write_text(recipe.replace("steps: 400", "steps: 500"))
    with pytest.raises(DanluError) as refused:
        danlu.train(resume=run, quiet=True)
    assert refused.value.key == "run.recipe_changed"
    assert "train.steps" in str(refused.value)
    (run / "recipe.yaml").write_text(recipe)
    assert sorted(p.name for p in (run / "checkpoints").iterdir()) == before
    assert danlu.train(resume=run, quiet=True).finished


@pytest.mark.parametrize("file", ["resolved.json", "codec.json", "data.json", "environment.json"])
@pytest.mark.parametrize("harm", ["emptied", "deleted"])
def test_resume_names_the_file_of_a_run_that_was_harmed(files, file, harm):
    interrupted(files)
    path = files / "run" / file
    if harm == "emptied":
        path.write_text("{}")
    else:
        path.unlink()
    if (file, harm) in (("environment.json", "emptied"), ("resolved.json", "deleted")):  # nothing that resuming needs
        assert danlu.train(resume=files / "run", quiet=True).finished
        return
    with pytest.raises(DanluError) as refused:
        danlu.train(resume=files / "run", quiet=True)
    assert file in str(refused.value) or refused.value.key == "run.versions_changed"


def interrupted(folder):
    """A run that was abandoned after its first checkpoints."""
    from danlu.api import recipe_of, training
    from danlu.events import Trained

    recipe = recipe_of(
        [str(folder / "train.csv")], target="label", model=MLP, train__steps=400, train__checkpoint_every=20,
        evaluate__baseline=False, evaluate__bootstrap=20,
    )  # fmt: skip
    for event in training(recipe, folder / "run"):
        if isinstance(event, Trained) and event.step >= 60:
            return


def test_a_run_stopped_by_ctrl_c_is_usable_and_goes_on_to_the_weights_of_an_uninterrupted_one(files):
    from danlu.api import recipe_of, training
    from danlu.events import Trained

    settings = {
        "target": "label", "model": MLP, "train__steps": 400, "evaluate__baseline": False, "evaluate__bootstrap": 20,
    }  # fmt: skip
    recipe = recipe_of([str(files / "train.csv")], **settings)
    events = training(recipe, files / "run")
    next(event for event in events if isinstance(event, Trained) and event.step >= 60)
    signal.raise_signal(signal.SIGINT)
    assert list(events)
    stopped = Run.open(files / "run")
    assert stopped.metrics()[-1]["stopped"] == "asked"
    assert not stopped.finished
    assert danlu.load(stopped).predict(files / "test.csv").height == 40
    resumed = danlu.train(resume=stopped.folder, quiet=True)
    whole = danlu.train(recipe=recipe, out=files / "whole", quiet=True)
    assert resumed.finished
    assert whole.finished
    assert resumed.metrics()[-1]["step"] == 400
    weights = "model/model.safetensors"
    assert (resumed.folder / weights).read_bytes() == (whole.folder / weights).read_bytes()


def test_what_a_killed_run_left_half_written_does_not_take_the_folder(files):
    (files / "run").mkdir()
    (files / "run" / ".recipe.yaml.partial").write_text("mod")
    assert train(files, "run", train__steps=3).finished


def test_a_run_folder_is_never_overwritten(files):
    train(files, "run", train__steps=3)
    with pytest.raises(DanluError) as refused:
        train(files, "run", train__steps=3)
    assert refused.value.key == "run.exists"
    (files / "mine").mkdir()
    (files / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(DanluError) as refused:
        train(files, "mine", train__steps=3)
    assert refused.value.key == "run.not_empty"
    assert (files / "mine" / "thesis.txt").read_text() == "years of work"


def test_ctrl_c_ends_the_step_and_leaves_a_usable_run(files):
    command = [
        sys.executable, "-m", "danlu", "train", "train.csv", "--target", "label", "--model", "mlp", "--out", "run",
        "train.steps=2000000", "train.early_stopping=false", "evaluate.baseline=false",
    ]  # fmt: skip
    environment = os.environ | {"OMP_NUM_THREADS": "1", "DANLU_LANG": "en"}
    process = subprocess.Popen(command, cwd=files, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    while not (files / "run" / "metrics.jsonl").exists() or not (files / "run" / "metrics.jsonl").stat().st_size:
        assert process.poll() is None, process.stdout.read().decode()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    said = process.communicate()[0].decode()
    assert process.returncode == 0, said
    assert "Traceback" not in said
    assert "as you asked" in said
    assert danlu.load(files / "run").predict(files / "test.csv").height == 40


def test_several_targets_train_one_model_with_several_heads(tmp_path):
    rows = table().with_columns(price=pl.col("a") * 2 + 1)
    run = danlu.train(
        rows, target=["label", "price"], model=MLP, out=tmp_path / "run",
        train__steps=10, **QUICK,
    )  # fmt: skip
    assert [t["name"] for t in run.report["targets"]] == ["label", "price"]
    answers = danlu.load(run).predict(rows)
    assert answers["prediction_price"].dtype == pl.Float64
    names = [c for c in answers.columns if c.startswith(("prediction", "probability"))]
    assert names == ["prediction_label", "probability_label_no", "probability_label_yes", "prediction_price"]


def test_cross_validation_measures_every_row_once_and_gives_mean_and_deviation(tmp_path):
    run = danlu.train(table(), target="label", model="linear", out=tmp_path / "run", cv=4, **QUICK)
    section = run.report["cv"]["targets"]["label"]
    values = [fold["accuracy"] for fold in section["folds"]]
    assert len(values) == 4
    assert section["mean"]["accuracy"] == pytest.approx(np.mean(values))
    assert section["std"]["accuracy"] == pytest.approx(np.std(values, ddof=1))


def test_time_limit_is_kept_by_the_whole_command(files):
    run = train(files, "run", train__time_limit=4, train__steps=10**8, train__early_stopping=False)
    timing = run.report["timing"]
    assert timing["train"] <= 4
    last = run.metrics()[-1]
    assert last["stopped"] == "time"
    assert last["fraction"] == 1.0


def test_two_runs_with_one_seed_are_the_same_and_with_another_differ(files):
    one, again, other = (train(files, name, train__steps=20, seed=s) for name, s in (("1", 3), ("2", 3), ("3", 4)))
    assert (one.model / "model.safetensors").read_bytes() == (again.model / "model.safetensors").read_bytes()
    assert (one.model / "model.safetensors").read_bytes() != (other.model / "model.safetensors").read_bytes()


def test_training_leaves_torchs_threads_and_random_state_as_they_were(files):
    import torch

    before = torch.get_num_threads(), torch.get_rng_state()
    train(files, "run", train__steps=3, train__threads=1)
    assert torch.get_num_threads() == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])


def test_report_can_be_said_in_the_other_language(files, monkeypatch):
    from danlu.evaluation.report import html

    run = train(files, "run", train__steps=3)
    assert "训练" in html(run.report, "zh")
    monkeypatch.setenv("DANLU_LANG", "zh")
    with pytest.raises(DanluError) as refused:
        danlu.train(files / "train.csv", target="lable", out=files / "other", quiet=True)
    assert "lable" in str(refused.value)
    assert any("一" <= c <= "鿿" for c in str(refused.value))


def test_a_test_file_without_the_target_is_left_for_prediction(files):
    table(40, 1).drop("label").write_csv(files / "test.csv")
    run = danlu.train(files, target="label", model=MLP, out=files / "run", train__steps=3, **QUICK)
    assert run.report["rows"] == {"train": 96, "validation": 12, "test": 12}
    assert any(note["code"] == "flow.unlabelled_file" for note in run.report["notes"])


def test_read_gives_typed_columns_and_numbers_that_mean_missing_are_missing(tmp_path):
    (tmp_path / "rows.csv").write_text("a,b,y\n999,1,p\n120,2,q\n130.5,3,p\n999,4,q\n140,5,p\n")
    examples = danlu.read(tmp_path / "rows.csv", missing=["999"])
    assert examples.frame["a"].to_list() == [None, 120.0, 130.5, None, 140.0]
    assert danlu.read(examples.frame.drop("_row")).columns["a"].kind == "number"
