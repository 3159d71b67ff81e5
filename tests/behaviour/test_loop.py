"""The loop's promises, on encoded rows: exact resume, honest stops, the best weights."""

import itertools
import math
from types import SimpleNamespace

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
from danlu.tasks.supervised import metrics_of
from danlu.training import loop
from danlu.training.checkpoint import Checkpoints
from danlu.training.loop import Training, fit
from danlu.training.plan import plan_of

ROWS = 96


def store_of(rows, seed):
    torch.manual_seed(seed)
    x = torch.randn(rows, 4)
    return Store({"numbers": Dense(x)}, {"y": (x[:, 0] * x[:, 1] > 0).long()}, torch.arange(rows))


def training_of(checkpoints=None, seed=0, model=None, **asked):
    config = TrainConfig(
        **({} if "steps" in asked else {"epochs": 4}) | {"batch_size": 16, "learning_rate": 0.01, "threads": 1} | asked
    )
    train, validation = store_of(ROWS, 1), store_of(40, 2)
    objective = TASKS["tabular-classification"].objective({"y": Target("y", "class", ("no", "yes"))}, config, {})
    torch.manual_seed(seed)
    module = model or models.build("mlp", {"width": 16, "dropout": 0.3}, Shapes(numbers=4, heads={"y": 2}))[0]
    plan, _ = plan_of(
        config,
        {},
        rows=ROWS,
        validation_rows=40,
        batches_of=lambda size, tokens: Loader(train, size, tokens, seed).steps_per_epoch,
        flops_per_row=1.0,
        metrics=metrics_of(objective.targets),
        device="cpu",
        seed=seed,
    )
    loader = Loader(train, plan.batch_size, plan.batch_tokens, seed)
    return Training(module, objective, plan, loader, validation, checkpoints)


def run_to_end(training):
    records = list(fit(training))
    return {k: v.clone() for k, v in training.model.state_dict().items()}, records


def run_until(training, step):
    """Abandon the run at a step, as a kill would: whatever was not written is lost."""
    for record in fit(training):
        if record.step >= step:
            return


OPTIMIZERS = [
    {"optimizer": "adamw"},
    {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.1},
    {"optimizer": "rmsprop"},
    {"optimizer": "lbfgs", "batch_size": "full", "learning_rate": 0.5},
    {"optimizer": "adam", "accumulate": 3, "clip": 0.5, "l1": 1e-3, "l2": 1e-2},
    {"optimizer": "adamw", "early_stopping": {"patience": 2}, "schedule": "step", "keep": "last"},
    {"optimizer": "adafactor"},
    {"optimizer": "adamw8bit", "weight_decay": 0.1},
    {"optimizer": "muon", "weight_decay": 0.1},
]


@pytest.mark.parametrize("asked", OPTIMIZERS, ids=lambda a: a["optimizer"])
@pytest.mark.parametrize("killed_at", [1, 3])
def test_resumed_run_equals_uninterrupted_run_bit_for_bit(tmp_path, asked, killed_at):
    asked = {"steps": 12, "checkpoint_every": 2, "evaluate_every": 3} | asked
    expected, records = run_to_end(training_of(**asked))
    run_until(training_of(Checkpoints(tmp_path), **asked), killed_at)
    resumed, again = run_to_end(training_of(Checkpoints(tmp_path), **asked))
    assert expected.keys() == resumed.keys()
    assert all(torch.equal(expected[k], resumed[k]) for k in expected)
    assert records[-1].validation == again[-1].validation
    assert records[-1].best == again[-1].best


def test_stopping_on_request_and_going_on_equals_uninterrupted_run(tmp_path):
    asked = {"steps": 14, "evaluate_every": 4, "early_stopping": {"patience": 3}}
    expected, _ = run_to_end(training_of(**asked))
    stopped = training_of(Checkpoints(tmp_path), **asked)
    stopped.halt = lambda: stopped.state.step == 5
    run_to_end(stopped)
    assert stopped.state.stopped == "asked"
    resumed, _ = run_to_end(training_of(Checkpoints(tmp_path), **asked))
    assert all(torch.equal(expected[k], resumed[k]) for k in expected)


