"""Decoder-only language models: tokens → scores of the next token, or of a text's classes. Knows no family."""

from typing import Any, Literal

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from danlu.data.store import Shapes
from danlu.errors import DanluError
from danlu.models import transformer
from danlu.models.family import epochs_for, power_of_two
from danlu.models.heads import split_heads
from danlu.models.hub.layout import Rule
from danlu.models.scoring import scored
from danlu.models.transformer import Cache, Trunk

SIZES: tuple[tuple[int, dict[str, Any]], ...] = (  # training tokens → size of the model
    (50_000_000, {"width": 512, "depth": 8, "heads": 8}),
    (5_000_000, {"width": 256, "depth": 6, "heads": 4}),
    (100_000, {"width": 128, "depth": 4, "heads": 2}),  # more of them see too little in the minutes a laptop has
    (0, {"width": 64, "depth": 2, "heads": 2}),
)
# Of the layouts of all these families:
ALWAYS: dict[str, Any] = {
    "causal": True,
    "cross": False,
    "segments": 0,
    "norm_place": "before",
    "final_norm": True,
    "embedding_norm": False,
    "embedding_scale": False,
    "inner_dropout": 0.0,
}
HEAD_RULES = (Rule("head", "lm_head"), Rule("scores", "score", output=True))
MARKS = dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"))  # None, until a tokenizer tells them
THEIR_HEADS = ("lm_head.*", "score.*")


class Config(transformer.Config):
    """A Transformer in which no position sees a later one."""

    causal: Literal[True] = Field(True, description="a position sees none that come later")
    cross: Literal[False] = Field(False, description="no encoder's outputs are looked at")
    segments: Literal[0] = Field(0, description="no segments are told apart")
    tied: bool = Field(True, description="the matrix of the token vectors also gives the scores of the next token")


class CausalLM(nn.Module):
    """Inputs → {"logits": (B, T, tokens)}, as of `scored`: scores of the token that follows each position."""

    def __init__(self, config: Config, tokens: int) -> None:
        super().__init__()
        self.config = config
        self.trunk = Trunk(tokens, config)
        if not config.tied:
            self.head = nn.Linear(config.width, tokens, bias=False)
            nn.init.normal_(self.head.weight, std=0.02)

    @property
    def positions(self) -> int | None:
        """The largest number of positions; None where there is none."""
        return self.config.max_length if self.config.positions == "learned" else None

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        # what pads a row's end needs no mask: no real position sees it, and it has no target
        return scored(self, self.trunk(inputs["tokens"], documents=inputs.get("documents")), self.matrix)

    def next_scores(self, tokens: Tensor, start: Tensor | None, cache: Cache) -> Tensor:
        """tokens (B, T) behind those of `cache` → (B, tokens), scores of what follows; rows begin at `start` (B,)."""
        return self.scores(self.trunk(tokens, start=start, cache=cache)[:, -1])

    def scores(self, x: Tensor) -> Tensor:
        """(..., W) → (..., tokens)."""
        return F.linear(x, self.matrix) if self.config.tied else self.head(x)

    @property
    def matrix(self) -> Tensor:
        """(tokens, W): by which the scores are worked out."""
        return self.trunk.embedding.tokens.weight if self.config.tied else self.head.weight


class CausalClassifier(nn.Module):
    """Inputs → {head: (B, size)}, from the vector of each row's last token."""

    def __init__(self, config: Config, shapes: Shapes) -> None:
        super().__init__()
        assert shapes.heads
        self.sizes = dict(shapes.heads)
        self.trunk = Trunk(shapes.tokens, config)
        self.scores = nn.Linear(config.width, sum(self.sizes.values()), bias=False)
        nn.init.normal_(self.scores.weight, std=0.02)

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        x = self.trunk(inputs["tokens"])
        last = inputs["tokens_length"].clamp_min(1) - 1  # of an empty row: its padding
        last = last[:, None, None].expand(-1, -1, x.shape[-1])
        return split_heads(self.scores(x.gather(1, last)[:, 0]), self.sizes)


def build(config: Config, shapes: Shapes) -> CausalLM | CausalClassifier:
    """The language model, or the classifier where there are heads; DanluError where texts outgrow the positions."""
    if config.positions == "learned" and shapes.max_tokens > config.max_length:
        raise DanluError("models.too_long", longest=shapes.max_tokens, max_length=config.max_length)
    return CausalClassifier(config, shapes) if shapes.heads else CausalLM(config, shapes.tokens)


def fields(shapes: Shapes, rows: int) -> dict[str, Any]:
    """A size that suits rows of `max_tokens` tokens: some 0.1, 0.8, 5 or 25 million weights in the layers."""
    tokens = rows * shapes.max_tokens
    size = next(size for least, size in SIZES if tokens >= least)
    return size | {"dropout": 0.1 if shapes.heads else 0.0, "max_length": max(shapes.max_tokens, 1)}


def training(shapes: Shapes, rows: int) -> dict[str, Any]:
    """AdamW as language models are trained from scratch (Touvron et al. 2023), faster because they are small."""
    tokens = rows * max(shapes.max_tokens, 1)
    language = {
        "epochs": epochs_for(tokens, passes=50_000_000, least=1, most=15),
        "batch_size": power_of_two((4096 if tokens < 5_000_000 else 16_384) / max(shapes.max_tokens, 1), 4, 64),
        "learning_rate": 2e-3 if tokens < 5_000_000 else 1e-3,
        "weight_decay": 0.1,
        "precision": "bfloat16",
    }
    classes = {
        "epochs": epochs_for(rows, passes=60_000, least=4),
        "batch_size": 32,
        "learning_rate": 3e-4,
        "weight_decay": 0.01,
        "early_stopping": {"patience": 3},
    }
    return {
        "optimizer": "adamw",
        "betas": (0.9, 0.95),
        "schedule": "cosine",
        "warmup": 0.05,
        "clip": 1.0,
        "keep": "best",
        **(classes if shapes.heads else language),
    }
