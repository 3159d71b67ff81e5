"""Linear and logistic regression: every input weighs on every output, and nothing else."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from danlu.data.store import Bags, Shapes, Store
from danlu.models.family import TABLE, Family
from danlu.models.heads import split_heads
from danlu.models.inputs import CategorySum, Concat, Part, PixelVector, SequenceSummary, Values
from danlu.recipe import Frozen

FULL_BATCH_ROWS = 200_000  # beyond, minibatches arrive sooner than second-order steps over all rows
C_OF_TERMS = 5.0  # terms are many and small: rows have length 1, so weights must be larger


class Config(Frozen):
    """Linear regression has no settings of its own; its penalties are `train.l1` and `train.l2`."""


class Linear(nn.Module):
    """outputs = bias + Σ weight · value + Σ weight of each category + Σ weight · term; starts at 0."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        assert shapes.heads
        self.sizes = dict(shapes.heads)
        outputs = sum(self.sizes.values())
        self.bias = nn.Parameter(torch.empty(outputs))
        self.summands = nn.ModuleList(_summands(shapes, outputs))
        for parameter in self.parameters():
            nn.init.zeros_(parameter)

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        outputs = self.bias
        for summand in self.summands:
            outputs = outputs + summand(inputs)
        return split_heads(outputs, self.sizes)


class TermWeights(nn.Module):
    """Σ weight · trust · term: a term that tells classes apart in the training rows is penalised less.

    The trust is 1 + |log-count ratio|, after Wang and Manning 2012 (Baselines and Bigrams), who mix Naive Bayes into a
    linear model likewise. On sentence_polarity it is worth 1.2 points of accuracy.
    """

    def __init__(self, shapes: Shapes, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(shapes.terms, outputs))
        self.trust: Tensor
        self.register_buffer("trust", torch.ones(shapes.terms, 1))

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        weight = self.weight * self.trust
        terms, weights = inputs["terms"], inputs["terms_weight"]
        if "terms_offset" not in inputs:  # a row of (B, K) per bag, padded with weight 0, as exported graphs take them
            return (weight[terms] * weights.unsqueeze(-1)).sum(1)
        offsets = inputs["terms_offset"]
        return F.embedding_bag(terms, weight, offsets, mode="sum", per_sample_weights=weights)


def term_trust(bags: Bags, members: Tensor, terms: int) -> Tensor:
    """(terms,): 1 + the greatest |log-count ratio| of a class and the rest; `members` (N, classes) is 1 inside."""
    row = torch.arange(len(bags)).repeat_interleave(bags.offsets.diff())
    counts = [torch.bincount(bags.terms, inside[row].double(), minlength=terms) for inside in members.T]
    inside = torch.stack(counts, dim=1)
    outside = torch.bincount(bags.terms, minlength=terms).unsqueeze(1) - inside
    shares = [(count + 1) / (count + 1).sum(0) for count in (inside, outside)]
    return 1 + (shares[0] / shares[1]).log().abs().amax(1).float()


def _summands(shapes: Shapes, outputs: int) -> list[nn.Module]:
    """What is summed: modules of inputs → (B, outputs)."""
    summands: list[nn.Module] = []
    if values := _values(shapes):
        read = Concat(values)
        summands.append(nn.Sequential(read, nn.Linear(read.width, outputs, bias=False)))
    if shapes.categories:
        summands.append(CategorySum(shapes, outputs))
    if shapes.terms:
        summands.append(TermWeights(shapes, outputs))
    return summands


def _values(shapes: Shapes) -> list[Part]:
    parts: list[Part] = []
    if shapes.numbers or shapes.missing:
        parts.append(Values(shapes))
    if shapes.image:
        parts.append(PixelVector(shapes))
    if shapes.sequence:
        parts.append(SequenceSummary(shapes))
    return parts


def _prepare(model: nn.Module, store: Store) -> None:
    """Set the trust in each term by the classes of the training rows."""
    assert isinstance(model, Linear)
    bags = store.feeds.get("terms")
    members = [_members(target) for target in store.targets.values() if _is_classes(target)]
    if isinstance(bags, Bags) and members:
        weights = next(summand for summand in model.summands if isinstance(summand, TermWeights))
        weights.trust.copy_(term_trust(bags, torch.cat(members, dim=1), len(weights.trust)).unsqueeze(1))


def _is_classes(target: Tensor) -> bool:
    return target.ndim == 2 or not target.is_floating_point()


def _members(target: Tensor) -> Tensor:
    """(N, classes): 1 where a row is of the class."""
    return target if target.ndim == 2 else F.one_hot(target).to(torch.float32)


def _fields(shapes: Shapes, rows: int) -> dict[str, Any]:
    return {}


def _training(shapes: Shapes, rows: int) -> dict[str, Any]:
    """L-BFGS over all rows to the optimum; an epoch is up to 20 of its iterations."""
    common = {"l2": _l2(shapes, rows), "weight_decay": 0.0, "early_stopping": False, "keep": "last"}
    if rows > FULL_BATCH_ROWS:
        batches = {"optimizer": "adamw", "batch_size": 1024, "epochs": 10, "learning_rate": 0.01}
        return common | batches | {"schedule": "linear"}
    full = {"optimizer": "lbfgs", "batch_size": "full", "learning_rate": 1.0, "schedule": "constant"}
    return common | full | {"epochs": 3 if shapes.terms else 20, "warmup": 0.0, "precision": "float32"}


def _l2(shapes: Shapes, rows: int) -> float:
    """The l2 with which mean loss + l2 / 2 · |w|² is least where scikit-learn's summed loss and penalty are.

    Classes: LogisticRegression, C · loss + |w|² / 2. Two classes have two outputs here and one there: w / 2 and
    -w / 2, which makes |w|² half as large. Numbers: LinearRegression; Ridge with alpha 1 where inputs are many.
    """
    assert shapes.heads
    outputs = max(shapes.heads.values())
    if outputs == 1:
        return 2.0 / rows if shapes.terms or shapes.image or shapes.sequence else 0.0
    inverse = C_OF_TERMS if shapes.terms else 1.0
    return (2.0 if outputs == 2 else 1.0) / (inverse * rows)


FAMILY = Family(
    name="linear",
    summary="models.linear",
    config=Config,
    reads={
        "table": (*TABLE, "terms"),
        "text": ("terms", *TABLE),
        "image": ("image", *TABLE),
        "sequence": ("sequence", *TABLE),
    },
    build=lambda config, shapes: Linear(shapes),
    fields=_fields,
    training=_training,
    prepare=_prepare,
    robust=False,
)
