"""Recurrent networks over tokens and numeric sequences: rnn, lstm and gru. Padding never reaches a cell."""

from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from danlu.data.store import Shapes
from danlu.models import recurrent
from danlu.models.dropout import Dropout
from danlu.models.family import TABLE, Family, epochs_for, power_of_two
from danlu.models.heads import Heads, Readout
from danlu.models.inputs import Concat, Part, steps_inside, table_parts, token_vectors
from danlu.models.steps import states_by_steps
from danlu.recipe import Frozen

Cell = Literal["rnn", "lstm", "gru"]
CELLS: dict[Cell, type[nn.RNN | nn.LSTM | nn.GRU]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class Config(Frozen):
    """Size of the recurrent network and how its states become one vector."""

    cell: Cell = Field(description="kind of recurrent cell")
    width: int = Field(128, ge=1, description="units of each layer and direction")
    layers: int = Field(1, ge=1, description="recurrent layers, one above the other")
    bidirectional: bool = Field(True, description="read from both ends")
    pool: Literal["last", "mean", "max", "attention"] = Field("max", description="how the states become one vector")
    dropout: float = Field(0.2, ge=0, lt=1, description="on embedded tokens, between layers and before the heads")
    token_width: int = Field(128, ge=1, description="width of the vectors of tokens")
    category_width: int = Field(8, ge=1, description="width of an embedded category")


class RNNConfig(Config):
    """Elman's network."""

    cell: Literal["rnn"] = Field("rnn", description="kind of recurrent cell")


class LSTMConfig(Config):
    """Long short-term memory."""

    cell: Literal["lstm"] = Field("lstm", description="kind of recurrent cell")


class GRUConfig(Config):
    """Gated recurrent unit."""

    cell: Literal["gru"] = Field("gru", description="kind of recurrent cell")


class Recurrent(nn.Module):
    """x: (B, T, inputs), length: (B,) → (B, width): recurrent layers, then the pool over the steps inside."""

    def __init__(self, inputs: int, config: Config) -> None:
        super().__init__()
        self.pool = config.pool
        self.directions = 1 + config.bidirectional
        self.width = config.width * self.directions
        self.cells = CELLS[config.cell](
            inputs,
            config.width,
            num_layers=config.layers,
            bidirectional=config.bidirectional,
            dropout=config.dropout if config.layers > 1 else 0.0,
            batch_first=True,
        )
        if config.pool == "attention":
            self.query = nn.Linear(self.width, 1, bias=False)

    def states(self, x: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """The states of the last layer at every step, (B, T, width), and its final ones, (B, width); 0 in padding."""
        if torch.compiler.is_exporting():
            return states_by_steps(self.cells, x, length.clamp_min(1))
        packed = pack_padded_sequence(x, length.clamp_min(1).cpu(), batch_first=True, enforce_sorted=False)
        read, final = recurrent.read(self.cells, packed) or self._by_torch(packed)
        states, _ = pad_packed_sequence(read, batch_first=True, total_length=x.shape[1])
        return states, final.transpose(0, 1).flatten(1)

    def _by_torch(self, packed: PackedSequence) -> tuple[PackedSequence, Tensor]:
        states, final = self.cells(packed)
        return states, (final[0] if isinstance(final, tuple) else final)[-self.directions :]

    def forward(self, x: Tensor, length: Tensor) -> Tensor:
        length = length.clamp_min(1)
        states, final = self.states(x, length)
        if self.pool == "last":
            return final
        inside = steps_inside(length, x.shape[1]).unsqueeze(-1)
        if self.pool == "max":
            return states.masked_fill(~inside, -torch.inf).amax(1)
        if self.pool == "mean":
            return states.sum(1) / length.unsqueeze(-1)
        weights = self.query(states).masked_fill(~inside, -torch.inf).softmax(1)
        return (states * weights).sum(1)


class RecurrentTokens(Part):
    """A text's tokens, embedded and read in order."""

    def __init__(self, shapes: Shapes, config: Config) -> None:
        super().__init__()
        vectors = token_vectors(shapes, config.token_width)
        self.vectors = nn.Embedding.from_pretrained(vectors, freeze=False, padding_idx=0)
        self.dropout = Dropout(config.dropout)
        self.recurrent = Recurrent(config.token_width, config)
        self.width = self.recurrent.width

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        return self.recurrent(self.dropout(self.vectors(inputs["tokens"])), inputs["tokens_length"])


class Tagger(nn.Module):
    """Inputs → {head: (B, T, size)}, from the states at each token."""

    def __init__(self, shapes: Shapes, config: Config) -> None:
        super().__init__()
        assert shapes.heads
        vectors = token_vectors(shapes, config.token_width)
        self.vectors = nn.Embedding.from_pretrained(vectors, freeze=False, padding_idx=0)
        self.dropout = Dropout(config.dropout)
        self.recurrent = Recurrent(config.token_width, config)
        self.tags = Heads(self.recurrent.width, shapes.heads)

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        vectors = self.dropout(self.vectors(inputs["tokens"]))
        states, _ = self.recurrent.states(vectors, inputs["tokens_length"])
        return self.tags(self.dropout(states))


class RecurrentSequence(Part):
    """A numeric sequence's steps, read in order."""

    def __init__(self, shapes: Shapes, config: Config) -> None:
        super().__init__()
        self.recurrent = Recurrent(shapes.sequence, config)
        self.width = self.recurrent.width

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        return self.recurrent(inputs["sequence"], inputs["sequence_length"])


def _build(config: Config, shapes: Shapes) -> Readout | Tagger:
    if shapes.per_token:
        return Tagger(shapes, config)
    parts: list[Part] = []
    if shapes.tokens:
        parts.append(RecurrentTokens(shapes, config))
    if shapes.sequence:
        parts.append(RecurrentSequence(shapes, config))
    assert shapes.heads
    return Readout(Concat(parts + table_parts(shapes, config.category_width)), shapes.heads, config.dropout)


def _fields(shapes: Shapes, rows: int) -> dict[str, Any]:
    return {"width": 64, "dropout": 0.4} if shapes.tokens else {}


def _training(shapes: Shapes, rows: int) -> dict[str, Any]:
    text = {"epochs": epochs_for(rows, passes=60_000, least=4), "learning_rate": 1e-3}
    sequence = {"epochs": epochs_for(rows, passes=200_000, least=10), "learning_rate": 2e-3}
    return {
        "optimizer": "adamw",
        "batch_size": power_of_two(rows / 100, 32, 64),
        "weight_decay": 0.01,
        "schedule": "cosine",
        "warmup": 0.05,
        "clip": 1.0,
        "early_stopping": {"patience": 3 if shapes.tokens else 10},
        "keep": "best",
        **(text if shapes.tokens else sequence),
    }


def _family(cell: Cell, config: type[Config]) -> Family:
    return Family(
        name=cell,
        summary=f"models.{cell}",
        config=config,
        reads={"text": ("tokens", *TABLE), "words": ("tokens",), "sequence": ("sequence", *TABLE)},
        build=_build,
        fields=_fields,
        training=_training,
    )


RNN = _family("rnn", RNNConfig)
LSTM = _family("lstm", LSTMConfig)
GRU = _family("gru", GRUConfig)
