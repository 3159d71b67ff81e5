"""Activations equal their closed forms."""

import math

import pytest
import torch

from danlu.models.activations import ACTIVATIONS

X = torch.linspace(-6, 6, 101, dtype=torch.float64)
CLOSED_FORMS = {
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "tanh": lambda x: (math.exp(x) - math.exp(-x)) / (math.exp(x) + math.exp(-x)),
    "relu": lambda x: max(0.0, x),
    "gelu": lambda x: x * 0.5 * (1 + math.erf(x / math.sqrt(2))),
    "silu": lambda x: x / (1 + math.exp(-x)),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_equals_its_formula(name):
    expected = torch.tensor([CLOSED_FORMS[name](x) for x in X.tolist()], dtype=torch.float64)
    torch.testing.assert_close(ACTIVATIONS[name]()(X), expected)
