"""Decoders of Hugging Face checkpoints say what transformers' own models say, in both directions."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor, nn

from danlu.data.store import Shapes
from danlu.errors import DanluError
from danlu.models import FAMILIES, build
from danlu.models.hub import files

TOKENS, LABELS, PAD = 37, 3, 0
SIZES = {
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 40,
}
CONFIGS: dict[str, tuple[type[transformers.PreTrainedConfig], dict[str, Any]]] = {
    "gpt2": (transformers.GPT2Config, {"n_embd": 24, "n_layer": 3, "n_head": 4, "n_inner": 52, "n_positions": 40}),
    "llama": (transformers.LlamaConfig, SIZES | {"rope_parameters": {"rope_type": "default", "rope_theta": 500.0}}),
    "mistral": (transformers.MistralConfig, SIZES | {"sliding_window": 5, "head_dim": 8}),
    "qwen2": (transformers.Qwen2Config, SIZES | {"tie_word_embeddings": True}),
    "qwen3": (transformers.Qwen3Config, SIZES | {"head_dim": 10}),
}
LANGUAGE = {name: "LMHeadModel" if name == "gpt2" else "ForCausalLM" for name in CONFIGS}
PREFIX = {"gpt2": "GPT2", "llama": "Llama", "mistral": "Mistral", "qwen2": "Qwen2", "qwen3": "Qwen3"}


@dataclass
class Pair:
    """The same weights as transformers' model and, through a checkpoint, as ours."""

    theirs: Any
    ours: nn.Module
    config: Any
    shapes: Shapes


def pair_of(family: str, folder: Path, heads: dict[str, int] | None = None, **changes: Any) -> Pair:
    kind, sizes = CONFIGS[family]
    marks = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": PAD, "num_labels": LABELS}
    theirs = their_class(family, heads)(kind(vocab_size=TOKENS, **sizes | marks | changes)).eval()
    torch.manual_seed(0)
    for parameter in theirs.parameters():  # norms and biases too
        nn.init.normal_(parameter, mean=1.0 if parameter.ndim == 1 else 0.0, std=0.3)
    theirs.save_pretrained(folder)
    return Pair(theirs, *ours_of(family, folder, heads))


def ours_of(family: str, folder: Path, heads: dict[str, int] | None) -> tuple[nn.Module, Any, Shapes]:
    layout, written = FAMILIES[family].layout, files.read_config(folder)
    assert layout is not None
    assert files.family_name(written) == family
    shapes = Shapes(tokens=written["vocab_size"], heads=heads)
    module, config = build(family, layout.fields(written), shapes)
    layout.load(module, files.read_tensors(folder), config)
    return module.eval(), config, shapes


def their_class(family: str, heads: dict[str, int] | None) -> Any:
    return getattr(transformers, PREFIX[family] + ("ForSequenceClassification" if heads else LANGUAGE[family]))


def some_tokens(rows: int = 4, steps: int = 17) -> tuple[Tensor, Tensor]:
    """Rows of unequal length, padded at the end, and their lengths."""
    rng = torch.Generator().manual_seed(1)
    lengths = torch.tensor([steps, 1, 9, steps - 1])[:rows]
    tokens = torch.randint(1, TOKENS, (rows, steps), generator=rng)
    return tokens * (torch.arange(steps) < lengths[:, None]), lengths


def assert_same_language(theirs: Any, ours: nn.Module) -> None:
    tokens, lengths = some_tokens()
    inside = torch.arange(tokens.shape[1]) < lengths[:, None]
    with torch.no_grad():
        expected = theirs(input_ids=tokens, attention_mask=inside.long()).logits
        logits = ours({"tokens": tokens, "tokens_length": lengths})["logits"]
    torch.testing.assert_close(logits[inside], expected[inside], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("family", CONFIGS)
def test_logits_of_a_checkpoint_are_those_of_transformers(family: str, tmp_path: Path) -> None:
    pair = pair_of(family, tmp_path)
    assert_same_language(pair.theirs, pair.ours)


STRETCHED = {  # so that a wavelength is in each of the three ranges
    "rope_type": "llama3", "rope_theta": 500.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 2.0,
    "original_max_position_embeddings": 8,
}  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [{"rope_parameters": STRETCHED}, {"attention_bias": True}, {"attention_bias": True, "mlp_bias": True}],
    ids=["stretched", "attention", "attention and mlp"],
)
def test_stretched_positions_and_biases_of_llama_are_those_of_transformers(tmp_path: Path, changes: dict) -> None:
    pair, layout = pair_of("llama", tmp_path / "theirs", **changes), FAMILIES["llama"].layout
    assert_same_language(pair.theirs, pair.ours)
    files.write(tmp_path / "ours", layout.config(pair.config, pair.shapes), layout.tensors(pair.ours, pair.config))
    assert_same_language(their_class("llama", None).from_pretrained(tmp_path / "ours").eval(), pair.ours)


