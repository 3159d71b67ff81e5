"""The multilayer perceptron; for tables with embedded numbers and an ensemble inside one network.

With `members: 1` and `embed_numbers: none` it is nn.Sequential of linear layers and activations, no more.
"""

import math
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from danlu.data.store import Shapes
from danlu.models.activations import ACTIVATIONS, Activation
from danlu.models.dropout import Dropout
from danlu.models.family import TABLE, Family, epochs_for, power_of_two
from danlu.models.heads import Heads, MemberHeads
from danlu.models.inputs import (
    CategoryVectors,
    Concat,
    MeanToken,
    Part,
    PixelVector,
    SequenceSummary,
    table_parts,
)
from danlu.recipe import Frozen

SMALL_TABLE = 1_000  # rows below which embedded numbers learn noise
STEPS = 6_000  # of a larger table, where 60 epochs are more


class Config(Frozen):
    """Width and depth of the network and how its inputs are embedded."""

    width: int = Field(128, ge=1, description="units of each hidden layer")
    depth: int = Field(2, ge=1, description="hidden layers")
    activation: Activation = Field("relu", description="after each hidden layer")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of hidden units left out in training")
    members: int = Field(1, ge=1, description="networks that share their matrices and are averaged (TabM)")
    embed_numbers: Literal["none", "periodic"] = Field("none", description="how a number becomes a vector")
    number_width: int = Field(8, ge=2, description="width of an embedded number")
    frequency: float = Field(0.3, gt=0, description="deviation of the first frequencies of periodic embeddings")
    category_width: int = Field(8, ge=1, description="width of an embedded category")
    text_width: int = Field(128, ge=1, description="width of the vectors of tokens")


class PeriodicNumbers(Part):
    """Each number x → [x, W cos(2π f x + b)] with frequencies of its own, and the missing flags as they are.

    Gorishniy et al. 2022 (On Embeddings for Numerical Features), in the densely connected form of Holzmüller
    et al. 2024 (RealMLP).
    """

    def __init__(self, shapes: Shapes, width: int, frequency: float, waves: int = 16) -> None:
        super().__init__()
        numbers = shapes.numbers
        self.flags = shapes.missing > 0
        self.width = numbers * width + shapes.missing
        self.frequency = nn.Parameter(torch.randn(numbers, waves) * frequency * 2 * math.pi)
        self.phase = nn.Parameter(torch.empty(numbers, waves).uniform_(-math.pi, math.pi))
        bound = waves**-0.5
        self.weight = nn.Parameter(torch.empty(numbers, waves, width - 1).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(numbers, width - 1).uniform_(-bound, bound))

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        x = inputs["numbers"].unsqueeze(-1)
        waves = torch.cos(torch.addcmul(self.phase, self.frequency, x))
        vectors = torch.einsum("bnw,nwd->bnd", waves, self.weight) + self.bias
        embedded = torch.cat([x, vectors], dim=-1).flatten(1)
        return torch.cat([embedded, inputs["missing"]], dim=1) if self.flags else embedded


class MLP(nn.Module):
    """Inputs side by side → hidden layers → heads."""

    def __init__(self, config: Config, shapes: Shapes) -> None:
        super().__init__()
        assert shapes.heads
        self.read = Concat(_parts(config, shapes))
        self.hidden = _hidden_layers(self.read.width, config)
        self.heads = Heads(config.width, shapes.heads)

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        return self.heads(self.hidden(self.read(inputs)))


class Ensemble(nn.Module):
    """Members that share their hidden layers, each with a scale for every input and heads of its own.

    The smallest form (TabM-mini) of Gorishniy et al. 2024, TabM.
    """

    def __init__(self, config: Config, shapes: Shapes) -> None:
        super().__init__()
        assert shapes.heads
        self.read = Concat(_parts(config, shapes))
        signs = torch.randint(0, 2, (config.members, self.read.width)) * 2.0 - 1.0
        self.scale = nn.Parameter(signs)
        self.hidden = _hidden_layers(self.read.width, config)
        self.heads = MemberHeads(config.width, shapes.heads, config.members)

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        x = self.read(inputs).unsqueeze(1) * self.scale
        return self.heads(self.hidden(x))


def _parts(config: Config, shapes: Shapes) -> list[Part]:
    if config.embed_numbers == "periodic" and shapes.numbers:
        parts: list[Part] = [PeriodicNumbers(shapes, config.number_width, config.frequency)]
        if shapes.categories:
            parts.append(CategoryVectors(shapes, config.category_width))
    else:
        parts = table_parts(shapes, config.category_width)
    if shapes.tokens:
        parts.append(MeanToken(shapes, config.text_width))
    if shapes.image:
        parts.append(PixelVector(shapes))
    if shapes.sequence:
        parts.append(SequenceSummary(shapes))
    return parts


def _hidden_layers(width: int, config: Config) -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(config.depth):
        layers += [nn.Linear(width, config.width), ACTIVATIONS[config.activation]()]
        if config.dropout:
            layers.append(Dropout(config.dropout))
        width = config.width
    return nn.Sequential(*layers)


def _fields(shapes: Shapes, rows: int) -> dict[str, Any]:
    if not _is_table(shapes):
        return {"dropout": 0.5 if shapes.tokens else 0.2}
    if rows < SMALL_TABLE:
        return {"members": 16, "dropout": 0.1}
    return {"members": 8, "embed_numbers": "periodic"}


def _training(shapes: Shapes, rows: int) -> dict[str, Any]:
    common = {"optimizer": "adamw", "weight_decay": 0.01, "schedule": "cosine", "warmup": 0.05, "clip": 1.0}
    if not _is_table(shapes):
        return common | _training_on_texts_and_pixels(shapes, rows)
    if rows < SMALL_TABLE:  # a few validation rows cannot tell which weights are best: the plan's last ones are
        epochs = max(40, 5_000 // rows)
        kept = {"keep": "last", "early_stopping": False}
        return common | kept | {"batch_size": 32, "epochs": epochs, "learning_rate": 3e-3}
    batch = power_of_two(rows / 64, 32, 512)
    epochs = max(10, min(60, STEPS * batch // rows))
    kept = {"keep": "best", "early_stopping": {"patience": 16}}
    return common | kept | {"batch_size": batch, "epochs": epochs, "learning_rate": 5e-3}


def _training_on_texts_and_pixels(shapes: Shapes, rows: int) -> dict[str, Any]:
    epochs = epochs_for(rows, passes=60_000, least=4) if shapes.tokens else epochs_for(rows, passes=500_000, least=10)
    return {
        "batch_size": power_of_two(rows / 100, 32, 256),
        "epochs": epochs,
        "learning_rate": 2e-3 if shapes.tokens else 1e-3,
        "early_stopping": {"patience": 3 if shapes.tokens else 10},
        "keep": "best",
    }


def _is_table(shapes: Shapes) -> bool:
    """Nothing but the columns of a table."""
    return not (shapes.tokens or shapes.image or shapes.sequence)


FAMILY = Family(
    name="mlp",
    summary="models.mlp",
    config=Config,
    reads={
        "table": (*TABLE, "tokens"),
        "text": ("tokens", *TABLE),
        "image": ("image", *TABLE),
        "sequence": ("sequence", *TABLE),
    },
    build=lambda config, shapes: Ensemble(config, shapes) if config.members > 1 else MLP(config, shapes),
    fields=_fields,
    training=_training,
)
