"""What training does number by number in C is what torch does, to the last bits of bfloat16."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from danlu import native
from danlu.data.store import Shapes
from danlu.models import build, fused
from danlu.models.scoring import token_nats
from danlu.training.adamw import AdamW
from danlu.training.operations import listed

pytestmark = pytest.mark.skipif(native.compiler() is None, reason="no C compiler here")


@pytest.fixture(autouse=True)
def _any_size_pays(monkeypatch) -> None:
    monkeypatch.setattr(fused, "LEAST", 1)


def near(ours: torch.Tensor, exact: torch.Tensor) -> None:
    """Within what rounding the exact value to bfloat16 may change."""
    torch.testing.assert_close(ours.float(), exact, rtol=2**-8, atol=1e-6)


GELUS = {"none": fused.gelu, "tanh": fused.gelu_tanh}


@pytest.mark.parametrize("kind", GELUS)
@pytest.mark.parametrize("shape", [(1,), (3, 41), (7, 16, 300)])
def test_gelu_and_its_slope_are_those_of_the_formula(shape: tuple[int, ...], kind: str) -> None:
    torch.manual_seed(0)
    x = (torch.randn(shape) * 4).bfloat16().requires_grad_()
    change = torch.randn(shape).bfloat16()
    y = GELUS[kind](x)
    assert "Gelu" in type(y.grad_fn).__name__
    assert type(y.grad_fn).__name__ != "GeluBackward0", "torch's own was taken"
    y.backward(change)
    exact = x.detach().float().requires_grad_()
    F.gelu(exact, approximate=kind).backward(change.float())
    near(y.detach(), F.gelu(exact.detach(), approximate=kind))
    assert exact.grad is not None
    torch.testing.assert_close(x.grad.float(), exact.grad, rtol=2**-8, atol=1e-4)


@pytest.mark.parametrize("kind", GELUS)
@pytest.mark.parametrize("value", [0.0, -0.0, 1e-30, 60.0, -60.0, 3e38, -3e38])
def test_gelu_of_extremes(value: float, kind: str) -> None:
    x = torch.full((20,), value, dtype=torch.bfloat16, requires_grad=True)
    y = GELUS[kind](x)
    y.sum().backward()
    near(y.detach(), F.gelu(x.detach().double(), approximate=kind).float())  # in float torch overflows
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
    assert all(gelu(x).isfinite().tolist() == [True, False] for gelu in GELUS.values())


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


def trained(module: nn.Module, given: torch.Tensor, weight: torch.Tensor, call, exact: bool) -> list[torch.Tensor]:
    """Under autocast, or in float32: what it gives, what changes the input, and the gradients of its parameters."""
    x = given.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    module.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=not exact):
        y = call(module, x)
    (y.float() * weight).sum().backward()
    return [y.detach(), x.grad, *(p.grad for p in module.parameters())]


def apart(ours: torch.Tensor, exact: torch.Tensor) -> float:
    return float((ours.float() - exact).norm() / exact.norm())


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("outputs", [40, 16, 208])
@pytest.mark.parametrize("shape", [(1, 32), (5, 7, 48), (3, 201, 400), (2, 19)])
def test_linear_is_torch_s_under_autocast(shape: tuple[int, ...], outputs: int, bias: bool) -> None:
    torch.manual_seed(0)
    module, x = nn.Linear(shape[-1], outputs, bias=bias), torch.randn(shape)
    weight = torch.randn(*shape[:-1], outputs)
    true = trained(module, x, weight, nn.Linear.__call__, exact=True)
    theirs = trained(module, x, weight, nn.Linear.__call__, exact=False)
    ours = trained(module, x, weight, fused.linear, exact=False)
    for one, other, exact in zip(ours, theirs, true, strict=True):
        assert one.dtype == other.dtype
        assert apart(one, exact) <= max(1.2 * apart(other, exact), 1e-5)


def test_linear_of_what_lies_apart_in_memory() -> None:
    torch.manual_seed(0)
    module, x, weight = nn.Linear(48, 32), torch.randn(48, 20).t(), torch.randn(20, 32)
    ours, theirs = (trained(module, each, weight, fused.linear, exact=False) for each in (x, x.contiguous()))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other)


def test_linear_of_frozen_weights_changes_its_input_alone() -> None:
    module, x = nn.Linear(16, 8).requires_grad_(False), torch.randn(3, 16, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        y = fused.linear(module, x)
    assert "_Linear" in type(y.grad_fn).__name__
    y.sum().backward()
    assert x.grad is not None
    assert module.weight.grad is None


@pytest.mark.parametrize("kind", [nn.LayerNorm, partial(nn.LayerNorm, bias=False), partial(nn.RMSNorm, eps=1e-6)])
@pytest.mark.parametrize("after", [True, False])
@pytest.mark.parametrize("adds", [True, False])
def test_stream_is_a_sum_and_its_norm(kind, after: bool, adds: bool) -> None:
    torch.manual_seed(0)
    width = 45
    norm = kind(width)
    for p in norm.parameters():
        nn.init.normal_(p)
    y = torch.randn(4, 3, width).bfloat16() if adds else None
    first, second = torch.randn(2, 4, 3, width).bfloat16().float()  # what is read has a gradient in bfloat16

    def both(norm: nn.Module, x: torch.Tensor, y: torch.Tensor | None, call) -> list[torch.Tensor]:
        norm.zero_grad()
        x, y = (None if each is None else each.detach().clone().requires_grad_() for each in (x, y))
        with torch.autocast("cpu", torch.bfloat16):
            stream, normed = call(norm, x, y)
        (stream * first + normed * second).sum().backward()
        return [stream, normed, x.grad, *([] if y is None else [y.grad]), *(p.grad for p in norm.parameters())]

    def plain(norm: nn.Module, x: torch.Tensor, y: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        x = x if y is None else x + y
        return (norm(x) if after else x), norm(x)

    x = torch.randn(4, 3, width) + 3
    ours = both(norm, x, y, lambda *given: fused.stream(*given, after=after))
    assert ours[1].dtype == torch.bfloat16
    assert "_Stream" in type(ours[1].grad_fn).__name__
    for one, exact in zip(ours, both(norm, x, y, plain), strict=True):
        close = {"rtol": 2**-8, "atol": 2**-9} if one.dtype == torch.bfloat16 else {"rtol": 1e-4, "atol": 1e-4}
        torch.testing.assert_close(one.float(), exact.float(), **close)


def test_a_stream_of_which_one_side_is_read_changes_by_that_side() -> None:
    norm, x = nn.LayerNorm(32), torch.randn(2, 32)
    for side in (0, 1):
        found = []
        for enabled in (True, False):
            norm.zero_grad()
            given = x.clone().requires_grad_()
            with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
                fused.stream(norm, given, None, after=True)[side].square().sum().backward()
            found.append(given.grad)
        torch.testing.assert_close(*found, rtol=0.02, atol=0.02)


@pytest.mark.parametrize(
    "call", [fused.linear, lambda module, x: fused.stream(nn.LayerNorm(16), x, None, after=False)[1]]
)
def test_without_autocast_nothing_is_rounded(call) -> None:
    y = call(nn.Linear(16, 16), torch.randn(2, 16, requires_grad=True))
    assert y.dtype == torch.float32
    assert type(y.grad_fn).__name__ in ("AddmmBackward0", "NativeLayerNormBackward0")


def test_second_derivatives_are_refused() -> None:
    x = torch.randn(2, 16, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        y = fused.linear(nn.Linear(16, 16), fused.stream(nn.LayerNorm(16), x, None, after=False)[1])
    (slope,) = torch.autograd.grad(y.float().square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiat"):
        slope.sum().backward()


def test_what_is_small_is_left_to_torch(monkeypatch) -> None:
    module, x = nn.Linear(16, 8), torch.randn(4, 16, requires_grad=True)
    monkeypatch.setattr(fused, "LEAST", 65)
    with torch.autocast("cpu", torch.bfloat16):
        assert type(fused.linear(module, x).grad_fn).__name__ == "AddmmBackward0"


def test_threads_that_share_the_work_give_the_same(monkeypatch) -> None:
    torch.manual_seed(0)
    module, norm, x = nn.Linear(64, 208), nn.LayerNorm(64), torch.randn(7, 61, 64)
    weight = torch.randn(7, 61, 208).bfloat16()
    found = []
    for threads in (1, 3):
        monkeypatch.setattr(fused.native, "threads", lambda threads=threads: threads)
        given = x.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16):
            y = fused.linear(module, fused.stream(norm, given, None, after=False)[1])
        found.append([y, *torch.autograd.grad(y, [given, *module.parameters(), *norm.parameters()], weight)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-4)


RUNS = {  # fields of models whose layers differ in all that the loops know
    "gpt2": {},
    "llama": {"kv_heads": 1},
    "bert": {"dropout": 0.1},
}


@pytest.mark.parametrize("family", RUNS)
def test_a_run_learns_the_same_in_c_as_in_torch_s_operations(monkeypatch, family: str) -> None:
    shapes = Shapes(tokens=40, max_tokens=24, heads={"y": 3} if family == "bert" else {})
    rows = torch.arange(24) * torch.arange(1, 17)[:, None] % 37 + 3  # each goes on as it began
    inputs = {"tokens": rows, "tokens_length": torch.full((16,), 24)}

    def losses() -> list[float]:
        torch.manual_seed(0)
        fields = {"width": 64, "depth": 2, "heads": 2, "dropout": 0.0} | RUNS[family]
        model = build(family, fields, shapes)[0].train()
        optimizer = AdamW([{"params": list(model.parameters()), "weight_decay": 0.0}], 2e-3, (0.9, 0.95))

        def loss() -> float:
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16):
                outputs = model(inputs)
            if family == "bert":
                value = F.cross_entropy(outputs["y"].float(), torch.arange(16) % 3)
            else:
                value = token_nats(outputs, rows.roll(-1, 1), 0.0, -100) / rows.numel()
            value.backward()
            return float(value.detach())

        return [optimizer.step(loss) for _ in range(60)]

    ours = torch.tensor(losses())
    monkeypatch.setattr(fused, "_library", lambda: None)
    theirs = torch.tensor(losses())
    assert ours[-1] < 0.6 * ours[0]
    assert not torch.equal(ours, theirs), "both went the same way"
    torch.testing.assert_close(ours[:10], theirs[:10], rtol=0.01, atol=0.01)
    torch.testing.assert_close(ours[-10:].mean(), theirs[-10:].mean(), rtol=0.1, atol=0.03)
