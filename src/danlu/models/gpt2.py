"""GPT-2 (Radford et al. 2019): learned positions, layer norms, biases everywhere, tied vectors."""

from pydantic import Field

from danlu.models import causal
from danlu.models.family import Family
from danlu.models.transformer import MlpActivation


class Config(causal.Config):
    """GPT-2's choices."""

    activation: MlpActivation = Field("gelu_tanh", description="of the feed-forward layer")


FAMILY = Family(
    name="gpt2",
    summary="models.gpt2",
    config=Config,
    reads={"text": ("tokens",)},
    build=causal.build,
    fields=causal.fields,
    training=causal.training,
)
