"""What a language model has read of texts that join and leave while others are written. Chooses nothing."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from danlu.generation.reading import Decoder, prompted
from danlu.models.causal import CausalLM
from danlu.models.decoding import next_scores_of
from danlu.models.transformer import Cache

SPARE = 128  # positions behind the last one that a new cache has room for


class Gathering(Protocol):
    """A decoder with what it has read of each row; rows come and go."""

    def join(self, prompts: Sequence[Sequence[int]]) -> Tensor:
        """Read prompts, none of them empty, as new last rows → (prompts, vocabulary), the scores behind each."""
        ...

    def next_scores(self, tokens: Tensor) -> Tensor:
        """Read on in every row: tokens (B, 1) → (B, vocabulary), the scores of the token behind them."""
        ...

    def select(self, rows: Sequence[int]) -> None:
        """Keep these rows, in this order."""
        ...


class Rows:
    """Rows of a causal language model in one cache, which all end at its last position."""

    def __init__(self, model: CausalLM) -> None:
        self.model = model
        self._next_scores = next_scores_of(model)
        self.cache: Cache | None = None
        self.start = torch.zeros(0, dtype=torch.long, device=next(model.parameters()).device)

    def join(self, prompts: Sequence[Sequence[int]]) -> Tensor:
        """(prompts, vocabulary)."""
        reader, tokens = prompted(self.model, prompts, 0)
        scores = reader.next_scores(tokens)
        start = self.start.new_zeros(len(prompts)) if reader.start is None else reader.start
        if self.cache is None:
            self.cache, self.start = reader.cache, start
        else:
            self._merge(reader.cache, start)
        return scores

    def next_scores(self, tokens: Tensor) -> Tensor:
        """tokens (B, 1) → (B, vocabulary)."""
        assert self.cache is not None
        if self.cache.length == self.cache.keys[0].shape[2]:
            unused = int(self.start.min())
            self.cache = _laid([self.cache], self.cache.length - unused)
            self.start = self.start - unused
        return self._next_scores(tokens, self.start if self.start.any() else None, self.cache)

    def select(self, rows: Sequence[int]) -> None:
        """Keep these rows, in this order."""
        kept = torch.tensor(rows, dtype=torch.long, device=self.start.device)
        self.start = self.start.index_select(0, kept)
        if self.cache is not None and rows:
            self.cache.select(kept)
        else:
            self.cache = None

    def _merge(self, new: Cache, start: Tensor) -> None:
        """Put rows below the others, with their last positions at the same place."""
        assert self.cache is not None
        old, unused = self.cache, int(self.start.min())
        length = max(old.length - unused, new.length)
        self.cache = _laid([old, new], length)  # where it does not fit into memory, all is as it was
        self.start = torch.cat([self.start + length - old.length, start + length - new.length])


def _laid(caches: Sequence[Cache], length: int) -> Cache:
    """The rows of all caches in one of `length` positions and room for more; each one's last position is the last."""

    def joined(parts: Sequence[Tensor]) -> Tensor:
        rows, (_, heads, _, width) = sum(len(part) for part in parts), parts[0].shape
        whole = parts[0].new_zeros(rows, heads, length + SPARE, width)
        begin = 0
        for part, cache in zip(parts, caches, strict=True):
            steps = min(length, cache.length)
            whole[begin : begin + len(part), :, length - steps : length] = part[
                :, :, cache.length - steps : cache.length
            ]
            begin += len(part)
        return whole

    layers = range(len(caches[0].keys))
    keys = [joined([cache.keys[layer] for cache in caches]) for layer in layers]
    values = [joined([cache.values[layer] for cache in caches]) for layer in layers]
    return Cache(keys, values, length)


class RereadRows:
    """Rows of a language model that keeps nothing: each step reads every text again."""

    def __init__(self, model: Decoder) -> None:
        self.model = model
        self.texts: list[list[int]] = []

    def join(self, prompts: Sequence[Sequence[int]]) -> Tensor:
        """(prompts, vocabulary)."""
        new = [list(prompt) for prompt in prompts]
        scores = self._scores(new)
        self.texts += new
        return scores

    def next_scores(self, tokens: Tensor) -> Tensor:
        """tokens (B, 1) → (B, vocabulary)."""
        for text, token in zip(self.texts, tokens[:, 0].tolist(), strict=True):
            text.append(token)
        return self._scores(self.texts)

    def select(self, rows: Sequence[int]) -> None:
        """Keep these rows, in this order."""
        self.texts = [self.texts[row] for row in rows]

    def _scores(self, texts: Sequence[Sequence[int]]) -> Tensor:
        lengths = torch.tensor([len(text) for text in texts])
        longest = int(lengths.max())
        padded = torch.tensor([[*text, *[text[-1]] * (longest - len(text))] for text in texts])
        logits = self.model({"tokens": padded.to(next(self.model.parameters()).device)})["logits"]
        return logits[torch.arange(len(texts)), lengths - 1]


def gathering(model: Decoder) -> Gathering:
    """Rows of this model."""
    return Rows(model) if isinstance(model, CausalLM) else RereadRows(model)
