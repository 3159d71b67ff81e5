"""The one Transformer (Vaswani et al. 2017): BERT, GPT-2, Llama, ViT and the encoder-decoder are settings of it.

Shapes: B rows, T positions, S positions that are looked at, W width, H heads, D width of a head.
"""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from danlu.models import fused
from danlu.models.attention import attends, attention
from danlu.models.dropout import Dropout
from danlu.models.packed import packed
from danlu.models.products import by_products
from danlu.recipe import Frozen, multiple

MlpActivation = Literal["relu", "gelu", "gelu_tanh", "silu"]
MLP_ACTIVATIONS: dict[MlpActivation, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "gelu": fused.gelu,
    "gelu_tanh": fused.gelu_tanh,
    "silu": F.silu,
}
LONGEST = 2048  # positions whose scores are held at once while training on a processor


class RopeScaling(Frozen):
    """How Llama 3.1 stretches rotary wavelengths: those longer than original / low by `factor`, those shorter than
    original / high not at all, those between by degrees (Grattafiori et al. 2024).
    """

    factor: float = Field(ge=1)
    low: float = Field(gt=0)
    high: float = Field(gt=0)
    original: int = Field(ge=1)  # positions of the model before it was stretched


class Config(Frozen):
    """Every choice by which the published Transformers differ; none of them hangs on a name."""

    width: int = Field(256, ge=1, description="width of the vectors that the layers pass on")
    depth: int = Field(4, ge=1, description="layers")
    heads: int = Field(4, ge=1, description="attention heads of a layer")
    kv_heads: int | None = Field(None, ge=1, description="heads of keys and values, which groups of heads share")
    head_width: int | None = Field(None, ge=2, description="width of a head; else width / heads")
    hidden: int | None = Field(
        None, ge=1, description="width inside the feed-forward layer; else 4 × width, 8/3 where gated"
    )
    activation: MlpActivation = Field("gelu", description="of the feed-forward layer")
    gated: bool = Field(False, description="the feed-forward layer's activation gates a second product")
    norm: Literal["layer", "rms"] = Field("layer", description="kind of normalisation")
    norm_place: Literal["before", "after"] = Field("before", description="before each part, or after its sum")
    norm_eps: float = Field(1e-5, gt=0, description="added to the variance")
    final_norm: bool = Field(True, description="a normalisation after the last layer")
    embedding_norm: bool = Field(False, description="a normalisation of the embedded inputs")
    embedding_scale: bool = Field(False, description="embedded tokens are multiplied by √width")
    positions: Literal["learned", "rotary", "sinusoidal", "none"] = Field("learned", description="how places are told")
    position_offset: int = Field(0, ge=0, description="places of the position matrix before the first")
    rope_theta: float = Field(10_000.0, gt=0, description="base of the rotary wavelengths")
    rope_scaling: RopeScaling | None = Field(None, description="how rotary wavelengths are stretched; else not at all")
    max_length: int = Field(512, ge=1, description="positions that the model can tell apart")
    segments: int = Field(0, ge=0, description="kinds of segments that have a vector")
    causal: bool = Field(False, description="a position sees none that come later")
    window: int | None = Field(None, ge=1, description="positions back that a position sees; all where empty")
    cross: bool = Field(False, description="each layer also attends to an encoder's outputs")
    bias: bool = Field(True, description="of the output projection and the feed-forward layer")
    qkv_bias: bool = Field(True, description="of queries, keys and values")
    out_bias: bool | None = Field(None, description="of the output projection, where it is not as `bias` says")
    qk_norm: bool = Field(False, description="queries and keys are normalised in each head")
    dropout: float = Field(0.1, ge=0, lt=1, description="on embedded inputs and on what each part adds")
    attention_dropout: float = Field(0.0, ge=0, lt=1, description="on attention weights")
    inner_dropout: float = Field(0.0, ge=0, lt=1, description="inside the feed-forward layer")

    @model_validator(mode="after")
    def _fits(self) -> "Config":
        if self.head_width is None:
            multiple(self, "width", "heads")
        if self.kv_heads:
            multiple(self, "heads", "kv_heads")
        return self

    @property
    def per_head(self) -> int:
        """Width of a head."""
        return self.head_width or self.width // self.heads

    @property
    def key_heads(self) -> int:
        """Heads of keys and values."""
        return self.kv_heads or self.heads

    @property
    def inner(self) -> int:
        """Width inside the feed-forward layer; a gated one has three matrices where others have two."""
        return self.hidden or (64 * math.ceil(self.width / 24) if self.gated else 4 * self.width)


