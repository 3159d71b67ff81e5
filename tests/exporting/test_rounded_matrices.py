"""Matrices in 8 bits: near to what they were, and the same after loading."""

import pytest
import torch
from safetensors.torch import load, save
from torch import nn

from danlu.models.int8 import Int8Linear
from danlu.models.precision import in_int8


@pytest.fixture
def linear() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(96, 40)


@pytest.mark.parametrize("shape", [(1, 96), (7, 96), (2, 5, 96), (0, 96)])
def test_outputs_are_near_to_those_of_the_matrix(linear, shape):
    x = torch.randn(shape)
    small = in_int8(nn.Sequential(linear))
    assert isinstance(small[0], Int8Linear)
    with torch.inference_mode():
        wanted, got = linear(x), small(x)
    assert got.shape == wanted.shape
    torch.testing.assert_close(got, wanted, atol=0.03, rtol=0.0)


def test_weights_survive_safetensors(linear):
    small, x = in_int8(nn.Sequential(linear)), torch.randn(3, 96)
    other = in_int8(nn.Sequential(nn.Linear(96, 40)))
    other.load_state_dict(load(save(small.state_dict())))
    with torch.inference_mode():
        assert torch.equal(small(x), other(x))


def test_small_matrices_and_what_only_looks_like_one_stay():
    module = nn.ModuleDict({"few": nn.Linear(8, 100), "many": nn.Linear(64, 2), "cells": nn.LSTM(64, 8)})
    kinds = {name: type(child) for name, child in in_int8(module).items()}
    assert kinds == {"few": nn.Linear, "many": Int8Linear, "cells": nn.LSTM}
