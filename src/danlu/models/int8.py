"""Matrices in 8 bits for the processor: each row of weights as whole numbers and one scale. Knows no family."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FEW = 16  # vectors up to which reading the weights is what takes the time
EVEN = 32  # of which torch's product of few vectors wants a multiple as inputs: it reads beyond the end of others
AT_ONCE = 1024  # vectors of which products stay in cache


class Int8Linear(nn.Module):
    """x (..., inputs) → (..., outputs): the weight of output i is weight[i] · scale[i].

    A few vectors are multiplied in bfloat16; more are rounded to 8 bits themselves, each with a scale of its own, and
    multiplied as whole numbers, which is twice as fast as bfloat16.
    """

    def __init__(self, inputs: int, outputs: int, bias: bool) -> None:
        super().__init__()
        self.weight: Tensor
        self.scale: Tensor
        self.register_buffer("weight", torch.zeros(outputs, inputs, dtype=torch.int8))
        self.register_buffer("scale", torch.ones(outputs))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    @classmethod
    def of(cls, linear: nn.Linear) -> "Int8Linear":
        """The matrix rounded to the nearest."""
        found = cls(linear.in_features, linear.out_features, linear.bias is not None)
        with torch.no_grad():
            found.scale.copy_(linear.weight.abs().amax(1).clamp_min(1e-12) / 127)
            found.weight.copy_((linear.weight / found.scale[:, None]).round())
            if found.bias is not None and linear.bias is not None:
                found.bias.copy_(linear.bias)
        return found.train(linear.training)

    def _apply(self, fn: Any, recurse: bool = True) -> "Int8Linear":
        """What changes the module's type leaves the scales in float32."""
        scale = self.scale
        super()._apply(fn, recurse)
        self.scale = scale.to(self.weight.device)
        return self

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu" or torch.compiler.is_exporting():
            y = F.linear(x, self.weight.to(x.dtype)) * self.scale
        else:
            rows = x.reshape(-1, x.shape[-1])
            few = len(rows) <= FEW and rows.shape[1] % EVEN == 0
            y = self._few(rows) if few else torch.cat([self._many(part) for part in rows.split(AT_ONCE)])
            y = y.to(x.dtype).view(*x.shape[:-1], len(self.weight))
        return y if self.bias is None else y + self.bias

    def _few(self, x: Tensor) -> Tensor:
        half = torch.bfloat16
        return torch._weight_int8pack_mm(x.to(half), self.weight, torch.ones_like(self.scale, dtype=half)) * self.scale

    def _many(self, x: Tensor) -> Tensor:
        scale = x.abs().amax(1, keepdim=True).float().clamp_min(1e-12) / 127
        whole = torch._int_mm((x / scale).round().to(torch.int8), self.weight.t())
        return whole * scale * self.scale
