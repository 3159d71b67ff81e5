"""BART (Lewis et al. 2020): an encoder-decoder with learned positions and normalised embeddings."""

from pydantic import Field

from danlu.models import encoder_decoder
from danlu.models.hub.layout import Layout


class Config(encoder_decoder.Config):
    """BART's choices; all its published checkpoints have `position_offset` 2."""

    embedding_norm: bool = Field(True, description="a normalisation of the embedded inputs")
    position_offset: int = Field(2, ge=0, description="places of the position matrix before the first")


LAYOUT = Layout(
    model_type="bart",
    language="BartForConditionalGeneration",
    prefix="model.",
    rules=encoder_decoder.rules({"positions": "embed_positions", "norm": "layernorm_embedding"}),
    settings=encoder_decoder.SETTINGS,
    defaults=encoder_decoder.DEFAULTS,
    needs=encoder_decoder.NEEDS,
    always=encoder_decoder.ALWAYS | {"positions": "learned", "position_offset": 2, "embedding_norm": True},
    same=encoder_decoder.SAME,
    heads=("final_logits_bias", "classification_head.*", "qa_outputs.*"),
    ignored=("*.version",),
    read=encoder_decoder.read,
    write=encoder_decoder.write,
)
FAMILY = encoder_decoder.family("bart", Config, LAYOUT)
