"""Token classification: the entities of a text, told word by word. Knows nothing of models."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from danlu.data.codec import Codec
from danlu.data.loader import evaluation_batches
from danlu.data.spans import Positions, bio_spans
from danlu.data.store import Batch, Modality, Store
from danlu.data.tagging import WORD, fit_tagging
from danlu.data.targets import UNKNOWN_CLASS, Goal, Target
from danlu.events import Progress
from danlu.recipe import TrainConfig
from danlu.tasks.task import Given, SumCount, cross_entropy_only

ROWS_AT_ONCE = 64


@dataclass(frozen=True)
class TokenClassification:
    """The task of finding entities: rows are texts, the target is a list of spans."""

    name: str = "token-classification"
    modality: Modality = "words"
    goal: Goal = "entities"
    usage: str = "flow.find_with_it"

    def codec(self, given: Given) -> Codec:
        """The tokens of the texts, and the tags of their words."""
        tagging, tags, said = fit_tagging(
            given.train, given.targets[0], given.data.text, given.checkpoint, given.progress
        )
        return Codec(targets={tags.name: tags}, inputs={tagging.column: "text"}, notes=tuple(said), reading=tagging)

    def objective(self, targets: Mapping[str, Target], config: TrainConfig, counts: Mapping[str, Tensor]) -> "WordTags":
        """Cross-entropy of the tag of each word; DanluError for a loss or weights that it has no use for."""
        (name,) = targets
        cross_entropy_only(config, name)
        return WordTags(name, config.label_smoothing or 0.0)

    def metrics(self, targets: Mapping[str, Target]) -> tuple[str, ...]:
        """The loss, the share of words with the right tag, and the F1 of whole entities."""
        return ("loss", "accuracy", "f1")


@dataclass(frozen=True)
class WordTags:
    """Cross-entropy of the head `name` (B, T, classes) against (B, T); UNKNOWN_CLASS, as of padding, has no loss."""

    name: str
    label_smoothing: float = 0.0

    def count(self, batch: Batch) -> float:
        """Words that are to be told."""
        return float((batch.targets[self.name] != UNKNOWN_CLASS).sum())

    def loss(self, outputs: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """Nats, summed over words."""
        return self._nats(outputs, batch, self.label_smoothing)

    def score(self, outputs: Mapping[str, Tensor], batch: Batch) -> dict[str, SumCount]:
        """The loss without smoothing, words told right, and F1: an entity counts where span and kind are right.

        One that lies in two windows of a text counts in each.
        """
        wanted = batch.targets[self.name]
        told = wanted != UNKNOWN_CLASS
        truth, answer = (each[told].cpu().numpy() for each in (wanted, outputs[self.name].argmax(-1)))
        row = torch.arange(len(told))[:, None].expand(told.shape)[told.cpu()].numpy()
        hits, found, actual = entities_right(truth, answer, row)
        return {
            "loss": (self._nats(outputs, batch, 0.0), torch.tensor(len(truth))),
            "accuracy": (torch.tensor((truth == answer).sum()), torch.tensor(len(truth))),
            "f1": (torch.tensor(2.0 * hits), torch.tensor(found + actual)),
        }

    def _nats(self, outputs: Mapping[str, Tensor], batch: Batch, smoothing: float) -> Tensor:
        logits, wanted = outputs[self.name].flatten(0, 1), batch.targets[self.name].flatten()
        return F.cross_entropy(logits, wanted, ignore_index=UNKNOWN_CLASS, reduction="sum", label_smoothing=smoothing)


def entities_right(truth: Positions, answer: Positions, sentence: Positions) -> tuple[int, int, int]:
    """Entities that are right, answered and true, of words with these classes, sentence after sentence."""
    true, said = (
        {*zip(found.first.tolist(), found.end.tolist(), found.label.tolist(), strict=True)}
        for found in (bio_spans(classes, sentence) for classes in (truth, answer))
    )
    return len(true & said), len(said), len(true)


@torch.inference_mode()
def word_chances(
    module: nn.Module, windows: Store, name: str, words: int, classes: int, progress: Progress | None = None
) -> np.ndarray:
    """(words, classes) float64: how likely the head `name` holds each class of each word, as `windows` tell them."""
    module.eval()
    device = next(module.parameters()).device
    chances = torch.zeros(words, classes, dtype=torch.float64)
    for _, batch in evaluation_batches(windows, ROWS_AT_ONCE, progress):
        logits = module(batch.to(device).inputs)[name].double().cpu()
        told = batch.targets[WORD] != UNKNOWN_CLASS
        chances[batch.targets[WORD][told]] = logits[told].softmax(-1)
    return chances.numpy()
