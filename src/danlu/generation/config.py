"""How new tokens are chosen, by the names that transformers gives to these settings. Knows nothing of tensors."""

from typing import Self

from pydantic import Field, model_validator

from danlu.errors import DanluError
from danlu.recipe import Frozen

TEMPERATURE = 0.8
SAMPLING = ("top_k", "top_p", "min_p", "seed")  # mean something only where tokens are drawn
BEAMS = ("length_penalty", "early_stopping")
COLDEST = 1e-30  # below it scores over the temperature are beyond float32, and the likeliest token is drawn anyway


class GenerationConfig(Frozen):
    """Tokens are drawn, or the likeliest taken (temperature 0), or the likeliest text is searched for (num_beams)."""

    max_new_tokens: int | None = Field(None, ge=1, description="tokens to write at most; 200, or what fits")
    temperature: float | None = Field(None, ge=0, description="0 takes the likeliest token, 1 draws as the model says")
    top_k: int | None = Field(None, ge=1, description="draw from so many of the likeliest tokens")
    top_p: float | None = Field(
        None, gt=0, le=1, description="draw from the likeliest tokens that together are so likely"
    )
    min_p: float | None = Field(None, ge=0, le=1, description="least probability, as a share of the likeliest token's")
    repetition_penalty: float = Field(1.0, gt=0, description="above 1, tokens that stand there already become unlikely")
    num_beams: int = Field(1, ge=1, description="texts that are followed in the search for the likeliest")
    length_penalty: float = Field(1.0, description="of beams: above 0 favours long texts, below 0 short ones")
    early_stopping: bool = Field(False, description="of beams: stop when as many texts have ended")
    seed: int = Field(0, ge=0, description="the same seed draws the same text")

    @model_validator(mode="after")
    def _without_idle_settings(self) -> Self:
        """DanluError for a setting that would change nothing."""
        for name in self.model_fields_set:
            if name in SAMPLING and not self.heat:
                key = "generate.idle_in_beams" if self.num_beams > 1 else "generate.idle_when_greedy"
                raise DanluError(key, name=name)
            if name in BEAMS and self.num_beams == 1:
                raise DanluError("generate.idle_without_beams", name=name)
        if self.num_beams > 1 and self.temperature:
            raise DanluError("generate.idle_in_beams", name="temperature")
        return self

    @property
    def heat(self) -> float:
        """The temperature at which tokens are drawn; 0: the likeliest is taken."""
        if self.temperature is not None:
            return self.temperature if self.temperature >= COLDEST else 0.0
        return 0.0 if self.num_beams > 1 else TEMPERATURE
