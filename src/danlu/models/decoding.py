"""The step of a decoder as one call of C: what a language model does between two tokens, without torch's operations.

A step reads each weight once. torch's own products of one vector read memory at a third to a half of its speed, and
between them lie hundreds of operations, of which those of a small model are most of its time. Equal to the modules'
own step but for the order of sums, and more exact where weights are rounded: sums are in float32, and what meets a
matrix of 8 bits has 14. Shapes: see transformer.py.
"""

import ctypes
import functools
from collections.abc import Callable
from ctypes import POINTER, Structure, byref, c_double, c_int64, c_void_p
from typing import Any

import torch
from torch import Tensor, nn

from danlu import native
from danlu.models.causal import CausalLM
from danlu.models.encoder_decoder import EncoderDecoder
from danlu.models.in_c import ACTIVATIONS, KINDS, Held, Norm, addresses, at, blocks_of
from danlu.models.int8 import Int8Linear
from danlu.models.transformer import Block, Cache, Encoded, Trunk, places, rotation

MOST_TEXTS = 16  # from which on products of whole matrices are as fast
GRAIN = 1 << 19  # bytes of weights of a step, below which a second thread brings nothing


NextScores = Callable[[Tensor, Any, Cache], Tensor]  # tokens, start or encoded, cache → scores


class _Matrix(Structure):
    _fields_ = [
        ("weight", c_void_p), ("scale", c_void_p), ("bias", c_void_p),
        ("outputs", c_int64), ("inputs", c_int64), ("kind", c_int64),
    ]  # fmt: skip


class _Layer(Structure):
    _fields_ = [
        *((name, Norm) for name in ("attention_norm", "cross_norm", "mlp_norm")),
        *((name, _Matrix) for name in ("qkv", "out", "cross_q", "cross_out", "up", "down")),
        ("q_norm", c_void_p), ("k_norm", c_void_p),
    ]  # fmt: skip


class _Decoder(Structure):
    _fields_ = [
        *((name, c_int64) for name in (
            "width", "heads", "key_heads", "per_head", "depth", "window", "activation", "gated", "before", "rms",
            "cache_kind", "threads",
        )),
        ("eps", c_double), ("last", Norm), ("head", _Matrix), ("layers", POINTER(_Layer)),
    ]  # fmt: skip


class _Texts(Structure):
    _fields_ = [
        *((name, c_int64) for name in ("texts", "length", "capacity", "sources")),
        *((name, c_void_p) for name in (
            "start", "source_length", "keys", "values", "source_keys", "source_values", "turns",
        )),
    ]  # fmt: skip


