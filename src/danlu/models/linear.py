"""Linear and logistic regression: every input weighs on every output, and nothing else."""

from typing import Any

import torch
from torch import Tensor, nn

from danlu.data.store import Shapes
from danlu.models.family import TABLE, Family
from danlu.models.heads import split_heads
from danlu.models.inputs import CategorySum, Concat, Part, PixelVector, SequenceSummary, TermSum, Values
from danlu.recipe import Frozen

FULL_BATCH_ROWS = 200_000  # beyond, minibatches arrive sooner than second-order steps over all rows
C_OF_TERMS = 10.0  # terms are many and small: rows have length 1, so weights must be larger


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
        self.terms = nn.ModuleList(_terms(shapes, outputs))
        for parameter in self.parameters():
            nn.init.zeros_(parameter)

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        outputs = self.bias
        for term in self.terms:
            outputs = outputs + term(inputs)
        return split_heads(outputs, self.sizes)


def _terms(shapes: Shapes, outputs: int) -> list[nn.Module]:
    """What is summed: modules of inputs → (B, outputs)."""
    terms: list[nn.Module] = []
    if values := _values(shapes):
        read = Concat(values)
        terms.append(nn.Sequential(read, nn.Linear(read.width, outputs, bias=False)))
    if shapes.categories:
        terms.append(CategorySum(shapes, outputs))
    if shapes.terms:
        terms.append(TermSum(shapes, outputs))
    return terms


def _values(shapes: Shapes) -> list[Part]:
    parts: list[Part] = []
    if shapes.numbers or shapes.missing:
        parts.append(Values(shapes))
    if shapes.image:
        parts.append(PixelVector(shapes))
    if shapes.sequence:
        parts.append(SequenceSummary(shapes))
    return parts


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
    robust=False,
)
