"""AdamW whose moments take a byte per weight (Dettmers et al. 2022), in plain torch on any device.

A moment is kept in blocks of 256 weights: the block's largest value in float32, and of each weight the nearest of 256
shares of it. The shares lie closer the smaller they are, by decades. The second moment has no share of 0: divided by,
it would make of a small gradient a huge step (Li et al. 2023).
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from danlu.training.adamw import EPSILON

BLOCK = 256
CHUNK = 1024 * BLOCK  # weights that are worked on at a time, so that float32 moments never exist of all
DECADES = 7
STATE = ("first", "first_scale", "second", "second_scale")


class AdamW8bit:
    """Groups are {"params": [...], "weight_decay": x}. A parameter without a gradient stays as it is."""

    def __init__(self, groups: Iterable[Mapping[str, Any]], lr: float, betas: tuple[float, float]) -> None:
        self.param_groups = [{**group, "lr": lr} for group in groups]
        self._betas = betas
        self._steps = 0
        self._states = [[_state_of(p) for p in group["params"]] for group in self.param_groups]

    @torch.no_grad()
    def step(self, closure: Callable[[], float]) -> float:
        """Gradients by `closure`, which returns the loss, then the update; returns the loss."""
        with torch.enable_grad():
            loss = closure()
        self._steps += 1
        for group, states in zip(self.param_groups, self._states, strict=True):
            for p, state in zip(group["params"], states, strict=True):
                if p.grad is not None:
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                    self._update(p, p.grad, state, group["lr"])
        return loss

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for group in self.param_groups:
            for p in group["params"]:
                p.grad = None

    def state_dict(self) -> dict[str, Any]:
        """Moments of each parameter, in order, and the steps made."""
        return {"steps": self._steps, "states": self._states}

    @torch.no_grad()
    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Copy what `state_dict` gave."""
        self._steps = saved["steps"]
        for states, group in zip(self._states, saved["states"], strict=True):
            for state, kept in zip(states, group, strict=True):
                for name in STATE:
                    state[name].copy_(kept[name])

    def _update(self, p: nn.Parameter, gradient: Tensor, state: Mapping[str, Tensor], lr: float) -> None:
        beta1, beta2 = self._betas
        step = lr / (1 - beta1**self._steps)
        correction = (1 - beta2**self._steps) ** 0.5
        weights = p.reshape(-1) if p.is_contiguous() else p.flatten()  # of the latter a copy
        gradient = gradient.flatten().float()
        for start in range(0, len(weights), CHUNK):
            here = slice(start, start + CHUNK)
            blocks = slice(start // BLOCK, (start + CHUNK) // BLOCK)
            g = gradient[here]
            first = unpacked(state["first"][here], state["first_scale"][blocks], signed=True)
            second = unpacked(state["second"][here], state["second_scale"][blocks], signed=False)
            first.lerp_(g, 1 - beta1)
            second.mul_(beta2).addcmul_(g, g, value=1 - beta2)
            weights[here].addcdiv_(first, second.sqrt().div_(correction).add_(EPSILON), value=-step)
            state["first"][here], state["first_scale"][blocks] = packed(first, signed=True)
            state["second"][here], state["second_scale"][blocks] = packed(second, signed=False)
        if not p.is_contiguous():
            p.copy_(weights.view_as(p))


def packed(values: Tensor, signed: bool) -> tuple[Tensor, Tensor]:
    """(n,) float32 → the number of each one's share, (n,) uint8, and the largest magnitude of each block."""
    blocks = _blocks(values)
    scale = blocks.abs().amax(1)
    shares = (blocks / scale.clamp(min=torch.finfo(torch.float32).tiny)[:, None]).flatten()[: len(values)]
    place = shares.bfloat16().view(torch.int16).int() + 2**15  # a table of 65,536 is 30 times faster than a search
    return _nearest(signed, values.device).index_select(0, place), scale


def unpacked(numbers: Tensor, scale: Tensor, signed: bool) -> Tensor:
    """What `packed` packed, (n,) float32, up to rounding."""
    shares = _shares(signed, numbers.device).index_select(0, numbers.int())
    return (_blocks(shares) * scale[:, None]).flatten()[: len(numbers)]


def _blocks(values: Tensor) -> Tensor:
    """(n,) → (blocks, BLOCK), the last one filled up with zeros."""
    short = -len(values) % BLOCK
    return (nn.functional.pad(values, (0, short)) if short else values).view(-1, BLOCK)


def _state_of(p: nn.Parameter) -> dict[str, Tensor]:
    """Both moments at 0: a scale of 0, whatever the shares."""
    size, blocks = p.numel(), -(-p.numel() // BLOCK)
    numbers = {name: torch.zeros(size, dtype=torch.uint8, device=p.device) for name in STATE[::2]}
    return numbers | {name: torch.zeros(blocks, device=p.device) for name in STATE[1::2]}


@cache
def _shares(signed: bool, device: torch.device) -> Tensor:
    """(256,): 1 and, evenly within each decade, the more shares the larger they are; signed, with 0 and negative ones.

    From 1e-7 of the largest on; signed 1 to 64 shares in a decade, unsigned 2 to 128.
    """
    found = [0.0, 1.0] if signed else [10.0 ** -(DECADES + 1), 1.0]
    for decade in range(DECADES):
        count = 2**decade if signed else 2 ** (decade + 1)
        steps = [0.1 + 0.9 * (n + 0.5) / count for n in range(count)]
        part = [step * 10.0 ** (decade + 1 - DECADES) for step in steps]
        found += [*part, *(-share for share in part)] if signed else part
    return torch.tensor(sorted(found), device=device)


@cache
def _nearest(signed: bool, device: torch.device) -> Tensor:
    """(65536,) uint8: the number of the share nearest to each bfloat16, by its bits as a signed integer + 2¹⁵."""
    shares = _shares(signed, device)
    every = torch.arange(-(2**15), 2**15, dtype=torch.int32, device=device).to(torch.int16).view(torch.bfloat16)
    borders = (shares[1:] + shares[:-1]) / 2
    return torch.bucketize(every.float().nan_to_num(), borders).to(torch.uint8)
