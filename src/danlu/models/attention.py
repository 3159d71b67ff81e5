"""Attention in bfloat16 as one loop in C, for training on a processor that multiplies bfloat16.

No scores are kept, and queries, keys, values and their gradients lie as the products before and behind have them. Half
the time of the products of products.py. Shapes: B rows, T positions that look, S that are looked at, D width of a head.
"""

from collections.abc import Sequence
from ctypes import Structure, byref, c_double, c_int64, c_void_p
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from danlu import native
from danlu.models import fused
from danlu.models.fused import lanes, loop, possible

Heads = tuple[int, int, int]  # of queries, keys and values


def attends(x: Tensor, width: int) -> bool:
    """Whether there is a loop for queries, keys and values like x and heads of that width, and it pays."""
    return x.numel() >= fused.LEAST and possible(x) and lanes() > 0 and width % (2 * lanes()) == 0


def attention(given: Sequence[Tensor], heads: Heads, added: Tensor | None, ordered: bool) -> Tensor:
    """softmax(q kᵀ / √D + added) v → (B, T, H · D).

    given: queries (B, H, T, D), keys and values (B, H or fewer, S, D), or all in one (B, T, all heads · D). added
    (B or 1, T or 1, S) in bfloat16. `ordered`: no position sees a later one, T being S.
    """
    return _Attention.apply(added, ordered, heads, *given)


class _Where(Structure):
    _fields_ = [("values", c_void_p), *((name, c_int64) for name in ("row", "head", "step"))]


class _Asked(Structure):
    _fields_ = [
        *((name, _Where) for name in ("q", "k", "v", "out", "d_q", "d_k", "d_v")),
        ("added", c_void_p), *((name, c_int64) for name in ("added_row", "added_step")), ("norms", c_void_p),
        *((name, c_int64) for name in ("rows", "heads", "key_heads", "steps", "seen", "width", "ordered")),
        ("scale", c_double),
    ]  # fmt: skip


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, added: Tensor | None, ordered: bool, heads: Heads, *given: Tensor) -> Tensor:
        given = tuple(x if x.stride(-1) == 1 else x.contiguous() for x in given)
        q, k, v = _parted(given, heads)
        rows, _, steps, width = q.shape
        out, norms = (
            q.new_empty(rows, steps, heads[0] * width),
            torch.empty(rows, heads[0], steps, 2, dtype=torch.float32),
        )
        _run(False, (q, k, v, _by_heads(out, heads[0])), added, norms, ordered)
        ctx.save_for_backward(added, norms, *given)
        ctx.ordered, ctx.heads = ordered, heads
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        added, norms, *given = ctx.saved_tensors
        change = _by_heads(gradients[0].contiguous(), ctx.heads[0])
        results = [torch.empty_like(x) for x in given]
        _run(True, (*_parted(given, ctx.heads), change, *_parted(results, ctx.heads)), added, norms, ctx.ordered)
        return None, None, None, *results


def _parted(given: Sequence[Tensor], heads: Heads) -> Sequence[Tensor]:
    """Queries, keys and values (B, heads, T or S, D)."""
    return _by_heads(given[0], sum(heads)).split(heads, dim=1) if len(given) == 1 else given


def _by_heads(x: Tensor, heads: int) -> Tensor:
    """(B, T, heads · D) → (B, heads, T, D)."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def _run(back: bool, tensors: Sequence[Tensor], added: Tensor | None, norms: Tensor, ordered: bool) -> None:
    """tensors: q, k, v and out, on the way back its gradient, and where those of q, k and v are to be written."""
    (rows, heads, steps, width), (_, key_heads, seen, _) = tensors[0].shape, tensors[1].shape
    where = [_Where(x.data_ptr(), *x.stride()[:3]) for x in tensors] + [_Where()] * (7 - len(tensors))
    asked = _Asked(
        *where, *_mask(added), norms.data_ptr(), rows, heads, key_heads, steps, seen, width, ordered, width**-0.5
    )
    loop("attention")(byref(asked), c_int64(back), c_int64(native.threads()))


def _mask(added: Tensor | None) -> tuple[int | None, int, int]:
    """Where it lies, and how far rows and steps lie apart there: not at all where all share one."""
    if added is None:
        return None, 0, 0
    row, step = (added.stride(n) if added.shape[n] > 1 else 0 for n in (0, 1))
    return added.data_ptr(), row, step
