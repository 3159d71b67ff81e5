"""Batches of a token budget: every row weighs the same, every task of texts takes them, and they resume exactly."""

import random
from itertools import pairwise

import numpy as np
import pytest
import torch

import danlu
from danlu import models
from danlu.data import loader as loading
from danlu.data.loader import Loader
from danlu.data.store import Batch, Ragged, Shapes, Store
from danlu.data.targets import Target
from danlu.recipe import TrainConfig
from danlu.tasks import TASKS
from danlu.tasks.supervised import metrics_of
from danlu.training import loop
from danlu.training.checkpoint import Checkpoints
from danlu.training.loop import Training, fit
from danlu.training.plan import plan_of

BUDGET = 30
WORDS = [f"w{i}" for i in range(30)]


def store_of(rows: int, seed: int) -> Store:
    """Few long rows of one class, many short ones of both."""
    rng = np.random.default_rng(seed)
    lengths = np.where(rng.random(rows) < 0.2, rng.integers(15, 25, rows), rng.integers(2, 5, rows))
    offsets = torch.from_numpy(np.append(0, lengths.cumsum()))
    tokens = torch.from_numpy(rng.integers(3, 20, int(lengths.sum())))
    classes = torch.from_numpy(((lengths > 10) | (rng.random(rows) < 0.3)).astype(np.int64))
    return Store({"tokens": Ragged(tokens, offsets)}, {"y": classes}, torch.arange(rows))


def training_of(checkpoints: Checkpoints | None = None, dropout: float = 0.3, **asked) -> Training:
    config = TrainConfig(
        **{"batch_tokens": BUDGET, "learning_rate": 0.01, "threads": 1, "early_stopping": False} | asked
    )
    train, validation = store_of(100, 1), store_of(30, 2)
    objective = TASKS["text-classification"].objective({"y": Target("y", "class", ("no", "yes"))}, config, {})
    torch.manual_seed(0)
    shapes = Shapes(tokens=20, max_tokens=25, heads={"y": 2})
    module = models.build("lstm", {"width": 8, "token_width": 8, "dropout": dropout}, shapes)[0].double()
    plan, _ = plan_of(
        config, {}, rows=len(train), validation_rows=len(validation), flops_per_row=1.0, device="cpu", seed=0,
        batches_of=lambda size, tokens: Loader(train, size, tokens, 0).steps_per_epoch,
        metrics=metrics_of(objective.targets),
    )  # fmt: skip
    return Training(module, objective, plan, Loader(train, None, BUDGET, 0), validation, checkpoints)


def weights_of(training: Training) -> dict[str, torch.Tensor]:
    for _ in fit(training):
        pass
    return {name: value.clone() for name, value in training.model.state_dict().items()}


def full_gradient(training: Training) -> torch.Tensor:
    """Of the mean loss of all rows, laid out in one row."""
    store = training.loader.store
    batch = store.batch(torch.arange(len(store)))
    (training.objective.loss(training.model(batch.inputs), batch) / len(store)).backward()
    found = torch.cat([p.grad.flatten() for p in training.model.parameters()])
    training.model.zero_grad()
    return found


def moved_over_an_epoch(training: Training) -> torch.Tensor:
    """How far the weights go in an epoch of tiny steps, over the sum of their lengths: minus the mean gradient."""
    before = torch.cat([p.detach().flatten().clone() for p in training.model.parameters()])
    weights_of(training)
    after = torch.cat([p.detach().flatten() for p in training.model.parameters()])
    return (before - after) / (training.plan.learning_rate * training.plan.steps)


TINY_STEPS = {
    "epochs": 1, "optimizer": "sgd", "learning_rate": 1e-7, "schedule": "constant", "warmup": 0.0, "keep": "last",
    "weight_decay": 0.0, "dropout": 0.0,
}  # fmt: skip


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_steps_of_an_epoch_are_on_average_the_gradient_of_all_rows(accumulate: int):
    steps = training_of(**TINY_STEPS).loader.steps_per_epoch  # of `accumulate` batches each: so many epochs
    training = training_of(**TINY_STEPS | {"epochs": None, "steps": steps}, accumulate=accumulate)
    wanted = full_gradient(training)
    torch.testing.assert_close(moved_over_an_epoch(training), wanted, rtol=1e-4, atol=1e-7)


def test_divided_by_their_own_rows_batches_of_long_ones_would_weigh_more(monkeypatch):
    sizes = [len(batch.rows) for batch in training_of(**TINY_STEPS).loader.batches(0)]
    assert max(sizes) > 5 * min(sizes), "else the test above tells nothing"
    monkeypatch.setattr(loop, "_mean_count", lambda training: 0.0)
    training = training_of(**TINY_STEPS)
    wanted = full_gradient(training)
    off = (moved_over_an_epoch(training) - wanted).norm() / wanted.norm()
    assert off > 0.1


