"""Encoder-decoders of Hugging Face checkpoints say what transformers' own models say, in both directions."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from danlu.data.store import Shapes
from danlu.errors import DanluError
from danlu.models import FAMILIES, build
from danlu.models.hub import files

TOKENS = 37
SIZES = {
    "vocab_size": TOKENS,
    "d_model": 24,
    "encoder_layers": 3,
    "decoder_layers": 2,
    "encoder_attention_heads": 3,
    "decoder_attention_heads": 3,
    "encoder_ffn_dim": 40,
    "decoder_ffn_dim": 40,
    "max_position_embeddings": 20,
    "pad_token_id": 0,
    "eos_token_id": 2,
    "decoder_start_token_id": 0,
}
CONFIGS: dict[str, tuple[type[transformers.PreTrainedConfig], dict[str, Any]]] = {
    "marian": (transformers.MarianConfig, SIZES | {"scale_embedding": True, "activation_function": "swish"}),
    "bart": (transformers.BartConfig, SIZES),
    "pegasus": (transformers.PegasusConfig, SIZES | {"scale_embedding": True}),
}
CLASSES: dict[str, Any] = {
    "marian": transformers.MarianMTModel,
    "bart": transformers.BartForConditionalGeneration,
    "pegasus": transformers.PegasusForConditionalGeneration,
}
each_family = pytest.mark.parametrize("family", CONFIGS)


def random_model(family: str, **changes: Any) -> Any:
    """transformers' model with random weights, those of norms and biases too; a table of sines is left alone."""
    kind, sizes = CONFIGS[family]
    model = CLASSES[family](kind(**sizes | changes)).eval()
    scramble(model)
    nn.init.normal_(model.final_logits_bias)
    return model


def scramble(model: nn.Module) -> None:
    torch.manual_seed(0)
    for parameter in model.parameters():
        if parameter.requires_grad:
            nn.init.normal_(parameter, mean=1.0 if parameter.ndim == 1 else 0.0, std=0.3)


def loaded(folder: Path, new_task: bool = False) -> tuple[nn.Module, Any, list[str]]:
    """Our module of a checkpoint, its config, and the names of what begins anew."""
    theirs = files.read_config(folder)
    family = FAMILIES[files.family_name(theirs)]
    assert family.layout is not None
    module, config = build(family.name, family.layout.fields(theirs), Shapes(tokens=TOKENS))
    began = family.layout.load(module, files.read_tensors(folder), config, new_task=new_task)
    return module.eval(), config, began


