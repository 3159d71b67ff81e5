"""danlu export: one command, tried before it is left there, and nothing left where it fails."""

import shutil

import numpy as np
import polars as pl
import pytest

import danlu
from danlu.cli import app
from danlu.errors import DanluError
from danlu.exporting import EXPORTERS, onnx_file
from danlu.exporting.job import require
from danlu.run import Run

ROWS = 300


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, 4))
    return pl.DataFrame({f"x{i}": x[:, i] for i in range(4)} | {"kind": np.where(x.sum(1) > 0, "high", "low")})


@pytest.fixture(scope="module")
def run(tmp_path_factory, table) -> Run:
    folder = tmp_path_factory.mktemp("runs")
    table.write_csv(folder / "table.csv")
    model = {"family": "mlp", "width": 64, "members": 1, "embed_numbers": "none"}
    settings = {"train__steps": 60, "evaluate__bootstrap": 0, "evaluate__baseline": False}
    return danlu.train(folder / "table.csv", target="kind", model=model, out=folder / "run", quiet=True, **settings)


def test_one_command_exports_tries_and_tells(run, tmp_path, capsys):
    assert not app(["export", str(run), "--to", "onnx", "--out", str(tmp_path / "out")], standalone_mode=False)
    said = capsys.readouterr().out
    assert "the largest difference is" in said
    assert str(tmp_path / "out") in said
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"model.onnx", "predict.py", "preprocessing.json"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_answers_otherwise_leaves_nothing(run, tmp_path, monkeypatch):
    other = lambda *_: lambda given: {"kind": np.full((len(given["numbers"]), 2), 0.5, np.float32)}  # noqa: E731
    monkeypatch.setattr(onnx_file, "in_runtime", other)
    with pytest.raises(DanluError) as error:
        danlu.export(run, "onnx", tmp_path / "out", quiet=True)
    assert error.value.key == "export.differs"
    assert not list(tmp_path.iterdir())


def test_a_folder_that_holds_something_is_left_alone(run, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(DanluError) as error:
        danlu.export(run, "onnx", tmp_path, quiet=True)
    assert error.value.key == "export.taken"
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("to", "options", "key"),
    [
        ("onx", {}, "export.unknown"),
        ("torch", {"int8": True}, "export.idle"),
        ("onnx", {"bits": "q4_0"}, "export.idle"),
        ("onnx", {"compiled": True}, "export.idle"),
    ],
)
def test_a_wrong_format_or_an_option_without_use_is_refused(run, tmp_path, to, options, key):
    with pytest.raises(DanluError) as error:
        danlu.export(run, to, tmp_path / "out", quiet=True, **options)
    assert error.value.key == key


def test_a_package_that_is_not_installed_is_named():
    with pytest.raises(DanluError) as error:
        require("json", "no_such_package")
    assert "no_such_package" in str(error.value)
    assert 'danlu[export]"' in str(error.value)


def test_a_run_keeps_inputs_of_test_rows_and_no_targets(run):
    kept = pl.read_parquet(run.folder / "samples.parquet")
    assert kept.height == 16
    assert kept.columns == ["x0", "x1", "x2", "x3"]


def test_a_quantized_run_is_read_like_any_other(run, table, tmp_path):
    danlu.export(run, "quantized", tmp_path / "small", quiet=True)
    whole, small = (danlu.predict(each, table)["probability_high"].to_numpy() for each in (run, tmp_path / "small"))
    assert 0 < np.abs(whole - small).max() < 0.05
    sizes = [(folder / "model" / "model.safetensors").stat().st_size for folder in (run.folder, tmp_path / "small")]
    assert sizes[1] < 0.6 * sizes[0]
    assert not (tmp_path / "small" / "checkpoints").exists()


def test_rows_of_a_file_are_tried_where_the_run_keeps_none(run, table, tmp_path):
    shutil.copytree(run.folder, tmp_path / "run")
    (tmp_path / "run" / "samples.parquet").unlink()
    table.head(7).write_csv(tmp_path / "rows.csv")
    danlu.export(tmp_path / "run", "torch", tmp_path / "out", rows=str(tmp_path / "rows.csv"), quiet=True)
    assert (tmp_path / "out" / "model.pt2").is_file()


def test_every_format_is_named_in_the_help(capsys):
    app(["export", "--help"], standalone_mode=False)
    said = capsys.readouterr().out
    assert all(name in said for name in EXPORTERS)
