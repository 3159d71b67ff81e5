"""Family: what every model family declares. Knows nothing of any one family."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import nn

from danlu.data.store import Shapes
from danlu.recipe import Frozen

Modality = Literal["table", "text", "image", "sequence"]
TABLE = ("numbers", "missing", "categories")


@dataclass(frozen=True)
class Family:
    """A family of models: its settings, how it is built, and the training settings that suit it.

    `reads` is how it takes each modality: the names of inputs (see Shapes) by modality, such as
    {"table": ("numbers", "missing", "categories"), "text": ("terms",), "image": ("image",)}.
    `beside` is what it also takes, next to one of those: a table's columns beside an image.
    `build(config, shapes)` gives the module: inputs → {head: (B, size) or (B, members, size)}.
    `fields(shapes, rows)` gives values for fields of `config` that suit these inputs and `rows` training
    rows; `config` alone is the plain model.
    `training(shapes, rows)` gives values for fields of TrainConfig that suit this family, likewise.
    """

    name: str
    summary: str  # key of a sentence in danlu.words.models
    config: type[Frozen]
    reads: Mapping[Modality, tuple[str, ...]]
    build: Callable[[Any, Shapes], nn.Module]
    fields: Callable[[Shapes, int], dict[str, Any]]
    training: Callable[[Shapes, int], dict[str, Any]]
    beside: Mapping[Modality, tuple[str, ...]] = field(default_factory=dict)
