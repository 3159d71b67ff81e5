"""Family: what every model family declares. Knows nothing of any one family."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn

from danlu.data.store import Modality, Shapes, Store
from danlu.recipe import Frozen

TABLE = ("numbers", "missing", "categories")


class HubNames(Protocol):
    """How settings and weights are named in the Hugging Face layout; `hub.layout.Layout` for families of our own."""

    def fields(self, theirs: Mapping[str, Any]) -> dict[str, Any]:
        """Fields of our Config for their config.json."""
        ...

    def config(self, ours: Any, shapes: Shapes, labels: Sequence[str] = ()) -> dict[str, Any]:
        """Their config.json; DanluError where it has no place for the model."""
        ...

    def load(
        self, module: nn.Module, theirs: Mapping[str, Tensor], config: Any, *, new_task: bool = False
    ) -> list[str]:
        """Set the weights from their tensors; the names of those that keep the values they began with."""
        ...

    def tensors(self, module: nn.Module, config: Any) -> dict[str, Tensor]:
        """Their tensors of the weights."""
        ...


@dataclass(frozen=True)
class Family:
    """A family of models: its settings, how it is built, and the training settings that suit it.

    `reads` is how it takes the data of each modality: the names of inputs (see Shapes) by modality, such as
    {"table": TABLE, "text": ("terms", *TABLE)}; a modality that is not there is one it cannot take.
    `build(config, shapes)` gives the module: inputs → {head: (B, size) or (B, members, size)}.
    `fields(shapes, rows)` gives values for fields of `config` that suit these inputs and `rows` training
    rows; `config` alone is the plain model.
    Where `shapes.per_token` it gives {head: (B, T, size)}; where `shapes.heads` is None the module is a language
    model: inputs → {"logits": (B, T, tokens)}; where `shapes.answers`, (B, U, tokens) for the answer's positions.
    `prepare(module, store)` sets what the module begins with by looking at the training rows, once.
    `training(shapes, rows)` gives values for fields of TrainConfig that suit this family, likewise.
    `layout` says how its settings and weights are named in the Hugging Face layout, where they have a place there.
    """

    name: str
    summary: str  # key of a sentence in danlu.words.models
    config: type[Frozen]
    reads: Mapping[Modality, tuple[str, ...]]
    build: Callable[[Any, Shapes], nn.Module]
    fields: Callable[[Shapes, int], dict[str, Any]]
    training: Callable[[Shapes, int], dict[str, Any]]
    prepare: Callable[[nn.Module, Store], None] | None = None
    layout: HubNames | None = None
    marked: bool = False  # texts begin with a mark, whose vector stands for the text, and end with one
    robust: bool = True  # numbers centred on the median, outliers drawn in; else mean and deviation alone


def epochs_for(rows: int, passes: int, least: int, most: int = 30) -> int:
    """Epochs after which about `passes` rows have been seen."""
    return max(least, min(most, round(passes / rows)))


def power_of_two(value: float, least: int, most: int) -> int:
    """The power of two nearest to `value`, within powers of two."""
    return max(least, min(most, 2 ** round(math.log2(value))))
