"""Texts that follow a JSON Schema: at each step, only tokens that can lead to one. Knows no model."""

import json
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from llguidance import LLMatcher, LLTokenizer
from torch import Tensor

from danlu.errors import DanluError
from danlu.generation.text import Writer
from danlu.serving.asking import ResponseFormat

_ANY_OBJECT = {"type": "object"}


@dataclass
class JsonConstraint:
    """What a grammar allows behind what was written; `end` is the token that a complete text may end with."""

    matcher: LLMatcher
    end: int

    def masked(self, scores: Tensor) -> Tensor:
        """scores (1, vocabulary), -inf for tokens that are not allowed."""
        bits = np.frombuffer(self.matcher.compute_bitmask(), np.uint8)
        allowed = torch.from_numpy(np.unpackbits(bits, bitorder="little")[: scores.shape[1]].astype(bool))
        return scores.masked_fill(~allowed.to(scores.device), -torch.inf)

    def take(self, token: int) -> bool:
        """The token was written; whether the text is complete."""
        self.matcher.consume_token(token)
        return self.matcher.is_stopped()


def constrained(form: ResponseFormat | None, writer: Writer) -> JsonConstraint | None:
    """What a text of that form may go on with; None where it is free.

    Raises DanluError where the schema cannot be followed.
    """
    if form is None or form.type == "text":
        return None
    if form.type == "json_schema" and form.json_schema is None:
        raise DanluError("serve.schema", why="json_schema")
    schema = form.json_schema.schema_ if form.json_schema else _ANY_OBJECT
    grammar = LLMatcher.grammar_from_json_schema(json.dumps(schema))
    end = writer.ends[0]
    matcher = LLMatcher(_tokenizer(writer.tokenizer.to_str(), writer.tokenizer.get_vocab_size(), end), grammar)
    if matcher.is_error():
        raise DanluError("serve.schema", why=" ".join(matcher.get_error().split())[:200])
    return JsonConstraint(matcher, end)


@lru_cache(4)  # a tokenizer takes a second to look through
def _tokenizer(tokenizer_json: str, size: int, end: int) -> LLTokenizer:
    try:
        return LLTokenizer(tokenizer_json, n_vocab=size, eos_token=end)
    except ValueError:
        raise DanluError("serve.no_bytes") from None
