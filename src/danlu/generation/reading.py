"""What a decoder has read, row by row, as the search for new tokens sees it."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from danlu.data.text import Forced
from danlu.models.causal import CausalLM
from danlu.models.decoding import next_scores_of
from danlu.models.encoder_decoder import EncoderDecoder
from danlu.models.long_tail import LanguageModel
from danlu.models.transformer import Cache

Decoder = CausalLM | LanguageModel


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
        self._next_scores = next_scores_of(model)
        self.start = start if start.any() else None
        self.cache = Cache.empty(model.config, len(lengths), capacity, weight)

    def next_scores(self, tokens: Tensor) -> Tensor:
        """tokens (B, T) → (B, vocabulary)."""
        return self._next_scores(tokens, self.start, self.cache)

    def select(self, rows: Tensor) -> None:
        """Keep these rows, in this order."""
        self.start = None if self.start is None else self.start.index_select(0, rows)
        self.cache.select(rows)


def prompted(model: CausalLM, prompts: Sequence[Sequence[int]], more: int) -> tuple[Prompted, Tensor]:
    """A reader of the prompts with room for `more` positions behind the longest, and what it is to read (B, T)."""
    lengths = [len(prompt) for prompt in prompts]
    reader = Prompted(model, lengths, max(lengths) + more)
    return reader, padded(prompts, reader.cache.keys[0].device)


def padded(prompts: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    """(B, T): the prompts with their last tokens below each other, their first ones repeated before them."""
    longest = max(map(len, prompts))
    return torch.tensor([[prompt[0]] * (longest - len(prompt)) + list(prompt) for prompt in prompts], device=device)


class Rereading:
    """A language model of another library, which keeps nothing: each step reads prompts and new tokens again."""

    def __init__(self, model: LanguageModel, lengths: Sequence[int]) -> None:
        """lengths: of the prompts, which are padded at their beginning."""
        self.model = model
        self.start = max(lengths) - torch.tensor(lengths, device=next(model.parameters()).device)
        self.read = self.start.new_empty(len(lengths), 0)

    def next_scores(self, tokens: Tensor) -> Tensor:
        """tokens (B, T) → (B, vocabulary)."""
        self.read = torch.cat([self.read, tokens], dim=1)
        steps = self.read.shape[1]
        place = torch.arange(steps, device=tokens.device) + self.start[:, None]
        from_first = self.read.gather(1, place % steps)  # the padding behind, where no position sees it
        logits = self.model({"tokens": from_first})["logits"]
        return logits[torch.arange(len(logits)), steps - 1 - self.start]

    def select(self, rows: Tensor) -> None:
        """Keep these rows, in this order."""
        self.start, self.read = self.start.index_select(0, rows), self.read.index_select(0, rows)


class Answering:
    """An encoder-decoder that has read sources, and reads what is written of its answers."""

    def __init__(self, model: EncoderDecoder, sources: Sequence[Sequence[int]], most: int, forced: Forced) -> None:
        """most: tokens of an answer, of which the decoder reads all but the last, and one before the first."""
        weight = model.encoder.embedding.tokens.weight
        length = torch.tensor([len(source) for source in sources], device=weight.device)
        longest = max(int(length.max()), 1)
        together = [[*source, *[0] * (longest - len(source))] for source in sources]
        self._next_scores, self.most, self.forced = next_scores_of(model), most, forced
        self.never = torch.tensor(forced.never, dtype=torch.long, device=weight.device)
        self.encoded = model.encode(torch.tensor(together, device=weight.device), length)
        self.source = torch.arange(len(sources), device=weight.device)  # of each row
        self.cache = Cache.empty(model.decoder.config, len(sources), most, weight)

    def next_scores(self, tokens: Tensor) -> Tensor:
        """tokens (B, T) → (B, vocabulary); -inf for those that are ruled out."""
        scores = self._next_scores(tokens, self.encoded, self.cache)
        forced = self.forced.last if self.cache.length == self.most else None
        if forced is None and self.cache.length == 1:
            forced = self.forced.first
        if forced is None:
            return scores.index_fill(1, self.never, -torch.inf)
        alone = torch.full_like(scores, -torch.inf)
        alone[:, forced] = 0.0
        return alone

    def select(self, rows: Tensor) -> None:
        """Keep these rows, in this order."""
        self.cache.select(rows)
        source = self.source.index_select(0, rows)
        if not torch.equal(source, self.source):  # beams that change places look at the same source
            self.encoded, self.source = self.encoded.select(rows), source
