"""Matrices in 8 bits for the processor: each row of weights as whole numbers and one scale. Knows no family."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEAST = 32  # inputs of a matrix that is worth it
SMALLEST = 1e-12  # of a scale
FEW = 16  # vectors up to which reading the weights is what takes the time
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

    def forward(self, x: Tensor) -> Tensor:
        y = self._product(x.flatten(0, -2).float()) * self.scale
        y = (y if self.bias is None else y + self.bias).to(x.dtype)
        return y.unflatten(0, x.shape[:-1])

    def _product(self, x: Tensor) -> Tensor:
        """x (N, inputs) float32 → (N, outputs) float32, without the scales of the weights.

        On a processor each row of x is rounded to 8 bits too, by a scale of its own, so that no answer hangs on the
        rows beside it; products of whole numbers take a third of the time of those of floats there.
        """
        if x.device.type != "cpu":
            return F.linear(x, self.weight.float())
        scale = x.abs().amax(1, keepdim=True).clamp_min(SMALLEST) / 127
        return torch._int_mm((x / scale).round().to(torch.int8), self.weight.t()).float() * scale


def in_int8(module: nn.Module) -> nn.Module:
    """The module with its matrices of LEAST inputs or more in 8 bits, rounded to the nearest; the module itself."""
    for name, child in module.named_children():
        if type(child) is nn.Linear and child.in_features >= LEAST:
            setattr(module, name, _rounded(child))
        else:
            in_int8(child)
    return module


def _rounded(linear: nn.Linear) -> Int8Linear:
    found = Int8Linear(linear.in_features, linear.out_features, linear.bias is not None)
    with torch.no_grad():
        found.scale.copy_(linear.weight.abs().amax(1).clamp_min(SMALLEST) / 127)
        found.weight.copy_((linear.weight / found.scale[:, None]).round())
        if found.bias is not None and linear.bias is not None:
            found.bias.copy_(linear.bias)
    return found.train(linear.training)
