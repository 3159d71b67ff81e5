"""Attention by matrix products, which training on a processor uses in bfloat16, beside torch's own kernel."""

import itertools

import pytest
import torch
import torch.nn.functional as F

from danlu.models import transformer
from danlu.models.dropout import drawn, scale_of
from danlu.models.products import by_products
from danlu.models.transformer import Config, Trunk

ROWS, TOKENS, WIDTH = 3, 30, 64
CASES = list(itertools.product((True, False), ("all", "length", "documents", "window"), (5, 64, 200), (None, 2)))


def answered(trunk: Trunk, tokens: torch.Tensor, weight: torch.Tensor, bfloat16: bool, **given) -> tuple:
    """Outputs where `weight` looks, and the gradient of all weights."""
    trunk.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        outputs = trunk(tokens, **given).float()
    (outputs * weight).sum().backward()
    return outputs.detach() * (weight != 0), torch.cat([p.grad.flatten() for p in trunk.parameters()])


@pytest.mark.parametrize(("causal", "kind", "steps", "kv_heads"), CASES)
def test_products_give_what_torchs_kernel_gives_in_bfloat16_and_are_as_near_to_float32(
    monkeypatch, causal, kind, steps, kv_heads
):
    torch.manual_seed(0)
    window = 7 if kind == "window" else None
    trunk = Trunk(
        TOKENS, Config(width=WIDTH, depth=2, heads=4, kv_heads=kv_heads, causal=causal, window=window, dropout=0)
    )
    tokens, weight = torch.randint(0, TOKENS, (ROWS, steps)), torch.randn(ROWS, steps, WIDTH)
    given = {}
    if kind == "length":
        given["length"] = torch.tensor([steps, max(1, steps // 2), 1])
        weight *= (torch.arange(steps) < given["length"][:, None])[..., None]
    if kind == "documents":
        given["documents"] = torch.randint(0, 3, (ROWS, steps)).sort(1).values
    true, true_gradient = answered(trunk, tokens, weight, False, **given)
    ours, gradient = answered(trunk, tokens, weight, True, **given)
    monkeypatch.setattr(transformer, "LONGEST", 0)
    kernel, kernel_gradient = answered(trunk, tokens, weight, True, **given)
    assert not torch.equal(ours, kernel), "both went the same way"
    assert (ours - true).norm() <= 1.5 * (kernel - true).norm()
    assert (gradient - true_gradient).norm() <= 1.5 * (kernel_gradient - true_gradient).norm()


def test_a_row_of_which_nothing_is_seen_gives_numbers(monkeypatch):
    trunk = Trunk(TOKENS, Config(width=WIDTH, depth=1, heads=4, dropout=0))
    with torch.autocast("cpu", torch.bfloat16):
        outputs = trunk(torch.zeros(2, 3, dtype=torch.long), torch.tensor([3, 0]))
    assert outputs.isfinite().all()


def test_dropout_of_attention_leaves_the_mean():
    torch.manual_seed(0)
    q, k = (torch.randn(2, 8, 16, dtype=torch.bfloat16) for _ in range(2))
    v, added = torch.ones(2, 8, 16, dtype=torch.bfloat16), torch.zeros(1, 1, 8, dtype=torch.bfloat16)
    kept = torch.stack([by_products(q, k, v, added, False, 0.3).float() for _ in range(400)])
    assert kept.std(0).min() > 0.05
    assert (kept.mean(0) - 1).abs().max() < 0.1


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_gradients_of_products_are_those_of_the_formula(ordered, dropout):
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 130, 8, dtype=torch.float64, requires_grad=True) for _ in range(3))
    hidden = torch.ones(130, 130, dtype=torch.bool).triu(1) if ordered else torch.zeros(130, 130, dtype=torch.bool)
    added = torch.zeros(1, 130, 130, dtype=torch.float64).masked_fill(hidden, -1e30)
    torch.manual_seed(1)
    ours = by_products(q, k, v, added, ordered, dropout)
    shares = (q @ k.transpose(1, 2) / 8**0.5 + added).softmax(-1)
    torch.manual_seed(1)
    if dropout:  # drawn for each part of the rows, as they are multiplied
        parts = ((0, 64), (64, 128), (128, 130)) if ordered else ((0, 130),)
        shapes = [torch.Size((2, end - first, end if ordered else 130)) for first, end in parts]
        masks = [drawn(shape, dropout, torch.float64) for shape in shapes]
        stay = torch.cat([F.pad(mask, (0, 130 - mask.shape[-1])) for mask in masks], 1)
        shares = shares * stay * scale_of(dropout)
    theirs = shares @ v
    weight = torch.randn_like(theirs)
    torch.testing.assert_close(ours, theirs)
    for a, b in zip(*(torch.autograd.grad((each * weight).sum(), (q, k, v)) for each in (ours, theirs)), strict=True):
        torch.testing.assert_close(a, b)
