"""The precision in which a trained model computes. Knows no family."""

import copy
from typing import Literal

import torch
from torch import nn

from danlu.models.int8 import in_int8

Precision = Literal["float32", "bfloat16", "int8"]


def computed_in(module: nn.Module, precision: Precision) -> nn.Module:
    """A copy that computes in bfloat16, with "int8" from matrices of 8 bits; the module itself for "float32".

    Where a step does little but read the weights, as in writing one text, it is as much faster as they are smaller.
    """
    if precision == "float32":
        return module
    made = copy.deepcopy(module)
    return (in_int8(made) if precision == "int8" else made).to(torch.bfloat16)
