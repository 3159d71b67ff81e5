"""What a training step in bfloat16 does number by number, as loops in C where they can be had.

Equal to torch's operations but for the last bit; a third to a sixth of their time.
"""

import functools
from ctypes import CDLL, Structure, byref, c_double, c_int64, c_void_p
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from danlu import native
from danlu.models.in_c import at, open_to_c

ROWS_AT_ONCE = 256  # of which products are summed before others, as in C
LEAST = 1 << 16  # numbers, below which calling C costs what it saves


def gelu(x: Tensor) -> Tensor:
    """x times the chance that a normal number is below it (Hendrycks & Gimpel 2016)."""
    if not possible(x) or not torch.is_grad_enabled():
        return F.gelu(x)
    return _Gelu.apply(x.contiguous(), "gelu")


def gelu_tanh(x: Tensor) -> Tensor:
    """GELU by the hyperbolic tangent (Hendrycks & Gimpel 2016)."""
    if not possible(x) or not torch.is_grad_enabled():
        return F.gelu(x, approximate="tanh")
    return _Gelu.apply(x.contiguous(), "gelu_tanh")


def linear(module: nn.Module, x: Tensor) -> Tensor:
    """What the module gives for x (..., inputs).

    The bias of a linear layer is added inside the product; torch's own under autocast writes it out beforehand.
    """
    if type(module) is not nn.Linear or not _trained_in_halves(x) or not _bias_inside():
        y: Tensor = module(x)
        return y
    return _Linear.apply(x, module.weight, module.bias)


def stream(norm: nn.Module, x: Tensor, y: Tensor | None, after: bool) -> tuple[Tensor, Tensor]:
    """What the next part of a layer adds to, and what it reads: x + y and its norm, or the norm as both if `after`.

    All (..., width). What is read is in bfloat16 where C writes it, as the next product takes it.
    """
    if not isinstance(norm, nn.LayerNorm | nn.RMSNorm) or not _known(norm, x, y):
        x = x if y is None else x + y
        normed = norm(x)
        return (normed if after else x), normed
    bias = norm.bias if isinstance(norm, nn.LayerNorm) else None
    return _Stream.apply(x.contiguous(), y, norm.weight, bias, norm.eps, isinstance(norm, nn.RMSNorm), after)


def token_nats(scores: Tensor, wanted: Tensor, smoothing: float, ignored: int) -> Tensor | None:
    """Scores (n, tokens) become their gradient, in place; nats (n,) of the tokens wanted (n,), 0 of those ignored.

    None, and nothing is changed, where C does not allow it.
    """
    if not possible(scores) or not scores.is_contiguous():
        return None
    nats, wanted = torch.empty(len(scores), dtype=torch.float32), wanted.contiguous()
    loop("token_nats")(
        at(scores), at(wanted), at(nats), *map(c_int64, scores.shape), c_double(smoothing),
        c_int64(ignored), c_int64(native.threads()),
    )  # fmt: skip
    return nats


def possible(x: Tensor) -> bool:
    """Whether there are loops for x."""
    return x.dtype == torch.bfloat16 and open_to_c(x) and _library() is not None


@functools.cache
def lanes() -> int:
    """Of which the sizes of products in C must be multiples; 0 where there are none, or torch's are faster."""
    return int(loop("lanes")())


def loop(name: str) -> Any:
    """The function of that name."""
    library = _library()
    assert library is not None
    return getattr(library, name)


class _Gelu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, name: str) -> Tensor:
        ctx.save_for_backward(x)
        ctx.name = name
        y = torch.empty_like(x)
        loop(f"{name}_forward")(at(x), at(y), c_int64(x.numel()), c_int64(native.threads()))
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        change, y = gradients[0].contiguous(), torch.empty_like(x)
        loop(f"{ctx.name}_backward")(at(change), at(x), at(y), c_int64(x.numel()), c_int64(native.threads()))
        return y, None


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        half, weight_half = x.bfloat16(), weight.bfloat16()
        ctx.save_for_backward(half, weight_half)
        if bias is None:
            return F.linear(half, weight_half)
        y: Tensor = torch.ops.mkldnn._linear_pointwise(half, weight_half, bias.bfloat16(), "none", [], "")
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        wants_x, wants_weight, wants_bias = ctx.needs_input_grad
        change = gradients[0].contiguous().flatten(0, -2)
        d_x = torch.mm(change, weight).view(x.shape) if wants_x else None
        return d_x, *_changes(change, x.flatten(0, -2).contiguous(), wants_weight, wants_bias)


class _Changes(Structure):
    _fields_ = [
        *((name, c_void_p) for name in ("change", "x", "change_panels", "x_panels", "weight", "bias")),
        *((name, c_int64) for name in ("rows", "outputs", "inputs")),
    ]  # fmt: skip