@dataclass
class Cache:
    """Keys and values of the positions that were seen, per layer: (B, kv heads, capacity, D).

    `tokens` (B, length) holds what was read, for models that look at it again.
    """

    keys: list[Tensor]
    values: list[Tensor]
    length: int = 0
    tokens: Tensor | None = None

    @classmethod
    def empty(cls, config: Config, rows: int, capacity: int, like: Tensor) -> "Cache":
        """Room for `capacity` positions of `rows` rows, of the type and on the device of `like`."""
        shape = (rows, config.key_heads, capacity, config.per_head)
        room = [like.new_zeros(shape) for _ in range(2 * config.depth)]
        return cls(room[::2], room[1::2])

    def put(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Write new positions behind `length`; all keys and values of the layer up to the last new one."""
        end = self.length + keys.shape[2]
        self.keys[layer][:, :, self.length : end] = keys
        self.values[layer][:, :, self.length : end] = values
        return self.keys[layer][:, :, :end], self.values[layer][:, :, :end]

    def read(self, tokens: Tensor) -> Tensor:
        """All tokens that were read, with these (B, T) behind them."""
        self.tokens = tokens if self.tokens is None else torch.cat([self.tokens, tokens], dim=1)
        return self.tokens

    def select(self, rows: Tensor) -> None:
        """Keep these rows, in this order: what beams do."""
        self.tokens = None if self.tokens is None else self.tokens.index_select(0, rows)
        self.keys = [k.index_select(0, rows) for k in self.keys]
        self.values = [v.index_select(0, rows) for v in self.values]


@dataclass(frozen=True)
class View:
    """What each position of a batch sees.

    `mask` is (B or 1, 1, T or 1, S) bool, True where seen, or None; `causal` then says whether later positions are
    hidden, `ordered` whether they are in either way. `cos` and `sin` (B or 1, 1, T, D) turn queries and keys where
    positions are rotary.
    """

    mask: Tensor | None = None
    causal: bool = False
    cos: Tensor | None = None
    sin: Tensor | None = None
    ordered: bool = False
    _added: dict[int, Tensor] = field(default_factory=dict)  # heads → `added`, which all layers share

    def hidden(self, v: Tensor, steps: int) -> Tensor | None:
        """(B or 1, T or 1, S) as of `added`, for T `steps` that look at `v` (B, H, S, D).

        None where nothing is hidden but, if `ordered`, what is later.
        """
        if self.mask is None and (not self.causal or steps == v.shape[2]):
            return None
        return self.added(v.new_empty(1, 1, steps, 0), v.shape[2])

    def added(self, q: Tensor, steps: int) -> Tensor:
        """(B · H or 1, T or 1, S), added to the scores of `q` (B, H, T, D): 0 where seen, very little elsewhere."""
        heads = q.shape[1]
        if heads not in self._added:
            seen = self.mask[:, 0] if self.mask is not None else q.new_ones(1, 1, steps, dtype=torch.bool)
            if self.causal:
                seen = seen & q.new_ones(q.shape[2], steps, dtype=torch.bool).tril(steps - q.shape[2])
            added = q.new_zeros(seen.shape).masked_fill(~seen, torch.finfo(q.dtype).min)
            self._added[heads] = added.repeat_interleave(heads, 0) if len(added) > 1 else added
        return self._added[heads]


class Attention(nn.Module):
    """Attention over the positions themselves: x (B, T, W) → (B, T, W)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.heads, self.key_heads, self.per_head = config.heads, config.key_heads, config.per_head
        self.dropout = config.attention_dropout
        outputs = (self.heads + 2 * self.key_heads) * self.per_head
        self.qkv = nn.Linear(config.width, outputs, bias=config.qkv_bias)
        out_bias = config.bias if config.out_bias is None else config.out_bias
        self.out = nn.Linear(self.heads * self.per_head, config.width, bias=out_bias)
        if config.qk_norm:
            self.q_norm, self.k_norm = (nn.RMSNorm(self.per_head, eps=config.norm_eps) for _ in range(2))
        self.qk_norm = config.qk_norm

    def forward(self, x: Tensor, view: View, cache: Cache | None, layer: int) -> Tensor:
        qkv, heads = fused.linear(self.qkv, x), (self.heads, self.key_heads, self.key_heads)
        dropout = self.dropout if self.training else 0.0
        parts = qkv.unflatten(-1, (-1, self.per_head)).transpose(1, 2)
        if cache is None and view.cos is None and not self.qk_norm and _in_one_loop(parts, dropout):
            seen = attention([qkv], heads, view.hidden(parts, x.shape[1]), view.ordered)
            return fused.linear(self.out, seen)
        q, k, v = parts.split(heads, dim=1)
        if self.qk_norm:
            q, k = self.q_norm(q), self.k_norm(k)
        if view.cos is not None and view.sin is not None:
            q, k = turned(q, view.cos, view.sin), turned(k, view.cos, view.sin)
        if cache is not None:
            k, v = cache.put(layer, k, v)
        return fused.linear(self.out, attended(q, k, v, view, dropout))


class CrossAttention(nn.Module):
    """Attention over an encoder's outputs: x (B, T, W), keys and values of `keys_values` → (B, T, W)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.heads, self.per_head, self.dropout = config.heads, config.per_head, config.attention_dropout
        self.q = nn.Linear(config.width, self.heads * self.per_head, bias=config.qkv_bias)
        self.kv = nn.Linear(config.width, 2 * self.heads * self.per_head, bias=config.qkv_bias)
        self.out = nn.Linear(self.heads * self.per_head, config.width, bias=config.bias)

    def keys_values(self, encoded: Tensor) -> tuple[Tensor, Tensor]:
        """encoded (B, S, W) → keys and values (B, H, S, D), which stay the same for every position."""
        parts = fused.linear(self.kv, encoded).unflatten(-1, (-1, self.per_head)).transpose(1, 2)
        keys, values = parts.split((self.heads, self.heads), dim=1)
        return keys, values

    def forward(self, x: Tensor, keys_values: tuple[Tensor, Tensor], view: View) -> Tensor:
        q = fused.linear(self.q, x).unflatten(-1, (-1, self.per_head)).transpose(1, 2)
        return fused.linear(self.out, attended(q, *keys_values, view, self.dropout if self.training else 0.0))


class FeedForward(nn.Module):
    """x (B, T, W) → (B, T, W): up, activation, down; gated: down(activation(gate x) · up x) (Shazeer 2020)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.gated = config.gated
        self.activation = MLP_ACTIVATIONS[config.activation]
        self.up = nn.Linear(config.width, config.inner * (2 if config.gated else 1), bias=config.bias)
        self.down = nn.Linear(config.inner, config.width, bias=config.bias)
        self.dropout = Dropout(config.inner_dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = fused.linear(self.up, x)
        if self.gated:
            gate, x = x.chunk(2, dim=-1)
            return fused.linear(self.down, self.dropout(self.activation(gate) * x))
        return fused.linear(self.down, self.dropout(self.activation(x)))


class Block(nn.Module):
    """One layer: attention, attention over an encoder's outputs where `cross`, feed-forward; each with its norm."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.before = config.norm_place == "before"
        self.dropout = Dropout(config.dropout)
        self.attention, self.attention_norm = Attention(config), norm_of(config)
        self.cross = CrossAttention(config) if config.cross else None
        self.cross_norm = norm_of(config) if config.cross else None
        self.mlp, self.mlp_norm = FeedForward(config), norm_of(config)

    def forward(
        self, x: Tensor, view: View, cache: Cache | None, layer: int, encoded: "Encoded | None" = None
    ) -> Tensor:
        normed: Tensor = x
        added: Tensor | None = None
        for norm, part in self._parts(view, cache, layer, encoded):
            if self.before:
                x, normed = fused.stream(norm, x, added, after=False)
            added = self.dropout(part(normed))
            if not self.before:
                x, normed = fused.stream(norm, x, added, after=True)
        return x if added is None or not self.before else x + added

    def _parts(
        self, view: View, cache: Cache | None, layer: int, encoded: "Encoded | None"
    ) -> Iterator[tuple[nn.Module, Callable[[Tensor], Tensor]]]:
        """Each part, with its norm."""
        yield self.attention_norm, lambda x: self.attention(x, view, cache, layer)
        if self.cross is not None and self.cross_norm is not None:
            assert encoded is not None
            cross, keys_values, seen = self.cross, encoded.keys_values[layer], encoded.view
            yield self.cross_norm, lambda x: cross(x, keys_values, seen)
        yield self.mlp_norm, self.mlp


@dataclass
class Encoded:
    """An encoder's outputs as the layers of a decoder look at them: keys and values per layer, and what is seen."""

    keys_values: Sequence[tuple[Tensor, Tensor]]
    view: View

    def select(self, rows: Tensor) -> "Encoded":
        """These rows, in this order."""
        mask = None if self.view.mask is None else self.view.mask.index_select(0, rows)
        return Encoded([(k.index_select(0, rows), v.index_select(0, rows)) for k, v in self.keys_values], View(mask))


class Layers(nn.Module):
    """Embedded inputs (B, T, W) → (B, T, W): the blocks and the last norm."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.norm = norm_of(config) if config.final_norm else nn.Identity()
        self.checkpointing = False
        self.compiled: Callable[..., Tensor] | None = None  # `_through`, while trained
        scaled_start(self, config)

    def forward(self, x: Tensor, view: View, cache: Cache | None = None, encoded: Encoded | None = None) -> Tensor:
        read = packed(self, x, view) if cache is None and encoded is None else None
        if read is not None:
            return read
        trained = self.training and torch.is_grad_enabled()
        through = self.compiled if self.compiled and trained else _through
        for layer, block in enumerate(self.blocks):
            given = (block, x, view, cache, layer, encoded)
            x = checkpoint(through, *given, use_reentrant=False) if self.checkpointing and trained else through(*given)
        if cache is not None:
            cache.length += x.shape[1]
        return self.norm(x)

    def looked_at(self, encoded: Tensor, mask: Tensor | None) -> Encoded:
        """An encoder's outputs (B, S, W) made ready for the layers of this decoder; mask: (B, S) bool."""
        crosses = [module for module in self.modules() if isinstance(module, CrossAttention)]
        pairs = [cross.keys_values(encoded) for cross in crosses]
        return Encoded(pairs, View(None if mask is None else mask[:, None, None, :]))


def _through(block: nn.Module, x: Tensor, *given: Any) -> Tensor:
    """A block's own outputs; as a function, which is compiled once for all blocks."""
    y: Tensor = block(x, *given)
    return y


class TokenEmbedding(nn.Module):
    """Tokens (B, T) → (B, T, W): the token's vector, its place's where places are added, its segment's.

    Without a number of `tokens` it has no vectors of its own: those of another embedding are given.
    """

    def __init__(self, tokens: int | None, config: Config) -> None:
        super().__init__()
        self.config = config
        if tokens is not None:
            self.tokens = nn.Embedding(tokens, config.width)
            nn.init.normal_(self.tokens.weight, std=0.02)
        if config.positions == "learned":
            self.positions = nn.Embedding(config.max_length + config.position_offset, config.width)
            nn.init.normal_(self.positions.weight, std=0.02)
        if config.segments:
            self.segments = nn.Embedding(config.segments, config.width)
            nn.init.normal_(self.segments.weight, std=0.02)
        self.norm = norm_of(config) if config.embedding_norm else nn.Identity()
        self.dropout = Dropout(config.dropout)

    def forward(
        self, tokens: Tensor, positions: Tensor, segments: Tensor | None = None, vectors: Tensor | None = None
    ) -> Tensor:
        """positions: (B or 1, T) int64, each row's from 0. vectors: (number of tokens, W), another embedding's."""
        x = F.embedding(tokens, self.tokens.weight if vectors is None else vectors)
        if self.config.embedding_scale:
            x = x * math.sqrt(self.config.width)
        if self.config.positions == "learned":
            x = x + self.positions(positions + self.config.position_offset)
        elif self.config.positions == "sinusoidal":
            x = x + sinusoids(positions, self.config.width).to(x.dtype)
        if self.config.segments:
            x = x + self.segments(torch.zeros_like(tokens) if segments is None else segments)
        return self.dropout(self.norm(x))


class Trunk(nn.Module):
    """Tokens → vectors (B, T, W): embedding, without a number of `tokens` of another's vectors, and layers."""

    def __init__(self, tokens: int | None, config: Config) -> None:
        super().__init__()
        self.config = config
        self.embedding = TokenEmbedding(tokens, config)
        self.layers = Layers(config)

    def forward(
        self,
        tokens: Tensor,
        length: Tensor | None = None,
        *,
        segments: Tensor | None = None,
        documents: Tensor | None = None,
        start: Tensor | None = None,
        cache: Cache | None = None,
        encoded: Encoded | None = None,
        vectors: Tensor | None = None,
    ) -> Tensor:
        """tokens (B, T) int64.

        length (B,): positions of each row, the others being padding at its end. documents (B, T) int64: the document
        of each position, where a row holds several, which never see each other and whose places each begin at 0.
        start (B,): first real position of rows that are padded at their beginning. cache: what came before.
        encoded: what the layers of a decoder look at. vectors: those of the tokens, where it has none of its own.
        """
        before = cache.length if cache is not None else 0
        positions = places(tokens, before, documents, start)
        view = view_of(self.config, positions, before, length, documents, start)
        return self.layers(self.embedding(tokens, positions, segments, vectors), view, cache, encoded)


def set_checkpointing(model: nn.Module) -> bool:
    """Have each layer keep its inputs only, and compute the rest again on the way back; whether there are layers."""
    found = [module for module in model.modules() if isinstance(module, Layers)]
    for layers in found:
        layers.checkpointing = True
    theirs = [each for each in model.modules() if getattr(each, "supports_gradient_checkpointing", False)]
    for each in theirs:  # models of transformers
        cast("Any", each).gradient_checkpointing_enable({"use_reentrant": False})
    return bool(found or theirs)


def compile_layers(model: nn.Module) -> bool:
    """Have torch compile what each layer does while it is trained, at its first step; whether there are layers."""
    found = [module for module in model.modules() if isinstance(module, Layers)]
    compiled = torch.compile(_through) if found else None
    for layers in found:
        layers.compiled = compiled
    return bool(found)


def level_of(parameter: str) -> int | None:
    """How deep a parameter of that name lies: 0 among the embeddings, n in layer n, None behind the layers."""
    if "embed" in parameter:
        return 0
    found = re.search(r"(?:blocks|stages|layers?|h)\.(\d+)\.", parameter)  # as here, and as in transformers
    return int(found[1]) + 1 if found else None


def norm_of(config: Config) -> nn.Module:
    """The normalisation of the config."""
    kind = nn.LayerNorm if config.norm == "layer" else nn.RMSNorm
    return kind(config.width, eps=config.norm_eps)


def attended(q: Tensor, k: Tensor, v: Tensor, view: View, dropout: float) -> Tensor:
    """softmax(q kᵀ / √D) v: q (B, H, T, D), k and v (B, H or fewer, S, D) → (B, T, H · D)."""
    heads, ordered = (q.shape[1], k.shape[1], v.shape[1]), view.ordered and q.shape[2] == k.shape[2]
    if _in_one_loop(v, dropout):
        return attention([q.to(v.dtype), k.to(v.dtype), v], heads, view.hidden(v, q.shape[2]), ordered)
    shared = heads[0] // heads[1]
    if shared > 1:
        k, v = k.repeat_interleave(shared, dim=1), v.repeat_interleave(shared, dim=1)
    if _multiplied(v, dropout):
        q, k = q.to(v.dtype), k.to(v.dtype)
        added = view.added(q, k.shape[2])
        out = by_products(q.flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1), added, ordered, dropout)
        return out.unflatten(0, (-1, q.shape[1])).transpose(1, 2).flatten(2)
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=view.mask, dropout_p=dropout, is_causal=view.causal)
    return out.transpose(1, 2).flatten(2)


