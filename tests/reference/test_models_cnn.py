"""Convolutional networks equal the same networks written plainly."""

import torch
import torch.nn.functional as F
from torch import nn

from danlu.data.store import Shapes
from danlu.models import build


def randomised(model: nn.Module) -> nn.Module:
    """`model` in evaluation mode with every weight and statistic away from where it starts."""
    torch.manual_seed(1)
    for name, tensor in model.state_dict().items():
        if name.endswith("running_var"):
            nn.init.uniform_(tensor, 0.5, 2.0)
        elif tensor.is_floating_point() and "pixels" not in name:
            tensor.add_(0.1 * torch.randn_like(tensor))
    return model.eval()


def test_image_network_equals_convolutions_written_plainly():
    shapes = Shapes(image=(1, 9, 9), image_mean=(100.0,), image_std=(50.0,), heads={"y": 3})
    model = randomised(build("cnn", {"width": 4, "depth": 2}, shapes)[0])
    image = torch.randint(0, 256, (2, 1, 9, 9), dtype=torch.uint8)
    modules = list(model.modules())
    convolutions = [m for m in modules if isinstance(m, nn.Conv2d)]
    norms = [m for m in modules if isinstance(m, nn.BatchNorm2d)]
    x = (image.float() - 100) / 50
    for i, (convolution, norm) in enumerate(zip(convolutions, norms, strict=True)):
        if i == 2:
            x = F.max_pool2d(x, 2, ceil_mode=True)
        x = F.conv2d(x, convolution.weight, padding=1)
        x = F.relu(F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias))
    expected = model.heads.linear(x.mean((2, 3)))
    torch.testing.assert_close(model({"image": image})["y"], expected)


def test_token_filters_give_their_greatest_response_in_the_text():
    shapes = Shapes(tokens=12, max_tokens=6, heads={"y": 2})
    model = randomised(build("cnn", {"kernels": (2, 3), "filters": 4, "token_width": 5}, shapes)[0])
    part = model.read.parts[0]
    with torch.no_grad():
        part.vectors.weight[0] = 0.0  # padding
    text = [3, 9, 4, 11]
    vectors = part.vectors.weight[text]
    expected = []
    for convolution in part.filters:
        kernel = convolution.kernel_size[0]
        around = F.pad(vectors, (0, 0, kernel // 2, (kernel - 1) // 2))
        windows = torch.stack([around[i : i + kernel] for i in range(len(text))])
        responses = torch.einsum("nkd,fdk->nf", windows, convolution.weight) + convolution.bias
        expected.append(F.relu(responses.amax(0)))
    padded = {"tokens": torch.tensor([[*text, 0, 0]]), "tokens_length": torch.tensor([4])}
    torch.testing.assert_close(part(padded)[0], torch.cat(expected))


def test_long_sequences_are_halved_by_every_stage_and_padding_changes_nothing():
    shapes = Shapes(sequence=2, max_steps=1000, heads={"y": 2})
    model = randomised(build("cnn", {"depth": 3, "filters": 8}, shapes)[0])
    part = model.read.parts[0]
    x, length = torch.randn(1, 2, 333), torch.tensor([333])
    for stage, steps in zip(part.stages, (167, 84, 42), strict=True):
        x, length = stage(x, length)
        assert x.shape[2] == length.item() == steps
    sequence = torch.randn(1, 333, 2)
    alone = model({"sequence": sequence, "sequence_length": torch.tensor([333])})["y"]
    padded = F.pad(sequence, (0, 0, 0, 100))
    torch.testing.assert_close(model({"sequence": padded, "sequence_length": torch.tensor([333])})["y"], alone)
