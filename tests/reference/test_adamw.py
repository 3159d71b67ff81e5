"""AdamW against torch.optim.AdamW."""

import pytest
import torch
from torch import nn

from danlu.training.adamw import AdamW


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(7, 16), nn.Tanh(), nn.Linear(16, 3))


def grouped(model):
    matrices = [p for p in model.parameters() if p.ndim == 2]
    return [
        {"params": matrices, "weight_decay": 0.1},
        {"params": [p for p in model.parameters() if p.ndim == 1], "weight_decay": 0.0},
    ]


def steps(model, optimizer, first, last):
    """Steps with a learning rate and data of their own."""
    for number in range(first, last):
        x = torch.randn(8, 7, generator=torch.Generator().manual_seed(number))

        def closure(x=x):
            optimizer.zero_grad()
            loss = model(x).square().mean()
            loss.backward()
            return float(loss.detach())

        for group in optimizer.param_groups:
            group["lr"] = 0.01 / (1 + number)
        optimizer.step(closure)


def test_it_moves_the_weights_as_torch_does():
    ours, theirs = network(), network()
    steps(ours, AdamW(grouped(ours), 0.01, (0.8, 0.95)), 0, 20)
    steps(theirs, torch.optim.AdamW(grouped(theirs), lr=0.01, betas=(0.8, 0.95), fused=True), 0, 20)
    for mine, witness in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, witness, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("frozen", [0, 3])
def test_a_parameter_without_a_gradient_stays_as_it_is(frozen):
    model = network()
    list(model.parameters())[frozen].requires_grad_(False)
    before = [p.detach().clone() for p in model.parameters()]
    steps(model, AdamW(grouped(model), 0.01, (0.9, 0.999)), 0, 3)
    stayed = [torch.equal(p, q) for p, q in zip(model.parameters(), before, strict=True)]
    assert stayed == [i == frozen for i in range(4)]


def test_its_state_goes_on_where_it_was():
    whole, parted = network(), network()
    steps(whole, AdamW(grouped(whole), 0.01, (0.9, 0.999)), 0, 10)
    first = AdamW(grouped(parted), 0.01, (0.9, 0.999))
    steps(parted, first, 0, 6)
    second = AdamW(grouped(parted), 0.01, (0.9, 0.999))
    second.load_state_dict(first.state_dict())
    steps(parted, second, 6, 10)
    for one, other in zip(whole.parameters(), parted.parameters(), strict=True):
        assert torch.equal(one, other)
