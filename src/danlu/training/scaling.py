"""Loss scaling (Micikevicius et al. 2018): gradients in float16 that are neither too small nor too large for it.

The loss is multiplied by a scale, which is taken out of the gradients again. Where they overflow, the step is left out
and the scale halved; after many steps without, it is doubled.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

FIRST = 2.0**16
LEAST = 1.0  # below it the loss itself is to blame
PATIENCE = 2000  # steps without overflow after which a larger scale is tried


class OverflowedError(Exception):
    """A gradient is beyond what float16 holds."""


@dataclass
class Scale:
    """The scale, and the steps since it was changed: part of what a checkpoint holds."""

    factor: float = FIRST
    clean: int = 0

    def held(self) -> None:
        """A step was made."""
        self.clean += 1
        if self.clean == PATIENCE:
            self.factor, self.clean = self.factor * 2, 0

    def overflowed(self) -> bool:
        """A step was left out; whether a smaller scale is to be tried."""
        self.factor, self.clean = self.factor / 2, 0
        return self.factor >= LEAST


@torch.no_grad()
def unscale(parameters: Sequence[Tensor], factor: float) -> None:
    """Take the scale out of the gradients; raises OverflowedError where one is not finite."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    torch._foreach_mul_(gradients, 1 / factor)
    if not _finite(gradients):
        raise OverflowedError


def _finite(tensors: Iterable[Tensor]) -> bool:
    """Of all at once, as each look at a number waits for the device."""
    return bool(torch.stack([torch.isfinite(each).all() for each in tensors]).all())
