"""Text generation: each token of a document is told from those before it. Knows nothing of models."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from danlu.data.codec import Codec
from danlu.data.corpus import fit_documents
from danlu.data.documents import document_column
from danlu.data.loader import evaluation_batches
from danlu.data.store import Batch, Modality, Ragged, Store
from danlu.data.targets import UNKNOWN_CLASS, Target
from danlu.events import Progress
from danlu.models.scoring import token_nats
from danlu.recipe import TrainConfig
from danlu.tasks.task import Given, SumCount, cross_entropy_only

SCORES = 1 << 24  # numbers of one batch's outputs that are held at once when documents are measured: 64 MB


@dataclass(frozen=True)
class TextGeneration:
    """The task of a language model: rows are documents, without a target."""

    name: str = "text-generation"
    modality: Modality = "stream"
    goal: ClassVar[None] = None
    usage: ClassVar[str] = "flow.generate_with_it"

    def codec(self, given: Given) -> Codec:
        """The tokens of the documents."""
        column = document_column(given.train)
        documents, said = fit_documents(
            given.train.frame,
            column,
            given.data.documents,
            given.data.text,
            given.checkpoint,
            given.progress,
            given.tokenizer_json,
        )
        return Codec(targets={}, inputs={column: "text"}, notes=tuple(said), reading=documents)

    def objective(
        self, targets: Mapping[str, Target], config: TrainConfig, counts: Mapping[str, Tensor]
    ) -> "NextTokens":
        """Cross-entropy of the next token; DanluError for a loss or weights that it has no use for."""
        cross_entropy_only(config, "text")
        return NextTokens(config.label_smoothing or 0.0)

    def metrics(self, targets: Mapping[str, Target]) -> tuple[str, ...]:
        """The loss, and the share of tokens told right."""
        return ("loss", "accuracy")


@dataclass(frozen=True)
class NextTokens:
    """Cross-entropy of the scores (B, T, tokens) against the target "tokens" (B, T); UNKNOWN_CLASS has no loss."""

    label_smoothing: float = 0.0

    def count(self, batch: Batch) -> float:
        """Tokens that are to be told."""
        return float((batch.targets["tokens"] != UNKNOWN_CLASS).sum())

    def loss(self, outputs: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """Nats, summed over tokens."""
        return _nats(outputs, batch, self.label_smoothing)

    def score(self, outputs: Mapping[str, Tensor], batch: Batch) -> dict[str, SumCount]:
        """The loss without smoothing, and the tokens told right."""
        count = torch.tensor(self.count(batch))
        right = (outputs["logits"].argmax(-1) == batch.targets["tokens"]).sum()
        return {"loss": (_nats(outputs, batch, 0.0), count), "accuracy": (right, count)}


@torch.inference_mode()
def told(module: nn.Module, windows: Store, tokens: int, progress: Progress | None = None) -> tuple[Tensor, Tensor]:
    """What telling each token costs in nats (positions,) float32, and whether it was told right (positions,) bool.

    `windows` as of `Documents.windows`, whose rows tell one position after another; `tokens`: of the vocabulary.
    """
    module.eval()
    device = next(module.parameters()).device
    wanted = windows.by_position["tokens"]
    assert isinstance(wanted, Ragged)
    told = torch.cat([torch.zeros(1, dtype=torch.long), (wanted.values != UNKNOWN_CLASS).cumsum(0)])[wanted.offsets]
    nats, right = torch.zeros(int(told[-1])), torch.zeros(int(told[-1]), dtype=torch.bool)
    longest = int(wanted.lengths.max()) if len(windows) else 1
    for index, batch in evaluation_batches(windows, max(1, SCORES // (tokens * longest)), progress):
        logits = module(batch.to(device).inputs)["logits"].float().cpu()
        inside = batch.targets["tokens"] != UNKNOWN_CLASS
        place = (told[index][:, None] + inside.cumsum(1) - 1)[inside]
        true = batch.targets["tokens"][inside]
        nats[place] = F.cross_entropy(logits[inside], true, reduction="none")
        right[place] = logits[inside].argmax(-1) == true
    return nats, right


def _nats(outputs: Mapping[str, Tensor], batch: Batch, smoothing: float) -> Tensor:
    return token_nats(outputs, batch.targets["tokens"], smoothing, UNKNOWN_CLASS)
