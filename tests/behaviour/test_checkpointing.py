"""Layers that are computed again on the way back: the same gradients, dropout included, and less kept."""

import pytest
import torch

from danlu import models
from danlu.data.store import Shapes
from danlu.models.footprint import _kept_for_the_way_back
from danlu.models.transformer import set_checkpointing
from danlu.recipe import TrainConfig
from danlu.training.plan import plan_of

SMALL = {"width": 32, "depth": 4, "heads": 2, "dropout": 0.2}
TEXT = Shapes(tokens=50, max_tokens=24, heads={"y": 3})
CASES = {
    "bert": (SMALL | {"attention_dropout": 0.2}, TEXT),
    "vit": (SMALL | {"patch": 4}, Shapes(image=(1, 16, 16), heads={"y": 3})),
    "gpt2": (SMALL | {"attention_dropout": 0.2}, Shapes(tokens=50, max_tokens=24)),
    "llama": (SMALL | {"kv_heads": 1}, Shapes(tokens=50, max_tokens=24)),
    "pegasus": (SMALL, Shapes(tokens=50, max_tokens=24, answers=12)),
}


def built(family):
    torch.manual_seed(0)
    fields, shapes = CASES[family]
    return models.build(family, fields, shapes)[0].train(), inputs_of(shapes)


def inputs_of(shapes, rows=4):
    drawn = torch.Generator().manual_seed(1)
    if shapes.image:
        return {"image": torch.randint(0, 256, (rows, *shapes.image), generator=drawn, dtype=torch.uint8)}
    lengths = {"tokens": shapes.max_tokens, "answer": shapes.answers}
    made = {n: torch.randint(4, 50, (rows, length), generator=drawn) for n, length in lengths.items() if length}
    return made | {f"{name}_length": torch.full((rows,), value.shape[1]) for name, value in made.items()}


def gradients(model, inputs, precision):
    torch.manual_seed(3)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        outputs = model(inputs)
    sum(value.float().square().mean() for value in outputs.values()).backward()
    return {name: p.grad for name, p in model.named_parameters()}


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("family", CASES)
def test_gradients_are_the_same_bit_for_bit(family, precision):
    plain, inputs = built(family)
    again, _ = built(family)
    assert set_checkpointing(again)
    expected, found = (gradients(model, inputs, precision) for model in (plain, again))
    differ = [name for name in expected if not torch.equal(expected[name], found[name])]
    assert not differ


@pytest.mark.parametrize("family", CASES)
def test_less_is_kept_for_the_way_back(family):
    plain, inputs = built(family)
    again, _ = built(family)
    set_checkpointing(again)
    assert _kept_for_the_way_back(again, inputs) < 0.6 * _kept_for_the_way_back(plain, inputs)


def test_a_model_of_transformers_computes_its_layers_again_too():
    pytest.importorskip("transformers")
    model, _ = models.build("transformers:bert", {"width": 16, "heads": 2, "depth": 2}, TEXT)
    assert set_checkpointing(model)
    assert any(getattr(module, "gradient_checkpointing", False) for module in model.modules())


def test_only_layers_of_a_transformer_can():
    assert not set_checkpointing(models.build("cnn", {}, Shapes(image=(1, 16, 16), heads={"y": 3}))[0])


def test_a_plan_keeps_what_was_asked():
    settings = {"rows": 8, "validation_rows": 0, "flops_per_row": 1.0, "metrics": ("loss",), "device": "cpu"}
    plan, _ = plan_of(TrainConfig(checkpointing=True), {}, seed=0, batches_of=lambda size, tokens: 1, **settings)
    assert plan.checkpointing