@pytest.mark.parametrize("family", CONFIGS)
def test_transformers_loads_what_danlu_wrote(family: str, tmp_path: Path) -> None:
    layout, shapes = FAMILIES[family].layout, Shapes(tokens=TOKENS, max_tokens=20)
    assert layout is not None
    torch.manual_seed(0)
    small = {"width": 24, "depth": 2, "heads": 4, "max_length": 20}
    windows = {"window": 5} if family in ("mistral", "qwen2", "qwen3") else {}
    module, config = build(family, small | windows | {"dropout": 0.0}, shapes)
    files.write(tmp_path, layout.config(config, shapes), layout.tensors(module, config))
    theirs, told = their_class(family, None).from_pretrained(tmp_path, output_loading_info=True)
    assert not any(told.values())
    assert_same_language(theirs.eval(), module.eval())


@pytest.mark.parametrize("family", CONFIGS)
def test_a_classifier_is_the_same_in_both_libraries(family: str, tmp_path: Path) -> None:
    pair, layout = pair_of(family, tmp_path / "theirs", {"colour": LABELS}), FAMILIES[family].layout
    assert layout is not None
    written = layout.config(pair.config, pair.shapes, ("red", "green", "blue")) | {"pad_token_id": PAD}
    files.write(tmp_path / "ours", written, layout.tensors(pair.ours, pair.config))
    again = their_class(family, {"colour": LABELS}).from_pretrained(tmp_path / "ours").eval()
    tokens, lengths = some_tokens()
    with torch.no_grad():
        expected = pair.theirs(input_ids=tokens, attention_mask=(tokens != PAD).long()).logits
        scores = pair.ours({"tokens": tokens, "tokens_length": lengths})["colour"]
        written_scores = again(input_ids=tokens, attention_mask=(tokens != PAD).long()).logits
    torch.testing.assert_close(scores, expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(written_scores, expected, atol=1e-4, rtol=1e-4)
    assert again.config.id2label == {0: "red", 1: "green", 2: "blue"}


@pytest.mark.parametrize("family", ["qwen2", "qwen3"])
def test_qwens_window_is_honoured(family: str, tmp_path: Path) -> None:
    pair = pair_of(family, tmp_path, use_sliding_window=True, sliding_window=4, max_window_layers=0)
    assert pair.config.window == 4
    assert_same_language(pair.theirs, pair.ours)


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("gpt2", {"scale_attn_by_inverse_layer_idx": True}),
        ("qwen3", {"attention_bias": True}),
        ("llama", {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 10_000.0}}),
        ("qwen2", {"use_sliding_window": True, "sliding_window": 4, "max_window_layers": 1}),
    ],
)
def test_what_cannot_be_represented_is_refused_by_its_key(family: str, changes: dict[str, Any]) -> None:
    kind, sizes = CONFIGS[family]
    layout = FAMILIES[family].layout
    assert layout is not None
    with pytest.raises(DanluError) as error:
        layout.fields(kind(**sizes | changes).to_dict())
    assert error.value.key == "hub.cannot_represent"
    assert next(key for key in (*changes, "max_window_layers") if key in str(error.value))


def test_positions_in_the_older_notation_are_read() -> None:
    layout = FAMILIES["llama"].layout
    assert layout is not None
    theirs = {**SIZES, "rope_theta": 123.0, "rope_scaling": None}
    assert layout.fields(theirs)["rope_theta"] == 123.0
