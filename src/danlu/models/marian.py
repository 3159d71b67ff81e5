"""Marian's Transformer (Junczys-Dowmunt et al. 2018): the encoder-decoder of Vaswani et al. 2017, for translation."""

from typing import Any, Literal

from pydantic import Field

from danlu.data.store import Shapes
from danlu.models import encoder_decoder
from danlu.models.hub.layout import Layout
from danlu.models.transformer import MlpActivation


class Config(encoder_decoder.Config):
    """Marian's choices."""

    activation: MlpActivation = Field("silu", description="of the feed-forward layer")
    positions: Literal["learned", "rotary", "sinusoidal", "none"] = Field(
        "sinusoidal", description="how places are told"
    )
    embedding_scale: bool = Field(True, description="embedded tokens are multiplied by √width")


def _written(ours: Config, shapes: Shapes) -> dict[str, Any]:
    return encoder_decoder.write(ours, shapes) | {"decoder_vocab_size": shapes.tokens}


LAYOUT = Layout(
    model_type="marian",
    language="MarianMTModel",
    prefix="model.",
    rules=encoder_decoder.rules({}),
    settings=encoder_decoder.SETTINGS,
    defaults=encoder_decoder.DEFAULTS,
    needs=encoder_decoder.NEEDS | {"share_encoder_decoder_embeddings": True},
    always=encoder_decoder.ALWAYS | {"positions": "sinusoidal", "position_offset": 0, "embedding_norm": False},
    same=encoder_decoder.SAME,
    heads=("final_logits_bias",),
    ignored=("*.embed_positions.weight",),  # sines and cosines, which we compute
    read=encoder_decoder.read,
    write=_written,
)
FAMILY = encoder_decoder.family("marian", Config, LAYOUT)
