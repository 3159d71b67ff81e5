"""Recurrent networks equal torch's on the same weights, row by row and without padding."""

import pytest
import torch
from torch import nn

from danlu.data.store import Shapes
from danlu.models import build

LENGTHS = [6, 1, 4]


def states_of_each_row(cells: nn.RNNBase, x: torch.Tensor):
    """For each row alone and unpadded: its states (T, width), and each direction's final state (width,)."""
    for row, length in zip(x, LENGTHS, strict=True):
        states, _ = cells(row[None, :length])
        yield states[0]


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("family", ["rnn", "lstm", "gru"])
def test_pools_equal_those_of_each_row_alone(family, bidirectional):
    shapes = Shapes(sequence=3, max_steps=6, heads={"y": 2})
    x = torch.randn(3, 6, 3, generator=torch.Generator().manual_seed(0))
    for pool in ("last", "mean", "max", "attention"):
        torch.manual_seed(1)
        fields = {"width": 5, "layers": 2, "bidirectional": bidirectional, "pool": pool}
        model = build(family, fields, shapes)[0].eval()
        part = model.read.parts[0].recurrent
        got = part(x, torch.tensor(LENGTHS))
        for row, states in enumerate(states_of_each_row(part.cells, x)):
            if pool == "last":
                expected = torch.cat([states[-1, :5], states[0, 5:]])
            elif pool == "attention":
                expected = states.T @ part.query(states).squeeze(-1).softmax(0)
            else:
                expected = states.mean(0) if pool == "mean" else states.amax(0)
            torch.testing.assert_close(got[row], expected)


@pytest.mark.parametrize(("family", "witness"), [("rnn", nn.RNN), ("lstm", nn.LSTM), ("gru", nn.GRU)])
def test_cells_are_torchs_with_the_same_weights(family, witness):
    shapes = Shapes(tokens=11, max_tokens=6, heads={"y": 2})
    fields = {"width": 5, "layers": 2, "bidirectional": True, "pool": "last", "token_width": 4}
    model = build(family, fields, shapes)[0].eval()
    part = model.read.parts[0]
    cells = witness(4, 5, num_layers=2, bidirectional=True, batch_first=True)
    cells.load_state_dict(part.recurrent.cells.state_dict())
    tokens = torch.tensor([[3, 1, 10, 7]])
    states, _ = cells(part.vectors(tokens))
    expected = model.heads.linear(torch.cat([states[:, -1, :5], states[:, 0, 5:]], dim=1))
    got = model({"tokens": tokens, "tokens_length": torch.tensor([4])})["y"]
    torch.testing.assert_close(got, expected)
