"""Llama (Touvron et al. 2023) and those built like it: rotary positions, RMS norms, gated layers, no biases.

Mistral sees a window of positions; Qwen2 has biases of queries, keys and values; Qwen3 normalises queries and keys.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from pydantic import Field

from danlu.data.store import Shapes
from danlu.errors import DanluError
from danlu.models import causal
from danlu.models.family import Family
from danlu.models.hub.layout import Layout, Rule, gate_and_up, query_key_value
from danlu.models.transformer import MlpActivation


class LlamaConfig(causal.Config):
    """Llama's choices."""

    positions: Literal["learned", "rotary", "sinusoidal", "none"] = Field("rotary", description="how places are told")
    norm: Literal["layer", "rms"] = Field("rms", description="kind of normalisation")
    gated: bool = Field(True, description="the feed-forward layer's activation gates a second product")
    activation: MlpActivation = Field("silu", description="of the feed-forward layer")
    bias: bool = Field(False, description="of the output projection and the feed-forward layer")
    qkv_bias: bool = Field(False, description="of queries, keys and values")
    dropout: float = Field(0.0, ge=0, lt=1, description="on embedded inputs and on what each part adds")
    tied: bool = Field(False, description="the matrix of the token vectors also gives the scores of the next token")


class MistralConfig(LlamaConfig):
    """Mistral's choices (Jiang et al. 2023)."""

    window: int | None = Field(4096, ge=1, description="positions back that a position sees; all where empty")


class Qwen2Config(LlamaConfig):
    """Qwen2's choices (Yang et al. 2024)."""

    qkv_bias: bool = Field(True, description="of queries, keys and values")
    norm_eps: float = Field(1e-6, gt=0, description="added to the variance")
    rope_theta: float = Field(1_000_000.0, gt=0, description="base of the rotary wavelengths")


class Qwen3Config(LlamaConfig):
    """Qwen3's choices (Yang et al. 2025)."""

    qk_norm: bool = Field(True, description="queries and keys are normalised in each head")
    norm_eps: float = Field(1e-6, gt=0, description="added to the variance")
    rope_theta: float = Field(1_000_000.0, gt=0, description="base of the rotary wavelengths")


BLOCK, THEIR_BLOCK = "trunk.layers.blocks.{n}", "model.layers.{n}"
QKV = tuple(f"{THEIR_BLOCK}.self_attn.{name}_proj" for name in "qkv")
RULES = (
    Rule("trunk.embedding.tokens", "model.embed_tokens"),
    Rule(f"{BLOCK}.attention_norm", f"{THEIR_BLOCK}.input_layernorm"),
    Rule(f"{BLOCK}.attention.qkv", QKV, rows=query_key_value),
    Rule(f"{BLOCK}.attention.q_norm", f"{THEIR_BLOCK}.self_attn.q_norm"),
    Rule(f"{BLOCK}.attention.k_norm", f"{THEIR_BLOCK}.self_attn.k_norm"),
    Rule(f"{BLOCK}.attention.out", f"{THEIR_BLOCK}.self_attn.o_proj"),
    Rule(f"{BLOCK}.mlp_norm", f"{THEIR_BLOCK}.post_attention_layernorm"),
    Rule(f"{BLOCK}.mlp.up", (f"{THEIR_BLOCK}.mlp.gate_proj", f"{THEIR_BLOCK}.mlp.up_proj"), rows=gate_and_up),
    Rule(f"{BLOCK}.mlp.down", f"{THEIR_BLOCK}.mlp.down_proj"),
    Rule("trunk.layers.norm", "model.norm"),
    *causal.HEAD_RULES,
)
SETTINGS = {
    "width": "hidden_size",
    "depth": "num_hidden_layers",
    "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads",
    "head_width": "head_dim",
    "hidden": "intermediate_size",
    "activation": "hidden_act",
    "norm_eps": "rms_norm_eps",
    "max_length": "max_position_embeddings",
    "attention_dropout": "attention_dropout",
    "tied": "tie_word_embeddings",
}
DEFAULTS = {
    "num_key_value_heads": None,
    "head_dim": None,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-6,
    "max_position_embeddings": 2048,
    "attention_dropout": 0.0,
    "tie_word_embeddings": False,
}


STRETCHED = {"factor": "factor", "low": "low_freq_factor", "high": "high_freq_factor"}
ORIGINAL = "original_max_position_embeddings"


def _rotary(theirs: Mapping[str, Any]) -> dict[str, Any]:
    rope = theirs.get("rope_parameters") or theirs.get("rope_scaling") or {}
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind not in ("default", "llama3"):
        raise DanluError("hub.cannot_represent", key="rope_parameters.rope_type", value=kind, fits="default, llama3")
    scaling = (
        {ours: rope[key] for ours, key in STRETCHED.items()} | {"original": rope[ORIGINAL]}
        if kind == "llama3"
        else None
    )
    return {"rope_theta": rope.get("rope_theta", theirs.get("rope_theta", 10_000.0)), "rope_scaling": scaling}


