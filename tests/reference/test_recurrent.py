"""Recurrent layers in C are torch's own, forwards and backwards, for rows of every length."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from danlu import native
from danlu.data.store import Shapes
from danlu.models import build, recurrent

INPUTS, WIDTH, STEPS = 13, 20, 7
CELLS = [nn.RNN, nn.LSTM, nn.GRU]

pytestmark = pytest.mark.skipif(native.compiler() is None, reason="no C compiler here")


def packed(*lengths: int) -> PackedSequence:
    x = torch.randn(len(lengths), max(lengths), INPUTS, generator=torch.Generator().manual_seed(1))
    given = pack_padded_sequence(x, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
    return given._replace(data=given.data.requires_grad_())


def by_torch(cells: Any, given: PackedSequence) -> tuple[PackedSequence, Tensor]:
    states, final = cells(given)
    return states, (final[0] if isinstance(final, tuple) else final)[-1 - cells.bidirectional :]


def by_c(cells: Any, given: PackedSequence) -> tuple[PackedSequence, Tensor]:
    read = recurrent.read(cells, given)
    assert read is not None
    return read


def gradients(read: Any, cells: Any, *lengths: int) -> list[Tensor]:
    """States, final ones, and what changes the inputs and all weights."""
    given = packed(*lengths)
    states, final = read(cells, given)
    loss = states.data.sin().sum() + (final * torch.arange(WIDTH)).sum()
    return [states.data, final, *torch.autograd.grad(loss, [given.data, *cells.parameters()])]


@pytest.mark.parametrize("lengths", [(3, STEPS, 1, STEPS, 4), (2, 2), (1,), (STEPS,)], ids=str)
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["forwards", "both"])
@pytest.mark.parametrize("kind", CELLS)
def test_states_and_gradients_are_torchs(kind: Any, bidirectional: bool, layers: int, lengths: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    cells = kind(INPUTS, WIDTH, num_layers=layers, bidirectional=bidirectional, batch_first=True)
    ours, theirs = (gradients(read, cells, *lengths) for read in (by_c, by_torch))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("kind", CELLS)
def test_a_second_way_back_gives_the_same(kind: Any) -> None:
    cells, given = kind(INPUTS, WIDTH, batch_first=True), packed(5, 3)
    loss = by_c(cells, given)[0].data.sin().sum()
    first, again = (torch.autograd.grad(loss, [*cells.parameters()], retain_graph=True) for _ in range(2))
    assert all(map(torch.equal, first, again))


@pytest.mark.parametrize("kind", CELLS)
def test_many_rows_are_read_by_several_threads(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cells, lengths = kind(INPUTS, WIDTH, batch_first=True), [1 + row % STEPS for row in range(900)]
    found = []
    for threads in (1, 3):
        monkeypatch.setattr(native, "threads", lambda threads=threads: threads)
        found.append(gradients(by_c, cells, *lengths))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


def test_states_far_from_zero_are_numbers() -> None:
    cells = nn.LSTM(INPUTS, WIDTH, batch_first=True)
    for parameter in cells.parameters():
        nn.init.normal_(parameter, std=200)
    ours, theirs = (read(cells, packed(STEPS, 2))[0].data for read in (by_c, by_torch))
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("place", ["inputs", "weights"])
@pytest.mark.parametrize("kind", CELLS)
def test_what_is_no_number_stays_none(kind: Any, place: str) -> None:
    cells, given = kind(INPUTS, WIDTH, batch_first=True), packed(STEPS, 2)
    with torch.no_grad():
        (given.data if place == "inputs" else cells.weight_ih_l0)[3, 5] = torch.nan
        ours, theirs = (read(cells, given)[0].data for read in (by_c, by_torch))
    assert theirs.isnan().any()
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4, equal_nan=True)


@pytest.mark.parametrize("family", ["rnn", "lstm", "gru"])
def test_a_model_learns_the_same_without_c(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = Shapes(tokens=30, max_tokens=STEPS, heads={"y": 2})
    tokens, wanted = torch.randint(2, 30, (16, STEPS)), torch.arange(16) % 2
    inputs = {"tokens": tokens, "tokens_length": torch.randint(0, STEPS + 1, (16,))}
    losses = []
    for library in (recurrent._library, lambda: None):
        monkeypatch.setattr(recurrent, "_library", library)
        torch.manual_seed(0)
        model, _ = build(family, {"width": 16, "layers": 2, "dropout": 0.0}, shapes)
        optimizer = torch.optim.Adam(model.parameters(), 0.01)
        for _ in range(15):
            loss = nn.functional.cross_entropy(model(inputs)["y"], wanted)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_what_c_does_not_know_is_left_to_torch() -> None:
    given = packed(5, 3)
    unknown: list[nn.RNNBase] = [
        nn.LSTM(INPUTS, WIDTH, bias=False),
        nn.LSTM(INPUTS, WIDTH, proj_size=4),
        nn.RNN(INPUTS, WIDTH, nonlinearity="relu"),
    ]
    assert all(recurrent.read(cells, given) is None for cells in unknown)
    assert recurrent.read(nn.GRU(INPUTS, WIDTH).double(), given._replace(data=given.data.double())) is None
    with torch.autocast("cpu", torch.bfloat16):
        assert recurrent.read(nn.GRU(INPUTS, WIDTH), given) is None
