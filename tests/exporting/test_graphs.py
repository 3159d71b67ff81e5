"""Graphs: every family for every modality answers the same as ONNX and as torch.export, from tensors and from rows."""

import json
import subprocess
import sys

import numpy as np
import onnx
import polars as pl
import pytest
from untrained import Case, cases, job_of

from danlu.data.examples import Examples
from danlu.data.read import examples_of
from danlu.errors import DanluError
from danlu.exporting import onnx_file, torch_file
from danlu.exporting.job import Job
from danlu.exporting.parity import elsewhere, largest_difference
from danlu.exporting.preprocessing import plain_rows
from danlu.models import FAMILIES, build
from danlu.predictor import Predictor
from danlu.recipe import DataConfig, Recipe
from danlu.run import Run
from danlu.tasks import TASKS
from danlu.tasks.task import Given


@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case.family}-{case.modality}")
def test_onnx_runtime_answers_as_the_run_does(case, tmp_path):
    job = job_of(case, tmp_path)
    proof = onnx_file.write(job)
    assert proof.largest <= 1e-4
    model = onnx.load(tmp_path / "model.onnx")
    onnx.checker.check_model(model)
    for given in model.graph.input:
        assert given.type.tensor_type.shape.dim[0].dim_param == "batch"


@pytest.mark.parametrize(
    "case",
    [
        Case("mlp", "text", "text-classification"),
        Case("gru", "sequence", "sequence-classification"),
        Case("gpt2", "stream", "text-generation"),
    ],
    ids=lambda case: case.family,
)
def test_a_torch_package_answers_as_the_run_does(case, tmp_path):
    assert torch_file.write(job_of(case, tmp_path)).largest <= 1e-4


@pytest.mark.parametrize(
    ("case", "exporter", "forbidden"),
    [
        (Case("linear", "table", "tabular-classification"), onnx_file, ("danlu", "torch", "polars")),
        (Case("distilbert", "text", "text-classification"), torch_file, ("danlu", "polars")),
    ],
    ids=["onnx", "torch"],
)
def test_the_program_beside_it_answers_raw_rows_without_danlu(case, exporter, forbidden, tmp_path):
    job = job_of(case, tmp_path)
    exporter.write(job)
    rows = plain_rows(job.rows)
    (tmp_path / "rows.json").write_text(json.dumps(rows, default=str), encoding="utf-8")
    code = (
        f"import runpy, sys; sys.modules.update(dict.fromkeys({forbidden!r})); "
        "sys.argv = ['predict.py', 'rows.json']; runpy.run_path('predict.py', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    said = job.predictor.answers(job.rows)
    assert [answer["prediction"] for answer in answers] == said["prediction"].to_list()
    for name in [name for name in said.columns if name.startswith("probability_")]:
        assert [answer[name] for answer in answers] == pytest.approx(said[name].to_list(), abs=1e-5)


def test_numbers_and_several_labels_are_told_as_the_run_tells_them(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=40)
    tags = pl.Series([["warm"] if v > 0 else ["cold", "wet"] for v in x], dtype=pl.List(pl.String))
    rows = pl.DataFrame({"x": x, "kind": rng.choice(["a", "b"], 40), "year": 2000 + x / 100, "tags": tags})
    examples = examples_of(rows, Recipe.of({"data": {"target": ["year", "tags"]}}).data, task="tabular-classification")
    codec = TASKS["tabular-classification"].codec(Given(examples, ("year", "tags"), FAMILIES["mlp"], DataConfig()))
    module, _ = build("mlp", {"width": 8, "members": 2}, codec.shapes)
    task = TASKS["tabular-classification"]
    predictor = Predictor(task, codec, module.eval(), "mlp", {"tags": 1.4}, examples.columns, DataConfig())
    kept = Examples(examples.frame.select("_row", "x", "kind").head(5), examples.columns)
    job = Job(Run(tmp_path), predictor, kept, tmp_path, "trial", tmp_path, lambda: examples)
    assert torch_file.write(job).largest <= 1e-4


def test_rounding_that_costs_too_much_is_refused_and_what_it_costs_is_told(tmp_path):
    case = Case("mlp", "text", "text-classification")
    proof = onnx_file.write(job_of(case, tmp_path / "a", int8=True, max_drop=100.0))
    assert [note.key for note in proof.notes] == ["export.dropped", "export.sizes"]
    with pytest.raises(DanluError) as error:
        onnx_file.write(job_of(case, tmp_path / "b", int8=True, max_drop=-100.0))
    assert error.value.key == "export.drops"


def test_another_model_in_its_place_is_noticed(tmp_path):
    job = job_of(Case("mlp", "table", "tabular-classification"), tmp_path)
    sure_of_nothing = lambda given: {"target": np.full((len(given["numbers"]), 3), 1 / 3, np.float32)}  # noqa: E731
    assert largest_difference(job.predictor, elsewhere(job.predictor, sure_of_nothing), job.rows) > 0.01
