"""float16 with loss scaling, TF32 and layouts: what can be shown where no graphics card is."""

import math

import pytest
import torch
from torch import nn

from danlu import models
from danlu.data.loader import Loader
from danlu.data.store import Dense, Shapes, Store
from danlu.data.targets import Target
from danlu.errors import DanluError
from danlu.recipe import TrainConfig
from danlu.tasks import TASKS
from danlu.training import machine, measure, scaling
from danlu.training.checkpoint import Checkpoints
from danlu.training.loop import Training, fit
from danlu.training.plan import Plan, plan_of
from danlu.training.scaling import FIRST, PATIENCE, OverflowedError, Scale, unscale

ROWS = 64


def plan_for(device="cpu", **asked):
    config = TrainConfig(**({"steps": 12, "batch_size": 16, "learning_rate": 0.01, "threads": 1} | asked))
    plan, _ = plan_of(
        config,
        {},
        rows=ROWS,
        validation_rows=ROWS,
        batches_of=lambda size, tokens: ROWS // 16,
        flops_per_row=1.0,
        metrics=("loss", "accuracy"),
        device=device,
        seed=0,
    )
    return config, plan


def store(scale=1.0):
    drawn = torch.Generator().manual_seed(1)
    x = torch.randn(ROWS, 4, generator=drawn) * scale
    return Store({"numbers": Dense(x)}, {"y": (x[:, 0] * x[:, 1] > 0).long()}, torch.arange(ROWS))


def training_of(checkpoints=None, rows=None, **asked):
    config, plan = plan_for(**asked)
    torch.manual_seed(0)
    module, _ = models.build("mlp", {"width": 16, "dropout": 0.1}, Shapes(numbers=4, heads={"y": 2}))
    objective = TASKS["tabular-classification"].objective({"y": Target("y", "class", ("no", "yes"))}, config, {})
    rows = rows or store()
    return Training(module, objective, plan, Loader(rows, 16, None, 0), rows, checkpoints)


def run_to_end(training):
    records = list(fit(training))
    return training.model.state_dict(), records


def test_float16_learns_as_float32_does():
    losses = {p: run_to_end(training_of(precision=p, steps=60))[1][-1].validation for p in ("float32", "float16")}
    assert losses["float16"]["loss"] == pytest.approx(losses["float32"]["loss"], rel=0.1)


def test_the_scale_changes_nothing_but_the_range(monkeypatch):
    """Powers of two: gradients scaled and unscaled have the same bits, as long as nothing over- or underflows."""
    one, _ = run_to_end(training_of(precision="float16"))
    monkeypatch.setattr(scaling, "FIRST", 2.0**14)
    smaller = training_of(precision="float16")
    smaller.state.scale = 2.0**14
    other, _ = run_to_end(smaller)
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=1e-2, atol=1e-3)


def test_a_step_that_overflows_is_left_out_and_the_scale_halved():
    training = training_of(precision="float16", steps=1)
    training.state.scale = 2.0**40
    before = {name: value.clone() for name, value in training.model.state_dict().items()}
    weights, _ = run_to_end(training)
    assert all(torch.equal(before[name], weights[name]) for name in before)
    assert training.state.scale == 2.0**39


def test_a_loss_that_is_too_large_whatever_the_scale_is_told():
    training = training_of(precision="float16", rows=store(scale=1e30), steps=40)
    with pytest.raises(DanluError) as told:
        run_to_end(training)
    assert told.value.key == "train.not_finite"


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "muon", "adamw8bit", "adafactor"])
def test_a_run_with_overflows_resumes_bit_for_bit(tmp_path, optimizer):
    asked = {"precision": "float16", "checkpoint_every": 1, "optimizer": optimizer, "clip": 1.0, "steps": 8}

    def started(checkpoints=None):
        training = training_of(checkpoints, **asked)
        training.state.scale = 2.0**27  # some steps overflow, the later ones do not
        return training

    expected, _ = run_to_end(whole := started())
    halted = started(Checkpoints(tmp_path))
    for record in fit(halted):
        if record.step >= 4:
            break
    resumed, _ = run_to_end(again := started(Checkpoints(tmp_path)))
    assert all(torch.equal(expected[name], resumed[name]) for name in expected)
    assert FIRST <= whole.state.scale == again.state.scale < 2.0**27


