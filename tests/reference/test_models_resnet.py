"""ResNet is the published one: as many parameters, the same function."""

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from danlu.data.store import Shapes
from danlu.models import build, size
from danlu.models.resnet import DEPTHS

# Parameters of the networks of He et al. 2015 with 1000 classes, as torchvision counts them.
PUBLISHED = {18: 11_689_512, 34: 21_797_672, 50: 25_557_032, 101: 44_549_160, 152: 60_192_808}
SHAPES = Shapes(image=(3, 64, 64), heads={"class": 1000})


@pytest.mark.parametrize("depth", DEPTHS)
def test_has_as_many_parameters_as_published(depth):
    with torch.device("meta"):
        model, _ = build("resnet", {"depth": depth}, SHAPES)
    assert size(model)["parameters"] == PUBLISHED[depth]


@pytest.mark.parametrize("depth", [18, 50])
def test_computes_the_published_function(depth):
    torch.manual_seed(0)
    model = build("resnet", {"depth": depth, "width": 8, "zero_init": False}, SHAPES)[0].eval()
    for norm in (m for m in model.modules() if isinstance(m, nn.BatchNorm2d)):
        nn.init.uniform_(norm.running_var, 0.5, 2.0)
        nn.init.normal_(norm.running_mean, std=0.1)
        nn.init.uniform_(norm.weight, 0.5, 1.0)
    image = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        expected = published_resnet(model, (image.float() - 127.5) / 64, depth)
        torch.testing.assert_close(model({"image": image})["class"], expected, rtol=1e-3, atol=1e-4)


def published_resnet(model: nn.Module, x: Tensor, depth: int) -> Tensor:
    """Table 1 of the paper, with the weights of `model` in the order in which they are used.

    A block's residual comes before its projection.
    """
    blocks, bottleneck = DEPTHS[depth]
    layers = zip(
        [m for m in model.modules() if isinstance(m, nn.Conv2d)],
        [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)],
        strict=True,
    )
    x = F.max_pool2d(F.relu(normalised(layers, x, stride=2)), 3, 2, 1)
    for stage, count in enumerate(blocks):
        for position in range(count):
            stride = 2 if stage and position == 0 else 1
            y = x
            strides = (1, stride, 1) if bottleneck else (stride, 1)
            for last, s in zip((*[False] * (len(strides) - 1), True), strides, strict=True):
                y = normalised(layers, y, s)
                y = y if last else F.relu(y)
            projects = position == 0 and (stage > 0 or bottleneck)
            x = F.relu(y + (normalised(layers, x, stride) if projects else x))
    return model.heads.linear(x.mean((2, 3)))


def normalised(layers: Iterator[tuple[nn.Conv2d, nn.BatchNorm2d]], x: Tensor, stride: int) -> Tensor:
    """The next convolution and its batch normalisation with `stride`."""
    convolution, norm = next(layers)
    x = F.conv2d(x, convolution.weight, stride=stride, padding=convolution.weight.shape[-1] // 2)
    return F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias)


def test_small_stem_keeps_the_size_of_the_image():
    model, _ = build("resnet", {"stem": "small", "width": 4}, Shapes(image=(1, 8, 8), heads={"y": 2}))
    part = model.read.parts[0]
    assert part.stem(torch.zeros(1, 1, 8, 8)).shape == (1, 4, 8, 8)


def test_blocks_begin_as_the_identity():
    torch.manual_seed(0)
    model, _ = build("resnet", {"width": 4}, Shapes(image=(1, 32, 32), heads={"y": 2}))
    block = model.read.parts[0].stages[1].eval()
    x = torch.rand(2, 4, 8, 8)
    torch.testing.assert_close(block(x), x)
