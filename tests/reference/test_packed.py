"""Layers of encoders in C are the modules of the same matrices, for texts of every length, in every precision."""

import copy
import weakref
from typing import Any

import pytest
import torch
from torch import Tensor

from danlu import native
from danlu.data.store import Shapes
from danlu.models import build, packed
from danlu.models.in_c import Held
from danlu.models.packed import AT_ONCE
from danlu.models.precision import computed_in, in_int8
from danlu.models.transformer import Trunk
from danlu.training.adamw import AdamW

TOKENS, STEPS = 60, 40
SIZE = {"width": 72, "depth": 2, "heads": 4, "max_length": STEPS}
ENCODERS: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("bert", {}),
    "relu": ("bert", {"activation": "relu"}),
    "gelu_tanh": ("bert", {"activation": "gelu_tanh"}),
    "gated": ("bert", {"activation": "silu", "gated": True}),
    "roberta": ("roberta", {}),
    "distilbert": ("distilbert", {}),
    "wide heads": ("bert", {"head_width": 23}),
    "norms before": ("bert", {"norm_place": "before", "final_norm": True}),
    "rms": ("bert", {"norm": "rms"}),
    "no biases": ("bert", {"bias": False, "qkv_bias": False}),
}

pytestmark = pytest.mark.skipif(native.compiler() is None, reason="no C compiler here")


def trunks(name: str) -> tuple[Trunk, Trunk]:
    """In float32, and in 8 bits."""
    family, fields = ENCODERS[name]
    torch.manual_seed(0)
    model, _ = build(family, SIZE | fields, Shapes(tokens=TOKENS, max_tokens=STEPS, heads={"label": 3}))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, mean=float(parameter.ndim == 1), std=0.1)
    exact = model.eval().get_submodule("trunk")
    small = in_int8(copy.deepcopy(exact))
    assert isinstance(exact, Trunk)
    assert isinstance(small, Trunk)
    return exact, small


class Watched:
    """The library, and whether C was called."""

    def __init__(self) -> None:
        self.library, self.called = native.library("encoder"), False

    def __getattr__(self, name: str) -> Any:
        self.called = True
        return getattr(self.library, name)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    made = Watched()
    monkeypatch.setattr(packed, "_library", lambda: made)
    return made


