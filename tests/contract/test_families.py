"""What every family promises, on every modality that it reads."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load, save

from danlu.data.store import Bags, Dense, Ragged, Shapes, Store
from danlu.errors import DanluError
from danlu.models import FAMILIES, build, family_for, long_tail, size
from danlu.models.linear import Linear
from danlu.models.transformer import Layers
from danlu.recipe import TrainConfig, validated
from danlu.words import sentences
from danlu.words.models import SETTINGS

HEADS = {"colour": 3, "price": 1}
ROWS = 32
SHAPES = {
    "table": Shapes(numbers=4, missing=2, categories=(5, 3)),
    "image": Shapes(image=(3, 12, 10), image_mean=(120.0, 110.0, 100.0), image_std=(50.0, 60.0, 70.0)),
    "sequence": Shapes(sequence=2, max_steps=9),
}
TEXT = {"tokens": Shapes(tokens=30, max_tokens=9), "terms": Shapes(terms=40)}


def shapes_for(family: str, modality: str) -> Shapes:
    shapes = TEXT[FAMILIES[family].reads["text"][0]] if modality == "text" else SHAPES[modality]
    return replace(shapes, heads=HEADS)


def random_store(shapes: Shapes, rows: int = ROWS, seed: int = 0) -> Store:
    """Random inputs of these shapes; every ragged row has a length of its own, the first is empty."""
    rng = torch.Generator().manual_seed(seed)
    integers = lambda high, *size: torch.randint(0, high, size, generator=rng)  # noqa: E731
    lengths = torch.arange(rows) % 9
    offsets = F.pad(lengths.cumsum(0), (1, 0))
    total = int(offsets[-1])
    feeds = {
        "numbers": Dense(torch.randn(rows, shapes.numbers, generator=rng)),
        "missing": Dense(integers(2, rows, shapes.missing).float()),
        "categories": Dense(torch.stack([integers(n, rows) for n in shapes.categories or (1,)], dim=1)),
        "tokens": Ragged(1 + integers(max(shapes.tokens, 2) - 1, total), offsets),
        "terms": Bags(integers(max(shapes.terms, 1), total), torch.rand(total, generator=rng), offsets),
        "image": Dense(integers(256, rows, *(shapes.image or (1, 1, 1))).to(torch.uint8)),
        "sequence": Ragged(torch.randn(total, shapes.sequence, generator=rng), offsets),
    }
    present = {name: feed for name, feed in feeds.items() if getattr(shapes, name)}
    targets = {"colour": integers(3, rows), "price": torch.randn(rows, generator=rng)}
    return Store(present, targets, torch.arange(rows))


def loss_of(outputs: dict[str, torch.Tensor], targets: dict[str, torch.Tensor]) -> torch.Tensor:
    """Cross-entropy of the classes and squared error of the number, averaged over members."""
    colour, price = (outputs[head].unflatten(0, (len(outputs[head]), 1)).flatten(1, -2) for head in HEADS)
    members = colour.shape[1]
    classes = targets["colour"].repeat_interleave(members)
    numbers = targets["price"].repeat_interleave(members)
    return F.cross_entropy(colour.flatten(0, 1), classes) + F.mse_loss(price.flatten(), numbers)


NARROW = {"width": 64, "depth": 1, "heads": 4, "dropout": 0.0}
PLAIN = {  # narrow, so that the tests are quick
    "resnet": {"width": 8},
    **dict.fromkeys(("gpt2", "llama", "mistral", "qwen2", "qwen3"), NARROW),
    **dict.fromkeys(("bert", "roberta", "distilbert", "vit"), NARROW),
}
PER_TOKEN = {"stream", "words", "pairs", "masked", "passages"}  # answers of tokens, not of rows: tested elsewhere
CASES = [
    (name, how, suited)
    for name in FAMILIES
    for how in FAMILIES[name].reads
    if how not in PER_TOKEN
    for suited in (False, True)
]
LANGUAGE = [name for name in FAMILIES if "stream" in FAMILIES[name].reads]


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{case[1]}-{'suited' if case[2] else 'plain'}")
def model_and_store(request):
    name, modality, suited = request.param
    shapes = shapes_for(name, modality)
    torch.manual_seed(0)
    model, _ = build(name, FAMILIES[name].fields(shapes, ROWS) if suited else PLAIN.get(name, {}), shapes)
    return model, random_store(shapes)


def all_rows(store: Store):
    return store.batch(torch.arange(len(store)))


def test_every_head_has_an_output_of_its_size_for_each_row(model_and_store):
    model, store = model_and_store
    outputs = model(all_rows(store).inputs)
    assert list(outputs) == list(HEADS)
    for head, outputs_of_head in outputs.items():
        assert outputs_of_head.shape[0] == ROWS
        assert outputs_of_head.shape[-1] == HEADS[head]
        assert outputs_of_head.ndim in (2, 3)
        assert outputs_of_head.isfinite().all()


def test_gradients_reach_every_parameter(model_and_store):
    model, store = model_and_store
    batch = all_rows(store)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    for _ in range(2):  # what starts at 0 hides what is behind it in the first step
        optimizer.zero_grad()
        loss_of(model(batch.inputs), batch.targets).backward()
        optimizer.step()
    still = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert not still


def test_learns_random_rows_by_heart(model_and_store):
    model, store = model_and_store
    batch = all_rows(store)
    transformer = any(isinstance(module, Layers) for module in model.modules())  # begins slowly, with warm-up
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3 if transformer else 5e-3)
    first = loss_of(model(batch.inputs), batch.targets).item()
    for _ in range(60):
        optimizer.zero_grad()
        loss = loss_of(model(batch.inputs), batch.targets)
        loss.backward()
        optimizer.step()
    linear = isinstance(model, Linear)  # too few weights to know every row
    assert loss.item() < (0.95 * first if linear else first / 3)


def test_evaluation_repeats_itself(model_and_store):
    model, store = model_and_store
    model.eval()
    inputs = all_rows(store).inputs
    assert_equal(model(inputs), model(inputs), atol=0.0)


def test_weights_survive_safetensors(model_and_store):
    model, store = model_and_store
    model.eval()
    inputs = all_rows(store).inputs
    before = model(inputs)
    weights = save(model.state_dict())
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.zero_()
    model.load_state_dict(load(weights))
    assert_equal(model(inputs), before, atol=0.0)


def test_a_row_does_not_depend_on_its_neighbours_or_padding(model_and_store):
    model, store = model_and_store
    model.eval()
    together = model(all_rows(store).inputs)
    for row in (0, 1, 5, 31):
        alone = model(store.batch(torch.tensor([row])).inputs)
        assert_equal(alone, {head: x[row : row + 1] for head, x in together.items()}, atol=1e-5)


@pytest.mark.parametrize("family", LANGUAGE)
def test_a_language_model_scores_every_token_and_sees_none_that_comes_later(family):
    torch.manual_seed(0)
    model = build(family, NARROW, Shapes(tokens=30, max_tokens=9))[0].eval()
    tokens = torch.randint(30, (4, 9))
    later = tokens.clone()
    later[:, 5:] = torch.randint(30, (4, 4))
    before, after = (model({"tokens": each})["logits"] for each in (tokens, later))
    assert before.shape == (4, 9, 30)
    torch.testing.assert_close(before[:, :5], after[:, :5], atol=0.0, rtol=0.0)
    assert (before[:, 5] != after[:, 5]).any()


def test_the_same_seed_builds_the_same_weights():
    for name, modality, _ in CASES:
        shapes = shapes_for(name, modality)
        models = []
        for _ in range(2):
            torch.manual_seed(7)
            models.append(build(name, {}, shapes)[0])
        assert_equal(models[0].state_dict(), models[1].state_dict(), atol=0.0)


def test_training_settings_are_valid_and_settings_fit_the_config():
    for name, modality, _ in CASES:
        for rows in (100, 10_000, 1_000_000):
            shapes = shapes_for(name, modality)
            validated(TrainConfig, FAMILIES[name].training(shapes, rows), where="train")
            validated(FAMILIES[name].config, FAMILIES[name].fields(shapes, rows), where="model")
        assert FAMILIES[name].summary in sentences()


def test_table_columns_beside_the_main_input_are_read():
    for name, family in FAMILIES.items():
        for modality in (m for m, inputs in family.reads.items() if m != "table" and "numbers" in inputs):
            shapes = replace(shapes_for(name, modality), numbers=4, missing=2, categories=(5, 3))
            torch.manual_seed(0)
            model = build(name, {}, shapes)[0].eval()
            for parameter in model.parameters():
                torch.nn.init.normal_(parameter, std=0.1)
            inputs = all_rows(random_store(shapes)).inputs
            before = model(inputs)["colour"]
            for changed in ("numbers", "missing", "categories"):
                after = model(inputs | {changed: torch.zeros_like(inputs[changed])})["colour"]
                assert not torch.allclose(before, after), (name, modality, changed)


def test_a_family_refuses_a_modality_that_it_cannot_take():
    assert family_for("lstm", "text") is FAMILIES["lstm"]
    with pytest.raises(DanluError) as error:
        family_for("resnet", "text")
    assert error.value.key == "models.cannot_read"
    assert "texts" in error.value.note.text("en")
    assert "lstm" in error.value.note.text("en")


def test_an_unknown_family_or_setting_is_refused_with_the_nearest():
    shapes = shapes_for("mlp", "table")
    with pytest.raises(DanluError) as error:
        build("restnet", {}, shapes)
    assert "resnet" in str(error.value)
    with pytest.raises(DanluError) as error:
        build("mlp", {"widht": 8}, shapes)
    assert "width" in str(error.value)


def test_every_setting_has_its_meaning_in_both_languages():
    configs = {"transformers": long_tail.Config} | {name: family.config for name, family in FAMILIES.items()}
    fields = {f"{name}.{key}": field for name, config in configs.items() for key, field in config.model_fields.items()}
    assert set(fields) == set(SETTINGS)
    assert all(field.description for field in fields.values())


def test_size_counts_parameters_and_bytes():
    model, _ = build("linear", {}, Shapes(numbers=3, heads={"y": 2}))
    assert size(model) == {"parameters": 3 * 2 + 2, "bytes": 4 * 8}


def assert_equal(a, b, atol: float) -> None:
    assert a.keys() == b.keys()
    for key in a:
        torch.testing.assert_close(a[key], b[key], atol=atol, rtol=0.0 if atol == 0.0 else 1e-4)
