"""Optimizers, schedules and penalties. Knows nothing of batches or files.

torch.optim is imported where one of its optimizers is asked for: that takes a second.
"""

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import increment_version

from danlu.errors import DanluError
from danlu.models.transformer import level_of
from danlu.training.adamw import AdamW
from danlu.training.adamw8bit import BLOCK, AdamW8bit
from danlu.training.checkpoint import packed
from danlu.training.plan import Plan
from danlu.training.together import Together
from danlu.words import Note

LEAST_8BIT = 4096  # weights of a parameter, below which bytes save nothing that counts
NEW_HEADS = 5.0  # times the learning rate of the last layer of a pretrained model


if TYPE_CHECKING:
    from torch.optim import Optimizer

    AnyOptimizer = AdamW | AdamW8bit | Together | Optimizer

Chosen = Callable[[str, nn.Parameter], bool]


def optimizer_of(model: nn.Module, plan: Plan) -> "AnyOptimizer":
    """The plan's optimizer; decoupled weight decay acts on matrices only, never on biases, norms or embeddings of bias.

    SGD without momentum over `batch_size: full` is plain gradient descent. Raises DanluError for muon where the model
    has no hidden matrices.
    """
    lr, decay = plan.learning_rate, plan.weight_decay
    match plan.optimizer:
        case "adamw" | "adam":  # adam: its decay defaults to 0
            return AdamW(_groups(model, plan, decay), lr, plan.betas)
        case "adamw8bit":
            large, small = _parted(model, plan, _large)
            return Together([AdamW8bit(large, lr, plan.betas), AdamW(small, lr, plan.betas)])
        case "muon":
            return _muon(model, plan)
    import torch.optim

    if plan.optimizer == "adafactor":
        return torch.optim.Adafactor(_groups(model, plan, decay), lr=lr)
    trained = _groups(model, plan, 0.0)
    if plan.optimizer == "lbfgs":
        return torch.optim.LBFGS(
            trained[0]["params"], lr=lr, max_iter=20, history_size=20, line_search_fn="strong_wolfe"
        )
    if plan.optimizer == "rmsprop":
        return torch.optim.RMSprop(trained, lr=lr, momentum=plan.momentum)
    sgd = torch.optim.SGD(trained, lr=lr, momentum=plan.momentum, fused=_fused(model))
    sgd.register_step_post_hook(lambda *_: increment_version(list(model.parameters())))  # which the kernel does not
    return sgd


def _muon(model: nn.Module, plan: Plan) -> Together:
    """Muon (Jordan 2024) for the matrices of hidden layers, AdamW for embeddings, heads, vectors and convolutions.

    Its steps are scaled to be as long as AdamW's (Liu et al. 2025), so that both have the same learning rate.
    """
    import torch.optim

    hidden = _hidden_matrices(model)
    matrices, rest = _parted(model, plan, lambda name, p: id(p) in hidden)
    if not matrices:
        raise DanluError("train.no_hidden_matrices")
    muon = torch.optim.Muon(matrices, lr=plan.learning_rate, adjust_lr_fn="match_rms_adamw")
    return Together([muon, AdamW(rest, plan.learning_rate, plan.betas)])


def _hidden_matrices(model: nn.Module) -> set[int]:
    """Their ids."""
    return {id(module.weight) for name, module in model.named_modules() if _hidden(name, module)}


def _hidden(name: str, module: nn.Module) -> bool:
    """Whether it is the matrix of a layer, not of a head behind them or an embedding before them."""
    return isinstance(module, nn.Linear) and (bool(level_of(f"{name}.weight")) or name.startswith("hidden"))


def _large(name: str, p: nn.Parameter) -> bool:
    """Whether bytes suffice for its moments: not of embeddings, whose rare gradients they distort (Dettmers et al.)."""
    return p.numel() >= LEAST_8BIT and level_of(name) != 0


