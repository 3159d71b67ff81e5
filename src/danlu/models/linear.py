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
    """Full-batch L-BFGS to the optimum; the penalty is that of scikit-learn's LogisticRegression(C=1).

    Its mean loss + l2 / 2 · |w|² with l2 = 1 / rows has the same minimum as C · summed loss + |w|² / 2.
    """
    assert shapes.heads
    classes = max(shapes.heads.values()) > 1
    common = {"l2": 1.0 / rows if classes else 0.0, "weight_decay": 0.0, "early_stopping": False}
    if rows <= FULL_BATCH_ROWS:
        full = {
            "optimizer": "lbfgs",
            "batch_size": "full",
            "epochs": 100,
            "learning_rate": 1.0,
            "schedule": "constant",
        }
        return common | full | {"keep": "last", "precision": "float32"}
    return common | {
        "optimizer": "adamw",
        "batch_size": 1024,
        "epochs": 10,
        "learning_rate": 0.01,
        "schedule": "linear",
    }


FAMILY = Family(
    name="linear",
    summary="models.linear",
    config=Config,
    reads={"table": TABLE, "text": ("terms",), "image": ("image",), "sequence": ("sequence",)},
    build=lambda config, shapes: Linear(shapes),
    fields=_fields,
    training=_training,
)
