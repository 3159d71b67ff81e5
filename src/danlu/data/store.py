"""The encoded rows: tensors that are indexed, never collated row by row. Knows nothing of columns or files.

A Store maps input names to feeds; a feed gives the tensors of any rows. The names are those of `Shapes`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

import torch
from torch import Tensor

Modality = Literal[  # what the rows of a task mostly are
    "table", "text", "words", "image", "sequence", "stream", "masked", "pairs", "passages"
]


@dataclass(frozen=True)
class Shapes:
    """What a model must know of its inputs and heads; a part that is 0, () or None is absent.

    Inputs of a batch of B rows, by name:
    numbers     (B, numbers) float32, standardised, 0 where missing
    missing     (B, missing) float32, 1 where a number is missing (only columns that had gaps in training)
    categories  (B, len(categories)) int64, each below its cardinality; 0 is "never seen", 1 is "missing"
    tokens      (B, T) int64 below `tokens`, 0 pads; with tokens_length (B,) int64. Of a stream: without length, and
                with documents (B, T) int64, the document of each position, where a row holds several
    answer      (B, U) int64 below `tokens`, U at most `answers`: what a decoder is given, beginning with the token that
                stands before every answer, 0 pads; with answer_length (B,) int64
    told        (B, T) bool: the positions whose hidden tokens are asked for; with told_length (B,) int64
    segments    (B, T) int64 below `segments`: which text of a pair a token is of; with segments_length (B,) int64
    terms       (N,) int64 below `terms`, with terms_weight (N,) float32 and terms_offset (B,) int64: the weighted
                bag of n-grams of each row, as `nn.EmbeddingBag` takes it
    image       (B, C, H, W) uint8
    sequence    (B, T, channels) float32, standardised, 0 pads; with sequence_length (B,) int64
    """

    numbers: int = 0
    missing: int = 0
    categories: tuple[int, ...] = ()
    tokens: int = 0
    max_tokens: int = 0
    answers: int = 0
    segments: int = 0
    terms: int = 0
    image: tuple[int, int, int] | None = None  # C, H, W
    image_mean: tuple[float, ...] = ()  # of each channel over the training pixels, 0 … 255
    image_std: tuple[float, ...] = ()
    sequence: int = 0
    max_steps: int = 0
    per_token: bool = False  # every head answers each token, (B, T, size), and not each row
    spans: bool = False  # the head scores each token as the first and as the last of an answer: (B, T, 2)
    next_sentence: bool = False  # beside hidden tokens, whether the second text of a pair follows the first
    heads: Mapping[str, int] | None = None  # target name → number of outputs; None: the model tells next tokens


@dataclass(frozen=True)
class Batch:
    """One step's tensors. `rows` are the ROW positions of the examples, for errors."""

    inputs: dict[str, Tensor]
    targets: dict[str, Tensor]
    rows: Tensor

    def to(self, device: torch.device) -> "Batch":
        """The same batch on `device`."""
        if device.type == "cpu":
            return self
        return Batch(_moved(self.inputs, device), _moved(self.targets, device), self.rows)


