"""Convolutional networks: over the pixels of images, over tokens (Kim 2014), and over numeric sequences."""

import math
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from danlu.data.store import Shapes
from danlu.models.activations import ACTIVATIONS, Activation
from danlu.models.dropout import Dropout
from danlu.models.family import TABLE, Family, epochs_for, power_of_two
from danlu.models.heads import Readout
from danlu.models.inputs import Concat, Part, Pixels, steps_inside, table_parts, token_vectors
from danlu.recipe import Frozen

LARGE = 20_000  # training images from which a short run learns too little rather than too much: less is held back
LONG_SEQUENCE = 256  # steps beyond which every stage halves them


class Config(Frozen):
    """Width, depth and kernels of the convolutions."""

    width: int = Field(32, ge=1, description="channels of the first stage of an image; each stage doubles them")
    depth: int = Field(3, ge=1, description="stages, each of two convolutions; images halve from stage to stage")
    activation: Activation = Field("relu", description="after each convolution")
    dropout: float = Field(0.2, ge=0, lt=1, description="before the heads, and on embedded tokens")
    kernels: tuple[int, ...] = Field((3, 4, 5), min_length=1, description="tokens that one text filter spans")
    filters: int = Field(100, ge=1, description="text filters of each kernel; channels of a numeric sequence")
    token_width: int = Field(128, ge=1, description="width of the vectors of tokens")
    steps_kernel: int = Field(7, ge=1, description="steps of a numeric sequence that one filter spans")
    category_width: int = Field(8, ge=1, description="width of an embedded category")


class ImageStages(Part):
    """Stages of two 3×3 convolutions with batch normalisation, halved between; the mean over the image."""

    def __init__(self, shapes: Shapes, config: Config) -> None:
        super().__init__()
        assert shapes.image is not None
        widths = [shapes.image[0], *(config.width * 2**stage for stage in range(config.depth))]
        layers: list[nn.Module] = []
        for stage, (before, after) in enumerate(pairwise(widths)):
            if stage:
                layers.append(nn.MaxPool2d(2, ceil_mode=True))
            layers += _convolution(before, after, config) + _convolution(after, after, config)
        self.pixels = Pixels(shapes)
        self.stages = nn.Sequential(*layers)
        self.width = widths[-1]

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        return self.stages(self.pixels(inputs["image"])).mean((2, 3))