def _multiplied(v: Tensor, dropout: float) -> bool:
    """Whether products are faster than torch's own kernel: trained on a processor, in bfloat16 or with dropout."""
    trained = v.device.type == "cpu" and torch.is_grad_enabled() and v.shape[2] <= LONGEST
    return trained and (v.dtype == torch.bfloat16 or dropout > 0)


def _in_one_loop(v: Tensor, dropout: float) -> bool:
    """Whether one loop in C can do it all: faster still."""
    return not dropout and _multiplied(v, dropout) and attends(v, v.shape[-1])


def places(tokens: Tensor, before: int, documents: Tensor | None, start: Tensor | None) -> Tensor:
    """(B or 1, T) int64: the place of each position, counted from its document's or its row's first one."""
    steps = torch.arange(before, before + tokens.shape[1], device=tokens.device)[None]
    if start is not None:
        return (steps - start[:, None]).clamp(min=0)
    if documents is None:
        return steps
    begins = torch.ones_like(documents, dtype=torch.bool)
    begins[:, 1:] = documents[:, 1:] != documents[:, :-1]
    return steps - torch.where(begins, steps, 0).cummax(1).values


def view_of(
    config: Config,
    positions: Tensor,
    before: int,
    length: Tensor | None,
    documents: Tensor | None,
    start: Tensor | None,
) -> View:
    """What the positions see: themselves and what is inside their row, document and window, and not later if causal."""
    cos, sin = rotation(positions, config) if config.positions == "rotary" else (None, None)
    steps = positions.shape[1]
    seen = torch.arange(before + steps, device=positions.device)
    here = seen[before:, None]
    masks = []
    if length is not None:
        masks.append((seen < length[:, None])[:, None, None])
    if start is not None:
        masks.append((seen >= start[:, None])[:, None, None])
    if documents is not None:
        masks.append((documents[:, :, None] == documents[:, None, :])[:, None])
    # what is exported serves any number of positions
    if config.window is not None and (torch.compiler.is_exporting() or before + steps > config.window):
        masks.append((seen > here - config.window)[None, None])
    grows = not isinstance(before, int)  # exported for any number of positions before
    if config.causal and (grows or before or masks) and (torch.compiler.is_exporting() or steps > 1):
        masks.append((seen <= here)[None, None])
    if not masks:
        return View(None, config.causal and before == 0, cos, sin, config.causal)
    mask = masks[0]
    for other in masks[1:]:
        mask = mask & other
    if start is not None:  # a padded position sees itself: a softmax over nothing is not a number
        mask = mask | (seen == here)[None, None]
    return View(mask, False, cos, sin, config.causal)


