"""What training does number by number in C is what torch does, to the last bits of bfloat16."""

import pytest
import torch
import torch.nn.functional as F

from danlu import native
from danlu.models import fused
from danlu.training.operations import listed

pytestmark = pytest.mark.skipif(native.compiler() is None, reason="no C compiler here")


def near(ours: torch.Tensor, exact: torch.Tensor) -> None:
    """Within what rounding the exact value to bfloat16 may change."""
    torch.testing.assert_close(ours.float(), exact, rtol=2**-8, atol=1e-6)


@pytest.mark.parametrize("shape", [(1,), (3, 41), (7, 16, 300)])
def test_gelu_and_its_slope_are_those_of_the_formula(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    x = (torch.randn(shape) * 4).bfloat16().requires_grad_()
    change = torch.randn(shape).bfloat16()
    y = fused.gelu_tanh(x)
    assert "GeluTanh" in type(y.grad_fn).__name__
    y.backward(change)
    exact = x.detach().float().requires_grad_()
    F.gelu(exact, approximate="tanh").backward(change.float())
    near(y.detach(), F.gelu(exact.detach(), approximate="tanh"))
    assert exact.grad is not None
    torch.testing.assert_close(x.grad.float(), exact.grad, rtol=2**-8, atol=1e-4)


@pytest.mark.parametrize("value", [0.0, -0.0, 1e-30, 60.0, -60.0, 3e38, -3e38])
def test_gelu_of_extremes(value: float) -> None:
    x = torch.full((20,), value, dtype=torch.bfloat16, requires_grad=True)
    y = fused.gelu_tanh(x)
    y.sum().backward()
    near(y.detach(), F.gelu(x.detach().float(), approximate="tanh"))
    assert x.grad is not None
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("size", [(1, 5), (33, 1000)])
def test_nats_and_their_gradient_are_those_of_cross_entropy(size: tuple[int, int], smoothing: float) -> None:
    torch.manual_seed(0)
    rows, tokens = size
    scores = (torch.randn(size) * 6).bfloat16()
    wanted = torch.randint(tokens, (rows,))
    wanted[rows // 2 :: 4] = -100
    exact = scores.float().requires_grad_()
    nats = F.cross_entropy(exact, wanted, reduction="none", ignore_index=-100, label_smoothing=smoothing)
    nats.sum().backward()
    found = fused.token_nats(scores, wanted, smoothing, -100)
    assert found is not None
    torch.testing.assert_close(found, nats.detach(), rtol=1e-5, atol=1e-5)
    assert exact.grad is not None
    near(scores, exact.grad)


def test_tokens_may_lie_apart_in_memory() -> None:
    scores = torch.randn(6, 50).bfloat16()
    apart = torch.randint(50, (6, 3))[:, 1]
    found, expected = (fused.token_nats(scores.clone(), each, 0.0, -100) for each in (apart, apart.clone()))
    assert found is not None
    assert torch.equal(found, expected)


def test_a_score_that_is_no_number_is_not_hidden() -> None:
    scores = torch.zeros(2, 9, dtype=torch.bfloat16)
    scores[1, 4] = torch.nan
    nats = fused.token_nats(scores, torch.tensor([1, 2]), 0.0, -100)
    assert nats is not None
    assert nats.isfinite().tolist() == [True, False]
    x = torch.tensor([1.0, torch.nan], dtype=torch.bfloat16, requires_grad=True)
    assert fused.gelu_tanh(x).isfinite().tolist() == [True, False]


def test_what_is_not_bfloat16_is_left_to_torch() -> None:
    scores = torch.randn(3, 7)
    before = scores.clone()
    assert fused.token_nats(scores, torch.zeros(3, dtype=torch.long), 0.0, -100) is None
    assert torch.equal(scores, before)


def test_operations_that_are_listed_are_torch_s_own() -> None:
    def function(x: torch.Tensor) -> list[torch.Tensor]:
        y = fused.gelu_tanh(x)
        return [y, *torch.autograd.grad(y.sum(), x)]

    x = torch.randn(6).bfloat16().requires_grad_()
    later = torch.randn(6).bfloat16().requires_grad_()
    steps = listed(function, [x])
    for ours, exact in zip(steps(later), function(later), strict=True):
        near(ours.detach(), exact.detach().float())
