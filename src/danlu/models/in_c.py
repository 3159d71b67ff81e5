"""What loops in C see of a model: numbers that stand for names, and where tensors lie."""

from collections.abc import Sequence
from ctypes import Structure, c_void_p
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from danlu.models.transformer import Block, Layers

KINDS = {torch.float32: 0, torch.bfloat16: 1, torch.int8: 2}
ACTIVATIONS = {"relu": 0, "gelu": 1, "gelu_tanh": 2, "silu": 3}


def open_to_c(x: Tensor) -> bool:
    """Whether numbers may be read and written behind torch's back: on a processor, and nothing traces."""
    if torch.compiler.is_compiling() or torch.compiler.is_exporting():
        return False
    return x.device.type == "cpu" and not torch._C._len_torch_dispatch_stack()


def at(values: Tensor) -> c_void_p:
    """Where the values lie; they must be held on to."""
    return c_void_p(values.data_ptr())


class Norm(Structure):
    _fields_ = [("weight", c_void_p), ("bias", c_void_p)]


class Held:
    """Tensors as C wants them, and their addresses, which hold for as long as this does."""

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []

    def exact(self, values: Tensor | None) -> int | None:
        """The address of the values in float32: their own where they are so already."""
        return None if values is None else self.address(values.detach().float().contiguous())

    def address(self, values: Tensor) -> int:
        """Where the values lie."""
        self.tensors.append(values.detach())  # a parameter that is moved or cast lets go of what it was
        return values.data_ptr()

    def norm(self, norm: nn.Module | None) -> Norm:
        """None of its own where there is none."""
        if not isinstance(norm, nn.LayerNorm | nn.RMSNorm):
            return Norm()
        return Norm(self.exact(norm.weight), self.exact(norm.bias if isinstance(norm, nn.LayerNorm) else None))


def addresses(tensors: Sequence[Tensor]) -> Any:
    """An array of where tensors lie, which must be held on to."""
    return (c_void_p * len(tensors))(*(tensor.data_ptr() for tensor in tensors))


def blocks_of(layers: "Layers") -> "list[Block]":
    """The blocks, by their type."""
    return list(layers.blocks)  # type: ignore[arg-type]
