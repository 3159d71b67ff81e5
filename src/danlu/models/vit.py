"""Vision Transformer (Dosovitskiy et al. 2021): an image as a row of patches."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from danlu.data.store import Shapes
from danlu.models import transformer
from danlu.models.dropout import Dropout
from danlu.models.family import TABLE, Family, epochs_for, power_of_two
from danlu.models.heads import Heads
from danlu.models.hub.layout import Layout, Rule, query_key_value
from danlu.models.inputs import Concat, Pixels, table_parts
from danlu.models.transformer import Layers, MlpActivation, View
from danlu.recipe import Frozen, multiple

SIZES: tuple[tuple[int, dict[str, Any]], ...] = (  # training images → size of the model
    (100_000, {"width": 192, "depth": 8, "heads": 6}),
    (5_000, {"width": 128, "depth": 4, "heads": 4}),
    (0, {"width": 64, "depth": 2, "heads": 4}),
)


class Config(Frozen):
    """Patches, and the settings of the Transformer that reads them."""

    patch: int = Field(4, ge=1, description="pixels that a patch is high and wide")
    width: int = Field(128, ge=1, description="width of the vectors that the layers pass on")
    depth: int = Field(4, ge=1, description="layers")
    heads: int = Field(4, ge=1, description="attention heads of a layer")
    hidden: int | None = Field(None, ge=1, description="width inside the feed-forward layer; else 4 × width")
    activation: MlpActivation = Field("gelu", description="of the feed-forward layer")
    norm_eps: float = Field(1e-6, gt=0, description="added to the variance")
    qkv_bias: bool = Field(True, description="of queries, keys and values")
    dropout: float = Field(0.0, ge=0, lt=1, description="on embedded patches and on what each part adds")
    attention_dropout: float = Field(0.0, ge=0, lt=1, description="on attention weights")
    category_width: int = Field(8, ge=1, description="width of an embedded category")

    @model_validator(mode="after")
    def _fits(self) -> "Config":
        multiple(self, "width", "heads")
        return self

    @property
    def trunk(self) -> transformer.Config:
        """The Transformer's settings."""
        return transformer.Config(**self.model_dump(exclude={"patch", "category_width"}), positions="none")


class VisionTransformer(nn.Module):
    """Inputs → {head: (B, size)}, from a vector that looks at all patches, and the columns beside the image."""

    def __init__(self, config: Config, shapes: Shapes) -> None:
        super().__init__()
        assert shapes.image is not None
        assert shapes.heads
        self.pixels = Pixels(shapes)
        self.embedding = PatchEmbedding(config, shapes.image)
        self.layers = Layers(config.trunk)
        parts = table_parts(shapes, config.category_width)
        self.columns = Concat(parts) if parts else None
        self.heads = Heads(config.width + (self.columns.width if self.columns else 0), shapes.heads)

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        x = self.layers(self.embedding(self.pixels(inputs["image"])), View())[:, 0]
        if self.columns is not None:
            x = torch.cat([x, self.columns(inputs)], dim=1)
        return self.heads(x)


class PatchEmbedding(nn.Module):
    """(B, C, H, W) → (B, 1 + patches, width): a vector that sums up, then each patch; with their places.

    The right and the lower edge are filled up to whole patches with the training pixels' mean.
    """

    def __init__(self, config: Config, image: tuple[int, int, int]) -> None:
        super().__init__()
        channels, self.height, self.width = (image[0], *whole_patches(image, config.patch))
        patches = self.height * self.width // config.patch**2
        self.project = nn.Conv2d(channels, config.width, config.patch, config.patch)
        self.summary = nn.Parameter(torch.zeros(1, 1, config.width))
        self.positions = nn.Parameter(torch.randn(1, 1 + patches, config.width) * 0.02)
        self.dropout = Dropout(config.dropout)

    def forward(self, pixels: Tensor) -> Tensor:
        height, width = pixels.shape[2:]
        if (height, width) != (self.height, self.width):
            pixels = F.pad(pixels, (0, self.width - width, 0, self.height - height))
        patches = self.project(pixels).flatten(2).transpose(1, 2)
        x = torch.cat([self.summary.expand(patches.shape[0], -1, -1), patches], dim=1)
        return self.dropout(x + self.positions)


