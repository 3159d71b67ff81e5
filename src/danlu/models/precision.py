"""The precision in which a trained model computes. Knows no family."""

import copy
from typing import Literal

import torch
from torch import nn

from danlu.models.int8 import Int8Linear
from danlu.models.packed import PackedLayers, can_be_packed
from danlu.models.transformer import Layers

LEAST = 32  # inputs of a matrix that is worth rounding

Precision = Literal["float32", "bfloat16", "int8"]


def computed_in(module: nn.Module, precision: Precision) -> nn.Module:
    """A copy that computes in bfloat16, with "int8" from matrices of 8 bits; the module itself for "float32".

    Where a step does little but read the weights, as in writing one text, it is as much faster as they are smaller.
    """
    if precision == "float32":
        return module
    made = copy.deepcopy(module)
    return (in_int8(made) if precision == "int8" else made).to(torch.bfloat16)


def in_int8(module: nn.Module) -> nn.Module:
    """The module with its matrices of LEAST inputs or more in 8 bits; the module itself, changed."""
    for name, child in module.named_children():
        if type(child) is nn.Linear and child.in_features >= LEAST:
            setattr(module, name, Int8Linear.of(child))
            continue
        in_int8(child)
        if type(child) is Layers and can_be_packed(child):
            setattr(module, name, PackedLayers(child))
    return module
