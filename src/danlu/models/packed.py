"""Layers of an encoder whose matrices are of 8 bits: no padding, and nothing but C between the products.

Positions of all rows lie behind each other. Equal to the layers that it stands for but for the order of sums and for
attention, which is in float32. Shapes: see transformer.py; N positions of all rows, O outputs of a matrix.
"""

import functools
from ctypes import CDLL, Structure, byref, c_double, c_int64, c_void_p
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from danlu import native
from danlu.models.in_c import ACTIVATIONS, Held, at, open_to_c
from danlu.models.int8 import Int8Linear
from danlu.models.transformer import Cache, Encoded, Layers, View, blocks_of

AT_ONCE = 1024  # positions of which what lies between products stays in cache


class _Product(Structure):
    _fields_ = [
        *((name, c_void_p) for name in ("sums", "vector_scale", "scale", "bias")),
        ("outputs", c_int64),
    ]  # fmt: skip


class _Rounded(Structure):
    _fields_ = [("values", c_void_p), ("scale", c_void_p)]


class PackedLayers(Layers):
    """Embedded inputs (B, T, W) → (B, T, W), those of padding 0; `Layers` where C or the case does not allow it."""

    def __init__(self, layers: Layers) -> None:
        """With the blocks of these layers, for which it stands from now on."""
        nn.Module.__init__(self)
        self.config, self.blocks, self.norm = layers.config, layers.blocks, layers.norm
        self.checkpointing, self.compiled = layers.checkpointing, None
        self.train(layers.training)

    def forward(self, x: Tensor, view: View, cache: Cache | None = None, encoded: Encoded | None = None) -> Tensor:
        library = _library()
        if library is None or cache is not None or encoded is not None or not self._can(x, view):
            return super().forward(x, view, cache, encoded)
        inside = x.new_ones(x.shape[:2], dtype=torch.bool) if view.mask is None else view.mask[:, 0, 0]
        lengths = inside.sum(1)
        y = torch.zeros_like(x)
        y[inside] = torch.cat(
            [
                _Pass(self, library, part_lengths).states(part)
                for part, part_lengths in _parts(x[inside].float(), lengths)
            ]
        ).to(x.dtype)
        return y

    def _can(self, x: Tensor, view: View) -> bool:
        padded_at_most = view.mask is None or view.mask.shape[1:3] == (1, 1)
        seen_by_all = padded_at_most and not view.causal and not view.ordered and view.cos is None
        return seen_by_all and open_to_c(x) and not torch.is_grad_enabled() and x.numel() > 0


def can_be_packed(layers: Layers) -> bool:
    """Whether the settings and matrices are such that C knows."""
    config = layers.config
    other = config.causal or config.cross or config.qk_norm or config.window or config.key_heads != config.heads
    matrices = [(each.attention.qkv, each.attention.out, each.mlp.up, each.mlp.down) for each in blocks_of(layers)]
    return not other and all(isinstance(matrix, Int8Linear) for four in matrices for matrix in four)


def _parts(x: Tensor, lengths: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Positions (N, W) and lengths of rows, in parts of whole rows of some AT_ONCE positions."""
    ends = lengths.cumsum(0)
    part = (ends - 1) // AT_ONCE
    counts = torch.unique_consecutive(part, return_counts=True)[1].tolist()
    groups = lengths.split(counts)
    return list(zip(x.split([int(group.sum()) for group in groups]), groups, strict=True))


@dataclass
class _Vectors:
    """Vectors in 8 bits: (N, width) and their scales (N,)."""

    values: Tensor
    scale: Tensor

    @classmethod
    def room(cls, rows: int, width: int) -> "_Vectors":
        return cls(torch.empty(rows, width, dtype=torch.int8), torch.empty(rows))

    @property
    def structure(self) -> _Rounded:
        return _Rounded(self.values.data_ptr(), self.scale.data_ptr())


class _Pass:
    """One pass of some rows through the layers."""

    def __init__(self, layers: Layers, library: CDLL, lengths: Tensor) -> None:
        """lengths (B,), at least one position in all."""
        self.layers, self.library, self.config = layers, library, layers.config
        self.begins = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
        self.rows, self.threads, self.held = int(self.begins[-1]), c_int64(native.threads()), Held()

    def states(self, x: Tensor) -> Tensor:
        """(N, W) → (N, W), a copy."""
        config, x = self.config, x.clone()
        narrow, wide = _Vectors.room(self.rows, config.width), _Vectors.room(self.rows, config.inner)
        mixed, heads = torch.empty(self.rows, config.heads * config.per_head), narrow
        if config.heads * config.per_head != config.width:
            heads = _Vectors.room(self.rows, config.heads * config.per_head)
        blocks = blocks_of(self.layers)
        after = config.norm_place == "after"
        self._round(x if after else _normed(blocks[0].attention_norm, x), narrow)
        for block, following in zip(blocks, [*blocks[1:], None], strict=True):
            self._attend(self._product(block.attention.qkv, narrow), mixed)
            self._round(mixed, heads)
            norms = (block.mlp_norm, following.attention_norm if following else None)  # of what reads the sums
            norms = (block.attention_norm, block.mlp_norm) if after else norms
            self._add(self._product(block.attention.out, heads), x, norms[0], narrow)
            self._activate(self._product(block.mlp.up, narrow), wide)
            self._add(self._product(block.mlp.down, wide), x, norms[1], narrow)
        return _normed(self.layers.norm, x)

    def _product(self, matrix: object, x: _Vectors) -> _Product:
        assert isinstance(matrix, Int8Linear)
        self.sums = torch._int_mm(x.values, matrix.weight.t())  # of one product: those of all layers fill no cache
        scale, bias = self.held.exact(matrix.scale), self.held.exact(matrix.bias)
        return _Product(self.sums.data_ptr(), x.scale.data_ptr(), scale, bias, len(matrix.weight))

    def _round(self, x: Tensor, to: _Vectors) -> None:
        rows, width = x.shape
        self.library.round_rows(at(x), c_int64(rows), c_int64(width), byref(to.structure), self.threads)

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


def _normed(norm: nn.Module, x: Tensor) -> Tensor:
    """x (N, W) float32, normalised in the type of the norm's weights: bfloat16 in what writes texts."""
    return norm(x.to(next(norm.parameters(), x).dtype)).float()


@functools.cache
def _library() -> CDLL | None:
    return native.library("encoder")
