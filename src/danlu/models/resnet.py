"""Residual networks for images (He et al. 2015), with the published stem or one for small images."""

from typing import Any, Literal

from pydantic import Field
from torch import Tensor, nn

from danlu.data.store import Shapes
from danlu.models.family import TABLE, Family, epochs_for, power_of_two
from danlu.models.heads import Readout
from danlu.models.inputs import Concat, Part, Pixels, table_parts
from danlu.recipe import Frozen

# Blocks of each of the four stages, and whether they are bottlenecks (table 1 of the paper).
DEPTHS: dict[int, tuple[tuple[int, ...], bool]] = {
    18: ((2, 2, 2, 2), False),
    34: ((3, 4, 6, 3), False),
    50: ((3, 4, 6, 3), True),
    101: ((3, 4, 23, 3), True),
    152: ((3, 8, 36, 3), True),
}
BOTTLENECK = 4  # a bottleneck's outputs are this many times as wide as its 3×3 convolution


class Config(Frozen):
    """Depth, width and stem; depth 18, width 64 and the large stem are the published ResNet-18."""

    depth: Literal[18, 34, 50, 101, 152] = Field(18, description="layers of the network")
    width: int = Field(64, ge=1, description="channels of the first stage; each stage doubles them")
    stem: Literal["small", "large"] = Field("large", description="3×3, or 7×7 and pooling that quarter the image")
    dropout: float = Field(0.0, ge=0, lt=1, description="before the heads")
    zero_init: bool = Field(True, description="blocks begin as the identity (Goyal et al. 2017)")
    category_width: int = Field(8, ge=1, description="width of an embedded category")


class ResNet(Part):
    """Stem → four stages of residual blocks → the mean over the image."""

    def __init__(self, shapes: Shapes, config: Config) -> None:
        super().__init__()
        assert shapes.image is not None
        blocks, bottleneck = DEPTHS[config.depth]
        self.pixels = Pixels(shapes)
        self.stem = _stem(shapes.image[0], config)
        stages: list[nn.Module] = []
        channels = config.width
        for stage, count in enumerate(blocks):
            inner = config.width * 2**stage
            for position in range(count):
                stride = 2 if stage and not position else 1
                block = Block(channels, inner, stride, bottleneck, config.zero_init)
                stages.append(block)
                channels = block.width
        self.stages = nn.Sequential(*stages)
        self.width = channels

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        return self.stages(self.stem(self.pixels(inputs["image"]))).mean((2, 3))


class Block(nn.Module):
    """x + f(x), f two 3×3 convolutions, or 1×1, 3×3 and 1×1 as a bottleneck; stride in the (first) 3×3."""

    def __init__(self, channels: int, inner: int, stride: int, bottleneck: bool, zero_init: bool) -> None:
        super().__init__()
        self.width = inner * BOTTLENECK if bottleneck else inner
        layers = _bottleneck(channels, inner, stride) if bottleneck else _basic(channels, inner, stride)
        changes = stride != 1 or channels != self.width
        self.residual = nn.Sequential(*layers)
        self.shortcut = nn.Sequential(*_convolution(channels, self.width, 1, stride) if changes else ())
        self.activation = nn.ReLU(inplace=True)
        if zero_init and isinstance(layers[-1], nn.BatchNorm2d):
            nn.init.zeros_(layers[-1].weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.residual(x) + self.shortcut(x))


def _basic(channels: int, inner: int, stride: int) -> list[nn.Module]:
    return [
        *_convolution(channels, inner, 3, stride),
        nn.ReLU(inplace=True),
        *_convolution(inner, inner, 3),
    ]


def _bottleneck(channels: int, inner: int, stride: int) -> list[nn.Module]:
    return [
        *_convolution(channels, inner, 1),
        nn.ReLU(inplace=True),
        *_convolution(inner, inner, 3, stride),
        nn.ReLU(inplace=True),
        *_convolution(inner, inner * BOTTLENECK, 1),
    ]


def _stem(channels: int, config: Config) -> nn.Sequential:
    if config.stem == "small":
        return nn.Sequential(*_convolution(channels, config.width, 3), nn.ReLU(inplace=True))
    pool = nn.MaxPool2d(3, stride=2, padding=1)
    return nn.Sequential(*_convolution(channels, config.width, 7, 2), nn.ReLU(inplace=True), pool)


def _convolution(before: int, after: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    """A convolution, initialised for ReLU (He et al. 2015, Delving Deep into Rectifiers), normalised."""
    convolution = nn.Conv2d(before, after, kernel, stride, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return [convolution, nn.BatchNorm2d(after)]


def _build(config: Config, shapes: Shapes) -> Readout:
    parts: list[Part] = [ResNet(shapes, config), *table_parts(shapes, config.category_width)]
    assert shapes.heads
    return Readout(Concat(parts), shapes.heads, config.dropout)


def _fields(shapes: Shapes, rows: int) -> dict[str, Any]:
    """The small stem below 64 pixels; a width that the number of images can fill."""
    assert shapes.image is not None
    small = min(shapes.image[1:]) < 64
    return {
        "stem": "small" if small else "large",
        "width": 16 if rows < 100_000 else 32 if rows < 500_000 else 64,
    }


def _training(shapes: Shapes, rows: int) -> dict[str, Any]:
    """AdamW; float32 for tiny images, whose maps shrink to one pixel: there oneDNN's bfloat16 gradients are wrong."""
    assert shapes.image is not None
    return {
        "optimizer": "adamw",  # in 16 epochs of Fashion-MNIST 94.8 % of the validation rows; SGD in 20, 94.2
        "batch_size": power_of_two(rows / 50, 32, 128),
        "epochs": epochs_for(rows, passes=860_000, least=16),
        "learning_rate": 3e-3,
        "weight_decay": 0.05,
        "schedule": "cosine",
        "warmup": 0.1,
        "label_smoothing": 0.05,
        "precision": "bfloat16" if min(shapes.image[1:]) >= 16 else "float32",
        "augment": True,
        "early_stopping": False,
        "keep": "best",
    }


FAMILY = Family(
    name="resnet",
    summary="models.resnet",
    config=Config,
    reads={"image": ("image", *TABLE)},
    build=_build,
    fields=_fields,
    training=_training,
)
