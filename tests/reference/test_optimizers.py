"""Optimizers against torch's own and the formulas of their papers, and the bytes that each keeps."""

import pytest
import torch
from torch import nn

from danlu import models
from danlu.data.store import Shapes
from danlu.errors import DanluError
from danlu.recipe import TrainConfig
from danlu.training.adamw8bit import BLOCK, AdamW8bit, _shares, packed, unpacked
from danlu.training.optim import memory_notes, optimizer_of, planned_state_bytes, state_bytes
from danlu.training.plan import plan_of
from danlu.training.together import Together

WIDTH = 128


class Network(nn.Module):
    """Two hidden matrices, an embedding, a convolution, vectors and a head."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(60, WIDTH)
        self.layers = nn.ModuleList([nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH, bias=False)])
        self.mix = nn.Conv1d(2 * WIDTH, 2 * WIDTH, 3, padding=1)
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, 5)

    def forward(self, tokens):
        x = self.layers[0](self.embed(tokens)).tanh()
        x = self.mix(x.transpose(1, 2)).transpose(1, 2)
        return self.head(self.norm(self.layers[1](x).tanh()))


def plan_for(**asked):
    plan, _ = plan_of(
        TrainConfig(steps=30, batch_size=8, threads=1, **({"learning_rate": 0.003, "weight_decay": 0.1} | asked)),
        {},
        rows=80,
        validation_rows=0,
        batches_of=lambda size, tokens: 10,
        flops_per_row=1.0,
        metrics=("loss",),
        device="cpu",
        seed=0,
    )
    return plan


def steps(model, optimizer, first, last):
    """Steps with a learning rate and data of their own; the losses."""
    losses = []
    for number in range(first, last):
        drawn = torch.Generator().manual_seed(number)
        tokens = torch.randint(0, 60, (8, 12), generator=drawn)

        def closure(tokens=tokens):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(tokens).flatten(0, 1), (tokens % 5).flatten())
            loss.backward()
            return float(loss.detach())

        for group in optimizer.param_groups:
            group["lr"] = 0.003 / (1 + number / 10)
        losses.append(optimizer.step(closure))
    return losses


def assert_same(ours, theirs, **tolerance):
    for (name, mine), witness in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, witness, **tolerance, msg=lambda text, name=name: f"{name}: {text}")


def adafactor_step(x, gradient, state, lr, step):
    """One step by the formulas of Shazeer & Stern 2018 (algorithms 4 and 5), in float64."""
    x, squares = x.double(), gradient.double() ** 2
    rest = step**-0.8
    if x.ndim < 2:
        state["v"] = (1 - rest) * state.get("v", 0) + rest * squares
        v = state["v"]
    else:
        state["r"] = (1 - rest) * state.get("r", 0) + rest * squares.mean(-1, keepdim=True)
        state["c"] = (1 - rest) * state.get("c", 0) + rest * squares.mean(-2, keepdim=True)
        v = state["r"] * state["c"] / state["r"].mean(-2, keepdim=True)
    update = gradient.double() / v.clamp(min=1e-14).sqrt()
    update = update / max(1.0, float(update.square().mean().sqrt()))
    return x - max(1e-3, float(x.square().mean().sqrt())) * min(lr, step**-0.5) * update


def test_adafactor_moves_the_weights_by_the_formulas_of_its_paper():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 30), nn.Tanh(), nn.Linear(30, 4))
    optimizer = optimizer_of(model, plan_for(optimizer="adafactor", weight_decay=0))
    states = [{} for _ in model.parameters()]
    for step in range(1, 9):
        before = [p.detach().clone() for p in model.parameters()]

        def closure(step=step):
            optimizer.zero_grad()
            model(torch.randn(16, 20, generator=torch.Generator().manual_seed(step))).square().mean().backward()
            return 0.0

        optimizer.step(closure)
        for p, old, state in zip(model.parameters(), before, states, strict=True):
            expected = adafactor_step(old, p.grad, state, 0.003, step)
            torch.testing.assert_close(p.double(), expected, rtol=1e-5, atol=1e-7)


def test_muon_moves_hidden_matrices_as_torchs_and_the_rest_as_adamw():
    ours, theirs = Network(), Network()
    steps(ours, optimizer_of(ours, plan_for(optimizer="muon")), 0, 12)
    matrices = [layer.weight for layer in theirs.layers]
    rest = [p for p in theirs.parameters() if not any(p is matrix for matrix in matrices)]
    witness = Together(
        [
            torch.optim.Muon(matrices, lr=0.003, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW([p for p in rest if p.ndim >= 2], lr=0.003, weight_decay=0.1, fused=True),
            torch.optim.AdamW([p for p in rest if p.ndim < 2], lr=0.003, weight_decay=0.0, fused=True),
        ]
    )
    steps(theirs, witness, 0, 12)
    assert_same(ours, theirs, rtol=1e-5, atol=1e-6)


def test_muon_is_refused_where_nothing_is_hidden():
    linear, _ = models.build("linear", {}, Shapes(numbers=4, heads={"y": 3}))
    with pytest.raises(DanluError) as refused:
        optimizer_of(linear, plan_for(optimizer="muon"))
    assert refused.value.key == "train.no_hidden_matrices"


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("size", [1, BLOCK, 3 * BLOCK + 7])
def test_a_moment_of_bytes_is_the_nearest_share_of_its_block(signed, size):
    drawn = torch.Generator().manual_seed(size)
    values = torch.randn(size, generator=drawn) * 10 ** torch.empty(size).uniform_(-6, 0, generator=drawn)
    values = values if signed else values.abs()
    numbers, scale = packed(values, signed)
    again = unpacked(numbers, scale, signed)
    shares = _shares(signed, values.device)
    widest = torch.cat([(block / block.abs().max()) for block in values.split(BLOCK)])
    nearest = (widest[:, None] - shares).abs().min(1).values
    off = (again / torch.cat([b.abs().max().expand(len(b)) for b in values.split(BLOCK)]) - widest).abs()
    assert (off <= nearest + widest.abs() * 2**-7).all()  # shares are looked up by the 8 bits of a bfloat16
    assert numbers.dtype == torch.uint8
    assert len(numbers) == size


def test_shares_are_256_and_a_second_moment_is_never_zero():
    assert len(_shares(True, torch.device("cpu")).unique()) == len(_shares(False, torch.device("cpu")).unique()) == 256
    assert _shares(False, torch.device("cpu")).min() > 0
    numbers, scale = packed(torch.tensor([1.0, 0.0, 1e-12]), signed=False)
    assert (unpacked(numbers, scale, signed=False) > 0).all()
    assert unpacked(*packed(torch.zeros(3), signed=False), signed=False).tolist() == [0, 0, 0]


def test_adamw_of_bytes_stays_near_adamw():
    whole, eighth = Network(), Network()
    losses = steps(whole, optimizer_of(whole, plan_for(optimizer="adamw")), 0, 40)
    found = steps(eighth, optimizer_of(eighth, plan_for(optimizer="adamw8bit")), 0, 40)
    assert losses[-1] < 0.2 * losses[0]
    torch.testing.assert_close(torch.tensor(found), torch.tensor(losses), rtol=0.1, atol=0.02)


def test_adamw_of_bytes_takes_weights_of_any_layout():
    torch.manual_seed(0)
    model = nn.Conv2d(64, 64, 3).to(memory_format=torch.channels_last)
    plain = nn.Conv2d(64, 64, 3)
    plain.load_state_dict(model.state_dict())
    for each in (model, plain):
        optimizer = AdamW8bit([{"params": list(each.parameters()), "weight_decay": 0.1}], 0.01, (0.9, 0.99))

        def closure(each=each, optimizer=optimizer):
            optimizer.zero_grad()
            each(torch.ones(2, 64, 5, 5)).square().mean().backward()
            return 0.0

        optimizer.step(closure)
    torch.testing.assert_close(model.weight, plain.weight, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "asked",
    [
        *({"optimizer": name} for name in ("adamw", "adam", "adamw8bit", "muon", "adafactor", "rmsprop", "sgd")),
        {"optimizer": "sgd", "momentum": 0.9},
        {"optimizer": "rmsprop", "momentum": 0.9},
    ],
    ids=lambda asked: "-".join(map(str, asked.values())),
)
def test_the_bytes_of_state_are_known_before_the_first_step(asked):
    model, plan = Network(), plan_for(**asked)
    optimizer = optimizer_of(model, plan)
    steps(model, optimizer, 0, 1)
    counters = 4 * (len(list(model.parameters())) + 2)
    assert 0 <= state_bytes(optimizer) - planned_state_bytes(model, plan) <= counters
    assert bool(memory_notes(model, plan)) == (asked["optimizer"] in ("adamw8bit", "muon", "adafactor"))


@pytest.mark.parametrize("name", ["adafactor", "adamw8bit", "muon"])
def test_state_goes_on_where_it_was(name):
    whole, parted = Network(), Network()
    plan = plan_for(optimizer=name)
    steps(whole, optimizer_of(whole, plan), 0, 8)
    first = optimizer_of(parted, plan)
    steps(parted, first, 0, 5)
    second = optimizer_of(parted, plan)
    second.load_state_dict(first.state_dict())
    steps(parted, second, 5, 8)
    assert all(torch.equal(p, q) for p, q in zip(whole.parameters(), parted.parameters(), strict=True))


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [("adamw", 8.0, 8.01), ("adamw8bit", 2.0, 2.4), ("muon", 4.0, 4.1), ("adafactor", 0.0, 0.2), ("sgd", 0, 0)],
)
def test_bytes_of_state_per_weight(name, least, most):
    torch.manual_seed(0)
    model = nn.ModuleDict({"hidden": nn.Sequential(nn.Linear(512, 512), nn.Tanh(), nn.Linear(512, 512))})
    asked = {"weight_decay": None} if name == "sgd" else {}
    optimizer = optimizer_of(model, plan_for(optimizer=name, **asked))

    def closure():
        optimizer.zero_grad()
        model["hidden"](torch.ones(2, 512)).square().mean().backward()
        return 0.0

    optimizer.step(closure)
    assert least <= state_bytes(optimizer) / sum(p.numel() for p in model.parameters()) <= most