def memory_notes(model: nn.Module, plan: Plan) -> list[Note]:
    """What the optimizer keeps beside what adamw would, where one was chosen that keeps less."""
    if plan.optimizer not in ("adafactor", "adamw8bit", "muon"):
        return []
    state = planned_state_bytes(model, plan)
    adamw = planned_state_bytes(model, plan.model_copy(update={"optimizer": "adamw"}))
    told = [f"{size / 1e6:,.1f}" for size in (state, adamw)]
    return [Note("train.memory", optimizer=plan.optimizer, state=told[0], adamw=told[1])]


def planned_state_bytes(model: nn.Module, plan: Plan) -> int:
    """What `state_bytes` will be after the first step, counters of steps left out; not of lbfgs."""
    hidden = _hidden_matrices(model)

    def numbers(name: str, p: nn.Parameter) -> float:
        size = p.numel()
        match plan.optimizer:
            case "adamw8bit" if _large(name, p):
                return size / 2 + 2 * math.ceil(size / BLOCK)
            case "muon" if id(p) in hidden:
                return size
            case "adafactor":
                return size / p.shape[-1] + size / p.shape[-2] if p.ndim > 1 else size
            case "rmsprop" | "sgd":
                return size * ((plan.optimizer == "rmsprop") + (plan.momentum > 0))
            case _:
                return 2 * size

    return round(4 * sum(numbers(name, p) for name, p in model.named_parameters() if p.requires_grad))


def state_bytes(optimizer: "AnyOptimizer") -> int:
    """Bytes of all tensors that the optimizer keeps between steps."""
    tensors, _ = packed(optimizer.state_dict(), "optimizer")
    return sum(tensor.nbytes for tensor in tensors.values())


def decay_weights(optimizer: "AnyOptimizer", plan: Plan) -> Callable[[], None] | None:
    """Decoupled weight decay (Loshchilov & Hutter 2019) for the optimizers that have none: w ← w (1 − lr · decay)."""
    if plan.optimizer not in ("sgd", "rmsprop") or not plan.weight_decay:
        return None

    @torch.no_grad()
    def decay() -> None:
        for group in optimizer.param_groups:
            factor = 1 - group["lr"] * plan.weight_decay
            for p in group["params"]:
                if p.ndim >= 2:
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
    """Every group's share of the learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = value * group.get("share", 1.0)


def clip_gradients(parameters: Iterable[Tensor], largest: float) -> float:
    """Scale gradients so that their joint norm is at most `largest`; returns the norm before."""
    return float(nn.utils.clip_grad_norm_(parameters, largest))


def _parted(model: nn.Module, plan: Plan, chosen: Chosen) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The groups of the chosen parameters, and those of the others."""
    decay = plan.weight_decay
    return _groups(model, plan, decay, chosen), _groups(model, plan, decay, lambda name, p: not chosen(name, p))


def _groups(model: nn.Module, plan: Plan, decay: float, chosen: Chosen = lambda name, p: True) -> list[dict[str, Any]]:
    """The trained and chosen parameters, grouped by share of the learning rate and decay: one kernel each."""
    depth = max((level_of(name) or 0 for name, _ in model.named_parameters()), default=0)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, p in model.named_parameters():
        if p.requires_grad and chosen(name, p):
            key = (_share(level_of(name), depth, plan), decay if p.ndim >= 2 else 0.0)
            groups.setdefault(key, []).append(p)
    return [{"params": params, "share": share, "weight_decay": own} for (share, own), params in groups.items()]


def _share(level: int | None, depth: int, plan: Plan) -> float:
    """Of the learning rate: 1 for all; in a pretrained model less from layer to layer below, and more for new heads."""
    if plan.layer_decay is None:
        return 1.0
    return NEW_HEADS if level is None else plan.layer_decay ** (depth - level)


def _fused(model: nn.Module) -> bool:
    """One kernel per step: every device that torch supports it on, float32 weights."""
    return all(p.device.type in ("cpu", "cuda", "mps") and p.is_floating_point() for p in model.parameters())
