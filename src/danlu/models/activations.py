"""Activations by their names in a recipe. Knows nothing of models."""

from collections.abc import Callable
from typing import Literal

from torch import nn

Activation = Literal["sigmoid", "tanh", "relu", "gelu", "silu"]

ACTIVATIONS: dict[Activation, Callable[[], nn.Module]] = {
    "sigmoid": nn.Sigmoid,  # 1 / (1 + e⁻ˣ)
    "tanh": nn.Tanh,  # (eˣ - e⁻ˣ) / (eˣ + e⁻ˣ)
    "relu": nn.ReLU,  # max(0, x)
    "gelu": nn.GELU,  # x Φ(x), Φ the normal distribution; Hendrycks and Gimpel 2016
    "silu": nn.SiLU,  # x · sigmoid(x)
}
