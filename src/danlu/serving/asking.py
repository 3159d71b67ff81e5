"""The bodies of OpenAI's interface, as far as they are honoured; all else in them is refused by name."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from danlu.generation.config import GenerationConfig
from danlu.recipe import Frozen, validated

Zero = Annotated[float, Field(ge=0, le=0)]  # of settings that are understood where they change nothing
TokenId = Annotated[int, Field(ge=0)]
TEMPERATURE = 1.0  # OpenAI's, where nothing is asked for
COLDEST = 1e-3  # below it float32 cannot tell a temperature, or a share of the tokens, from 0


class StreamOptions(Frozen):
    """What a stream also tells."""

    include_usage: bool = False
    include_obfuscation: Literal[False] = False


class JsonSchema(Frozen):
    """A schema that the text must follow."""

    name: str = Field("answer", max_length=64)
    description: str | None = None
    schema_: dict[str, Any] = Field(default_factory=dict, alias="schema")
    strict: bool | None = None


class ResponseFormat(Frozen):
    """The form of the text."""

    type: Literal["text", "json_object", "json_schema"] = "text"
    json_schema: JsonSchema | None = None


class TextRequest(Frozen):
    """What completions and chats have in common."""

    model: str
    max_tokens: int | None = Field(None, ge=1, description="tokens to write at most; 200, or what fits")
    temperature: float | None = Field(None, ge=0, le=2, description="0 takes the likeliest token; 1 where left out")
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=1)
    min_p: float | None = Field(None, ge=0, le=1)
    repetition_penalty: float | None = Field(None, ge=0.1, le=10)
    seed: int | None = None
    stop: str | Annotated[list[str], Field(max_length=16)] | None = None
    n: int | None = Field(None, ge=1, le=16)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    response_format: ResponseFormat | None = None
    user: str | None = None
    frequency_penalty: Zero | None = None
    presence_penalty: Zero | None = None
    logit_bias: Annotated[dict[str, float], Field(max_length=0)] | None = None

    @property
    def stops(self) -> Sequence[str]:
        """The texts at which to stop."""
        return [self.stop] if isinstance(self.stop, str) else self.stop or []

    @property
    def longest(self) -> int | None:
        """Tokens to write at most."""
        return self.max_tokens

    def generation(self) -> GenerationConfig:
        """How tokens are chosen; without a seed the text is another one each time."""
        asked_for = TEMPERATURE if self.temperature is None else self.temperature
        heat = asked_for if asked_for >= COLDEST else 0.0
        drawn = {
            "top_p": max(self.top_p, COLDEST) if self.top_p and self.top_p != 1 else None,
            "top_k": self.top_k,
            "min_p": self.min_p,
            "seed": secrets.randbits(32) if self.seed is None else self.seed % 2**63,
        }
        asked: Mapping[str, Any] = {
            "max_new_tokens": self.longest,
            "temperature": heat,
            "repetition_penalty": self.repetition_penalty,
            **(drawn if heat else {}),
        }
        given = {name: value for name, value in asked.items() if value is not None}
        return validated(GenerationConfig, given, "generate")


class CompletionRequest(TextRequest):
    """A body of /v1/completions."""

    prompt: str | Annotated[list[str], Field(min_length=1)] | list[TokenId] | list[list[TokenId]] = ""
    logprobs: int | None = Field(None, ge=0, le=20)
    echo: Literal[False] | None = None
    best_of: Literal[1] | None = None
    suffix: Literal[""] | None = None


class Part(Frozen):
    """A piece of a message."""

    type: Literal["text"]
    text: str


class Message(Frozen):
    """One turn of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[Part] | None = None
    name: str | None = None
    refusal: None = None

    def plain(self) -> dict[str, str]:
        """As templates read it."""
        content = self.content or ""
        return {
            "role": self.role,
            "content": content if isinstance(content, str) else "".join(part.text for part in content),
            **({"name": self.name} if self.name else {}),
        }


class ChatRequest(TextRequest):
    """A body of /v1/chat/completions."""

    messages: list[Message] = Field(min_length=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)

    @property
    def longest(self) -> int | None:
        """Tokens to write at most."""
        return self.max_completion_tokens or self.max_tokens


class EmbeddingRequest(Frozen):
    """A body of /v1/embeddings."""

    model: str
    input: str | Annotated[list[str], Field(min_length=1)]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = Field(None, ge=1)
    user: str | None = None
