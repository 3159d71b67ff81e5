"""Reference: what a run keeps of the rows that it was measured on, to tell later whether others are like them.

drift.json, version 1: counts of bins, their edges, means. Of the rows themselves it holds nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter

from danlu.data.codec import Codec
from danlu.data.corpus import Documents
from danlu.data.kept import texts_at
from danlu.drift.measures import PROMPT, PROMPT_UNKNOWN, Seen, measured, of_prompts
from danlu.drift.signals import Signal, fitted

ROWS = 5000  # of the reference at most
PROMPTS = 500  # documents whose unknown tokens are counted
CHARACTERS = 10_000  # of each

RowsOf = Literal["test", "held_out", "train"]


@dataclass(frozen=True)
class Reference:
    """The signals of a run, counted over `rows` rows: of the test, of all that were not trained on, or of training."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    rows: int
    of: RowsOf
    signals: tuple[Signal, ...]
    version: Literal[1] = 1

    @classmethod
    def fit(cls, codec: Codec, seen: Sequence[Seen], of: RowsOf) -> "Reference":
        """The reference of rows that were answered, at least one."""
        found = [fitted(key, values) for key, values in measured(codec, seen).items()]
        place = {name: number for number, name in enumerate(codec.inputs)}
        found.sort(key=lambda signal: (signal.of == "prediction", place.get(signal.column, len(place))))
        prompts = _of_prompts(codec, seen) if isinstance(codec.reading, Documents) else []
        return cls(sum(map(len, seen)), of, (*prompts, *found))

    def to_json(self) -> dict[str, Any]:
        """All of it; `from_json` reads it back."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Reference":
        """The reference that `to_json` wrote."""
        return _adapter().validate_python(data)


@cache
def _adapter() -> TypeAdapter[Reference]:
    return TypeAdapter(Reference)


def names_of(codec: Codec) -> dict[str, Sequence[str]]:
    """Column or target → its values in the order of the bins."""
    named = {category.name: category.values for category in codec.categories}
    return {**named, **{name: target.classes for name, target in codec.targets.items()}}


def _of_prompts(codec: Codec, seen: Sequence[Seen]) -> list[Signal]:
    """Prompts are no documents: told are their length, up to what the model looks back on, and their unknown tokens.

    Each has one bin for all, so that nothing is made of how they are distributed.
    """
    reading = codec.reading
    assert isinstance(reading, Documents)
    length = Signal(*PROMPT, counts=(0, 0, 0, 0), edges=(-0.5, reading.max_length + 0.5))
    texts = [text[:CHARACTERS] for each in seen for text in texts_at(each.frame[reading.column].head(PROMPTS))]
    tokens = [encoding.ids for encoding in reading.tokenizer.encode_batch_fast(texts)]
    unknown = of_prompts(codec, tokens).get(PROMPT_UNKNOWN)
    if unknown is None:
        return [length]
    mean, deviation = float(unknown.values.mean()), float(unknown.values.std())
    return [length, Signal(*PROMPT_UNKNOWN, (0, 0, len(texts), 0), (-1.0, 2.0), mean, deviation)]
