"""Layers that torch compiles: the same gradients and weights by the same names; said where nothing compiles."""

import json

import pytest
import torch

import danlu
from danlu import models, native
from danlu.data.store import Shapes
from danlu.errors import DanluError
from danlu.models.transformer import compile_layers
from danlu.recipe import TrainConfig
from danlu.training import machine
from danlu.training.machine import compiler_for
from danlu.training.plan import COMPILED_STEPS, plan_of

ROWS = [{"text": f"{word} {n}", "label": word} for n in range(20) for word in ("red", "blue")]
SMALL = {"family": "bert", "width": 16, "depth": 2, "heads": 2}


@pytest.mark.skipif(native.compiler() is None, reason="no C compiler here")
def test_a_compiled_model_has_the_gradients_of_the_plain_one() -> None:
    torch.manual_seed(0)
    fields = {"width": 16, "depth": 2, "heads": 2, "dropout": 0.0, "max_length": 8}
    model, _ = models.build("gpt2", fields, Shapes(tokens=20, max_tokens=8))
    tokens, names = torch.randint(20, (3, 8)), set(model.state_dict())
    found = []
    for _ in range(2):
        model.zero_grad()
        sum(value.float().square().mean() for value in model.train()({"tokens": tokens}).values()).backward()
        found.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
        assert compile_layers(model)
    torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-6)
    assert set(model.state_dict()) == names
    with torch.no_grad():
        model.eval()({"tokens": tokens[:, :5]})  # not compiled


def plan(steps, device, **asked):
    config = TrainConfig(steps=steps, **asked)
    sizes = {"rows": 64, "validation_rows": 8, "batches_of": lambda *_: 2, "flops_per_row": 1.0}
    return plan_of(config, {}, **sizes, metrics=("loss",), device=device, seed=0)[0]


def test_it_is_done_of_itself_for_long_runs_on_graphics_cards_alone() -> None:
    assert plan(COMPILED_STEPS, "cuda").compile
    assert not plan(COMPILED_STEPS - 1, "cuda").compile
    assert not plan(COMPILED_STEPS, "cuda", compile=False).compile
    assert not plan(COMPILED_STEPS, "cpu").compile
    assert plan(5, "cpu", compile=True).compile


def test_without_a_compiler_the_run_goes_on_and_says_so(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.shutil, "which", lambda name: None)
    run = danlu.train(
        ROWS, target="label", model=SMALL, out=tmp_path / "run", quiet=True, train__compile=True, train__steps=2
    )
    notes = json.loads((run.folder / "resolved.json").read_text())["notes"]
    assert [note for note in notes if note["code"] == "train.not_compiled"]


def test_what_compiling_needs_is_looked_for_before_the_first_step(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"triton", "gcc", "g++"}
    monkeypatch.setattr(machine.importlib.util, "find_spec", lambda name: name in found)
    monkeypatch.setattr(machine.shutil, "which", lambda name: name in found)
    monkeypatch.setattr(machine.sysconfig, "get_path", lambda name: str(tmp_path))
    assert [compiler_for("cuda"), compiler_for("cpu")] == ["Python.h", "Python.h"]
    (tmp_path / "Python.h").touch()
    assert [compiler_for("cuda"), compiler_for("cpu")] == ["", ""]
    found -= {"gcc", "g++"}
    assert [compiler_for("cuda"), compiler_for("cpu")] == ["gcc", "g++"]
    found -= {"triton"}
    assert compiler_for("cuda:1") == "triton"


def test_a_model_without_layers_is_refused_where_it_is_asked_for(tmp_path) -> None:
    with pytest.raises(DanluError, match=r"train\.compile"):
        danlu.train(ROWS, target="label", model="linear", out=tmp_path / "run", quiet=True, train__compile=True)
