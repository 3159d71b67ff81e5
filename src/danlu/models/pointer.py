"""Pointer-generator (See et al. 2017) with Transformers: an encoder-decoder that can also copy tokens of its source.

The next token's chance is a mixture: g · what the vocabulary scores + (1 − g) · what attention over the source points
at. Where the answer's last token, or its last two, stand in the source, attention is drawn to what follows them there;
so a copy goes on without that being learned, and little data is enough.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from danlu.models import encoder_decoder, pegasus
from danlu.models.encoder_decoder import EncoderDecoder
from danlu.models.transformer import Cache, Encoded

LEAST = 1e-9  # chance below which a token is as good as impossible
DRAWN = 3.0  # by which the scores of what follows the last token, and the last two, begin
NOTHING = -1  # in place of a token before the first


class Config(pegasus.Config):
    """Pegasus's choices."""


@dataclass
class Source(Encoded):
    """An encoder's outputs, and what can be copied: tokens (B, S), their keys (B, S, W), which are real (B, S)."""

    tokens: Tensor
    keys: Tensor
    inside: Tensor

    def select(self, rows: Tensor) -> "Source":
        """These rows, in this order."""
        seen = super().select(rows)
        tokens, keys, inside = (each.index_select(0, rows) for each in (self.tokens, self.keys, self.inside))
        return Source(seen.keys_values, seen.view, tokens, keys, inside)


class PointerGenerator(EncoderDecoder):
    """Inputs → {"logits": (B, U, tokens)}: logarithms of the chances of what follows each position of the answer."""

    def __init__(self, config: Config, tokens: int) -> None:
        super().__init__(config, tokens)
        self.query, self.key = nn.Linear(config.width, config.width), nn.Linear(config.width, config.width)
        self.gate = nn.Linear(config.width, 1)
        self.drawn = nn.Parameter(torch.full((2,), DRAWN))
        for part in (self.query, self.key):
            nn.init.normal_(part.weight, std=0.02)
        for part in (self.query, self.key, self.gate):
            nn.init.zeros_(part.bias)
        nn.init.zeros_(self.gate.weight)

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        source = self.encode(inputs["tokens"], inputs["tokens_length"])
        x = self._decoded(inputs["answer"], source)
        assert isinstance(source, Source)
        return {"logits": self._mixed(x, F.pad(inputs["answer"], (1, 0), value=NOTHING), source)}

    def looked_at(self, tokens: Tensor, states: Tensor, inside: Tensor) -> Source:
        """What the decoder sees of tokens (B, S), and can copy."""
        seen = super().looked_at(tokens, states, inside)
        return Source(seen.keys_values, seen.view, tokens, self.key(states), inside)

    def next_scores(self, tokens: Tensor, encoded: Encoded, cache: Cache) -> Tensor:
        """tokens (B, t) behind those of `cache` → (B, tokens), scores of what follows in the answers."""
        assert isinstance(encoded, Source)
        read = cache.read(tokens)
        x = self._decoded(tokens, encoded, cache)[:, -1:]
        return self._mixed(x, F.pad(read, (1, 0), value=NOTHING)[:, -2:], encoded)[:, -1]

    def _mixed(self, x: Tensor, read: Tensor, source: Source) -> Tensor:
        """x (B, U, W), of the tokens read[:, 1:] with those of read (B, U + 1) before them → (B, U, tokens)."""
        scores = (self.query(x) @ source.keys.transpose(1, 2)).float() / x.shape[-1] ** 0.5
        scores = scores + (self.drawn[:, None, None, None] * _followed(read, source.tokens)).sum(0)
        pointed = scores.masked_fill(~source.inside[:, None], torch.finfo(scores.dtype).min).softmax(-1)
        gate = torch.sigmoid(self.gate(x).float())
        written = gate * self.scores(x).float().softmax(-1)
        place = source.tokens[:, None].expand(-1, x.shape[1], -1)
        return written.scatter_add(2, place, (1 - gate) * pointed).clamp_min(LEAST).log()


def _followed(read: Tensor, source: Tensor) -> Tensor:
    """(2, B, U, S): where a source's position follows the token that was read last, and the last two."""
    last = read[:, 1:, None] == F.pad(source, (1, 0), value=NOTHING - 1)[:, None, :-1]
    before = read[:, :-1, None] == F.pad(source, (2, 0), value=NOTHING - 2)[:, None, :-2]
    return torch.stack([last, last & before])


FAMILY = encoder_decoder.family("pointer", Config, None, PointerGenerator)
