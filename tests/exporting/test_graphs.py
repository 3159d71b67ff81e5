"""Graphs: every family for every modality answers the same as ONNX and as torch.export, from tensors and from rows."""

import ast
import json
import shutil
import subprocess
import sys

import numpy as np
import onnx
import polars as pl
import pytest
import torch._inductor as inductor
from untrained import Case, cases, job_of, predictor_of

from danlu.data.examples import Examples
from danlu.data.read import examples_of
from danlu.errors import DanluError
from danlu.exporting import onnx_file, torch_file
from danlu.exporting.graph import Past
from danlu.exporting.job import Job
from danlu.exporting.parity import elsewhere, largest_difference
from danlu.exporting.preprocessing import answers_by_script, plain_rows, script
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


@pytest.mark.skipif(shutil.which(torch_file.compiler()) is None, reason="there is no C++ compiler")
def test_what_is_compiled_reads_pictures_of_several_colours(tmp_path):
    job = job_of(Case("linear", "image", "image-classification"), tmp_path, compiled=True)
    assert torch_file.write(job).largest <= 1e-4


@pytest.mark.parametrize(
    ("case", "exporter", "forbidden", "options"),
    [
        (Case("linear", "table", "tabular-classification"), onnx_file, ("danlu", "torch", "polars"), {}),
        (Case("distilbert", "text", "text-classification"), torch_file, ("danlu", "polars"), {}),
        pytest.param(
            Case("linear", "table", "tabular-classification"),
            torch_file,
            ("danlu", "polars"),
            {"compiled": True},
            marks=pytest.mark.skipif(shutil.which(torch_file.compiler()) is None, reason="there is no C++ compiler"),
        ),
    ],
    ids=["onnx", "torch", "compiled"],
)
def test_the_program_beside_it_answers_raw_rows_without_danlu(case, exporter, forbidden, options, tmp_path):
    job = job_of(case, tmp_path, **options)
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
    lacking, *_ = job.predictor.codec.inputs
    other = [{name: value for name, value in row.items() if name != lacking} for row in rows]
    (tmp_path / "rows.json").write_text(json.dumps(other, default=str), encoding="utf-8")
    refused = subprocess.run([sys.executable, "predict.py", "rows.json"], cwd=tmp_path, capture_output=True, text=True)
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"no row has a value for: {lacking}. The model reads: {lacking}")


@pytest.mark.parametrize("family", ["gpt2", "mistral"])
def test_a_graph_reads_each_token_once_and_goes_on_as_the_run_does(family, tmp_path):
    job = job_of(Case(family, "stream", "text-generation"), tmp_path)
    onnx_file.write(job)
    graph, read = onnx_file.in_runtime(tmp_path / "model.onnx", ("logits", "keys", "values")), list[int]()

    def run(given):
        read.append(given["tokens"].shape[1])
        return graph(given)

    prompts = ["the cat sat on a", "two dogs"]
    rows = Examples(pl.DataFrame({"_row": [0, 1], "text": prompts}), job.rows.columns)
    said = job.predictor.generate(prompts, temperature=0.0, max_new_tokens=6)
    told = answers_by_script(job.predictor, rows, run, max_new_tokens=6)
    assert [answer["prediction"] for answer in told] == said
    beginnings = [place for place, tokens in enumerate(read) if tokens > 1]
    assert len(beginnings) == 2
    assert len(read) > 4
    tokens = np.array([[1, 5, 6, 7, 8, 4]])
    whole, kept = graph({"tokens": tokens} | nothing(job)), nothing(job)
    for piece in np.split(tokens, [2, 3], axis=1):
        part = graph({"tokens": piece} | kept)
        kept = {"past_keys": part["keys"], "past_values": part["values"]}
    np.testing.assert_allclose(part["logits"][:, -1], whole["logits"][:, -1], atol=1e-5)


def nothing(job):
    past = Past.of(job.predictor.module)
    assert past
    return {name: value.numpy() for name, value in past.empty(1).items()}


@pytest.mark.parametrize(
    ("family", "compiler", "key"),
    [("linear", "no-such-compiler", "export.no_compiler"), ("gru", "false", "export.not_compiled")],
)
def test_what_cannot_be_compiled_is_refused(family, compiler, key, tmp_path):
    case = Case(family, "sequence", "sequence-classification")
    with inductor.config.patch({"cpp.cxx": (None, compiler)}), pytest.raises(DanluError) as error:
        torch_file.write(job_of(case, tmp_path, compiled=True))
    assert error.value.key == key


@pytest.mark.parametrize(
    "modality", ["table", "text", "image", "sequence", "stream", "pairs", "masked", "words", "passages"]
)
def test_the_program_holds_what_its_model_needs_and_no_more(modality):
    predictor, *_ = predictor_of(next(case for case in cases() if case.modality == modality))
    source = script(predictor, "trial", 'def graph() -> Run:\n    """None."""\n    raise NotImplementedError\n', ())
    tree = ast.parse(source)
    defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    imported = {
        alias.name for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names
    }
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert defined <= used | {"run", "main"}, "nothing that is not called"
    assert imported - {"numpy"} <= used, "nothing that is not used"
    code = [line for line in source.splitlines() if line.strip() and not line.strip().startswith(("#", '"""'))]
    assert len(code) <= 110, "as short as the guide says"


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
