"""Text to text: translation and summarization, an answer told token by token. Knows nothing of models."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from danlu.data.codec import Codec
from danlu.data.pairs import fit_pairs
from danlu.data.store import Modality
from danlu.data.targets import Target
from danlu.recipe import TrainConfig
from danlu.tasks.task import Given, cross_entropy_only
from danlu.tasks.text_generation import NextTokens


@dataclass(frozen=True)
class TextToText:
    """A task whose rows are a text and what is to be written of it; `goal` says by which figures that is judged."""

    name: str
    goal: Literal["translation", "summary"]
    modality: ClassVar[Modality] = "pairs"
    usage: ClassVar[str] = "flow.write_with_it"

    def codec(self, given: Given) -> Codec:
        """The tokens of both texts, in one vocabulary."""
        pairs, said = fit_pairs(given.train, given.targets[0], given.data.text, given.checkpoint, given.progress)
        target = Target(pairs.target, self.goal)
        return Codec(targets={pairs.target: target}, inputs={pairs.source: "text"}, notes=tuple(said), reading=pairs)

    def objective(self, targets: Mapping[str, Target], config: TrainConfig, counts: Mapping[str, Tensor]) -> NextTokens:
        """Cross-entropy of the answer's next token; DanluError for a loss or weights that it has no use for."""
        (name,) = targets
        cross_entropy_only(config, name)
        return NextTokens(config.label_smoothing or 0.0)

    def metrics(self, targets: Mapping[str, Target]) -> tuple[str, ...]:
        """The loss, and the share of the answers' tokens told right."""
        return ("loss", "accuracy")
