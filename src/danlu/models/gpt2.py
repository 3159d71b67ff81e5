"""GPT-2 (Radford et al. 2019): learned positions, layer norms, biases everywhere, tied vectors."""

from typing import Any

from pydantic import Field

from danlu.data.store import Shapes
from danlu.models import causal
from danlu.models.family import Family
from danlu.models.hub.layout import Layout, Rule
from danlu.models.transformer import MlpActivation


class Config(causal.Config):
    """GPT-2's choices."""

    activation: MlpActivation = Field("gelu_tanh", description="of the feed-forward layer")


BLOCK, THEIR_BLOCK = "trunk.layers.blocks.{n}", "transformer.h.{n}"


def _written(config: Config, shapes: Shapes) -> dict[str, Any]:
    return {"embd_pdrop": config.dropout, **causal.MARKS}


LAYOUT = Layout(
    model_type="gpt2",
    classifier="GPT2ForSequenceClassification",
    language="GPT2LMHeadModel",
    prefix="transformer.",
    settings={
        "width": "n_embd",
        "depth": "n_layer",
        "heads": "n_head",
        "hidden": "n_inner",
        "activation": "activation_function",
        "norm_eps": "layer_norm_epsilon",
        "max_length": "n_positions",
        "dropout": "resid_pdrop",
        "attention_dropout": "attn_pdrop",
        "tied": "tie_word_embeddings",
    },
    defaults={
        "n_inner": None,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-5,
        "n_positions": 1024,
        "resid_pdrop": 0.1,
        "attn_pdrop": 0.1,
        "tie_word_embeddings": True,
    },
    needs={"scale_attn_weights": True, "scale_attn_by_inverse_layer_idx": False, "add_cross_attention": False},
    always={
        **causal.ALWAYS,
        "kv_heads": None,
        "head_width": None,
        "gated": False,
        "norm": "layer",
        "positions": "learned",
        "position_offset": 0,
        "window": None,
        "bias": True,
        "qkv_bias": True,
        "out_bias": None,
        "qk_norm": False,
    },
    rules=(
        Rule("trunk.embedding.tokens", "transformer.wte"),
        Rule("trunk.embedding.positions", "transformer.wpe"),
        Rule(f"{BLOCK}.attention_norm", f"{THEIR_BLOCK}.ln_1"),
        Rule(f"{BLOCK}.attention.qkv", f"{THEIR_BLOCK}.attn.c_attn", transposed=True),
        Rule(f"{BLOCK}.attention.out", f"{THEIR_BLOCK}.attn.c_proj", transposed=True),
        Rule(f"{BLOCK}.mlp_norm", f"{THEIR_BLOCK}.ln_2"),
        Rule(f"{BLOCK}.mlp.up", f"{THEIR_BLOCK}.mlp.c_fc", transposed=True),
        Rule(f"{BLOCK}.mlp.down", f"{THEIR_BLOCK}.mlp.c_proj", transposed=True),
        Rule("trunk.layers.norm", "transformer.ln_f"),
        *causal.HEAD_RULES,
    ),
    heads=causal.THEIR_HEADS,
    ignored=("*.attn.bias", "*.attn.masked_bias"),  # masks, which older files hold
    write=_written,
)
FAMILY = Family(
    name="gpt2",
    summary="models.gpt2",
    config=Config,
    reads={"text": ("tokens",), "stream": ("tokens",)},
    build=causal.build,
    fields=causal.fields,
    training=causal.training,
    layout=LAYOUT,
)
