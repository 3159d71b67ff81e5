"""Targets: what is predicted, as tensors. Fitted on the training rows; knows nothing of inputs."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
import torch
from torch import Tensor

from danlu.data.values import as_numbers, as_texts, natural_order
from danlu.errors import DanluError

Goal = Literal["classification", "regression", "entities", "answers", "translation", "summary"]
LARGEST = 1e100  # of a number to predict: the squares of errors, and their sums, stay finite
UNKNOWN_CLASS = -1  # a class that training never saw: no answer of the model can be right


@dataclass(frozen=True)
class Target:
    """A target column: its classes in order, or the mean and scale of its numbers in the training rows."""

    name: str
    kind: Literal["class", "labels", "number", "entities", "answers", "translation", "summary"]
    classes: tuple[str, ...] = ()
    mean: float = 0.0
    scale: float = 1.0

    @property
    def size(self) -> int:
        """Number of outputs of the head: one per class or label, 1 for a number."""
        return 1 if self.kind == "number" else len(self.classes)

    def encode(self, series: pl.Series) -> Tensor:
        """class: (N,) int64, UNKNOWN_CLASS where unknown · labels: (N, classes) float32 of 0 and 1 ·
        number: (N,) float32, standardised, NaN where it is no number.
        """
        if self.kind == "number":
            return torch.from_numpy(((as_numbers(series) - self.mean) / self.scale).astype(np.float32))
        if self.kind == "class":
            return torch.from_numpy(_positions(as_texts(series), self.classes))
        return _multi_hot(series, self.classes)

    def truth(self, encoded: Tensor) -> np.ndarray:
        """What `encode` gave, as an Outcome has it: class index, 0/1 labels, or numbers in raw units (float64)."""
        return encoded.double().numpy() * self.scale + self.mean if self.kind == "number" else encoded.numpy()

    def to_json(self) -> dict[str, Any]:
        """The fields; `from_json` reads them back."""
        return asdict(self) | {"classes": list(self.classes)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Target":
        """The target that `to_json` wrote."""
        return cls(**{**data, "classes": tuple(data["classes"])})


def fit_target(series: pl.Series, name: str, goal: Goal) -> Target:
    """The target of the training values in `series`.

    Raises DanluError where a regression has no numbers, too large ones or equal ones, or a classification fewer than
    two classes.
    """
    if isinstance(series.dtype, pl.List):
        return Target(name, "labels", _classes(series.explode(), name, at_least=1))
    if goal == "classification":
        return Target(name, "class", _classes(series, name, at_least=2))
    return _number(series, name)


def _classes(series: pl.Series, name: str, at_least: int) -> tuple[str, ...]:
    values = natural_order(as_texts(series).drop_nulls().unique().to_list())
    if len(values) < at_least:
        raise DanluError("codec.too_few_classes", column=name, found=", ".join(values) or "-", needed=at_least)
    return tuple(values)


def _number(series: pl.Series, name: str) -> Target:
    if not (series.dtype.is_numeric() or series.dtype in (pl.Boolean, pl.String)):
        raise DanluError("codec.target_not_number", column=name, got=str(series.dtype))
    values = as_numbers(series)
    values = values[np.isfinite(values)]
    if len(values) == 0:
        raise DanluError("codec.target_not_number", column=name, got=str(series.drop_nulls().head(1).to_list()))
    largest = float(np.abs(values).max())
    if largest > LARGEST:
        raise DanluError("codec.target_too_large", column=name, got=f"{largest:.3g}", most=f"{LARGEST:g}")
    scale = float(values.std())
    if scale == 0:  # so too where the differences are too small to be squared
        raise DanluError("codec.target_constant", column=name, got=f"{values[0]:g}")
    return Target(name, "number", mean=float(values.mean()), scale=scale)


def _positions(texts: pl.Series, classes: tuple[str, ...]) -> np.ndarray:
    found = texts.replace_strict(list(classes), list(range(len(classes))), default=UNKNOWN_CLASS, return_dtype=pl.Int64)
    return found.fill_null(UNKNOWN_CLASS).to_numpy(writable=True)


def _multi_hot(series: pl.Series, classes: tuple[str, ...]) -> Tensor:
    counts = series.list.len().fill_null(0).to_numpy()
    labels = as_texts(series.filter(series.list.len() > 0).explode())
    rows = np.repeat(np.arange(len(series)), counts)
    columns = _positions(labels, classes)
    known = columns != UNKNOWN_CLASS
    hot = torch.zeros(len(series), len(classes))
    hot[torch.from_numpy(rows[known]), torch.from_numpy(columns[known])] = 1.0
    return hot