def _changes(change: Tensor, x: Tensor, weight: bool, bias: bool) -> tuple[Tensor | None, Tensor | None]:
    """change (rows, outputs), x (rows, inputs) → what changes the weight (outputs, inputs) and the bias (outputs,)."""
    (rows, outputs), inputs = change.shape, x.shape[1]
    if not weight or not lanes() or outputs % lanes() or inputs % lanes():
        return torch.mm(change.t(), x) if weight else None, _column_sums(change) if bias else None
    parts = -(-rows // ROWS_AT_ONCE)
    panels = [torch.empty(parts * ROWS_AT_ONCE, width, dtype=torch.bfloat16) for width in (outputs, inputs)]
    d_weight, sums = torch.empty(outputs, inputs, dtype=torch.float32), torch.zeros(parts, outputs, dtype=torch.float32)
    where = (each.data_ptr() for each in (change, x, *panels, d_weight, sums))
    loop("changes")(byref(_Changes(*where, rows, outputs, inputs)), c_int64(native.threads()))
    return d_weight, sums.sum(0) if bias else None


def _column_sums(x: Tensor) -> Tensor:
    """(rows, width) → (width,), in float32."""
    sums = torch.zeros(native.threads(), x.shape[1], dtype=torch.float32)
    loop("column_sums")(at(x), at(sums), *map(c_int64, x.shape), c_int64(len(sums)))
    return sums.sum(0)


class _Pass(Structure):
    _fields_ = [
        *((name, c_void_p) for name in ("x", "y", "weight", "bias", "sum", "normed", "halves", "norms", "d_x", "d_y")),
        ("weights", c_void_p), *((name, c_int64) for name in ("rows", "width", "rms")), ("eps", c_double),
    ]  # fmt: skip


class _Stream(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, y: Tensor | None, weight: Tensor, bias: Tensor | None, eps: float, rms: bool, after: bool
    ) -> tuple[Tensor, Tensor]:
        both = x if y is None else torch.empty_like(x)
        halves, norms = torch.empty_like(x, dtype=torch.bfloat16), x.new_empty(*x.shape[:-1], 2)
        normed = torch.empty_like(x) if after else None
        ctx.save_for_backward(both, weight, norms)
        ctx.set_materialize_grads(False)
        ctx.rms, ctx.after = rms, after
        out = {"sum": both, "normed": normed, "halves": halves, "norms": norms}
        _run("stream", _sizes(x) | {"rms": rms, "eps": eps}, {"x": x, "y": y, "weight": weight, "bias": bias} | out)
        return (both if normed is None else normed), halves

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        both, weight, norms = ctx.saved_tensors
        d_stream, d_halves = (None if each is None else each.contiguous() for each in gradients)
        given = {"normed" if ctx.after else "sum": d_stream, "halves": d_halves}
        d_x, d_y = torch.empty_like(both), None
        if ctx.needs_input_grad[1]:
            d_y = torch.empty_like(both, dtype=torch.bfloat16)
        sums = torch.zeros(native.threads(), 2, len(weight), dtype=torch.float32)
        out = {"d_x": d_x, "d_y": d_y, "weights": sums}
        _run(
            "stream_back", _sizes(both) | {"rms": ctx.rms}, {"x": both, "weight": weight, "norms": norms} | given | out
        )
        d_weight, d_bias = sums.sum(0)
        return d_x, d_y, d_weight, d_bias if ctx.needs_input_grad[3] else None, None, None, None


def _sizes(x: Tensor) -> dict[str, Any]:
    return {"rows": x.numel() // x.shape[-1], "width": x.shape[-1]}


def _run(name: str, sizes: dict[str, Any], tensors: dict[str, Tensor | None]) -> None:
    where = {key: value.data_ptr() for key, value in tensors.items() if value is not None}
    loop(name)(byref(_Pass(**where, **sizes)), c_int64(native.threads()))


def _trained_in_halves(x: Tensor) -> bool:
    """Whether what is made of x is trained under autocast in bfloat16, and C may read it and pays."""
    if not (x.device.type == "cpu" and torch.is_grad_enabled() and torch.is_autocast_enabled("cpu")):
        return False
    halves = torch.get_autocast_dtype("cpu") == torch.bfloat16 and x.dtype in (torch.float32, torch.bfloat16)
    return halves and x.numel() >= LEAST and open_to_c(x) and _library() is not None


def _known(norm: nn.LayerNorm | nn.RMSNorm, x: Tensor, y: Tensor | None) -> bool:
    """Whether C adds these and knows the norm."""
    exact = x.dtype == torch.float32 and norm.weight is not None and norm.weight.dtype == torch.float32
    halves = y is None or (y.dtype == torch.bfloat16 and y.is_contiguous() and y.shape == x.shape)
    known = norm.eps is not None and norm.normalized_shape == x.shape[-1:]
    return exact and halves and known and _trained_in_halves(x)


@functools.cache
def _bias_inside() -> bool:
    """Whether torch's library of products adds a bias itself, in bfloat16."""
    return bool(torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported())


@functools.cache
def _library() -> CDLL | None:
    return native.library("training")
