"""Layers of an encoder that reads and does not learn: no padding, and nothing but C between the products.

Positions of all rows lie behind each other. Equal to the modules but for the order of sums, and for what lies between
the products, which is in float32 whatever these are in. Shapes: see transformer.py; N positions of all rows, O outputs
of a matrix.
"""

import functools
from ctypes import CDLL, Structure, byref, c_double, c_int64, c_void_p
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from danlu import native
from danlu.models.in_c import ACTIVATIONS, KINDS, Held, at, blocks_of, open_to_c
from danlu.models.int8 import Int8Linear

if TYPE_CHECKING:
    from danlu.models.transformer import Block, Layers, View

AT_ONCE = 1024  # positions of which what lies between products stays in cache


class _Product(Structure):
    _fields_ = [
        *((name, c_void_p) for name in ("values", "vector_scale", "scale", "bias")),
        ("outputs", c_int64), ("kind", c_int64),
    ]  # fmt: skip


class _Stored(Structure):
    _fields_ = [("values", c_void_p), ("scale", c_void_p), ("kind", c_int64)]


def packed(layers: "Layers", x: Tensor, view: "View") -> Tensor | None:
    """Embedded inputs (B, T, W) → (B, T, W), those of padding 0; None where C does not know the case."""
    learns = layers.training or torch.is_grad_enabled()
    if learns or not open_to_c(x) or not x.numel() or not _seen_by_all(view):
        return None
    kind, library = _kind(layers), _library()
    if kind is None or library is None:
        return None
    inside = x.new_ones(x.shape[:2], dtype=torch.bool) if view.mask is None else view.mask[:, 0, 0]
    y = torch.zeros_like(x)
    parts = _parts(x[inside].float(), inside.sum(1))
    y[inside] = torch.cat([_Pass(layers, kind, library, lengths).states(part) for part, lengths in parts]).to(x.dtype)
    return y


def _seen_by_all(view: "View") -> bool:
    padded_at_most = view.mask is None or view.mask.shape[1:3] == (1, 1)
    return padded_at_most and not view.causal and not view.ordered and view.cos is None


def _kind(layers: "Layers") -> torch.dtype | None:
    """The type in which all matrices are multiplied; None where settings or matrices are none that C knows."""
    config = layers.config
    if config.causal or config.cross or config.qk_norm or config.window or config.key_heads != config.heads:
        return None
    kinds = {_kind_of(matrix) for block in blocks_of(layers) for matrix in _matrices(block)}
    return kinds.pop() if len(kinds) == 1 else None


def _kind_of(matrix: nn.Module) -> torch.dtype | None:
    if type(matrix) is Int8Linear:
        return torch.int8
    own = matrix.weight.dtype if type(matrix) is nn.Linear else None
    kind = torch.get_autocast_dtype("cpu") if own and torch.is_autocast_enabled("cpu") else own
    return kind if kind in KINDS else None


def _matrices(block: "Block") -> tuple[nn.Module, ...]:
    return block.attention.qkv, block.attention.out, block.mlp.up, block.mlp.down


