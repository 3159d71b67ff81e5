"""Scores of all tokens of a vocabulary, and what telling the true one costs; never held for all positions in training.

The scores of 4,096 positions and 50,000 tokens are 800 MB in float32, several times over where a loss is written out.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from danlu.models import fused

SCORES, VECTORS, MATRIX, BIAS = "logits", "vectors", "matrix", "bias"
AT_ONCE = 1 << 22  # scores that are held at once: 16 MB
LEAST = 128  # positions at once, below which matrix products are slow


class Scorer(Protocol):
    """A language model."""

    training: bool

    def scores(self, x: Tensor) -> Tensor:
        """(..., W) → (..., tokens)."""
        ...


def scored(module: Scorer, x: Tensor, matrix: Tensor, bias: Tensor | None = None) -> dict[str, Tensor]:
    """What a language model gives for x (..., W): {"logits": (..., tokens)}, of matrix (tokens, W) and bias (tokens,).

    While `module` is trained, what they are made of, for `token_nats`: "vectors" of the type that products have,
    "matrix" and "bias".
    """
    if not (module.training and torch.is_grad_enabled()):
        return {SCORES: module.scores(x)}
    kind = x.device.type
    vectors = x.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else x
    return {VECTORS: vectors, MATRIX: matrix} | ({} if bias is None else {BIAS: bias})


def token_nats(outputs: Mapping[str, Tensor], wanted: Tensor, smoothing: float, ignored: int) -> Tensor:
    """Cross-entropy in nats of the tokens `wanted` (...), summed; those equal to `ignored` have none.

    outputs: as of `scored`. Equals `F.cross_entropy` with `label_smoothing`.
    """
    if SCORES in outputs:
        scores = outputs[SCORES].flatten(0, -2)
        return F.cross_entropy(
            scores, wanted.flatten(), ignore_index=ignored, reduction="sum", label_smoothing=smoothing
        )
    vectors, matrix, bias = outputs[VECTORS].flatten(0, -2), outputs[MATRIX], outputs.get(BIAS)
    return _TokenNats.apply(vectors, matrix, bias, wanted.flatten(), smoothing, ignored)


class _TokenNats(torch.autograd.Function):
    """The sum, and its gradients in the same pass, of some positions after others."""

    @staticmethod
    def forward(
        ctx: Any, vectors: Tensor, matrix: Tensor, bias: Tensor | None, wanted: Tensor, smoothing: float, ignored: int
    ) -> Tensor:
        weights = matrix.to(vectors.dtype)
        d_vectors, d_matrix = torch.empty_like(vectors), torch.zeros_like(matrix)
        d_bias = None if bias is None else torch.zeros_like(bias)
        total = vectors.new_zeros((), dtype=torch.float32)
        at_once = max(LEAST, AT_ONCE // len(matrix))
        for first in range(0, len(vectors), at_once):
            part = slice(first, first + at_once)
            x, true = vectors[part], wanted[part]
            scores = F.linear(x, weights)
            in_place = fused.token_nats(scores, true, smoothing, ignored) if bias is None else None
            if in_place is None:
                nats, d_scores = _nats_of(scores, bias, true, smoothing, true != ignored)
            else:
                nats, d_scores = in_place.sum(), scores
            total += nats
            if d_bias is not None:
                d_bias += d_scores.sum(0)
            d_scores = d_scores.to(vectors.dtype)
            torch.mm(d_scores, weights, out=d_vectors[part])
            d_matrix += torch.mm(d_scores.t(), x)
        ctx.save_for_backward(d_vectors, d_matrix, d_bias)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        d_vectors, d_matrix, d_bias = ctx.saved_tensors
        (by,) = gradients
        return d_vectors * by, d_matrix * by, None if d_bias is None else d_bias * by, None, None, None


def _nats_of(
    scores: Tensor, bias: Tensor | None, true: Tensor, smoothing: float, counted: Tensor
) -> tuple[Tensor, Tensor]:
    """Of scores (n, tokens) the nats, summed, and their gradient in float32; positions not `counted` have neither."""
    if bias is not None:
        scores = scores + bias
    place = true.clamp(min=0)[:, None]
    chances = torch.softmax(scores, -1, dtype=torch.float32)
    # the likeliest token's chance never vanishes, so the sum that all share is told by it
    normaliser = scores.amax(-1).float() - chances.amax(-1).log()
    nats = normaliser - (1 - smoothing) * scores.gather(1, place)[:, 0].float()
    if smoothing:
        nats = nats - smoothing * scores.mean(-1, dtype=torch.float32)
        chances -= smoothing / scores.shape[-1]
    chances.scatter_add_(1, place, chances.new_full((1, 1), smoothing - 1).expand_as(place))
    return torch.where(counted, nats, 0.0).sum(), chances.mul_(counted[:, None])
