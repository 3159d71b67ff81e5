"""Dropout by our own random bits, beside torch's."""

import pytest
import torch
from torch import nn

from danlu.models.dropout import Dropout


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.93])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_shares_scale_and_gradient_are_those_of_torch(p, dtype):
    torch.manual_seed(0)
    x = torch.rand(300, 400).add(1).to(dtype).requires_grad_()
    y = Dropout(p)(x)
    theirs = nn.Dropout(p)(x)
    assert y.dtype == theirs.dtype
    assert (y == 0).float().mean().item() == pytest.approx((theirs == 0).float().mean().item(), abs=0.005)
    stay = y != 0
    torch.testing.assert_close(y[stay], x[stay] / (1 - p), rtol=1e-2 if dtype == torch.bfloat16 else 1e-3, atol=0)
    y.sum().backward()
    torch.testing.assert_close(x.grad, torch.where(stay, 1 / (1 - p), 0.0).to(dtype), rtol=1e-2, atol=0)


def test_neighbours_are_dropped_independently():
    torch.manual_seed(0)
    gone = (Dropout(0.5)(torch.ones(1_000_000)) == 0).double()
    for apart in (1, 2, 3, 4, 5, 8):
        assert torch.corrcoef(torch.stack([gone[:-apart], gone[apart:]]))[0, 1].abs() < 0.005


@pytest.mark.parametrize("shape", [(0,), (1,), (3,), (2, 5), (4, 0, 2)])
def test_every_shape_has_an_answer(shape):
    assert Dropout(0.5)(torch.ones(shape)).shape == shape


def test_the_generators_seed_decides():
    x = torch.ones(1000)
    torch.manual_seed(3)
    first, second = Dropout(0.5)(x), Dropout(0.5)(x)
    torch.manual_seed(3)
    assert torch.equal(Dropout(0.5)(x), first)
    assert not torch.equal(first, second)


def test_nothing_is_dropped_where_nothing_is_trained():
    x = torch.ones(100)
    assert Dropout(0.5).eval()(x) is x