def test_the_scale_is_doubled_after_many_steps_without_overflow():
    scale = Scale()
    for _ in range(PATIENCE - 1):
        scale.held()
    assert scale.factor == FIRST
    scale.held()
    assert (scale.factor, scale.clean) == (2 * FIRST, 0)
    scale.held()
    assert scale.overflowed()
    assert (scale.factor, scale.clean) == (FIRST, 0)
    assert not Scale(scaling.LEAST).overflowed()


def test_unscaling_takes_the_scale_out_or_tells_of_overflow():
    p, unused = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(2))
    p.grad = torch.tensor([1.0, -2.0, 0.5])
    unscale([p, unused], 4.0)
    assert p.grad.tolist() == [0.25, -0.5, 0.125]
    for value in (math.inf, math.nan):
        p.grad = torch.tensor([1.0, value, 0.5])
        with pytest.raises(OverflowedError):
            unscale([p, unused], 4.0)


def test_it_is_torchs_scaler_step_for_step():
    """The same scales as torch.amp.GradScaler, overflow by overflow."""
    witness = torch.amp.GradScaler("cpu", init_scale=FIRST, growth_interval=PATIENCE)
    p = nn.Parameter(torch.ones(1))
    sgd = torch.optim.SGD([p], lr=0.0)
    ours = Scale()
    for number in range(PATIENCE + 60):
        gradient = torch.tensor([math.inf if number in (3, 4, 40) else 1.0])
        p.grad = gradient.clone()
        witness.scale(torch.ones(1))
        witness.unscale_(sgd)
        witness.step(sgd)
        witness.update()
        p.grad = gradient.clone()
        try:
            unscale([p], ours.factor)
            ours.held()
        except OverflowedError:
            ours.overflowed()
        assert ours.factor == witness.get_scale(), number


@pytest.mark.parametrize(
    ("key", "asked"),
    [
        ("train.tf32_on_cuda", {"precision": "tf32"}),
        ("train.lbfgs_float16", {"precision": "float16", "optimizer": "lbfgs", "batch_size": "full"}),
    ],
)
def test_a_precision_that_cannot_be_is_refused(key, asked):
    with pytest.raises(DanluError) as refused:
        plan_of(
            TrainConfig(steps=3, **asked),
            {},
            rows=8,
            validation_rows=0,
            batches_of=lambda size, tokens: 1,
            flops_per_row=1.0,
            metrics=("loss",),
            device="cpu",
            seed=0,
        )
    assert refused.value.key == key


@pytest.mark.parametrize(("precision", "kind"), [("float32", "ieee"), ("tf32", "tf32"), ("bfloat16", "tf32")])
def test_products_of_float32_on_cuda_are_as_the_plan_says(precision, kind):
    _, plan = plan_for(device="cuda", precision=precision)
    settings = (torch.backends.cuda.matmul, torch.backends.cudnn.conv)
    before = [each.fp32_precision for each in settings]
    with machine.set_for(plan):
        assert [each.fp32_precision for each in settings] == [kind, kind]
    assert [each.fp32_precision for each in settings] == before


@pytest.mark.parametrize(
    ("device", "precision", "wanted"),
    [("cuda", "float16", True), ("cuda:1", "bfloat16", True), ("cuda", "float32", False), ("cpu", "bfloat16", False)],
)
def test_channels_are_last_where_tensor_cores_want_them_so(device, precision, wanted):
    plan = Plan.model_validate(plan_for(precision=precision)[1].model_dump() | {"device": device})
    assert machine.wants_channels_last(plan) == wanted


@pytest.mark.parametrize(
    ("bfloat16", "capability", "half"), [(True, (8, 0), "bfloat16"), (False, (7, 5), "float16"), (False, (6, 1), None)]
)
def test_a_cards_half_precision_is_what_it_has_tensor_cores_for(monkeypatch, bfloat16, capability, half):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: bfloat16)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert measure.strengths_on("cuda").half == half
