"""The precision in which a trained model computes. Knows no family."""

import copy
from typing import TypeVar

import torch
from torch import nn

from danlu.errors import DanluError
from danlu.models.causal import CausalLM
from danlu.models.encoder_decoder import EncoderDecoder
from danlu.models.int8 import Int8Linear
from danlu.models.long_tail import LanguageModel
from danlu.recipe import ComputedIn

AnyModule = TypeVar("AnyModule", bound=nn.Module)

LEAST = 32  # inputs of a matrix that is worth rounding


def computed_in(module: nn.Module, precision: ComputedIn) -> nn.Module:
    """A copy that computes in bfloat16, with "int8" from matrices of 8 bits; the module itself for "float32".

    What writes texts has its weights in bfloat16 too: there a step does little but read them. What else there is keeps
    sums and norms in float32. Raises DanluError for "int8" of a module without matrices that can be rounded.
    """
    if precision == "float32":
        return module
    made = copy.deepcopy(module)
    vars(made).pop("forward", None)  # of a module that computes in bfloat16: it would be computed, not the copy
    if precision == "int8":
        in_int8(made)
        if not any(isinstance(each, Int8Linear) for each in made.modules()):
            raise DanluError("models.no_matrices")
    if isinstance(made, CausalLM | EncoderDecoder | LanguageModel):
        return made.to(torch.bfloat16)
    if precision == "bfloat16":
        kind = next(made.parameters()).device.type
        made.forward = torch.autocast(kind, torch.bfloat16)(made.forward)
    return made


def in_int8(module: AnyModule) -> AnyModule:
    """The module with its matrices of LEAST inputs or more in 8 bits; the module itself, changed."""
    for name, child in module.named_children():
        if type(child) is nn.Linear and child.in_features >= LEAST:
            setattr(module, name, Int8Linear.of(child))
            continue
        in_int8(child)
    return module
