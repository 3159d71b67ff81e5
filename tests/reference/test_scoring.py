"""Cross-entropy that never holds all scores, beside torch's."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from danlu.models import scoring
from danlu.models.scoring import scored, token_nats

IGNORED = -1


class Head(nn.Module):
    """Vectors and what scores them, all with gradients."""

    def __init__(self, positions: int, tokens: int, bias: bool) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.randn(positions, 5, 8))
        self.matrix = nn.Parameter(torch.randn(tokens, 8))
        self.bias = nn.Parameter(torch.randn(tokens)) if bias else None

    def scores(self, x: torch.Tensor) -> torch.Tensor:
        """(..., W) → (..., tokens)."""
        return F.linear(x, self.matrix, self.bias)

    def nats(self, wanted: torch.Tensor, smoothing: float) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """The loss and the gradient of each weight."""
        loss = token_nats(scored(self, self.vectors, self.matrix, self.bias), wanted, smoothing, IGNORED)
        return loss, list(torch.autograd.grad(loss / 7, list(self.parameters())))


@pytest.mark.parametrize(
    ("bias", "smoothing", "at_once"), [*itertools.product((False, True), (0.0, 0.1), (1 << 22, 40, 3000))]
)
def test_nats_and_gradients_are_those_of_cross_entropy(monkeypatch, bias, smoothing, at_once):
    monkeypatch.setattr(scoring, "AT_ONCE", at_once)
    monkeypatch.setattr(scoring, "LEAST", 3)
    torch.manual_seed(0)
    head = Head(6, 20, bias)
    wanted = torch.randint(0, 20, (6, 5))
    wanted[2:4, 1:] = IGNORED
    loss, gradients = head.nats(wanted, smoothing)
    scores = F.linear(head.vectors, head.matrix, head.bias).flatten(0, 1)
    true = F.cross_entropy(scores, wanted.flatten(), ignore_index=IGNORED, reduction="sum", label_smoothing=smoothing)
    torch.testing.assert_close(loss, true)
    for ours, theirs in zip(gradients, torch.autograd.grad(true / 7, list(head.parameters())), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def test_scores_are_worked_out_where_nothing_is_trained():
    head = Head(2, 20, True)
    scores = F.linear(head.vectors, head.matrix, head.bias)
    with torch.no_grad():
        torch.testing.assert_close(scored(head, head.vectors, head.matrix, head.bias), {"logits": scores})
    torch.testing.assert_close(scored(head.eval(), head.vectors, head.matrix, head.bias), {"logits": scores})


def test_a_token_that_is_all_but_impossible_costs_what_it_costs():
    head = Head(1, 3, False)
    with torch.no_grad():
        head.vectors.zero_()[..., 0] = 1
        head.matrix.zero_()[0, 0] = 500
    loss, _ = head.nats(torch.full((1, 5), 1), 0.0)
    assert loss.item() == pytest.approx(2500)


def test_in_bfloat16_the_error_is_that_of_the_products():
    torch.manual_seed(0)
    head = Head(40, 300, True)
    wanted = torch.randint(0, 300, (40, 5))
    true, true_gradients = head.nats(wanted, 0.1)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = scored(head, head.vectors, head.matrix, head.bias)
        logits = F.linear(head.vectors, head.matrix, head.bias).float()
    assert outputs["vectors"].dtype == torch.bfloat16
    loss = token_nats(outputs, wanted, 0.1, IGNORED)
    plain = F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="sum", label_smoothing=0.1)
    assert abs(loss - true) <= 1.5 * abs(plain - true) + 0.01
    ours = torch.autograd.grad(loss / 7, list(head.parameters()))
    theirs = torch.autograd.grad(plain / 7, list(head.parameters()))
    for a, b, c in zip(ours, theirs, true_gradients, strict=True):
        assert (a - c).norm() <= 1.5 * (b - c).norm()