def test_same_seed_same_weights_other_seed_other_weights():
    one, again, other = (run_to_end(training_of(seed=s))[0] for s in (3, 3, 4))
    assert all(torch.equal(one[k], again[k]) for k in one)
    assert not all(torch.equal(one[k], other[k]) for k in one)


def test_accumulated_batches_give_the_gradient_of_one_large_batch():
    def weights(**asked):
        torch.manual_seed(5)
        model = models.build("mlp", {"width": 16}, Shapes(numbers=4, heads={"y": 2}))[0]
        training = training_of(model=model, steps=4, keep="last", optimizer="sgd", learning_rate=0.1, **asked)
        assert isinstance(training.model, nn.Module)
        return run_to_end(training)[0]

    small, large = (
        weights(batch_size=20, accumulate=5),
        weights(batch_size="full"),
    )  # 20 + 20 + 20 + 20 + 16 rows
    for key in small:
        torch.testing.assert_close(small[key], large[key], rtol=1e-5, atol=1e-6)


def test_the_weights_of_the_best_validation_are_kept():
    training = training_of(steps=60, evaluate_every=5, learning_rate=0.3, metric="loss")
    _, records = run_to_end(training)
    losses = [r.validation["loss"] for r in records if r.validation]
    assert min(losses) == training.state.best
    kept = [float(p.sum()) for p in training.weights.values()]
    assert kept == [float(p.sum()) for p in training.model.state_dict().values()]
    assert losses[-1] > min(losses), "the run must overshoot for this test to mean anything"


def test_early_stopping_ends_after_its_patience():
    training = training_of(steps=500, evaluate_every=5, learning_rate=0.3, early_stopping={"patience": 3})
    run_to_end(training)
    assert training.state.stopped == "early"
    assert training.state.step == training.state.best_step + 15


def test_loss_that_is_not_finite_stops_with_step_and_rows_and_leaves_the_last_good_checkpoint(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    asked = {"checkpoint_every": 1, "steps": 30, "optimizer": "sgd", "learning_rate": 1e20}
    with pytest.raises(DanluError) as stopped:
        run_to_end(training_of(checkpoints, **asked))
    assert stopped.value.key == "train.not_finite"
    assert stopped.value.note.fields["rows"]
    tensors, _ = checkpoints.load()
    assert all(torch.isfinite(t).all() for t in tensors["model"].values())
    assert stopped.value.note.fields["last"] == f"step-{checkpoints.steps()[-1]}"


def test_batch_in_which_every_label_is_masked_changes_nothing_and_is_counted():
    training = training_of(steps=6)
    for name, target in training.loader.store.targets.items():
        training.loader.store.targets[name].copy_(torch.full_like(target, -1))
    before = {k: v.clone() for k, v in training.model.state_dict().items()}
    run_to_end(training)
    assert training.state.skipped == 6
    assert all(torch.equal(before[k], v) for k, v in training.model.state_dict().items())


def test_time_limit_ends_the_run_with_a_finished_schedule(monkeypatch):
    ticks = itertools.count()  # a clock of the test's own: a busy machine must not decide
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: next(ticks) / 1000))
    training = training_of(steps=10**9, time_limit=0.5, schedule="linear")
    _, records = run_to_end(training)
    assert training.state.stopped == "time"
    assert records[-1].fraction == 1.0
    assert records[-1].learning_rate < 0.05 * 0.01
    assert training.state.elapsed_s >= 0.5


@pytest.mark.parametrize(
    ("asked", "key"),
    [
        ({"batch_size": 2, "batch_tokens": 3}, "train.either_or"),
        ({"optimizer": "lbfgs"}, "train.lbfgs_batch"),
        ({"metric": "f1"}, "train.unknown_metric"),
    ],
)
def test_contradicting_settings_are_refused(asked, key):
    with pytest.raises(DanluError) as refused:
        training_of(**asked)
    assert refused.value.key == key


def test_learning_rate_at_the_end_of_warmup_is_the_plans():
    _, records = run_to_end(training_of(steps=100, warmup=10, schedule="constant"))
    rates = [r.learning_rate for r in records]
    assert rates[-1] == pytest.approx(0.01)
    assert rates[0] < 0.005
    assert all(math.isclose(r.learning_rate, 0.01) for r in records if r.step > 12)
