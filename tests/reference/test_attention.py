"""Attention as training on a processor has it in bfloat16, as products or as a loop in C, beside torch's own kernel."""

import itertools

import pytest
import torch
import torch.nn.functional as F

from danlu.models import fused, transformer
from danlu.models.attention import attends, attention
from danlu.models.dropout import drawn, scale_of
from danlu.models.products import by_products
from danlu.models.transformer import Config, Trunk

ROWS, TOKENS, WIDTH = 3, 30, 64
CASES = list(itertools.product((True, False), ("all", "length", "documents", "window"), (5, 64, 200), (None, 2)))


def looped() -> bool:
    """Whether attention is a loop in C here."""
    return attends(torch.zeros(fused.LEAST, dtype=torch.bfloat16), 64)


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
    as_near_as_torchs_kernel(monkeypatch, kind, steps, heads=4, kv_heads=kv_heads, causal=causal)


@pytest.mark.parametrize("positions", ["learned", "rotary"])
@pytest.mark.parametrize(("causal", "kind", "steps", "kv_heads"), CASES)
def test_loops_in_c_are_as_near_to_float32_too(monkeypatch, causal, kind, steps, kv_heads, positions):
    monkeypatch.setattr(fused, "LEAST", 1)
    kv_heads = kv_heads and 1
    as_near_as_torchs_kernel(
        monkeypatch, kind, steps, heads=2, kv_heads=kv_heads, causal=causal, positions=positions, gated=bool(kv_heads)
    )


def as_near_as_torchs_kernel(monkeypatch, kind, steps, **fields):
    torch.manual_seed(0)
    window = 7 if kind == "window" else None
    trunk = Trunk(TOKENS, Config(width=WIDTH, depth=2, window=window, dropout=0, **fields))
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
    monkeypatch.setattr(fused, "LEAST", torch.inf)
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


LOOPS = [  # rows, heads, heads of keys, steps, width, ordered, what is hidden
    (2, 6, 6, 256, 64, True, None),
    (2, 4, 2, 37, 32, True, None),
    (2, 4, 4, 70, 32, False, "row"),
    (3, 4, 2, 33, 96, True, "step"),
    (1, 2, 1, 5, 128, False, None),
    (1, 1, 1, 1, 64, True, None),
]


def masked(kind: str | None, rows: int, steps: int) -> torch.Tensor | None:
    """Two fifths are hidden; of the first row, where all of its steps share one mask, everything is."""
    if kind is None:
        return None
    hidden = torch.rand(rows, 1 if kind == "row" else steps, steps) < 0.4
    hidden[0] |= kind == "row"
    return torch.zeros(hidden.shape, dtype=torch.bfloat16).masked_fill(hidden, torch.finfo(torch.bfloat16).min)


def by_formula(qkv: torch.Tensor, heads: tuple, added: torch.Tensor | None, ordered: bool) -> torch.Tensor:
    q, k, v = qkv.unflatten(-1, (sum(heads), -1)).transpose(1, 2).split(heads, dim=1)
    k, v = (each.repeat_interleave(heads[0] // heads[1], dim=1) for each in (k, v))
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    if added is not None:
        scores = (scores.float() + added[:, None].float()).double()
    if ordered:
        scores = scores.masked_fill(torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1), -torch.inf)
    return (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)


@pytest.mark.skipif(not looped(), reason="no compiler here, or a processor that does not multiply bfloat16")
@pytest.mark.parametrize(("rows", "heads", "key_heads", "steps", "width", "ordered", "kind"), LOOPS)
def test_attention_in_c_is_the_formula_s(rows, heads, key_heads, steps, width, ordered, kind):
    torch.manual_seed(0)
    each = (heads, key_heads, key_heads)
    qkv = torch.randn(rows, steps, sum(each) * width).bfloat16().requires_grad_()
    weight, added = torch.randn(rows, steps, heads * width).bfloat16(), masked(kind, rows, steps)
    ours = attention([qkv], each, added, ordered)
    (gradient,) = torch.autograd.grad(ours, qkv, weight)
    exact = qkv.detach().double().requires_grad_()
    true = by_formula(exact, each, added, ordered)
    (true_gradient,) = torch.autograd.grad(true, exact, weight.double())
    assert (ours - true).norm() <= 2**-8 * true.norm()
    assert (gradient - true_gradient).norm() <= 2**-8 * true_gradient.norm()
    apart = [x.detach().requires_grad_() for x in qkv.unflatten(-1, (-1, width)).transpose(1, 2).split(each, dim=1)]
    same = attention(apart, each, added, ordered)
    assert torch.equal(same, ours)
    gradients = torch.cat(torch.autograd.grad(same, apart, weight), 1)
    assert torch.equal(gradients.transpose(1, 2).flatten(2), gradient)


@pytest.mark.skipif(not looped(), reason="no compiler here, or a processor that does not multiply bfloat16")
@pytest.mark.parametrize("which", [0, 1, 2])
def test_attention_to_what_is_no_number_is_none(which):
    qkv = torch.randn(1, 40, 3, 32).bfloat16()
    qkv[0, 33, which, 5] = torch.nan
    out = attention([qkv.flatten(2).requires_grad_()], (1, 1, 1), None, True)
    assert out[0, 33].isnan().any()
    assert out[0, :32].isfinite().all()


@pytest.mark.skipif(not looped(), reason="no compiler here, or a processor that does not multiply bfloat16")
def test_an_encoder_s_outputs_of_another_length_are_attended_to():
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 3, steps, 32).bfloat16().requires_grad_() for steps in (9, 50, 50))
    weight = torch.randn(2, 9, 96).bfloat16()
    ours = attention([q, k, v], (3, 3, 3), None, False)
    exact = [x.detach().double().requires_grad_() for x in (q, k, v)]
    true = F.scaled_dot_product_attention(*exact).transpose(1, 2).flatten(2)
    assert (ours - true).norm() <= 2**-8 * true.norm()
    theirs = torch.autograd.grad(true, exact, weight.double())
    for one, other in zip(torch.autograd.grad(ours, (q, k, v), weight), theirs, strict=True):
        assert (one - other).norm() <= 2**-8 * other.norm()
