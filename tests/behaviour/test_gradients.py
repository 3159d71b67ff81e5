"""The operations of a step, listed: they give what the model gives, bit for bit."""

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from danlu import models
from danlu.data.loader import Loader
from danlu.data.store import Batch, Dense, Shapes, Store
from danlu.data.targets import Target
from danlu.recipe import TrainConfig
from danlu.tasks import TASKS
from danlu.training import gradients
from danlu.training.gradients import Gradients
from danlu.training.loop import Training, fit
from danlu.training.operations import UnlistedError, flops, listed
from danlu.training.plan import plan_of

ROWS = 24
TABLE = Shapes(numbers=4, missing=2, categories=(5, 3), heads={"y": 3})
IMAGE = Shapes(image=(3, 12, 10), image_mean=(120.0, 110.0, 100.0), image_std=(50.0, 60.0, 70.0), heads={"y": 3})
CASES = {
    "linear": ("linear", {}, TABLE),
    "mlp, dropout": ("mlp", {"width": 16, "dropout": 0.3}, TABLE),
    "cnn, batch norm": ("cnn", {"width": 8}, IMAGE),
    "resnet": ("resnet", {"width": 8, "stem": "small"}, IMAGE),
    "vit": ("vit", {"width": 32, "depth": 2, "heads": 2, "dropout": 0.1}, IMAGE),
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Bits are compared, and these networks are too small to share."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def batch_of(shapes: Shapes, seed: int, rows: int = ROWS) -> Batch:
    drawn = torch.Generator().manual_seed(seed)
    if shapes.image:
        inputs = {"image": torch.randint(0, 256, (rows, *shapes.image), generator=drawn, dtype=torch.uint8)}
    else:
        inputs = {
            "numbers": torch.randn(rows, shapes.numbers, generator=drawn),
            "missing": torch.randint(0, 2, (rows, shapes.missing), generator=drawn).float(),
            "categories": torch.randint(0, 3, (rows, 2), generator=drawn),
        }
    return Batch(inputs, {"y": torch.randint(-1, 3, (rows,), generator=drawn)}, torch.arange(rows))


def gradients_of(family: str, fields: dict, shapes: Shapes, **asked) -> Gradients:
    config = TrainConfig(steps=500, batch_size=ROWS, learning_rate=0.1, class_weights="balanced", **asked)
    targets = {"y": Target("y", "class", ("a", "b", "c"))}
    objective = TASKS["tabular-classification"].objective(targets, config, {"y": torch.tensor([5, 7, 9])})
    settings = {
        "rows": 240,
        "validation_rows": 10,
        "flops_per_row": 1.0,
        "metrics": ("loss", "accuracy"),
        "device": "cpu",
    }
    plan, _ = plan_of(config, {}, seed=0, batches_of=lambda size, tokens: 10, **settings)
    torch.manual_seed(0)
    return Gradients(models.build(family, fields, shapes)[0].train(), objective, plan)


def trained(of: Gradients, shapes: Shapes) -> list[torch.Tensor]:
    """Losses, gradients and all that the model holds after a few batches, the last of another size."""
    model = of._model
    seen = []
    for seed, rows in ((1, ROWS), (2, ROWS), (3, 7), (4, ROWS)):
        torch.manual_seed(seed)
        model.zero_grad()
        batch = batch_of(shapes, seed, rows)
        losses = [of.add(batch, 5.0), of.add(batch, 3.0)]  # the second is added to the first
        seen += [torch.tensor(losses), *(p.grad.clone() for p in model.parameters() if p.grad is not None)]
        with torch.no_grad():
            for p in model.parameters():
                if p.grad is not None:
                    p.sub_(p.grad, alpha=1e-4)
    return [*seen, *(value.clone() for value in model.state_dict().values())]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_listed_operations_give_the_losses_gradients_and_running_means_of_the_model(monkeypatch, case, precision):
    family, fields, shapes = case
    ours = gradients_of(family, fields, shapes, precision=precision)
    answered = trained(ours, shapes)
    assert [each is not None for each in ours._listed.values()] == [True, True]
    monkeypatch.setattr(gradients, "WORTH_SIZE", 0)
    plain = gradients_of(family, fields, shapes, precision=precision)
    expected = trained(plain, shapes)
    assert not plain._listed
    assert len(answered) == len(expected)
    assert all(torch.equal(one, other) for one, other in zip(answered, expected, strict=True))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_run_ends_with_the_same_weights_whether_steps_are_listed_or_not(monkeypatch, case):
    def run() -> dict[str, torch.Tensor]:
        ours = gradients_of(family, fields, shapes)
        rows = batch_of(shapes, 0, 5 * ROWS)
        known = Batch(rows.inputs, {"y": rows.targets["y"].clamp(min=0)}, rows.rows)
        store = Store({name: Dense(value) for name, value in known.inputs.items()}, known.targets, known.rows)
        plan = ours._plan.model_copy(update={"steps": 230, "learning_rate": 1e-3, "clip": 1.0})
        list(fit(Training(ours._model, ours._objective, plan, Loader(store, ROWS, None, 0), store)))
        return ours._model.state_dict()

    family, fields, shapes = case
    listed = run()
    monkeypatch.setattr(gradients, "WORTH_SIZE", 0)
    plain = run()
    assert all(torch.equal(listed[name], plain[name]) for name in plain)


def test_frozen_weights_have_no_gradient_and_stay():
    ours = gradients_of("mlp", {"width": 16}, TABLE)
    first, *others = ours._model.parameters()
    first.requires_grad_(False)
    frozen = Gradients(ours._model, ours._objective, ours._plan)
    frozen.add(batch_of(TABLE, 0), 5.0)
    assert first.grad is None
    assert all(p.grad is not None for p in others)


def test_a_model_that_looks_at_its_numbers_is_run_as_it_is():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 3)

        def forward(self, inputs):
            x = self.linear(inputs["numbers"])
            return {"y": x if float(x.detach().sum()) > 0 else -x}

    shapes = Shapes(numbers=4, heads={"y": 3})
    usual = gradients_of("linear", {}, shapes)
    ours = Gradients(Model(), usual._objective, usual._plan)
    batch = Batch({"numbers": torch.randn(ROWS, 4)}, {"y": torch.zeros(ROWS, dtype=torch.long)}, torch.arange(ROWS))
    for sign in (1, -1):
        these = Batch({"numbers": sign * batch.inputs["numbers"]}, batch.targets, batch.rows)
        told = F.cross_entropy(ours._model(these.inputs)["y"], these.targets["y"], torch.tensor([1.4, 1.0, 7 / 9]))
        assert ours.add(these, 1.4 * ROWS) == pytest.approx(told.item(), rel=1e-5)
    with pytest.raises(UnlistedError):
        listed(lambda x: [x * x.sum().item()], [torch.ones(3)])


def test_random_numbers_are_drawn_anew_and_arguments_written_into():
    def function(x, total):
        total.add_(x.sum())
        return [F.dropout(x, 0.5), x.split(2)[1]]

    total = torch.zeros(())
    run = listed(function, [torch.ones(4), torch.zeros(())])
    torch.manual_seed(0)
    one, other = (run(torch.ones(4), total) for _ in range(2))
    torch.manual_seed(0)
    assert torch.equal(one[0], F.dropout(torch.ones(4), 0.5))
    assert total == 8
    assert torch.equal(other[1], torch.ones(2))


def test_operations_of_products_are_counted():
    a, b = torch.ones(3, 4), torch.ones(4, 5)
    assert flops(lambda: a @ b + 1) == 2 * 3 * 4 * 5
