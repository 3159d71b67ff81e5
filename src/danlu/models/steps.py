"""Recurrent layers step by step, as a graph with a loop: what exporting needs, where packed rows cannot be written.

Gives what torch's own cells give for packed rows; only slower, so that nothing else uses it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from danlu.models.inputs import steps_inside


def states_by_steps(cells: nn.RNNBase, x: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
    """x (B, T, inputs), length (B,) ≥ 1 → states of the last layer (B, T, width), 0 in padding, and the final ones.

    `final` (B, width) are the states after each row's last step; of the direction that reads from the end, its first.
    """
    inside = steps_inside(length, x.shape[1])
    final: list[Tensor] = []
    for layer in range(cells.num_layers):
        ways = [_one_way(cells, x, length, f"l{layer}")]
        final = [ways[0].gather(1, (length - 1)[:, None, None].expand(-1, -1, cells.hidden_size))[:, 0]]
        if cells.bidirectional:
            turned = _turned(x, inside, length)
            ways.append(_turned(_one_way(cells, turned, length, f"l{layer}_reverse"), inside, length))
            final.append(ways[1][:, 0])
        x = torch.cat(ways, dim=2)
    return x * inside.unsqueeze(-1), torch.cat(final, dim=1)


def _turned(x: Tensor, inside: Tensor, length: Tensor) -> Tensor:
    """Each row's steps in reverse order; padding stays where it is."""
    place = torch.arange(x.shape[1], device=x.device).expand(x.shape[0], -1)
    place = torch.where(inside, length[:, None] - 1 - place, place)
    return x.gather(1, place.unsqueeze(-1).expand(-1, -1, x.shape[2]))


def _one_way(cells: nn.RNNBase, x: Tensor, length: Tensor, name: str) -> Tensor:
    """(B, T, inputs) → (B, T, hidden): one layer in one direction."""
    from torch._higher_order_ops.scan import scan  # the only loop over a dynamic number of steps that can be exported

    given = F.linear(x, getattr(cells, f"weight_ih_{name}"), getattr(cells, f"bias_ih_{name}")).transpose(0, 1)
    weight, bias = getattr(cells, f"weight_hh_{name}"), getattr(cells, f"bias_hh_{name}")
    begin = x.new_zeros(x.shape[0], cells.hidden_size)

    def rnn(hidden: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
        hidden = torch.tanh(given + F.linear(hidden, weight, bias))
        return hidden, hidden.clone()

    def lstm(state: tuple[Tensor, Tensor], given: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor]:
        hidden, cell = state
        enter, forget, new, leave = (given + F.linear(hidden, weight, bias)).chunk(4, dim=-1)
        cell = torch.sigmoid(forget) * cell + torch.sigmoid(enter) * torch.tanh(new)
        hidden = torch.sigmoid(leave) * torch.tanh(cell)
        return (hidden, cell), hidden.clone()

    def gru(hidden: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
        reset, keep, new = given.chunk(3, dim=-1)
        own_reset, own_keep, own_new = F.linear(hidden, weight, bias).chunk(3, dim=-1)
        keep = torch.sigmoid(keep + own_keep)
        new = torch.tanh(new + torch.sigmoid(reset + own_reset) * own_new)
        hidden = (1 - keep) * new + keep * hidden
        return hidden, hidden.clone()

    if isinstance(cells, nn.LSTM):
        states = scan(lstm, (begin, begin.clone()), given)[1]
    else:
        states = scan(gru if isinstance(cells, nn.GRU) else rnn, begin, given)[1]
    return states.transpose(0, 1)
