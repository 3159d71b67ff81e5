"""What a decoder has read, row by row, as the search for new tokens sees it."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from danlu.models.causal import CausalLM
from danlu.models.transformer import Cache


class Reader(Protocol):
    """A decoder with what it has read of each row."""

    def next_scores(self, tokens: Tensor) -> Tensor:
        """Read on: tokens (B, T) → (B, vocabulary), the scores of the token behind them."""
        ...

    def select(self, rows: Tensor) -> None:
        """Keep these rows, in this order; a row may be kept more than once."""
        ...


class Prompted:
    """A causal language model that reads prompts, padded at their beginning, and what is written behind them."""

    def __init__(self, model: CausalLM, lengths: Sequence[int], capacity: int) -> None:
        """lengths: of the prompts; capacity: positions of the longest one and of all that is read behind it."""
        weight = model.trunk.embedding.tokens.weight
        start = max(lengths) - torch.tensor(lengths, device=weight.device)
        self.model = model
        self.start = start if start.any() else None
        self.cache = Cache.empty(model.config, len(lengths), capacity, weight)

    def next_scores(self, tokens: Tensor) -> Tensor:
        """tokens (B, T) → (B, vocabulary)."""
        return self.model.next_scores(tokens, self.start, self.cache)

    def select(self, rows: Tensor) -> None:
        """Keep these rows, in this order."""
        self.start = None if self.start is None else self.start.index_select(0, rows)
        self.cache.select(rows)
