"""AdamW (Loshchilov & Hutter 2019) as one kernel per group, with little between the loop and the kernel.

It equals torch.optim.AdamW. It is there for what that costs around the kernel: a step of a network of 5,000 weights
spent a quarter of its time there, and importing torch.optim takes a second of every start.
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import compress
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import increment_version

EPSILON = 1e-8
STATE = ("first", "second", "steps")


class AdamW:
    """Groups are {"params": [...], "weight_decay": x}. A parameter without a gradient stays as it is."""

    def __init__(self, groups: Iterable[Mapping[str, Any]], lr: float, betas: tuple[float, float]) -> None:
        self.param_groups = [{**group, "lr": lr} for group in groups]
        self._betas = betas
        steps = torch.zeros((), device=self.param_groups[0]["params"][0].device)  # made, by all groups at once
        self._states = [_state_of(group["params"], steps) for group in self.param_groups]

    @torch.no_grad()
    def step(self, closure: Callable[[], float]) -> float:
        """Gradients by `closure`, which returns the loss, then the update; returns the loss."""
        with torch.enable_grad():
            loss = closure()
        step = self._states[0]["steps"][0].add_(1)
        for group, state in zip(self.param_groups, self._states, strict=True):
            weights, first, second = group["params"], state["first"], state["second"]
            gradients = [p.grad for p in weights if p.grad is not None]
            if len(gradients) < len(weights):
                there = [p.grad is not None for p in weights]
                weights, first, second = (list(compress(part, there)) for part in (weights, first, second))
            torch._fused_adamw_(
                weights,
                gradients,
                first,
                second,
                [],
                [step] * len(weights),
                lr=group["lr"],
                beta1=self._betas[0],
                beta2=self._betas[1],
                weight_decay=group["weight_decay"],
                eps=EPSILON,
                amsgrad=False,
                maximize=False,
            )
            increment_version(weights)  # the kernel does not count; what is made of weights and kept asks for it
        return loss

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for group in self.param_groups:
            for p in group["params"]:
                p.grad = None

    def state_dict(self) -> dict[str, Any]:
        """Moments and steps of each group, in the order of its parameters."""
        return {"groups": self._states}

    @torch.no_grad()
    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Copy what `state_dict` gave."""
        for state, group in zip(self._states, saved["groups"], strict=True):
            for name in STATE:
                for tensor, value in zip(state[name], group[name], strict=True):
                    tensor.copy_(value)


def _state_of(parameters: list[nn.Parameter], steps: Tensor) -> dict[str, list[Tensor]]:
    """Both moments of each parameter, and the steps made."""
    moments = {name: [torch.zeros_like(p) for p in parameters] for name in STATE[:2]}
    return moments | {"steps": [steps]}