def _parts(x: Tensor, lengths: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Positions (N, W) and lengths of rows, in parts of whole rows of some AT_ONCE positions."""
    ends = lengths.cumsum(0)
    part = (ends - 1) // AT_ONCE
    counts = torch.unique_consecutive(part, return_counts=True)[1].tolist()
    groups = lengths.split(counts)
    return list(zip(x.split([int(group.sum()) for group in groups]), groups, strict=True))


class _Vectors:
    """What a product reads: (N, width), of 8 bits with scales (N,)."""

    def __init__(self, rows: int, width: int, kind: torch.dtype) -> None:
        self.values = torch.empty(rows, width, dtype=kind)
        self.scale = torch.empty(rows if kind == torch.int8 else 0, dtype=torch.float32)
        self.structure = _Stored(self.values.data_ptr(), self.scale.data_ptr(), KINDS[kind])


class _Pass:
    """One pass of some rows through the layers."""

    def __init__(self, layers: "Layers", kind: torch.dtype, library: CDLL, lengths: Tensor) -> None:
        """lengths (B,), at least one position in all."""
        self.layers, self.kind, self.library, self.config = layers, kind, library, layers.config
        self.begins = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
        self.rows, self.threads, self.held = int(self.begins[-1]), c_int64(native.threads()), Held()

    def states(self, x: Tensor) -> Tensor:
        """(N, W) → (N, W), a copy."""
        config, x = self.config, x.clone()
        narrow, wide = self._room(config.width), self._room(config.inner)
        inner = config.heads * config.per_head
        heads = narrow if inner == config.width else self._room(inner)
        mixed = heads.values if self.kind == torch.float32 else torch.empty(self.rows, inner, dtype=torch.float32)
        blocks = blocks_of(self.layers)
        after = config.norm_place == "after"
        self._store(x if after else _normed(blocks[0].attention_norm, x), narrow)
        for block, following in zip(blocks, [*blocks[1:], None], strict=True):
            self._attend(self._product(block.attention.qkv, narrow), mixed)
            if mixed is not heads.values:
                self._store(mixed, heads)
            norms = (block.mlp_norm, following.attention_norm if following else None)  # of what reads the sums
            norms = (block.attention_norm, block.mlp_norm) if after else norms
            self._add(self._product(block.attention.out, heads), x, norms[0], narrow)
            self._activate(self._product(block.mlp.up, narrow), wide)
            self._add(self._product(block.mlp.down, wide), x, norms[1], narrow)
        return _normed(self.layers.norm, x)

    def _room(self, width: int) -> _Vectors:
        return _Vectors(self.rows, width, self.kind)

    def _product(self, matrix: nn.Module, x: _Vectors) -> _Product:
        assert isinstance(matrix, Int8Linear | nn.Linear)
        if isinstance(matrix, Int8Linear):
            self.product = torch._int_mm(x.values, matrix.weight.t())  # of one: those of all layers fill no cache
            scale = self.held.exact(matrix.scale)
        else:
            self.product, scale = torch.mm(x.values, _factor(matrix, self.kind)), None
        outputs = self.product.shape[1]
        bias = self.held.exact(torch.zeros(outputs) if matrix.bias is None else matrix.bias)
        return _Product(self.product.data_ptr(), x.scale.data_ptr(), scale, bias, outputs, KINDS[self.kind])

    def _store(self, x: Tensor, to: _Vectors) -> None:
        rows, width = x.shape
        self.library.store_rows(at(x), c_int64(rows), c_int64(width), byref(to.structure), self.threads)

    def _attend(self, qkv: _Product, out: Tensor) -> None:
        config, texts = self.config, len(self.begins) - 1
        self.library.attend_rows(
            byref(qkv), at(self.begins), c_int64(texts), c_int64(config.heads), c_int64(config.per_head), at(out),
            self.threads,
        )  # fmt: skip

    def _add(self, y: _Product, x: Tensor, norm: nn.Module | None, to: _Vectors) -> None:
        config = self.config
        after, rms = c_int64(config.norm_place == "after"), c_int64(config.norm == "rms")
        self.library.add_rows(
            byref(y), at(x), c_int64(self.rows), byref(self.held.norm(norm)), rms, after, c_double(config.norm_eps),
            byref(to.structure), self.threads,
        )  # fmt: skip

    def _activate(self, y: _Product, to: _Vectors) -> None:
        activation, gated = c_int64(ACTIVATIONS[self.config.activation]), c_int64(self.config.gated)
        self.library.activate_rows(byref(y), c_int64(self.rows), activation, gated, byref(to.structure), self.threads)


# matrix → its weight, the weight's version, what that gave
_cast: WeakKeyDictionary[nn.Module, tuple[Tensor, int, Tensor]] = WeakKeyDictionary()


def _factor(matrix: nn.Linear, kind: torch.dtype) -> Tensor:
    """The weight as (inputs, outputs) of a type, cast once for as long as it does not change."""
    weight = matrix.weight.detach()
    if weight.dtype == kind or weight.is_inference():  # whose changes nobody counts
        return weight.t().to(kind)
    source, version, cast = _cast.get(matrix, (None, 0, weight))
    if source is None or source.data_ptr() != weight.data_ptr() or version != weight._version:
        cast = weight.t().to(kind, memory_format=torch.contiguous_format)
        _cast[matrix] = weight, weight._version, cast
    return cast


def _normed(norm: nn.Module, x: Tensor) -> Tensor:
    """x (N, W) float32, normalised in the type of the norm's weights: bfloat16 in what writes texts."""
    return norm(x.to(next(norm.parameters(), x).dtype)).float()


@functools.cache
def _library() -> CDLL | None:
    return native.library("encoder")
