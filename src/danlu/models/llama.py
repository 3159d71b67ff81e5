"""Llama (Touvron et al. 2023) and those built like it: rotary positions, RMS norms, gated layers, no biases.

Mistral sees a window of positions; Qwen2 has biases of queries, keys and values; Qwen3 normalises queries and keys.
"""

from typing import Literal

from pydantic import Field

from danlu.models import causal
from danlu.models.family import Family
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


def _family(name: str, config: type[LlamaConfig]) -> Family:
    return Family(
        name=name,
        summary=f"models.{name}",
        config=config,
        reads={"text": ("tokens",)},
        build=causal.build,
        fields=causal.fields,
        training=causal.training,
    )


LLAMA = _family("llama", LlamaConfig)
MISTRAL = _family("mistral", MistralConfig)
QWEN2 = _family("qwen2", Qwen2Config)
QWEN3 = _family("qwen3", Qwen3Config)