def whole_patches(image: tuple[int, int, int], patch: int) -> tuple[int, int]:
    """Height and width of the image (C, H, W), filled up to whole patches."""
    height, width = (-(-side // patch) * patch for side in image[1:])
    return height, width


def _fields(shapes: Shapes, rows: int) -> dict[str, Any]:
    """About four patches along the shorter side, whole ones if possible, and a size that grows with the images.

    Few wide patches learn faster than many narrow ones: in one minute on Fashion-MNIST, 4 × 4 patches and width 128
    reach 83 %, 7 × 7 patches and width 64, at the same cost, 77 %.
    """
    assert shapes.image is not None
    size = next(size for least, size in SIZES if rows >= least)
    height, width = shapes.image[1:]
    whole = [patch for patch in range(2, 17) if height % patch == width % patch == 0]
    suited = min(max(min(height, width) / 4, 2), 16)
    return size | {"patch": min(whole or range(2, 17), key=lambda patch: abs(math.log(patch / suited)))}


def _training(shapes: Shapes, rows: int) -> dict[str, Any]:
    return {
        "optimizer": "adamw",
        "batch_size": power_of_two(rows / 50, 32, 128),
        "epochs": epochs_for(rows, passes=600_000, least=8),
        "learning_rate": 1e-3,
        "weight_decay": 0.05,
        "schedule": "cosine",
        "warmup": 0.1,
        "clip": 1.0,
        "label_smoothing": 0.1,
        "precision": "bfloat16",
        "augment": True,
        "early_stopping": False,
        "keep": "best",
    }


def _write(ours: Config, shapes: Shapes) -> dict[str, Any]:
    assert shapes.image is not None
    height, width = whole_patches(shapes.image, ours.patch)
    return {
        "num_channels": shapes.image[0],
        "image_size": height if height == width else [height, width],
        "intermediate_size": ours.trunk.inner,
    }


LAYOUT = Layout(
    model_type="vit",
    classifier="ViTForImageClassification",
    rules=(
        Rule("embedding.summary", "vit.embeddings.cls_token"),
        Rule("embedding.positions", "vit.embeddings.position_embeddings"),
        Rule("embedding.project", "vit.embeddings.patch_embeddings.projection"),
        Rule(
            "layers.blocks.{n}.attention.qkv",
            tuple(f"vit.encoder.layer.{{n}}.attention.attention.{part}" for part in ("query", "key", "value")),
            rows=lambda config: query_key_value(config.trunk),
        ),
        Rule("layers.blocks.{n}.attention.out", "vit.encoder.layer.{n}.attention.output.dense"),
        Rule("layers.blocks.{n}.attention_norm", "vit.encoder.layer.{n}.layernorm_before"),
        Rule("layers.blocks.{n}.mlp.up", "vit.encoder.layer.{n}.intermediate.dense"),
        Rule("layers.blocks.{n}.mlp.down", "vit.encoder.layer.{n}.output.dense"),
        Rule("layers.blocks.{n}.mlp_norm", "vit.encoder.layer.{n}.layernorm_after"),
        Rule("layers.norm", "vit.layernorm"),
        Rule("heads.linear", "classifier", output=True),
    ),
    settings={
        "patch": "patch_size",
        "width": "hidden_size",
        "depth": "num_hidden_layers",
        "heads": "num_attention_heads",
        "hidden": "intermediate_size",
        "activation": "hidden_act",
        "norm_eps": "layer_norm_eps",
        "qkv_bias": "qkv_bias",
        "dropout": "hidden_dropout_prob",
        "attention_dropout": "attention_probs_dropout_prob",
    },
    defaults={"qkv_bias": True},
    prefix="vit.",
    heads=("classifier.*", "vit.pooler.*"),
    local=("pixels.*",),
    write=_write,
)

FAMILY = Family(
    name="vit",
    summary="models.vit",
    config=Config,
    reads={"image": ("image", *TABLE)},
    build=VisionTransformer,
    fields=_fields,
    training=_training,
    layout=LAYOUT,
)