def texts() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Sources of unequal length, their lengths, answers likewise, and which of their positions are real."""
    rng = torch.Generator().manual_seed(1)
    lengths, answers = torch.tensor([13, 1, 9, 12]), torch.tensor([3, 11, 1, 7])
    tokens, answer = (torch.randint(3, TOKENS, (4, steps), generator=rng) for steps in (13, 11))
    inside = torch.arange(11) < answers[:, None]
    return tokens * (torch.arange(13) < lengths[:, None]), lengths, answer * inside, inside


@torch.inference_mode()
def assert_same(ours: nn.Module, theirs: Any) -> None:
    tokens, lengths, answer, inside = texts()
    mask = (torch.arange(tokens.shape[1]) < lengths[:, None]).long()
    expected = theirs(input_ids=tokens, attention_mask=mask, decoder_input_ids=answer).logits
    found = ours({"tokens": tokens, "tokens_length": lengths, "answer": answer})["logits"]
    torch.testing.assert_close(found[inside], expected[inside], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("marian", {}),
        ("marian", {"scale_embedding": False, "activation_function": "relu"}),
        ("bart", {}),
        ("bart", {"scale_embedding": True, "activation_function": "gelu_new"}),
        ("pegasus", {}),
        ("pegasus", {"scale_embedding": False, "activation_function": "relu"}),
    ],
    ids=str,
)
def test_a_checkpoint_of_transformers_gives_the_same_logits(
    tmp_path: Path, family: str, changes: dict[str, Any]
) -> None:
    theirs = random_model(family, **changes)
    theirs.save_pretrained(tmp_path)
    ours, _, began = loaded(tmp_path)
    assert not began
    assert_same(ours, theirs)


@each_family
def test_transformers_loads_what_danlu_saved(tmp_path: Path, family: str) -> None:
    layout, shapes = FAMILIES[family].layout, Shapes(tokens=TOKENS, max_tokens=13, answers=11)
    assert layout is not None
    fields = {"width": 24, "depth": 2, "decoder_depth": 1, "heads": 3, "max_length": 16, "inner_dropout": 0.1}
    ours, config = build(family, fields, shapes)
    scramble(ours.eval())
    files.write(tmp_path, layout.config(config, shapes), layout.tensors(ours, config))
    theirs, told = CLASSES[family].from_pretrained(tmp_path, output_loading_info=True)
    assert not any(told.values()), told
    assert theirs.config.activation_dropout == 0.1
    assert theirs.generation_config.forced_eos_token_id is None
    assert_same(ours, theirs.eval())


@each_family
def test_a_checkpoint_goes_through_danlu_unchanged(tmp_path: Path, family: str) -> None:
    random_model(family).save_pretrained(tmp_path / "theirs")
    ours, config, _ = loaded(tmp_path / "theirs")
    layout = FAMILIES[family].layout
    assert layout is not None
    written = layout.tensors(ours, config)
    given = load_file(tmp_path / "theirs" / files.WEIGHTS)
    assert written.keys() == given.keys()
    worked_out = layout.computed(config).keys()
    assert all(torch.equal(written[name], given[name]) for name in given.keys() - worked_out)
    assert all(torch.allclose(written[name], given[name], atol=1e-5) for name in worked_out)


@each_family
@pytest.mark.parametrize("name", ["model.decoder.embed_tokens.weight", "lm_head.weight"])
def test_the_token_vectors_are_found_under_each_of_their_names(tmp_path: Path, family: str, name: str) -> None:
    theirs = random_model(family)
    theirs.save_pretrained(tmp_path)
    tensors = load_file(tmp_path / files.WEIGHTS)
    tensors[name] = tensors.pop("model.shared.weight")
    save_file(tensors, tmp_path / files.WEIGHTS, {"format": "pt"})
    ours, _, _ = loaded(tmp_path)
    assert_same(ours, theirs)


@each_family
def test_the_body_alone_begins_with_no_bias_of_the_scores(tmp_path: Path, family: str) -> None:
    theirs = random_model(family)
    theirs.model.save_pretrained(tmp_path)
    ours, _, began = loaded(tmp_path, new_task=True)
    assert began == ["bias"]
    theirs.final_logits_bias.zero_()
    assert_same(ours, theirs)


def test_a_table_of_sines_in_a_checkpoint_is_left_aside(tmp_path: Path) -> None:
    theirs = random_model("marian")
    theirs.save_pretrained(tmp_path)
    tensors = load_file(tmp_path / files.WEIGHTS)
    for side in ("encoder", "decoder"):
        tensors[f"model.{side}.embed_positions.weight"] = theirs.model.encoder.embed_positions.weight.detach().clone()
    save_file(tensors, tmp_path / files.WEIGHTS, {"format": "pt"})
    ours, _, _ = loaded(tmp_path)
    assert_same(ours, theirs)


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("marian", {"share_encoder_decoder_embeddings": False}),
        ("marian", {"decoder_attention_heads": 2}),
        ("bart", {"decoder_ffn_dim": 48}),
        ("bart", {"tie_word_embeddings": False}),
        ("bart", {"encoder_layerdrop": 0.1}),
        ("bart", {"activation_function": "tanh"}),
    ],
    ids=str,
)
def test_what_cannot_be_represented_is_refused_by_its_key(family: str, changes: dict[str, Any]) -> None:
    kind, sizes = CONFIGS[family]
    layout = FAMILIES[family].layout
    assert layout is not None
    with pytest.raises(DanluError) as error:
        layout.fields(kind(**sizes | changes).to_dict())
    assert error.value.key == "hub.cannot_represent"
    assert next(iter(changes)) in str(error.value)


@each_family
def test_a_model_that_transformers_has_no_place_for_is_not_written_as_one(family: str) -> None:
    layout, shapes = FAMILIES[family].layout, Shapes(tokens=TOKENS, max_tokens=9, answers=9)
    assert layout is not None
    _, config = build(family, {"width": 24, "heads": 3, "kv_heads": 1}, shapes)
    with pytest.raises(DanluError) as error:
        layout.config(config, shapes)
    assert error.value.key == "hub.cannot_write_field"