def texts(*lengths: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(TOKENS, (len(lengths), max(lengths)), generator=generator), torch.tensor(lengths)


def least_cosine(one: Tensor, other: Tensor, length: Tensor) -> float:
    inside = torch.arange(one.shape[1]) < length[:, None]
    return float(torch.cosine_similarity(one[inside], other[inside], dim=-1).min())


@pytest.mark.parametrize("name", ENCODERS)
@torch.inference_mode()
def test_vectors_are_those_of_the_modules(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    exact, small = trunks(name)
    given = texts(STEPS, 1, 17, 16, 3)
    fast = [exact(*given), halved(exact, *given), small(*given)]
    monkeypatch.setattr(packed, "_library", lambda: None)
    slow = [exact(*given), halved(exact, *given), small(*given)]
    inside = torch.arange(STEPS) < given[1][:, None]
    torch.testing.assert_close(fast[0][inside], slow[0][inside], rtol=1e-4, atol=1e-5)
    for ours, theirs, near in zip(fast, slow, (0.999999, 0.9995, 0.9999), strict=True):
        assert not torch.equal(ours, theirs), "the modules were taken both times"
        assert least_cosine(ours, theirs, given[1]) > near
        assert least_cosine(ours, slow[0], given[1]) > 0.999
        assert not ours[1, 1:].any(), "padding is 0"


def halved(trunk: Trunk, tokens: Tensor, length: Tensor) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        read: Tensor = trunk(tokens, length)
    return read


@torch.no_grad()
def test_weights_that_change_are_cast_again() -> None:
    exact, _ = trunks("bert")
    given = texts(STEPS, 5)
    before = halved(exact, *given)
    assert torch.equal(halved(exact, *given), before)
    matrix = exact.get_submodule("layers.blocks.0.attention.qkv").get_parameter("weight")
    matrix.data = matrix * 1.5
    replaced = halved(exact, *given)
    assert not torch.equal(replaced, before)
    matrix.div_(1.5)
    assert not torch.equal(halved(exact, *given), replaced)


def test_weights_that_learn_are_cast_again() -> None:
    exact, _ = trunks("bert")
    given = texts(STEPS, 5)
    optimizer = AdamW([{"params": list(exact.parameters()), "weight_decay": 0.0}], lr=0.05, betas=(0.9, 0.99))

    def loss() -> float:
        optimizer.zero_grad()
        told = exact(*given).square().sum()
        told.backward()
        return float(told.detach())

    with torch.no_grad():
        halved(exact, *given)
    optimizer.step(loss)
    modules = halved(exact, *given)  # as gradients are on
    with torch.no_grad():
        assert least_cosine(halved(exact, *given), modules, given[1]) > 0.9995


@pytest.mark.parametrize("case", ["learns", "is taught", "float64", "looks back", "documents"])
def test_what_c_does_not_know_is_left_to_the_modules(case: str, watched: Watched) -> None:
    exact, small = trunks("bert")
    tokens, length = texts(7, 5)
    with torch.set_grad_enabled(case == "learns"):
        if case == "is taught":
            exact.train()(tokens, length)
        elif case == "float64":
            exact.double()(tokens, length)
        elif case == "looks back":
            gpt, _ = build("gpt2", SIZE, Shapes(tokens=TOKENS, max_tokens=STEPS))
            gpt.eval()({"tokens": tokens})
        elif case == "documents":
            documents = torch.tensor([[0, 0, 0, 1, 1, 1, 1], [0, 0, 1, 1, 1, 2, 2]])
            read = small(tokens, documents=documents), exact(tokens, documents=documents)
            assert least_cosine(*read, length) > 0.999
        else:
            exact(tokens, length)
    assert not watched.called


@torch.inference_mode()
def test_pictures_are_read_in_c_too(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model, _ = build("vit", {"width": 64, "depth": 2, "heads": 4}, Shapes(image=(1, 16, 16), heads={"label": 3}))
    pictures = {"image": torch.randint(0, 256, (4, 1, 16, 16), dtype=torch.uint8)}
    ours = model.eval()(pictures)
    assert watched.called
    monkeypatch.setattr(packed, "_library", lambda: None)
    torch.testing.assert_close(ours, model(pictures), rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_a_text_does_not_depend_on_its_neighbours() -> None:
    _, small = trunks("bert")
    tokens, length = texts(*(5 + row % 30 for row in range(AT_ONCE // 8)))  # more than are computed at once
    together = small(tokens, length)
    for row in (0, 57, len(tokens) - 1):
        alone = small(tokens[row : row + 1, : length[row]], length[row : row + 1])
        assert torch.equal(alone[0], together[row, : length[row]])


@torch.inference_mode()
def test_rows_without_padding_need_no_lengths() -> None:
    _, small = trunks("bert")
    tokens, length = texts(9, 9, 9)
    assert torch.equal(small(tokens), small(tokens, length))


@pytest.mark.parametrize("family", ["marian", "pegasus"])  # norms after the sums, and before
@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
@torch.inference_mode()
def test_sources_are_read_where_other_weights_are_in_bfloat16(family: str, precision: str, watched: Watched) -> None:
    torch.manual_seed(0)
    model, _ = build(family, SIZE, Shapes(tokens=TOKENS, max_tokens=STEPS, answers=STEPS))
    small = computed_in(model.eval(), precision)  # type: ignore[arg-type]
    given = texts(STEPS, 1, 17)
    exact, near = (each.get_submodule("encoder")(*given) for each in (model, small))
    assert watched.called
    assert near.dtype == torch.bfloat16
    assert least_cosine(near.float(), exact, given[1]) > 0.999


@torch.inference_mode()
def test_a_product_is_let_go_when_the_next_one_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    _, small = trunks("bert")
    made: list[weakref.ref[Tensor]] = []
    alive = []
    product = torch._int_mm

    def watched(*factors: Tensor) -> Tensor:
        alive.append(sum(each() is not None for each in made))
        sums = product(*factors)
        made.append(weakref.ref(sums))
        return sums

    monkeypatch.setattr(torch, "_int_mm", watched)
    small(*texts(STEPS, 17))
    assert len(made) == 8
    assert max(alive) == 1


def test_what_lies_in_memory_stays_there_when_a_weight_is_replaced() -> None:
    weight, held = torch.nn.Parameter(torch.zeros(9)), Held()
    address = held.address(weight)
    weight.data = weight.data.bfloat16()
    assert held.tensors[0].data_ptr() == address
