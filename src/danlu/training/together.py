"""Together: several optimizers, each of weights of its own, as one."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch


class Together:
    """Steps all parts after one computation of the gradients."""

    def __init__(self, parts: Sequence[Any]) -> None:
        self.parts = list(parts)

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Those of all parts; torch's optimizers replace theirs when a state is loaded."""
        return [group for part in self.parts for group in part.param_groups]

    @torch.no_grad()
    def step(self, closure: Callable[[], float]) -> float:
        """Gradients by `closure`, which returns the loss, then every part's update; returns the loss."""
        with torch.enable_grad():
            loss = closure()
        for part in self.parts:
            part.step(lambda: loss)
        return loss

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for part in self.parts:
            part.zero_grad()

    def state_dict(self) -> dict[str, Any]:
        """That of each part."""
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Copy what `state_dict` gave."""
        for part, state in zip(self.parts, saved["parts"], strict=True):
            part.load_state_dict(state)
