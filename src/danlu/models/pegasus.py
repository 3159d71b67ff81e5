"""Pegasus (Zhang et al. 2020): an encoder-decoder with the norms before its parts, which learns well from little."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from danlu.models import encoder_decoder
from danlu.models.hub.layout import Layout, Rule
from danlu.models.transformer import sinusoids


class Config(encoder_decoder.Config):
    """Pegasus's choices."""

    norm_place: Literal["before", "after"] = Field("before", description="before each part, or after its sum")
    final_norm: bool = Field(True, description="a normalisation after the last layer")
    positions: Literal["learned", "rotary", "sinusoidal", "none"] = Field(
        "sinusoidal", description="how places are told"
    )
    embedding_scale: bool = Field(True, description="embedded tokens are multiplied by √width")


def _sines(config: Config) -> dict[str, Tensor]:
    table = sinusoids(torch.arange(config.max_length)[None], config.width)[0]
    return {f"model.{side}.embed_positions.weight": table.clone() for side in ("encoder", "decoder")}


LAYOUT = Layout(
    model_type="pegasus",
    language="PegasusForConditionalGeneration",
    prefix="model.",
    rules=(
        *encoder_decoder.rules({}),
        *(Rule(f"{side}.layers.norm", f"model.{side}.layer_norm") for side in ("encoder", "decoder")),
    ),
    settings=encoder_decoder.SETTINGS,
    defaults=encoder_decoder.DEFAULTS,
    needs=encoder_decoder.NEEDS,
    always=encoder_decoder.ALWAYS
    | {
        "norm_place": "before",
        "final_norm": True,
        "positions": "sinusoidal",
        "position_offset": 0,
        "embedding_norm": False,
    },
    same=encoder_decoder.SAME,
    heads=("final_logits_bias",),
    ignored=("*.embed_positions.weight",),
    computed=_sines,
    read=encoder_decoder.read,
    write=encoder_decoder.write,
)
FAMILY = encoder_decoder.family("pegasus", Config, LAYOUT)
