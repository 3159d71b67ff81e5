"""Heads: the loss, the score and the meaning of a model's outputs, per kind of target. Knows nothing of models.

Outputs of a head are (B, size) or, from an ensemble, (B, members, size). Losses are means over members, summed over
rows; divided by `row_weight` of all rows, any number of batches averages exactly.
"""

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from danlu.data.targets import UNKNOWN_CLASS

LossName = Literal["cross_entropy", "binary_cross_entropy", "mse", "mae", "huber"]


def cross_entropy(outputs: Tensor, target: Tensor, weight: Tensor | None = None, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy of logits (B, [members,] classes) against class indices (B,); classes weigh `weight`.

    Divided by `row_weight` it equals `torch.nn.CrossEntropyLoss(weight, label_smoothing=smoothing)`.
    """
    logits, repeated, members = _flat(outputs, target)
    total = F.cross_entropy(
        logits, repeated, weight, ignore_index=UNKNOWN_CLASS, reduction="sum", label_smoothing=smoothing
    )
    return total if members == 1 else total / members


def row_weight(target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Total weight of rows: their number; of class indices (B,) the number of known ones, or their classes' weights."""
    if target.is_floating_point():
        return torch.tensor(len(target))
    seen = target != UNKNOWN_CLASS  # a row of a class that training never saw has no loss
    return seen.sum() if weight is None else (weight[target.clamp(min=0)] * seen).sum()


def binary_cross_entropy(
    outputs: Tensor, target: Tensor, weight: Tensor | None = None, smoothing: float = 0.0
) -> Tensor:
    """Binary cross-entropy: of two logits (B, [members,] 2) against indices (B,), or of labels against (B, classes).

    With two logits the log-odds are their difference, so that the softmax of the head stays the prediction.
    """
    if target.ndim == 1:
        return cross_entropy(outputs, target, weight, smoothing)  # log-odds z1 - z0: the same function of the logits
    logits, repeated, members = _flat(outputs, target)
    wanted = repeated * (1 - smoothing) + smoothing / 2
    total = F.binary_cross_entropy_with_logits(logits, wanted, weight, reduction="sum")
    return total / members / target.shape[1]


def mse(outputs: Tensor, target: Tensor) -> Tensor:
    """Squared error of (B, [members,] 1) against (B,)."""
    return _pointwise(F.mse_loss, outputs, target)


def mae(outputs: Tensor, target: Tensor) -> Tensor:
    """Absolute error of (B, [members,] 1) against (B,)."""
    return _pointwise(F.l1_loss, outputs, target)


def huber(outputs: Tensor, target: Tensor) -> Tensor:
    """Huber loss with its corner at 1, one standard deviation of the target (Huber 1964)."""
    return _pointwise(F.huber_loss, outputs, target)


LOSSES: dict[LossName, Callable[..., Tensor]] = {
    "cross_entropy": cross_entropy,
    "binary_cross_entropy": binary_cross_entropy,
    "mse": mse,
    "mae": mae,
    "huber": huber,
}
FITS: dict[str, tuple[LossName, ...]] = {  # kind of target → losses that fit it, the default first
    "class": ("cross_entropy", "binary_cross_entropy"),
    "labels": ("binary_cross_entropy",),
    "number": ("mse", "mae", "huber"),
}


def probabilities(outputs: Tensor, kind: str) -> Tensor:
    """Probabilities (B, classes) in float64: the mean over members of the softmax (class) or sigmoid (labels)."""
    each = outputs.double().softmax(-1) if kind == "class" else outputs.double().sigmoid()
    return each.mean(1) if each.ndim == 3 else each


def numbers(outputs: Tensor, mean: float, scale: float) -> Tensor:
    """Predicted numbers (B,) in the target's own units, float64."""
    values = outputs.double()
    values = values.mean(1) if values.ndim == 3 else values
    return values[:, 0] * scale + mean


def _flat(outputs: Tensor, target: Tensor) -> tuple[Tensor, Tensor, int]:
    if outputs.ndim == 2:
        return outputs, target, 1
    members = outputs.shape[1]
    return outputs.flatten(0, 1), target.repeat_interleave(members, 0), members


def _pointwise(loss: Callable[..., Tensor], outputs: Tensor, target: Tensor) -> Tensor:
    values, repeated, members = _flat(outputs, target)
    return loss(values[:, 0], repeated, reduction="sum") / members
