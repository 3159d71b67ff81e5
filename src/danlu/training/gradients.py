"""Gradients: the loss of a batch, and what each weight is to change by. Knows nothing of optimizers or of order.

Of a small model most of a step is what stands around the arithmetic: modules that are called, a graph that is built
and walked. There the operations of a step, forward and backward, are listed once and then run as they are.
"""

from itertools import chain

import torch
from torch import Tensor, nn

from danlu.data.store import Batch
from danlu.models.scoring import VECTORS
from danlu.tasks.task import Objective
from danlu.training.operations import Listed, UnlistedError, listed
from danlu.training.plan import Plan

WORTH_STEPS = 200  # of a run, from which on listing them pays
WORTH_SIZE = 2_000_000_000  # weights × numbers in an input of a batch, up to which it does
HALVES = {"bfloat16": torch.bfloat16, "float16": torch.float16}
SHAPES = 2  # of batches that are listed: those of an epoch, and its last

Key = tuple[torch.Size, ...]  # of the inputs


def outputs_of(model: nn.Module, batch: Batch, plan: Plan) -> dict[str, Tensor]:
    """The model's outputs in float32, computed in the plan's precision; vectors to be scored stay in it."""
    if plan.precision not in HALVES:
        return model(batch.inputs)
    with torch.autocast(plan.device.split(":")[0], HALVES[plan.precision]):
        outputs = model(batch.inputs)
    return {name: value if name == VECTORS else value.float() for name, value in outputs.items()}


class Gradients:
    """The gradients of a model under an objective, of one batch after another."""

    def __init__(self, model: nn.Module, objective: Objective, plan: Plan) -> None:
        self._model, self._objective, self._plan = model, objective, plan
        self._trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
        frozen = {name: p for name, p in model.named_parameters() if not p.requires_grad}
        self._held = frozen | dict(model.named_buffers())
        self._memory = [each.detach() for each in (self._trained | self._held).values()]  # where their numbers lie
        self._listed: dict[Key, Listed | None] = {}
        self._count, self._count_is = torch.tensor(1.0), 1.0  # what the loss was last divided by
        weights = sum(p.numel() for p in self._trained.values())
        # a list would draw dropout anew on the way back of layers that are computed again
        lists = plan.steps >= WORTH_STEPS and not (plan.checkpointing or plan.compile)
        self._largest = WORTH_SIZE // max(weights, 1) if lists else 0

    def add(self, batch: Batch, count: float) -> float:
        """Add to the weights' gradients those of the loss divided by `count`; that loss."""
        step = self._of_shape(batch)
        if step is None:
            loss = self._objective.loss(outputs_of(self._model, batch, self._plan), batch) / count
            loss.backward()
            return float(loss.detach())
        if self._count_is != count:
            self._count, self._count_is = torch.tensor(count), count
        given = chain(self._memory, batch.inputs.values(), batch.targets.values())
        value, *gradients = step(*given, self._count)
        for p, gradient in zip(self._trained.values(), gradients, strict=True):
            p.grad = gradient if p.grad is None or gradient is None else p.grad.add_(gradient)
        return float(value)

    def _of_shape(self, batch: Batch) -> Listed | None:
        """The list for batches of this shape, where one pays; rows of unequal length have too many shapes."""
        key = tuple(value.shape for value in batch.inputs.values())
        if key not in self._listed:
            unequal = any(name.endswith("_length") for name in batch.inputs)
            largest = max(value.numel() for value in batch.inputs.values())
            if unequal or largest > self._largest or len(self._listed) == SHAPES:
                return None
            self._listed[key] = self._list(batch)
        return self._listed[key]

    def _list(self, batch: Batch) -> Listed | None:
        """The operations of a step; listing them changes neither the model nor torch's random numbers."""
        trained = list(self._trained.values())

        def step(*tensors: Tensor) -> list[Tensor | None]:
            loss = self._objective.loss(outputs_of(self._model, batch, self._plan), batch) / tensors[-1]
            found = torch.autograd.grad(loss, trained, allow_unused=True)
            return [loss, *(_laid_out(g, p) for g, p in zip(found, trained, strict=True))]

        given = [*trained, *self._held.values(), *batch.inputs.values(), *batch.targets.values(), torch.tensor(1.0)]
        before = [held.clone() for held in self._held.values()]
        try:
            with torch.random.fork_rng(devices=[]):
                return listed(step, given)
        except UnlistedError:
            return None
        finally:
            for held, value in zip(self._held.values(), before, strict=True):
                held.detach().copy_(value)


def _laid_out(gradient: Tensor | None, weight: Tensor) -> Tensor | None:
    """The gradient in memory as its weight is, as fused optimizers take for granted."""
    if gradient is None or gradient.stride() == weight.stride():
        return gradient
    return torch.empty_like(weight).copy_(gradient)
