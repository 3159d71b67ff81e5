"""Text to text: translation and summarization, an answer told token by token. Knows nothing of models."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from danlu.data.codec import Codec
from danlu.data.examples import Examples
from danlu.data.pairs import fit_pairs
from danlu.data.store import Modality
from danlu.data.targets import Target
from danlu.data.text import Checkpoint
from danlu.errors import DanluError
from danlu.events import Progress
from danlu.models.family import Family
from danlu.recipe import DataConfig, TrainConfig
from danlu.tasks.text_generation import NextTokens


@dataclass(frozen=True)
class TextToText:
    """A task whose rows are a text and what is to be written of it; `goal` says by which figures that is judged."""

    name: str
    goal: Literal["translation", "summary"]
    modality: ClassVar[Modality] = "pairs"
    usage: ClassVar[str] = "flow.write_with_it"

    def codec(
        self,
        train: Examples,
        targets: tuple[str, ...],
        family: Family,
        config: DataConfig,
        checkpoint: Checkpoint | None,
        progress: Progress | None,
    ) -> Codec:
        """The tokens of both texts, in one vocabulary."""
        pairs, said = fit_pairs(train, targets[0], config.text, checkpoint, progress)
        target = Target(pairs.target, self.goal)
        return Codec(targets={pairs.target: target}, inputs={pairs.source: "text"}, notes=tuple(said), reading=pairs)

    def objective(self, targets: Mapping[str, Target], config: TrainConfig, counts: Mapping[str, Tensor]) -> NextTokens:
        """Cross-entropy of the answer's next token; DanluError for a loss or weights that it has no use for."""
        (name,) = targets
        if config.loss not in (None, "cross_entropy"):
            raise DanluError("train.loss_misfit", loss=config.loss, target=name, fitting="cross_entropy")
        if config.class_weights:
            raise DanluError("train.only_classes", setting="class_weights")
        return NextTokens(config.label_smoothing or 0.0)

    def metrics(self, targets: Mapping[str, Target]) -> tuple[str, ...]:
        """The loss, and the share of the answers' tokens told right."""
        return ("loss", "accuracy")