class TokenFilters(Part):
    """Filters over several tokens at once, each giving its greatest response in the text (Kim 2014)."""

    def __init__(self, shapes: Shapes, config: Config) -> None:
        super().__init__()
        vectors = token_vectors(shapes, config.token_width)
        self.vectors = nn.Embedding.from_pretrained(vectors, freeze=False, padding_idx=0)
        self.dropout = Dropout(config.dropout)
        self.kernels = config.kernels
        self.filters = nn.ModuleList(nn.Conv1d(config.token_width, config.filters, k) for k in config.kernels)
        self.activation = ACTIVATIONS[config.activation]()
        self.width = config.filters * len(config.kernels)

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        vectors = self.dropout(self.vectors(inputs["tokens"])).transpose(1, 2)
        length = inputs["tokens_length"].clamp_min(1)
        found = zip(self.filters, self.kernels, strict=True)
        return torch.cat([self._greatest(filters, kernel, vectors, length) for filters, kernel in found], dim=1)

    def _greatest(self, filters: nn.Module, kernel: int, vectors: Tensor, length: Tensor) -> Tensor:
        """(B, width, T) → (B, filters); the padding's vectors are 0, like what is beyond the text's end."""
        responses = filters(F.pad(vectors, (kernel // 2, (kernel - 1) // 2)))
        outside = ~steps_inside(length, responses.shape[2]).unsqueeze(1)
        return self.activation(responses.masked_fill(outside, -torch.inf).amax(2))


class SequenceStages(Part):
    """Residual stages over a numeric sequence's steps; their mean and maximum (after Wang et al. 2017)."""

    def __init__(self, shapes: Shapes, config: Config) -> None:
        super().__init__()
        stride = 2 if shapes.max_steps > LONG_SEQUENCE else 1
        inputs = [shapes.sequence, *[config.filters] * (config.depth - 1)]
        self.stages = nn.ModuleList(SequenceStage(channels, config, stride) for channels in inputs)
        self.width = 2 * config.filters

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        x, length = inputs["sequence"].transpose(1, 2), inputs["sequence_length"].clamp_min(1)
        for stage in self.stages:
            x, length = stage(x, length)
        outside = ~steps_inside(length, x.shape[2]).unsqueeze(1)
        return torch.cat([x.sum(2) / length.unsqueeze(1), x.masked_fill(outside, -torch.inf).amax(2)], dim=1)


class SequenceStage(nn.Module):
    """x: (B, channels, T), length: (B,) → (B, filters, T / stride), its length; padding stays 0."""

    def __init__(self, channels: int, config: Config, stride: int) -> None:
        super().__init__()
        kernel, filters = config.steps_kernel, config.filters
        self.stride = stride
        self.around = (kernel // 2, (kernel - 1) // 2)
        self.first = nn.Conv1d(channels, filters, kernel, stride, bias=False)
        self.first_norm = nn.BatchNorm1d(filters)
        self.second = nn.Conv1d(filters, filters, kernel, bias=False)
        self.second_norm = nn.BatchNorm1d(filters)
        self.shortcut = nn.Conv1d(channels, filters, 1, stride)
        self.activation = ACTIVATIONS[config.activation]()

    def forward(self, x: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        length = (length + self.stride - 1) // self.stride
        y = self.first_norm(self.first(F.pad(x, self.around)))
        inside = steps_inside(length, y.shape[2]).unsqueeze(1)
        y = self.activation(y) * inside
        y = self.second_norm(self.second(F.pad(y, self.around)))
        return self.activation(y + self.shortcut(x)) * inside, length


def _convolution(before: int, after: int, config: Config) -> list[nn.Module]:
    convolution = nn.Conv2d(before, after, 3, padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(after), ACTIVATIONS[config.activation]()]


def _build(config: Config, shapes: Shapes) -> Readout:
    parts: list[Part] = []
    if shapes.image:
        parts.append(ImageStages(shapes, config))
    if shapes.tokens:
        parts.append(TokenFilters(shapes, config))
    if shapes.sequence:
        parts.append(SequenceStages(shapes, config))
    assert shapes.heads
    return Readout(Concat(parts + table_parts(shapes, config.category_width)), shapes.heads, config.dropout)


def _fields(shapes: Shapes, rows: int) -> dict[str, Any]:
    """Stages until an image is about 7 pixels wide, two at least; narrow ones where it begins large."""
    if shapes.image is None:
        return {"dropout": 0.5} if shapes.tokens else {}
    side = min(shapes.image[1:])
    depth = max(2, min(6, round(math.log2(side / 7)) + 1))
    return {"depth": depth, "width": 32 if side <= 48 else 16, "dropout": 0.0 if rows >= LARGE else 0.2}


def _training(shapes: Shapes, rows: int) -> dict[str, Any]:
    image = {
        "batch_size": power_of_two(rows / 50, 32, 128),
        "epochs": epochs_for(rows, passes=300_000, least=7),
        "learning_rate": 3e-3,
        "weight_decay": 0.05,
        "warmup": 0.1,
        "label_smoothing": 0.05 if rows >= LARGE else 0.1,
        "precision": "bfloat16",
        "augment": True,
        "early_stopping": False,
    }
    other = {
        "batch_size": power_of_two(rows / 100, 32, 64),
        "epochs": epochs_for(rows, passes=60_000 if shapes.tokens else 200_000, least=4),
        "learning_rate": 2e-3,
        "weight_decay": 0.01,
        "warmup": 0.05,
        "clip": 1.0,
        "early_stopping": {"patience": 3 if shapes.tokens else 10},
    }
    return {"optimizer": "adamw", "schedule": "cosine", "keep": "best"} | (image if shapes.image else other)


FAMILY = Family(
    name="cnn",
    summary="models.cnn",
    config=Config,
    reads={"image": ("image", *TABLE), "text": ("tokens", *TABLE), "sequence": ("sequence", *TABLE)},
    build=_build,
    fields=_fields,
    training=_training,
)