def _rotary_with_biases(theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Llama's `attention_bias` is of all four matrices."""
    attention = theirs.get("attention_bias", False)
    return {**_rotary(theirs), "qkv_bias": attention, "out_bias": attention, "bias": theirs.get("mlp_bias", False)}


def _rotary_in_window(theirs: Mapping[str, Any]) -> dict[str, Any]:
    return {**_rotary(theirs), "window": theirs.get("sliding_window", 4096)}


def _rotary_in_window_of_layers(theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Qwen's window is of the layers from `max_window_layers` on; ours is of all layers or none."""
    window = theirs.get("sliding_window", 4096) if theirs.get("use_sliding_window") else None
    first, depth = theirs.get("max_window_layers", 28), theirs["num_hidden_layers"]
    windowed = [f"{'sliding' if window and layer >= first else 'full'}_attention" for layer in range(depth)]
    kinds = {*(theirs.get("layer_types") or windowed)}
    if len(kinds) > 1:
        raise DanluError("hub.cannot_represent", key="max_window_layers", value=first, fits=f"0, {depth}")
    return {**_rotary(theirs), "window": window if kinds == {"sliding_attention"} else None}


def _written(config: LlamaConfig, shapes: Shapes) -> dict[str, Any]:
    sizes = {"num_key_value_heads": config.key_heads, "head_dim": config.per_head, "intermediate_size": config.inner}
    rope: dict[str, Any] = {"rope_theta": config.rope_theta, "rope_type": "default"}
    if scaling := config.rope_scaling:
        rope |= {key: getattr(scaling, ours) for ours, key in STRETCHED.items()}
        rope |= {"rope_type": "llama3", ORIGINAL: scaling.original}
    return {**sizes, "rope_parameters": rope, "rope_theta": config.rope_theta, **causal.MARKS}


def _written_with_biases(config: LlamaConfig, shapes: Shapes) -> dict[str, Any]:
    out_bias = config.bias if config.out_bias is None else config.out_bias
    if out_bias != config.qkv_bias:
        raise DanluError("hub.cannot_write_field", name="out_bias", value=out_bias, fits=config.qkv_bias)
    return {**_written(config, shapes), "attention_bias": config.qkv_bias, "mlp_bias": config.bias}


def _written_with_window(config: LlamaConfig, shapes: Shapes) -> dict[str, Any]:
    return {**_written(config, shapes), "sliding_window": config.window}


def _written_with_window_of_layers(config: LlamaConfig, shapes: Shapes) -> dict[str, Any]:
    windowed = {"use_sliding_window": config.window is not None, "max_window_layers": 0}
    return {**_written_with_window(config, shapes), **windowed}


def _layout(
    name: str,
    theirs: str,
    read: Callable[[Mapping[str, Any]], dict[str, Any]],
    write: Callable[[Any, Shapes], dict[str, Any]],
    *,
    defaults: Mapping[str, Any] = {},
    needs: Mapping[str, Any] = {},
    always: Mapping[str, Any] = {},
) -> Layout:
    structure = {"gated": True, "norm": "rms", "positions": "rotary", "qk_norm": False}
    return Layout(
        model_type=name,
        classifier=f"{theirs}ForSequenceClassification",
        language=f"{theirs}ForCausalLM",
        prefix="model.",
        settings=SETTINGS,
        defaults={**DEFAULTS, **defaults},
        needs=needs,
        always={**causal.ALWAYS, **structure, **always},
        rules=RULES,
        heads=causal.THEIR_HEADS,
        ignored=("*.rotary_emb.inv_freq",),  # the wavelengths, which older files hold
        read=read,
        write=write,
    )


def _family(config: type[LlamaConfig], layout: Layout) -> Family:
    name = layout.model_type
    return Family(
        name=name,
        summary=f"models.{name}",
        config=config,
        reads={"text": ("tokens",), "stream": ("tokens",)},
        build=causal.build,
        fields=causal.fields,
        training=causal.training,
        layout=layout,
    )


LLAMA = _family(
    LlamaConfig,
    _layout(
        "llama",
        "Llama",
        _rotary_with_biases,
        _written_with_biases,
        always={"window": None},
    ),
)
MISTRAL = _family(
    MistralConfig,
    _layout(
        "mistral",
        "Mistral",
        _rotary_in_window,
        _written_with_window,
        defaults={"num_key_value_heads": 8, "max_position_embeddings": 131_072},
        always={"bias": False, "qkv_bias": False, "out_bias": None},
    ),
)
QWEN2 = _family(
    Qwen2Config,
    _layout(
        "qwen2",
        "Qwen2",
        _rotary_in_window_of_layers,
        _written_with_window_of_layers,
        defaults={"num_key_value_heads": 32, "max_position_embeddings": 32_768},
        always={"bias": False, "qkv_bias": True, "out_bias": None},
    ),
)
QWEN3 = _family(
    Qwen3Config,
    _layout(
        "qwen3",
        "Qwen3",
        _rotary_in_window_of_layers,
        _written_with_window_of_layers,
        defaults={"num_key_value_heads": 32, "max_position_embeddings": 32_768, "head_dim": 128},
        needs={"attention_bias": False},
        always={"bias": False, "qkv_bias": False, "out_bias": None, "qk_norm": True},
    ),
)
