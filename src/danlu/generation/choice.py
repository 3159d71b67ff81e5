"""From scores to tokens: penalty, temperature, filters, and the draw. Knows nothing of models."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from danlu.generation.config import GenerationConfig


class Choice:
    """Chooses each row's next token, and remembers what its text holds where that is asked for."""

    def __init__(self, config: GenerationConfig, tokens: Tensor) -> None:
        """tokens (B, T): the prompts."""
        self.config, self.texts = config, [*tokens]
        self.draws = [_generator(config.seed, row) for row in range(len(tokens))]

    def __call__(self, scores: Tensor, rows: Sequence[int]) -> Tensor:
        """scores (B, vocabulary) of these rows → tokens (B,)."""
        scores, penalty = scores.float(), self.config.repetition_penalty
        if penalty != 1.0:
            scores = penalised(scores, torch.stack([self.texts[row] for row in rows]), penalty)
        chosen = self._drawn(scores, rows) if self.config.heat else scores.argmax(-1)
        for row, token in zip(rows, chosen, strict=True) if penalty != 1.0 else ():
            self.texts[row] = torch.cat([self.texts[row], token[None]])
        return chosen

    def _drawn(self, scores: Tensor, rows: Sequence[int]) -> Tensor:
        points = torch.cat([torch.rand(1, generator=self.draws[row]) for row in rows])
        chances = warped(scores, self.config).softmax(-1).cpu()  # not every device counts in float64
        return drawn(chances, points).to(scores.device)


def penalised(scores: Tensor, texts: Tensor, penalty: float) -> Tensor:
    """scores (B, vocabulary); those of tokens in `texts` (B, T) divided by the penalty, or times it below 0.

    Keskar et al. 2019.
    """
    values = scores.gather(1, texts)
    return scores.scatter(1, texts, torch.where(values < 0, values * penalty, values / penalty))


def warped(scores: Tensor, config: GenerationConfig) -> Tensor:
    """scores (B, vocabulary) at the temperature, -inf where a filter leaves a token out, in transformers' order."""
    scores = scores / config.heat
    if config.top_k is not None:
        scores = _best(scores, config.top_k)
    if config.top_p is not None:
        scores = _nucleus(scores, config.top_p)
    if config.min_p is not None:
        chances = scores.softmax(-1)
        scores = scores.masked_fill(chances < config.min_p * chances.amax(-1, keepdim=True), -torch.inf)
    return scores


def drawn(chances: Tensor, points: Tensor) -> Tensor:
    """chances (B, vocabulary) and points (B,) in [0, 1) → the token (B,) in whose stretch of the sum a point lies."""
    sums = chances.double().cumsum(-1)
    return torch.searchsorted(sums, points.double()[:, None] * sums[:, -1:], right=True)[:, 0]


def _best(scores: Tensor, count: int) -> Tensor:
    least = scores.topk(min(count, scores.shape[-1])).values[:, -1:]
    return scores.masked_fill(scores < least, -torch.inf)


def _nucleus(scores: Tensor, share: float) -> Tensor:
    """The likeliest tokens that together have at least this share (Holtzman et al. 2020)."""
    ordered, places = scores.sort(descending=True)
    chances = ordered.softmax(-1)
    before = chances.cumsum(-1) - chances
    beyond = before >= share
    beyond[:, 0] = False  # also of a share that float32 cannot tell from 0
    return scores.masked_fill(beyond.scatter(1, places, beyond), -torch.inf)


def _generator(seed: int, row: int) -> torch.Generator:
    """Random numbers of a row's own, so that its text does not hang on its neighbours'."""
    mixed = np.random.SeedSequence((seed, row)).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(mixed))
