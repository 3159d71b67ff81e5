"""Question answering: where in a context the answer to a question begins and ends. Knows nothing of models."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from danlu.data.codec import Codec
from danlu.data.loader import evaluation_batches
from danlu.data.passages import ANSWER, BEGINS, ENDS, fit_passages
from danlu.data.question_rows import CONTEXT, QUESTION
from danlu.data.store import Batch, Modality, Store
from danlu.data.targets import UNKNOWN_CLASS, Goal, Target
from danlu.errors import DanluError
from danlu.events import Progress
from danlu.recipe import TrainConfig
from danlu.tasks.task import Given, SumCount, cross_entropy_only

ROWS_AT_ONCE = 32


@dataclass(frozen=True)
class QuestionAnswering:
    """The task of finding the answer to a question in a context: rows are both texts, the target a list of answers."""

    name: str = "question-answering"
    modality: Modality = "passages"
    goal: Goal = "answers"
    usage: str = "flow.ask_it"

    def codec(self, given: Given) -> Codec:
        """The tokens of questions and contexts, in windows."""
        passages, said = fit_passages(given.train, given.data.text, given.checkpoint)
        return Codec(
            targets={name: Target(name, "answers") for name in given.targets},
            inputs={QUESTION: "text", CONTEXT: "text"},
            notes=tuple(said),
            reading=passages,
        )

    def objective(
        self, targets: Mapping[str, Target], config: TrainConfig, counts: Mapping[str, Tensor]
    ) -> "AnswerEnds":
        """Cross-entropy of where an answer begins and ends; DanluError for a setting of the loss that has no use."""
        (name,) = targets
        cross_entropy_only(config, name)
        if config.label_smoothing:
            raise DanluError("train.only_classes", setting="label_smoothing")
        return AnswerEnds(name)

    def metrics(self, targets: Mapping[str, Target]) -> tuple[str, ...]:
        """The loss, and the share of windows with an answer of which both positions are told right."""
        return ("loss", "exact_match")


@dataclass(frozen=True)
class AnswerEnds:
    """Cross-entropy of the head ANSWER (B, T, 2) against the target `name` (B, 2): an answer's first and last position.

    Among the tokens of the context and the first position, which stands for no answer here; UNKNOWN_CLASS has no loss.
    """

    name: str

    def count(self, batch: Batch) -> float:
        """Windows of which the answer is known."""
        return float((batch.targets[self.name][:, 0] != UNKNOWN_CLASS).sum())

    def loss(self, outputs: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """Nats, the mean of both ends, summed over windows."""
        logits, wanted = end_scores(outputs, batch).transpose(1, 2).flatten(0, 1), batch.targets[self.name].flatten()
        return F.cross_entropy(logits, wanted, ignore_index=UNKNOWN_CLASS, reduction="sum") / 2

    def score(self, outputs: Mapping[str, Tensor], batch: Batch) -> dict[str, SumCount]:
        """The loss, and of windows that hold their answer those whose best two tokens of the context are its ends."""
        wanted = batch.targets[self.name]
        known, held = wanted[:, 0] != UNKNOWN_CLASS, wanted[:, 0] > 0
        right = (end_scores(outputs, batch)[:, 1:].argmax(1) + 1 == wanted).all(1) & held
        return {"loss": (self.loss(outputs, batch), known.sum()), "exact_match": (right.sum(), held.sum())}


@dataclass(frozen=True)
class Spans:
    """The best answer of each of N windows: its characters, its score above that of no answer, and how likely it is.

    `begins` and `ends` are UNKNOWN_CLASS and `margin` is -inf where a window has no token of the context.
    """

    begins: np.ndarray
    ends: np.ndarray
    margin: np.ndarray
    chance: np.ndarray
    chance_of_none: np.ndarray


def end_scores(outputs: Mapping[str, Tensor], batch: Batch) -> Tensor:
    """(B, T, 2): the head ANSWER, -inf at positions that cannot be an answer's."""
    allowed = batch.targets[BEGINS] != UNKNOWN_CLASS
    allowed[:, 0] = True
    return outputs[ANSWER].float().masked_fill(~allowed[..., None], -torch.inf)


@torch.inference_mode()
def best_spans(module: nn.Module, windows: Store, longest: int, progress: Progress | None = None) -> Spans:
    """The best answer of at most `longest` tokens in each window."""
    module.eval()
    device = next(module.parameters()).device
    found = torch.zeros(5, len(windows), dtype=torch.float64)
    for index, batch in evaluation_batches(windows, ROWS_AT_ONCE, progress):
        batch = batch.to(device)
        scores = end_scores(module(batch.inputs), batch).double()
        total = scores.logsumexp(1).sum(1)
        none = scores[:, 0].sum(1)
        scores[:, 0] = -torch.inf
        best, first, last = best_pairs(scores, longest)
        begins, ends = (
            batch.targets[name].gather(1, at[:, None])[:, 0] for name, at in ((BEGINS, first), (ENDS, last))
        )
        found[:, index] = (
            torch.stack([begins, ends, best - none, (best - total).exp(), (none - total).exp()]).double().cpu()
        )
    begins, ends, margin, chance, chance_of_none = found.numpy()
    return Spans(begins.astype(np.int64), ends.astype(np.int64), margin, chance, chance_of_none)


def best_pairs(scores: Tensor, longest: int) -> tuple[Tensor, Tensor, Tensor]:
    """scores (B, T, 2) → (B,) the highest sum of a start's and an end's, the start, the end at most `longest` on."""
    steps = scores.shape[1]
    best = scores.new_full((len(scores),), -torch.inf)
    first = last = torch.zeros_like(best, dtype=torch.long)
    for more in range(min(longest, steps)):
        value, place = (scores[:, : steps - more, 0] + scores[:, more:, 1]).max(1)
        better = value > best
        best, first, last = (
            torch.where(better, new, old) for new, old in ((value, best), (place, first), (place + more, last))
        )
    return best, first, last
