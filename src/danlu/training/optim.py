"""Optimizers, schedules and penalties. Knows nothing of batches or files.

torch.optim is imported where one of its optimizers is asked for: that takes a second.
"""

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from danlu.training.adamw import AdamW
from danlu.training.plan import Plan

if TYPE_CHECKING:
    from torch.optim import Optimizer

    AnyOptimizer = AdamW | Optimizer


def optimizer_of(model: nn.Module, plan: Plan) -> "AnyOptimizer":
    """The plan's optimizer; decoupled weight decay acts on matrices only, never on biases, norms or embeddings of bias.

    SGD without momentum over `batch_size: full` is plain gradient descent.
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    matrices, vectors = [p for p in trained if p.ndim >= 2], [p for p in trained if p.ndim < 2]
    lr = plan.learning_rate
    if plan.optimizer in ("adamw", "adam"):  # adam: its decay defaults to 0
        decayed: list[dict[str, Any]] = [{"params": matrices, "weight_decay": plan.weight_decay}]
        groups = [g for g in (*decayed, {"params": vectors, "weight_decay": 0.0}) if g["params"]]
        if not plan.weight_decay:
            groups = [{"params": trained, "weight_decay": 0.0}]  # one kernel instead of two
        return AdamW(groups, lr, plan.betas)
    import torch.optim

    if plan.optimizer == "lbfgs":
        return torch.optim.LBFGS(trained, lr=lr, max_iter=20, history_size=20, line_search_fn="strong_wolfe")
    if plan.optimizer == "rmsprop":
        return torch.optim.RMSprop(trained, lr=lr, momentum=plan.momentum)
    return torch.optim.SGD(trained, lr=lr, momentum=plan.momentum, fused=_fused(model))


def decay_weights(optimizer: "AnyOptimizer", plan: Plan) -> Callable[[], None] | None:
    """Decoupled weight decay (Loshchilov & Hutter 2019) for the optimizers that have none: w ← w (1 − lr · decay)."""
    if plan.optimizer not in ("sgd", "rmsprop") or not plan.weight_decay:
        return None
    matrices = [p for g in optimizer.param_groups for p in g["params"] if p.ndim >= 2]

    @torch.no_grad()
    def decay() -> None:
        factor = 1 - optimizer.param_groups[0]["lr"] * plan.weight_decay
        for p in matrices:
            p.mul_(factor)

    return decay


def penalty_of(model: nn.Module, l1: float, l2: float) -> Callable[[], Tensor] | None:
    """() → l1 · Σ|w| + l2 / 2 · Σw² over matrices, as a scalar with a gradient; None where both are 0."""
    if not l1 and not l2:
        return None
    matrices = [p for p in model.parameters() if p.requires_grad and p.ndim >= 2]

    def penalty() -> Tensor:
        parts = [l1 * p.abs().sum() + l2 / 2 * p.square().sum() for p in matrices]
        return torch.stack(parts).sum()

    return penalty


def multiplier(plan: Plan, fraction: float) -> float:
    """Learning rate at `fraction` (0 … 1) of the run, as a multiple of the plan's."""
    if fraction < plan.warmup:
        return (fraction + 1 / max(plan.steps, 1)) / (plan.warmup + 1 / max(plan.steps, 1))
    after = (fraction - plan.warmup) / max(1 - plan.warmup, 1e-9)
    match plan.schedule:
        case "constant":
            return 1.0
        case "linear":
            return max(1 - after, 0.0)
        case "cosine":
            return 0.5 * (1 + math.cos(math.pi * min(after, 1.0)))
        case "step":
            return plan.step_gamma ** math.floor(after / plan.step_size + 1e-9)


def set_learning_rate(optimizer: "AnyOptimizer", value: float) -> None:
    """The same learning rate for every group."""
    for group in optimizer.param_groups:
        group["lr"] = value


def clip_gradients(parameters: Iterable[Tensor], largest: float) -> float:
    """Scale gradients so that their joint norm is at most `largest`; returns the norm before."""
    return float(nn.utils.clip_grad_norm_(parameters, largest))


def _fused(model: nn.Module) -> bool:
    """One kernel per step: every device that torch supports it on, float32 weights."""
    return all(p.device.type in ("cpu", "cuda", "mps") and p.is_floating_point() for p in model.parameters())
