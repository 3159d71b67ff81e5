"""From one vector per row to the outputs of every head. Knows nothing of what a head means."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from danlu.models.dropout import Dropout
from danlu.models.inputs import Concat


class Heads(nn.Module):
    """(B, width) → {head: (B, size)}: one matrix for all heads, cut into their columns."""

    def __init__(self, width: int, sizes: Mapping[str, int]) -> None:
        super().__init__()
        self.sizes = dict(sizes)
        self.linear = nn.Linear(width, sum(sizes.values()))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return split_heads(self.linear(x), self.sizes)


class MemberHeads(nn.Module):
    """(B, members, width) → {head: (B, members, size)}: every member has a matrix of its own."""

    def __init__(self, width: int, sizes: Mapping[str, int], members: int) -> None:
        super().__init__()
        self.sizes = dict(sizes)
        outputs, bound = sum(sizes.values()), width**-0.5
        self.weight = nn.Parameter(torch.empty(members, width, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(members, outputs).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        outputs = torch.einsum("bkw,kwo->bko", x, self.weight) + self.bias
        return split_heads(outputs, self.sizes)


class Readout(nn.Module):
    """Parts that read the inputs, side by side, then dropout, then the heads."""

    def __init__(self, read: Concat, sizes: Mapping[str, int], dropout: float) -> None:
        super().__init__()
        self.read = read
        self.dropout = Dropout(dropout)
        self.heads = Heads(read.width, sizes)

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        return self.heads(self.dropout(self.read(inputs)))


def split_heads(outputs: Tensor, sizes: Mapping[str, int]) -> dict[str, Tensor]:
    """(..., total of sizes) → {head: (..., size)}."""
    parts = outputs.split(list(sizes.values()), dim=-1) if len(sizes) > 1 else [outputs]
    return dict(zip(sizes, parts, strict=True))