def test_the_loss_that_is_told_is_the_mean_over_rows():
    training = training_of(**TINY_STEPS, evaluate_every=1000)
    store = training.loader.store
    with torch.no_grad():
        batch = store.batch(torch.arange(len(store)))
        wanted = float(training.objective.loss(training.model(batch.inputs), batch)) / len(store)
    records = list(fit(training))
    batches = list(training.loader.batches(0))
    told = sum(record.loss * len(batch.rows) for record, batch in zip(records, batches, strict=True)) / len(store)
    assert told == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize(("killed_at", "window"), [(1, 10**9), (7, 2), (32, 2)])
def test_a_resumed_run_equals_the_uninterrupted_one(tmp_path, monkeypatch, killed_at: int, window: int):
    monkeypatch.setattr(loading, "WINDOW", window)
    asked = {"steps": 40, "checkpoint_every": 3, "evaluate_every": 10}
    expected = weights_of(training_of(**asked))
    for record in fit(training_of(Checkpoints(tmp_path), **asked)):
        if record.step >= killed_at:
            break
    resumed = weights_of(training_of(Checkpoints(tmp_path), **asked))
    assert all(torch.equal(expected[name], resumed[name]) for name in expected)


def test_windows_hold_rows_of_all_lengths_and_others_in_each_epoch(monkeypatch):
    monkeypatch.setattr(loading, "WINDOW", 10)
    lengths = np.random.default_rng(0).integers(5, 60, 1000)
    offsets = torch.from_numpy(np.append(0, lengths.cumsum()))
    store = Store({"tokens": Ragged(torch.ones(int(lengths.sum())), offsets)}, {}, torch.arange(1000))
    loader = Loader(store, None, 1000, seed=3)
    windows = loader._windows(loader._row_order(0))
    assert len(windows) > 2
    assert all(len(list(loader.batches(epoch))) == loader.steps_per_epoch for epoch in range(3))
    assert all(batch.inputs["tokens"].numel() <= 1000 for epoch in range(3) for batch in loader.batches(epoch))
    cuts, orders = loader._cuts, [loader._row_order(epoch).tolist() for epoch in (0, 1)]
    one, other = ({frozenset(order[a:b]) for a, b in pairwise(cuts)} for order in orders)
    assert not one & other, "no batch is met twice"


def sentences(count: int, seed: int = 0) -> list[list[str]]:
    rng = random.Random(seed)
    return [rng.choices(WORDS, k=rng.randint(3, 20)) for _ in range(count)]


def questions(count: int) -> list[dict]:
    """Which word stands first."""
    rows = []
    for words in sentences(count):
        context = " ".join(words)
        rows.append({"question": "first ?", "context": context, "answers": [{"text": words[0], "answer_start": 0}]})
    return rows


BERT = {"family": "bert", "width": 16, "depth": 1, "heads": 2}
PAIR_MODEL = {"family": "bart", "width": 16, "depth": 1, "heads": 2}
TASKS_OF_TEXTS = {
    "text-classification": (
        lambda: [{"text": " ".join(words), "label": words[0][1:2]} for words in sentences(150)],
        BERT,
        {"target": "label"},
    ),
    "token-classification": (
        lambda: [
            {"tokens": words, "tags": ["B-x" if word < "w2" else "O" for word in words]} for words in sentences(150)
        ],
        BERT,
        {},
    ),
    "fill-mask": (lambda: [{"text": " ".join(words)} for words in sentences(150)], BERT, {}),
    "question-answering": (lambda: questions(150), BERT, {}),
    "translation": (
        lambda: [{"en": " ".join(words), "zh": "".join(reversed(words))} for words in sentences(150)], PAIR_MODEL, {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("task", TASKS_OF_TEXTS)
def test_every_task_of_texts_of_unequal_length_takes_a_token_budget(tmp_path, monkeypatch, task: str):
    rows, model, more = TASKS_OF_TEXTS[task]
    seen: list[int] = []
    rows_at_once = loop._evaluation_rows
    monkeypatch.setattr(loop, "_evaluation_rows", lambda training: seen.append(rows_at_once(training)) or seen[-1])
    run = danlu.train(
        rows(), task=task, model=model, out=tmp_path / "run", quiet=True, train__batch_tokens=300, train__steps=8,
        train__evaluate_every=4, evaluate__bootstrap=0, evaluate__baseline=False, data__text={"vocab_size": 1000}
        if task == "translation" else {}, **more,
    )  # fmt: skip
    assert run.resolved["train"]["batch_tokens"] == 300
    assert run.resolved["train"]["batch_size"] is None
    losses = [record["loss"] for record in run.metrics() if record["loss"] is not None]  # none: no token was hidden
    assert np.isfinite(losses).all()
    assert len(losses) > 4
    assert min(seen) > 1, "validation is no slower than training"
    assert any(note["code"] == "train.padding" for note in run.resolved["notes"])


def test_a_batch_holds_as_many_rows_as_fit():
    batches: list[Batch] = list(training_of().loader.batches(0))
    rows = [len(batch.rows) for batch in batches]
    tokens = [batch.inputs["tokens"].numel() for batch in batches]
    assert max(tokens) <= BUDGET
    assert sum(tokens) / len(tokens) > 0.7 * BUDGET
    assert max(rows) > 5 * min(rows)
