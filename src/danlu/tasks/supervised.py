"""Supervised tasks: one head per target, each a class, several labels or a number. Knows nothing of models."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from danlu.data.codec import Codec
from danlu.data.store import Batch, Modality
from danlu.data.targets import Goal, Target
from danlu.errors import DanluError
from danlu.recipe import TrainConfig
from danlu.tasks import heads
from danlu.tasks.task import Given, SumCount


@dataclass(frozen=True)
class Supervised:
    """A task: what its inputs are, and whether a good answer is a class or a number."""

    name: str
    modality: Modality
    goal: Goal
    usage: ClassVar[str] = "flow.use_it"

    def codec(self, given: Given) -> Codec:
        """The targets, and the columns that the family reads."""
        return Codec.fit(
            given.train,
            given.targets,
            self.goal,
            given.family.reads,
            self.modality,
            given.data,
            given.progress,
            robust=given.family.robust,
            marked=given.family.marked,
            checkpoint=given.checkpoint,
        )

    def metrics(self, targets: Mapping[str, Target]) -> tuple[str, ...]:
        """The loss, accuracy where there are classes, rmse where there are numbers."""
        return metrics_of(targets)

    def objective(
        self, targets: Mapping[str, Target], config: TrainConfig, counts: Mapping[str, Tensor]
    ) -> "Objective":
        """What training minimises and validation measures; `counts`: target → training rows per class.

        Raises DanluError where the loss, the metric or the class weights do not fit a target.
        """
        losses = {t.name: _loss_name(t, config.loss) for t in targets.values()}
        weights = {t.name: _class_weights(t, config.class_weights, counts.get(t.name)) for t in targets.values()}
        return Objective(targets, losses, weights, config.label_smoothing or 0.0)


@dataclass(frozen=True)
class Objective:
    """Loss and scores of a batch, as sums over its rows beside their count, so that uneven batches average exactly."""

    targets: Mapping[str, Target]
    losses: Mapping[str, heads.LossName]
    class_weights: Mapping[str, Tensor | None]
    label_smoothing: float = 0.0

    def count(self, batch: Batch) -> float:
        """Weight of the rows that have a loss; 0 where every label is masked. Needs no outputs."""
        return float(self._row_weight(batch, self.class_weights))

    def loss(self, outputs: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """Training loss, summed over rows and heads; divided by `count` it is the mean."""
        return self._total(outputs, batch, self.class_weights, self.label_smoothing)

    def score(self, outputs: Mapping[str, Tensor], batch: Batch) -> dict[str, SumCount]:
        """Validation scores by name: the loss without weights and smoothing, accuracy, squared error in raw units."""
        scores = {"loss": (self._total(outputs, batch, {}, 0.0), self._row_weight(batch, {}))}
        for name, target in self.targets.items():
            key, value = _score(target, outputs[name], batch.targets[name])
            total, count = scores.get(key, (torch.tensor(0.0), torch.tensor(0)))
            scores[key] = (total + value[0], count + value[1])
        return scores

    def _total(
        self,
        outputs: Mapping[str, Tensor],
        batch: Batch,
        weights: Mapping[str, Tensor | None],
        smoothing: float,
    ) -> Tensor:
        parts = []
        for name, target in self.targets.items():
            extra: dict[str, Any] = {}
            if target.kind != "number":
                extra = {"weight": weights.get(name), "smoothing": smoothing}
            parts.append(heads.LOSSES[self.losses[name]](outputs[name], batch.targets[name], **extra))
        return parts[0] if len(parts) == 1 else torch.stack(parts).sum()

    def _row_weight(self, batch: Batch, weights: Mapping[str, Tensor | None]) -> Tensor:
        parts = [heads.row_weight(batch.targets[name], weights.get(name)) for name in self.targets]
        return parts[0] if len(parts) == 1 else torch.stack([part.double() for part in parts]).sum()


def metrics_of(targets: Mapping[str, Target]) -> tuple[str, ...]:
    """Names that `train.metric` may take: loss first."""
    kinds = {t.kind for t in targets.values()}
    return (
        "loss",
        *(["accuracy"] if kinds & {"class", "labels"} else []),
        *(["rmse"] if "number" in kinds else []),
    )


LOWER_IS_BETTER = {"loss": True, "rmse": True, "accuracy": False, "f1": False, "exact_match": False}


def finished(scores: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """Metrics from summed scores: sums over counts; rmse is the root of the mean squared error."""
    means = {name: total / count if count else float("nan") for name, (total, count) in scores.items()}
    return {name: value**0.5 if name == "rmse" else value for name, value in means.items()}


def _score(target: Target, outputs: Tensor, truth: Tensor) -> tuple[str, SumCount]:
    if target.kind == "number":
        error = heads.numbers(outputs, 0.0, target.scale) - truth.double() * target.scale
        return "rmse", ((error * error).sum(), torch.tensor(len(truth)))
    chances = heads.probabilities(outputs, target.kind)
    if target.kind == "class":
        return "accuracy", ((chances.argmax(-1) == truth).sum(), torch.tensor(len(truth)))
    return "accuracy", (((chances > 0.5) == (truth > 0.5)).double().mean(-1).sum(), torch.tensor(len(truth)))


def _loss_name(target: Target, wanted: heads.LossName | None) -> heads.LossName:
    fitting = heads.FITS[target.kind]
    if wanted is None:
        return fitting[0]
    if wanted not in fitting:
        raise DanluError("train.loss_misfit", loss=wanted, target=target.name, fitting=", ".join(fitting))
    if wanted == "binary_cross_entropy" and target.kind == "class" and len(target.classes) != 2:
        raise DanluError("train.loss_binary", target=target.name, classes=len(target.classes))
    return wanted


def _class_weights(target: Target, wanted: Any, counts: Tensor | None) -> Tensor | None:
    """Weights per class: "balanced" is n / (classes × count), as scikit-learn defines it."""
    if wanted is None or target.kind == "number":
        return None
    if wanted == "balanced":
        if target.kind == "labels":
            raise DanluError("train.weights_labels", target=target.name)
        assert counts is not None
        return (counts.sum() / (len(counts) * counts.clamp(min=1))).float()
    unknown = sorted(set(wanted) - set(target.classes))
    if unknown:
        raise DanluError(
            "train.weights_unknown",
            target=target.name,
            unknown=unknown[0],
            classes=", ".join(target.classes[:20]),
        )
    return torch.tensor([float(wanted.get(c, 1.0)) for c in target.classes])