class Step:
    """A model's step: tokens (B, 1) behind those of a cache → (B, tokens), scores of what follows.

    It keeps the addresses of weights, as they are when it is made, and of caches.
    """

    def __init__(self, model: CausalLM | EncoderDecoder, function: Any) -> None:
        self.function = function
        self.held = Held()  # copies to which the structures point
        self.cache: list[Tensor] | None = None  # its keys: a cache that is laid anew has others
        self.encoded: Encoded | None = None
        self.texts = _Texts()
        self.vectors: Tensor | None = None
        if isinstance(model, EncoderDecoder):
            self.trunk, self.vectors = model.decoder, model.encoder.embedding.tokens.weight
            head = self._matrix(self.vectors, model.bias)
        else:
            self.trunk = model.trunk
            head = self._matrix(model.matrix) if model.config.tied else self._matrix_of(model.head)
        self.decoder = self._decoder(self.trunk, head)

    def __call__(self, tokens: Tensor, seen: Tensor | Encoded | None, cache: Cache) -> Tensor:
        """seen: first position (B,) of each row, where rows are padded at their beginning; or their sources."""
        texts, start = self.texts, seen if isinstance(seen, Tensor) else None
        if cache.keys is not self.cache:
            self._look_at(cache)
        if isinstance(seen, Encoded) and seen is not self.encoded:
            self._look_at_sources(seen)
        assert len(tokens) == texts.texts, "C would read beyond the rows"
        assert cache.length < texts.capacity, "C would write beyond the cache"
        begin = torch.zeros(len(tokens), dtype=torch.long) if start is None else start
        texts.start, texts.length = begin.data_ptr(), cache.length
        positions = places(tokens, cache.length, None, start)
        x = self.trunk.embedding(tokens, positions, None, self.vectors).float().contiguous()
        scores = torch.empty(len(tokens), self.decoder.head.outputs, dtype=torch.float32)
        if self.function(byref(self.decoder), byref(texts), at(x), at(scores)):
            raise MemoryError
        cache.length += 1
        return scores

    def _look_at(self, cache: Cache) -> None:
        self.cache = cache.keys
        self.texts.texts, _, self.texts.capacity, _ = cache.keys[0].shape
        self.decoder.cache_kind = KINDS[cache.keys[0].dtype]
        self.pointers = [addresses(cache.keys), addresses(cache.values)]
        self.texts.keys, self.texts.values = (ctypes.addressof(each) for each in self.pointers)
        config = self.trunk.config
        if config.positions == "rotary":
            cos, sin = rotation(torch.arange(self.texts.capacity)[None], config)
            half = config.per_head // 2
            self.turns = torch.cat([cos[0, 0, :, :half], sin[0, 0, :, :half]], dim=-1).contiguous()
            self.texts.turns = self.turns.data_ptr()

    def _look_at_sources(self, encoded: Encoded) -> None:
        self.encoded = encoded
        keys, values = ([each.float().contiguous() for each in side] for side in zip(*encoded.keys_values, strict=True))
        rows, _, steps, _ = keys[0].shape
        mask = encoded.view.mask
        length = torch.full((rows,), steps) if mask is None else mask.reshape(rows, steps).sum(1)
        self.looked_at = [*keys, *values, length]
        self.source_pointers = [addresses(keys), addresses(values)]
        self.texts.source_keys, self.texts.source_values = (ctypes.addressof(each) for each in self.source_pointers)
        self.texts.source_length, self.texts.sources = length.data_ptr(), steps

    def _decoder(self, trunk: Trunk, head: _Matrix) -> _Decoder:
        config = trunk.config
        self.layers = (_Layer * config.depth)(*(self._layer(block) for block in blocks_of(trunk.layers)))
        weights = sum(t.nbytes for t in [*trunk.layers.parameters(), *trunk.layers.buffers()])
        return _Decoder(
            width=config.width,
            heads=config.heads,
            key_heads=config.key_heads,
            per_head=config.per_head,
            depth=config.depth,
            window=config.window or 0,
            activation=ACTIVATIONS[config.activation],
            gated=config.gated,
            before=config.norm_place == "before",
            rms=config.norm == "rms",
            threads=native.threads() if weights > GRAIN else 1,
            eps=config.norm_eps,
            last=self.held.norm(trunk.layers.norm if config.final_norm else None),
            head=head,
            layers=self.layers,
        )

    def _layer(self, block: Block) -> _Layer:
        own, cross = block.attention, block.cross
        made = _Layer(
            attention_norm=self.held.norm(block.attention_norm),
            mlp_norm=self.held.norm(block.mlp_norm),
            qkv=self._matrix_of(own.qkv),
            out=self._matrix_of(own.out),
            up=self._matrix_of(block.mlp.up),
            down=self._matrix_of(block.mlp.down),
        )
        if own.qk_norm:
            made.q_norm, made.k_norm = self.held.exact(own.q_norm.weight), self.held.exact(own.k_norm.weight)
        if cross is not None:
            made.cross_norm = self.held.norm(block.cross_norm)
            made.cross_q, made.cross_out = self._matrix_of(cross.q), self._matrix_of(cross.out)
        return made

    def _matrix_of(self, linear: nn.Linear | Int8Linear) -> _Matrix:
        return self._matrix(linear.weight, linear.bias, linear.scale if isinstance(linear, Int8Linear) else None)

    def _matrix(self, weight: Tensor, bias: Tensor | None = None, scale: Tensor | None = None) -> _Matrix:
        return _Matrix(
            weight=self.held.address(weight),
            scale=self.held.exact(scale),
            bias=self.held.exact(bias),
            outputs=weight.shape[0],
            inputs=weight.shape[1],
            kind=KINDS[weight.dtype],
        )


def next_scores_of(model: CausalLM | EncoderDecoder) -> NextScores:
    """The model's `next_scores`, by `Step` where it reads one token of a few texts and that can be had."""
    function = _function() if type(model) in (CausalLM, EncoderDecoder) else None
    if function is None or not all(_fits(each) for each in [*model.parameters(), *model.buffers()]):
        return model.next_scores
    step = Step(model, function)

    def next_scores(tokens: Tensor, seen: Any, cache: Cache) -> Tensor:
        quick = tokens.shape[1] == 1 and cache.length and len(tokens) <= MOST_TEXTS
        return step(tokens, seen, cache) if quick else model.next_scores(tokens, seen, cache)

    return next_scores


def _fits(weight: Tensor) -> bool:
    return weight.device.type == "cpu" and weight.dtype in KINDS and weight.is_contiguous()


@functools.cache
def _function() -> Any:
    library = native.library("decoder")
    return None if library is None else library.step