def _moved(tensors: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """Copies on the device; to CUDA from pinned memory, so that nobody waits for them."""
    pinned = device.type == "cuda"
    return {k: (v.pin_memory() if pinned else v).to(device, non_blocking=pinned) for k, v in tensors.items()}


class Feed(Protocol):
    """An input of all rows, from which the tensors of some rows are taken."""

    def __len__(self) -> int: ...

    def take(self, name: str, index: Tensor) -> dict[str, Tensor]:
        """Input tensors, by name, of the rows in `index` (int64)."""
        ...


@dataclass(frozen=True)
class Dense:
    """Rows of equal shape: (N, ...)."""

    values: Tensor

    def __len__(self) -> int:
        return len(self.values)

    def take(self, name: str, index: Tensor) -> dict[str, Tensor]:
        """{name: (B, ...)}."""
        return {name: self.values.index_select(0, index)}


@dataclass(frozen=True)
class Ragged:
    """Rows of unequal length: row i is values[offsets[i]:offsets[i + 1]]; padded to the batch's longest."""

    values: Tensor  # (total, ...); int32 is given as int64
    offsets: Tensor  # (N + 1,) int64
    padding: int = 0

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Tensor:
        """(N,) int64."""
        return self.offsets[1:] - self.offsets[:-1]

    def take(self, name: str, index: Tensor) -> dict[str, Tensor]:
        """{name: (B, T, ...), name_length: (B,)}; T is the longest row of the batch, at least 1."""
        start = self.offsets[index]
        length = self.offsets[index + 1] - start
        steps = torch.arange(max(int(length.max()), 1))
        inside = steps < length[:, None]
        place = (start[:, None] + steps).masked_fill(~inside, 0)
        if len(self.values) == 0:
            return {
                name: self.values.new_full((*place.shape, *self.values.shape[1:]), self.padding),
                f"{name}_length": length,
            }
        values = self.values[place]
        values = values.masked_fill(~inside.view(*inside.shape, *[1] * (values.ndim - 2)), self.padding)
        values = values.long() if values.dtype == torch.int32 else values
        return {name: values, f"{name}_length": length}


@dataclass(frozen=True)
class Bags:
    """Weighted bags of terms: row i is terms[offsets[i]:offsets[i + 1]] with the weights beside it."""

    terms: Tensor  # (total,) int64
    weights: Tensor  # (total,) float32
    offsets: Tensor  # (N + 1,) int64

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def take(self, name: str, index: Tensor) -> dict[str, Tensor]:
        """{name: (N,), name_weight: (N,), name_offset: (B,)}."""
        start = self.offsets[index]
        length = self.offsets[index + 1] - start
        begin = length.cumsum(0) - length
        place = torch.arange(int(length.sum())) + (start - begin).repeat_interleave(length)
        return {name: self.terms[place], f"{name}_weight": self.weights[place], f"{name}_offset": begin}


@dataclass(frozen=True)
class Stream:
    """Documents one behind the other, cut into rows of `width` tokens, each told from what stands before it.

    Position p is to tell tokens[p] and is given tokens[p - 1], or `begin` where a document does; every position is in
    one row. The first row begins at `shift`, the last goes round to the beginning.
    """

    tokens: Tensor  # (total,) int32
    offsets: Tensor  # (D + 1,) int64: where each document begins
    begin: int  # the token that stands before a document
    width: int
    shift: int = 0

    def __len__(self) -> int:
        return -(-len(self.tokens) // self.width)

    def take(self, name: str, index: Tensor) -> dict[str, Tensor]:
        """{name: (B, T) the token before each position}, with documents (B, T) where a row holds several."""
        place = self._places(index) % len(self.tokens)
        document = torch.searchsorted(self.offsets, place, right=True) - 1
        before = self.tokens[(place - 1).clamp(min=0)].long()
        taken = {name: before.masked_fill(place == self.offsets[document], self.begin)}
        if (document != document[:, :1]).any():
            taken["documents"] = document
        return taken

    def told(self, index: Tensor) -> Tensor:
        """(B, T) int64: the token to tell at each position; -1 behind the last row's end."""
        place = self._places(index)
        tokens = self.tokens[place % len(self.tokens)].long()
        return tokens.masked_fill(place >= len(self.tokens) + self.shift, -1)

    def first_documents(self) -> Tensor:
        """(N,): the document in which each row begins."""
        begins = torch.arange(len(self)) * self.width
        return torch.searchsorted(self.offsets, begins, right=True) - 1

    def shifted(self, by: int) -> "Stream":
        """The same documents, cut at other places."""
        return replace(self, shift=by % self.width)

    def _places(self, index: Tensor) -> Tensor:
        return self.shift + index[:, None] * self.width + torch.arange(self.width)


@dataclass(frozen=True)
class NextTokens:
    """What a stream's rows are to tell."""

    stream: Stream

    def __len__(self) -> int:
        return len(self.stream)

    def take(self, name: str, index: Tensor) -> dict[str, Tensor]:
        """{name: (B, T)}, -1 where there is nothing to tell."""
        return {name: self.stream.told(index)}

    def shifted(self, by: int) -> "NextTokens":
        """Of the stream cut at other places."""
        return NextTokens(self.stream.shifted(by))


@dataclass(frozen=True)
class Store:
    """Encoded inputs, targets and row positions of a set of rows."""

    feeds: Mapping[str, Feed]
    targets: Mapping[str, Tensor]  # (N,) int64 class · (N, classes) float32 labels · (N,) float32 number
    rows: Tensor  # (N,) int64
    by_position: Mapping[str, Feed] = field(default_factory=dict)  # targets of each position, -1 where there is none

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, index: Tensor) -> Batch:
        """The batch of the rows at `index` (B,) int64."""
        inputs: dict[str, Tensor] = {}
        for name, feed in self.feeds.items():
            inputs |= feed.take(name, index)
        targets = {k: v.index_select(0, index) for k, v in self.targets.items()}
        targets |= {name: feed.take(name, index)[name] for name, feed in self.by_position.items()}
        return Batch(inputs, targets, self.rows[index])

    def shifted(self, by: int) -> "Store":
        """The same rows; those of a stream cut at other places."""
        if not self.by_position:
            return self
        feeds, told = (
            {name: feed.shifted(by) if isinstance(feed, Stream | NextTokens) else feed for name, feed in part.items()}
            for part in (self.feeds, self.by_position)
        )
        return replace(self, feeds=feeds, by_position=told)

    @property
    def lengths(self) -> Tensor | None:
        """Length of each row (N,) where rows are unequal, for batches without padding; else None."""
        ragged = [feed.lengths for feed in self.feeds.values() if isinstance(feed, Ragged)]
        return torch.stack(ragged).amax(0) if ragged else None
