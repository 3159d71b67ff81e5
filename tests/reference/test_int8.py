"""Matrices of 8 bits, beside those they were rounded from."""

import pytest
import torch
from torch import nn

from danlu.data.store import Shapes
from danlu.generation import generate
from danlu.generation.config import GenerationConfig
from danlu.models import build
from danlu.models.int8 import FEW, Int8Linear
from danlu.models.precision import computed_in, in_int8


@pytest.mark.parametrize("rows", [(), (1,), (FEW,), (FEW + 1,), (3, 700), (0,)])
@pytest.mark.parametrize("inputs", [64, 50])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.no_grad()
def test_products_differ_by_the_rounding_alone(rows, inputs, dtype):
    torch.manual_seed(0)
    linear = nn.Linear(inputs, 96)
    small = in_int8(nn.Sequential(linear))
    assert isinstance(small[0], Int8Linear)
    x = torch.randn(*rows, inputs) * torch.rand(*rows, 1).mul(5).exp()  # vectors of very different lengths
    y, exact = small.to(dtype)(x.to(dtype)), linear(x)
    assert y.shape == exact.shape
    assert y.dtype == dtype
    if y.numel():
        error = (y.float() - exact).norm(dim=-1) / (exact - linear.bias).norm(dim=-1)
        assert error.max() < 0.03


@torch.no_grad()
def test_a_vector_of_zeros_gives_the_bias():
    small = in_int8(nn.Sequential(nn.Linear(64, 8)))
    y = small(torch.zeros(FEW + 4, 64))
    torch.testing.assert_close(y, small[0].bias.expand_as(y))


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
@pytest.mark.parametrize(("family", "tied"), [("llama", False), ("llama", True), ("gpt2", True)])
def test_a_language_model_writes_in_every_precision(family, tied, precision):
    torch.manual_seed(0)
    fields = {"width": 64, "depth": 2, "heads": 4, "max_length": 64, "tied": tied, "dropout": 0.0}
    module, _ = build(family, fields, Shapes(tokens=50, max_tokens=64))
    module.eval()
    fast = computed_in(module, precision)
    tokens = torch.randint(0, 50, (2, 30))
    with torch.no_grad():
        exact, near = (each({"tokens": tokens})["logits"].float() for each in (module, fast))
    assert torch.cosine_similarity(exact.flatten(), near.flatten(), dim=0) > 0.999
    written = generate(fast, [[1, 2, 3], [4]], GenerationConfig(temperature=0.0, max_new_tokens=5))
    assert [len(tokens) for tokens in written] == [5, 5]
    assert next(module.parameters()).dtype == torch.float32, "the model itself stays as it is"
