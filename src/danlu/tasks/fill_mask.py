"""Fill-mask: the hidden tokens of a text are told from both sides. Knows nothing of models."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from danlu.data.codec import Codec
from danlu.data.documents import document_column
from danlu.data.loader import evaluation_batches
from danlu.data.masking import fit_masking
from danlu.data.store import Batch, Modality, Store
from danlu.data.targets import UNKNOWN_CLASS, Target
from danlu.events import Progress
from danlu.models.scoring import token_nats
from danlu.recipe import TrainConfig
from danlu.tasks.task import Given, SumCount, cross_entropy_only

SCORES = 1 << 24  # numbers of one batch's outputs that are held at once: 64 MB
ROWS_AT_ONCE = 64


@dataclass(frozen=True)
class FillMask:
    """BERT's task (Devlin et al. 2019): rows are documents, without a target."""

    name: str = "fill-mask"
    modality: Modality = "masked"
    goal: ClassVar[None] = None
    usage: ClassVar[str] = "masking.use_it"

    def codec(self, given: Given) -> Codec:
        """The tokens of the documents, some of them hidden."""
        column = document_column(given.train)
        masking, said = fit_masking(
            given.train, column, given.data, given.checkpoint, given.progress, given.tokenizer_json
        )
        return Codec(targets={}, inputs={column: "text"}, notes=tuple(said), reading=masking)

    def objective(
        self, targets: Mapping[str, Target], config: TrainConfig, counts: Mapping[str, Tensor]
    ) -> "HiddenTokens":
        """Cross-entropy of the hidden tokens; DanluError for a loss or weights that it has no use for."""
        cross_entropy_only(config, "text")
        return HiddenTokens(config.label_smoothing or 0.0)

    def metrics(self, targets: Mapping[str, Target]) -> tuple[str, ...]:
        """The loss, and the share of hidden tokens told right."""
        return ("loss", "accuracy")


@dataclass(frozen=True)
class HiddenTokens:
    """Cross-entropy of "logits" (n, tokens) against the n hidden tokens of the target "tokens" (B, T).

    Where rows are pairs, the mean cross-entropy of "next" (B, 2) is added to that of the tokens.
    """

    label_smoothing: float = 0.0

    def count(self, batch: Batch) -> float:
        """Hidden tokens."""
        return float((batch.targets["tokens"] != UNKNOWN_CLASS).sum())

    def loss(self, outputs: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """Nats, summed over hidden tokens; those of a pair weigh as many as its batch has of them for each row."""
        nats = _nats(outputs, batch, self.label_smoothing)
        if "next" not in outputs:
            return nats
        return nats + self.count(batch) * F.cross_entropy(outputs["next"], batch.targets["next"])

    def score(self, outputs: Mapping[str, Tensor], batch: Batch) -> dict[str, SumCount]:
        """Of hidden tokens the loss without smoothing, and those told right; of pairs those told right."""
        wanted = _wanted(batch)
        count = torch.tensor(len(wanted))
        right = (outputs["logits"].argmax(-1) == wanted).sum()
        scores = {"loss": (_nats(outputs, batch, 0.0), count), "accuracy": (right, count)}
        if "next" in outputs:
            right = (outputs["next"].argmax(-1) == batch.targets["next"]).sum()
            scores["next_accuracy"] = (right, torch.tensor(len(batch.rows)))
        return scores


@dataclass(frozen=True)
class Told:
    """What a model says of the n hidden tokens of a store's rows, row after row.

    `nats` (n,) float64 is what each costs, `rank` (n,) int64 how many tokens seem likelier. `next_right` (rows,) bool:
    whether the class of each pair was told right; None where rows are no pairs.
    """

    nats: Tensor
    rank: Tensor
    next_right: Tensor | None


@torch.inference_mode()
def told(module: nn.Module, store: Store, tokens: int, progress: Progress | None = None) -> Told:
    """What the model says of the hidden tokens of a store of `Masking`; `tokens`: of the vocabulary."""
    module.eval()
    device = next(module.parameters()).device
    none = torch.empty(0, dtype=torch.long)
    parts = [(none, none.double(), none)]  # of each hidden token its row, its nats, its rank
    next_right = torch.zeros(len(store), dtype=torch.bool)
    longest = int(store.lengths.max()) if store.lengths is not None and len(store) else 1
    rows_at_once = max(1, 4 * SCORES // (tokens * longest))  # a quarter hidden at most
    for index, batch in evaluation_batches(store, rows_at_once, progress):
        outputs = module(batch.to(device).inputs)
        logits, wanted = outputs["logits"].float().cpu(), _wanted(batch)
        true = logits.gather(1, wanted[:, None])
        row = index[(batch.targets["tokens"] != UNKNOWN_CLASS).nonzero()[:, 0]]
        parts.append((row, (logits.logsumexp(1) - true[:, 0]).double(), (logits > true).sum(1)))
        if "next" in outputs:
            next_right[index] = outputs["next"].argmax(-1).cpu() == batch.targets["next"]
    row, nats, rank = (torch.cat(each) for each in zip(*parts, strict=True))
    order = row.argsort(stable=True)
    return Told(nats[order], rank[order], next_right if "next" in store.targets else None)


@torch.inference_mode()
def likeliest(
    module: nn.Module, store: Store, most: int, among: Tensor, progress: Progress | None = None
) -> tuple[Tensor, Tensor]:
    """The `most` likeliest of the tokens `among` (size,) bool in place of each row's mask, and their probabilities.

    Both (rows, most), the likeliest first. `store` as of `Masking.questions`: one mask in each row.
    """
    module.eval()
    device = next(module.parameters()).device
    tokens = torch.zeros(len(store), most, dtype=torch.long)
    chances = torch.zeros(len(store), most, dtype=torch.float64)
    for index, batch in evaluation_batches(store, ROWS_AT_ONCE, progress):
        shares = module(batch.to(device).inputs)["logits"].double().cpu().softmax(-1)
        chances[index], tokens[index] = shares.masked_fill(~among, 0.0).topk(most)
    return tokens, chances


def _wanted(batch: Batch) -> Tensor:
    """(n,): the hidden tokens, row after row."""
    wanted = batch.targets["tokens"]
    return wanted[wanted != UNKNOWN_CLASS]


def _nats(outputs: Mapping[str, Tensor], batch: Batch, smoothing: float) -> Tensor:
    return token_nats(outputs, _wanted(batch), smoothing, UNKNOWN_CLASS)
