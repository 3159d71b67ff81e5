"""The multilayer perceptron equals nn.Sequential; its embeddings and members equal their formulas."""

import math

import torch
from torch import nn

from danlu.data.store import Shapes
from danlu.models import build
from danlu.models.inputs import MeanToken, SequenceSummary
from danlu.models.mlp import MLP, Ensemble, PeriodicNumbers


def test_plain_mlp_is_a_sequential_of_linear_layers():
    torch.manual_seed(0)
    model, _ = build("mlp", {"width": 64, "depth": 2}, Shapes(numbers=20, heads={"y": 2}))
    torch.manual_seed(0)
    witness = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
    x = torch.randn(16, 20)
    assert isinstance(model, MLP)
    assert [p.shape for p in model.parameters()] == [p.shape for p in witness.parameters()]
    torch.testing.assert_close(model({"numbers": x})["y"], witness(x), rtol=0, atol=0)


def test_plain_mlp_learns_as_a_sequential_does():
    torch.manual_seed(0)
    model, _ = build("mlp", {"width": 8, "depth": 1, "activation": "tanh"}, Shapes(numbers=3, heads={"y": 1}))
    torch.manual_seed(0)
    witness = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
    x, y = torch.randn(16, 3), torch.randn(16, 1)
    for forward, parameters in ((lambda x: model({"numbers": x})["y"], model), (witness, witness)):
        optimizer = torch.optim.AdamW(parameters.parameters(), lr=0.01)
        for _ in range(5):
            optimizer.zero_grad()
            (forward(x) - y).square().mean().backward()
            optimizer.step()
    for learned, expected in zip(model.parameters(), witness.parameters(), strict=True):
        torch.testing.assert_close(learned, expected, rtol=0, atol=0)


def test_each_member_is_an_mlp_on_its_own_scale_of_the_inputs():
    torch.manual_seed(0)
    shapes = Shapes(numbers=5, heads={"a": 2, "b": 1})
    model, _ = build("mlp", {"width": 6, "members": 4}, shapes)
    assert isinstance(model, Ensemble)
    nn.init.normal_(model.scale)
    x = torch.randn(7, 5)
    outputs = model({"numbers": x})
    for member in range(4):
        hidden = model.hidden(x * model.scale[member])
        expected = hidden @ model.heads.weight[member] + model.heads.bias[member]
        got = torch.cat([outputs["a"][:, member], outputs["b"][:, member]], dim=1)
        torch.testing.assert_close(got, expected)


def test_periodic_numbers_equal_their_formula():
    torch.manual_seed(0)
    part = PeriodicNumbers(Shapes(numbers=2, missing=1), width=4, frequency=0.1)
    numbers, missing = torch.randn(3, 2), torch.tensor([[0.0], [1.0], [0.0]])
    got = part({"numbers": numbers, "missing": missing})
    assert got.shape == (3, part.width)
    for row in range(3):
        for column in range(2):
            x = numbers[row, column].item()
            waves = [
                math.cos(f * x + b)
                for f, b in zip(part.frequency[column].tolist(), part.phase[column].tolist(), strict=True)
            ]
            vector = torch.tensor(waves) @ part.weight[column] + part.bias[column]
            expected = torch.cat([torch.tensor([x]), vector])
            torch.testing.assert_close(got[row, 4 * column : 4 * column + 4], expected)
        assert got[row, -1] == missing[row, 0]


def test_mean_token_is_the_mean_of_what_is_no_padding():
    torch.manual_seed(0)
    part = MeanToken(Shapes(tokens=9), width=3)
    tokens = torch.tensor([[4, 7, 0], [2, 0, 0], [0, 0, 0]])
    vectors = part.vectors.weight
    expected = torch.stack([(vectors[4] + vectors[7]) / 2, vectors[2], torch.zeros(3)])
    torch.testing.assert_close(part({"tokens": tokens}), expected)


def test_sequence_summary_equals_statistics_of_each_sequence():
    torch.manual_seed(0)
    part = SequenceSummary(Shapes(sequence=2))
    sequences = [torch.randn(length, 2) for length in (5, 1, 3)]
    padded = nn.utils.rnn.pad_sequence(sequences, batch_first=True)
    got = part({"sequence": padded, "sequence_length": torch.tensor([5, 1, 3])})
    for row, x in enumerate(sequences):
        change = x.diff(dim=0).abs().sum(0) / len(x)
        deviation = x.std(0, correction=0)
        expected = torch.cat([x.mean(0), deviation, x.amin(0), x.amax(0), x[0], x[-1], change])
        torch.testing.assert_close(got[row], expected)