def rotation(positions: Tensor, config: Config) -> tuple[Tensor, Tensor]:
    """Cosine and sine (B, 1, T, D) of rotary positions (Su et al. 2021), halves side by side."""
    powers = torch.arange(0, config.per_head, 2, device=positions.device, dtype=torch.float32) / config.per_head
    frequencies = 1.0 / config.rope_theta**powers
    if config.rope_scaling:
        frequencies = stretched(frequencies, config.rope_scaling)
    angles = positions[:, None, :, None].float() * frequencies
    angles = torch.cat([angles, angles], dim=-1)
    return angles.cos(), angles.sin()


def stretched(frequencies: Tensor, scaling: RopeScaling) -> Tensor:
    """Rotary frequencies (D / 2,) in radians per position, the low ones lower still."""
    turns = scaling.original * frequencies / (2 * math.pi)  # within the positions that the model once had
    kept = ((turns - scaling.low) / (scaling.high - scaling.low)).clamp(0, 1)
    return frequencies * (kept + (1 - kept) / scaling.factor)


def turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """x (B, H, T, D) with its halves as the two coordinates of points, turned."""
    left, right = x.chunk(2, dim=-1)
    return (x * cos + torch.cat([-right, left], dim=-1) * sin).to(x.dtype)


def sinusoids(positions: Tensor, width: int) -> Tensor:
    """(B, T) → (B, T, W): sines of growing wavelength in the first half, cosines in the second (Vaswani et al.)."""
    powers = torch.arange(0, width, 2, device=positions.device, dtype=torch.float32) / width
    angles = positions[..., None].float() / 10_000**powers
    return torch.cat([angles.sin(), angles.cos()], dim=-1)[..., :width]


def scaled_start(layers: nn.Module, config: Config) -> None:
    """Deviation 0.02, and less for what is added to the residual stream (Radford et al. 2019)."""
    for name, parameter in layers.named_parameters():
        if parameter.ndim < 2:
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            continue
        adds = name.endswith(("out.weight", "down.weight")) and config.norm_place == "before"
        nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * config.depth) if adds else 0.02)
