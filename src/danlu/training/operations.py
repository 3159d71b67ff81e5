"""Operations: what a function of tensors comes to below torch's modules and autograd, listed or counted.

torch's own tracers and counters do this too, after imports that take longer than training a small model.
"""

import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch.fx.node import map_aggregate
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

Listed = Callable[..., Sequence[Any]]

_DETACH, _TURN, _READ = (
    torch.ops.aten.detach.default,
    torch.t,
    torch.ops.aten._local_scalar_dense.default,
)


# torch's own functions of the same operations, which are called in half the time
_DIRECT = {
    getattr(getattr(torch.ops.aten, name), overload): getattr(torch, name)
    for name, overload in (
        ("t", "default"), ("mm", "default"), ("bmm", "default"), ("addmm", "default"), ("cat", "default"),
        ("relu", "default"), ("sigmoid", "default"), ("tanh", "default"), ("exp", "default"), ("neg", "default"),
        ("add", "Tensor"), ("sub", "Tensor"), ("mul", "Tensor"), ("div", "Tensor"), ("sum", "dim_IntList"),
    )
}  # fmt: skip


class UnlistedError(Exception):
    """The operations hang on the value of a tensor."""


def flops(function: Callable[[], Any]) -> int:
    """Floating-point operations of the matrix products, convolutions and attentions that `function` comes to."""
    counter = _Counter()
    with counter:
        function()
    return counter.total


def listed(function: Callable[..., Sequence[Tensor | None]], tensors: Sequence[Tensor]) -> Listed:
    """The operations that `function` comes to for `tensors`, as a function of as many tensors of the same shapes.

    It runs once, for them to be noted. Operations that draw random numbers draw anew each time; those that write into
    an argument do so each time; what else the function uses is taken as it is now. Raises UnlistedError where it looks
    at the value of a tensor, on which the operations may hang.
    """
    recorder = _Recorder(tensors)
    with recorder:
        results = function(*tensors)
    recorder.graph.output([None if each is None else recorder.node(each) for each in results])
    _shorten(recorder.graph)
    return fx.GraphModule(recorder.constants, recorder.graph).forward


class _Watching(TorchDispatchMode):
    """Sees every operation; torch's compiler, which takes a second to import, has no part in it."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False


class _Counter(_Watching):
    """Counts floating-point operations by torch's own formulas."""

    total = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        formula = flop_registry.get(function.overloadpacket)
        self.total += formula(*args, **(kwargs or {}), out_val=result) if formula else 0
        return result


class _Recorder(_Watching):
    """Notes every operation, and which of its arguments came from where."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        super().__init__()
        self.graph = fx.Graph()
        self.constants: dict[str, Any] = {}
        self._nodes = {id(tensor): self.graph.placeholder(f"tensor_{n}") for n, tensor in enumerate(tensors)}
        self._alive = list(tensors)  # an id is used again once its tensor is gone

    def node(self, tensor: Tensor) -> fx.Node:
        """Where the tensor came from; one that was there before is a constant."""
        if id(tensor) not in self._nodes:
            name = f"constant_{len(self.constants)}"
            self.constants[name] = tensor.detach()
            self._keep(tensor, self.graph.create_node("get_attr", name))
        return self._nodes[id(tensor)]

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if function is _READ:
            raise UnlistedError
        result = function(*args, **(kwargs or {}))
        node = self.graph.call_function(_DIRECT.get(function, function), self._known(args), self._known(kwargs or {}))
        if isinstance(result, Tensor):
            self._keep(result, node)
        elif isinstance(result, list | tuple):
            for n, part in enumerate(result):
                if isinstance(part, Tensor):
                    self._keep(part, self.graph.call_function(operator.getitem, (node, n)))
        return result

    def _known(self, arguments: Any) -> Any:
        return map_aggregate(arguments, lambda each: self.node(each) if isinstance(each, Tensor) else each)

    def _keep(self, tensor: Tensor, node: fx.Node) -> None:
        self._nodes[id(tensor)] = node
        self._alive.append(tensor)


def _shorten(graph: fx.Graph) -> None:
    """Leave out what changes nothing: detaching, turning back what was just turned, and what nobody asks for."""
    for node in graph.nodes:
        if node.target is _DETACH:
            node.replace_all_uses_with(node.args[0])
        elif node.target is _TURN and node.args[0].target is _TURN:
            node.replace_all_uses_with(node.args[0].args[0])
    for node in reversed(graph.nodes):
        if not node.users and (node.target in (_DETACH, _TURN, operator.getitem)):
            graph.erase_node(node)
