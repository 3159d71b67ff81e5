"""Recurrent layers on a processor: between their products loops in C, and gradients of weights as one product.

torch's own layers take a dozen operations a step, forwards and backwards, and sum the gradients of weights step by
step. Equal to them but for the order of sums. Shapes: B rows, N steps of all rows, as `PackedSequence` has them (the
first step of each, then the second ones; longer rows first), H width, G gates · H.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from ctypes import CDLL, Structure, byref, c_int64, c_void_p
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.utils.rnn import PackedSequence

from danlu import native
from danlu.models.in_c import open_to_c

Kind = Literal["rnn", "lstm", "gru"]
KINDS: dict[type[nn.Module], Kind] = {nn.RNN: "rnn", nn.LSTM: "lstm", nn.GRU: "gru"}


def read(cells: nn.RNNBase, given: PackedSequence) -> tuple[PackedSequence, Tensor] | None:
    """The states of the last layer at every step, and its final ones, (directions, B, H).

    None where C does not know the case.
    """
    kind = KINDS.get(type(cells))
    if kind is None or not _known(cells, given.data):
        return None
    x, directions = given.data, 1 + cells.bidirectional
    walks = [Walk.of(given.batch_sizes, backwards=bool(n)) for n in range(directions)]
    for layer in range(cells.num_layers):
        if layer and cells.training and cells.dropout:
            x = F.dropout(x, cells.dropout)
        weights = [_weights(cells, layer, backwards=bool(n)) for n in range(directions)]
        states = [_Direction.apply(x, *own, walk, kind) for own, walk in zip(weights, walks, strict=True)]
        x = torch.cat(states, dim=1) if len(states) > 1 else states[0]
    final = torch.stack([own[walk.last] for own, walk in zip(states, walks, strict=True)])
    if given.unsorted_indices is not None:
        final = final.index_select(1, given.unsorted_indices)
    return given._replace(data=x), final


def _known(cells: nn.RNNBase, x: Tensor) -> bool:
    if not open_to_c(x) or torch.is_autocast_enabled("cpu") or _library() is None:
        return False
    plain = cells.bias and not cells.proj_size and getattr(cells, "nonlinearity", "tanh") == "tanh"
    return bool(plain and x.dtype == torch.float32 and cells.weight_hh_l0.dtype == torch.float32)


def _weights(cells: nn.RNNBase, layer: int, backwards: bool) -> Sequence[Tensor]:
    """Weights of inputs (G, inputs) and of states (G, H), and their biases (G,)."""
    end = f"l{layer}{'_reverse' if backwards else ''}"
    return [getattr(cells, f"{name}_{end}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]


@dataclass(frozen=True)
class Walk:
    """The steps in the order in which they are read.

    `places`: of each step where its rows begin, how many they are, and of the states before where they begin and how
    many of the first rows have one. Step `own[n]` of a row follows its step `before[n]`; `last` (B,) is what each row
    ends with.
    """

    places: Sequence[tuple[int, int, int, int]]
    own: Tensor
    before: Tensor
    last: Tensor

    @classmethod
    def of(cls, sizes: Tensor, backwards: bool) -> "Walk":
        """sizes (T,): rows of each step, which do not grow."""
        begins, counts, rows = (sizes.cumsum(0) - sizes).tolist(), sizes.tolist(), torch.arange(int(sizes[0]))
        later = torch.arange(len(rows), int(sizes.sum()))
        sooner = later - sizes[:-1].repeat_interleave(sizes[1:])
        if backwards:
            places = [*zip(begins, counts, [*begins[1:], 0], [*counts[1:], 0], strict=True)]
            return cls(places[::-1], sooner, later, rows)
        places = [*zip(begins, counts, [0, *begins[:-1]], [0, *counts[1:]], strict=True)]
        lengths = (sizes[:, None] > rows).sum(0)
        return cls(places, later, sooner, torch.tensor(begins)[lengths - 1] + rows)


class _Layer(Structure):
    _fields_ = [
        *((name, c_void_p) for name in ("gates", "hidden", "kept", "state", "cell", "change", "d_state", "d_cell")),
        ("width", c_int64),
    ]  # fmt: skip


class _Direction(torch.autograd.Function):
    """x (N, inputs) → states (N, H) of one layer in one direction."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, of_x: Tensor, of_states: Tensor, bias: Tensor, bias_states: Tensor, walk: Walk, kind: Kind
    ) -> Tensor:
        states = x.new_empty(len(x), of_states.shape[1])
        made = {"state": states}
        if kind == "gru":  # what states add to the candidate is gated first
            made |= {"gates": torch.addmm(bias, x, of_x.t()), "hidden": bias_states.repeat(len(x), 1)}
            made["kept"] = torch.empty_like(states)
        else:
            made["gates"] = torch.addmm(bias + bias_states, x, of_x.t())
        if kind == "lstm":
            made["cell"] = torch.empty_like(states)
        step, factor = _loop(f"{kind}_step", made), of_states.t()
        sums = made.get("hidden", made["gates"])
        for first, rows, before, known in walk.places:
            if known:
                sums[first : first + known].addmm_(states[before : before + known], factor)
            step(first, rows, before, known)
        ctx.walk, ctx.kind, ctx.names = walk, kind, tuple(made)
        ctx.save_for_backward(x, of_x, of_states, *made.values())
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, of_x, of_states, *saved = ctx.saved_tensors
        made, walk = dict(zip(ctx.names, saved, strict=True)), ctx.walk
        changed = {name: made[name].clone() for name in ("gates", "hidden") if name in made}
        carried = {name: x.new_zeros(len(walk.last), of_states.shape[1]) for name in ("d_state", "d_cell")}
        step = _loop(f"{ctx.kind}_back", made | changed | carried | {"change": gradients[0].contiguous()})
        d_gates, d_state = changed["gates"], carried["d_state"]
        d_sums = changed.get("hidden", d_gates)
        for first, rows, before, known in reversed(walk.places):
            step(first, rows, before, known)
            if known:
                d_state[:known].addmm_(d_sums[first : first + known], of_states)
        d_of_states = d_sums[walk.own].t() @ made["state"][walk.before]
        d_x = d_gates @ of_x if ctx.needs_input_grad[0] else None
        return d_x, d_gates.t() @ x, d_of_states, d_gates.sum(0), d_sums.sum(0), None, None


def _loop(name: str, tensors: Mapping[str, Tensor]) -> Callable[[int, int, int, int], None]:
    """A step of the layer that lies in these tensors, by its place."""
    layer = _Layer(**{key: tensor.data_ptr() for key, tensor in tensors.items()}, width=tensors["state"].shape[1])
    layer.tensors = tensors  # holds on to them
    run, threads = getattr(_library(), name), c_int64(native.threads())

    def step(*place: int) -> None:
        run(byref(layer), *map(c_int64, place), threads)

    return step


@functools.cache
def _library() -> CDLL | None:
    return native.library("recurrent")
