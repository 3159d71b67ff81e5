"""Models that find answers say what transformers' own say, in both directions; a fine-tuned head is kept."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor, nn

from danlu.data.passages import ANSWER
from danlu.data.store import Shapes
from danlu.models import FAMILIES, build
from danlu.models.hub import files

TOKENS, LENGTH = 37, 13
SIZES = {"hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 3}
CONFIGS: dict[str, transformers.PreTrainedConfig] = {
    "bert": transformers.BertConfig(vocab_size=TOKENS, max_position_embeddings=20, **SIZES),
    "roberta": transformers.RobertaConfig(vocab_size=TOKENS, max_position_embeddings=22, **SIZES),
    "distilbert": transformers.DistilBertConfig(
        vocab_size=TOKENS, dim=24, hidden_dim=40, n_layers=2, n_heads=3, max_position_embeddings=20
    ),
}
NAMES = {"bert": "Bert", "roberta": "Roberta", "distilbert": "DistilBert"}
SHAPES = Shapes(tokens=TOKENS, max_tokens=LENGTH, segments=2, per_token=True, spans=True, heads={ANSWER: 2})
each_family = pytest.mark.parametrize("family", CONFIGS)


def scrambled(model: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter, mean=1.0 if parameter.ndim == 1 else 0.0, std=0.3)
    return model.eval()


def loaded(folder: Path, shapes: Shapes, new_task: bool) -> tuple[nn.Module, list[str]]:
    """Our module of a checkpoint, and the names of what begins anew."""
    theirs = files.read_config(folder)
    family = FAMILIES[files.family_name(theirs)]
    assert family.layout is not None
    module, config = build(family.name, family.layout.fields(theirs), shapes)
    return module.eval(), family.layout.load(module, files.read_tensors(folder), config, new_task=new_task)


def inputs(family: str, padding: int) -> tuple[dict[str, Tensor], dict[str, Any], Tensor]:
    """Windows of unequal length as our inputs and as transformers', and which positions are no padding."""
    lengths = torch.tensor([LENGTH, 4, 9])
    real = torch.arange(LENGTH) < lengths[:, None]
    tokens = torch.randint(3, TOKENS, (3, LENGTH), generator=torch.Generator().manual_seed(1))
    tokens = tokens.masked_fill(~real, padding)
    segments = (torch.arange(LENGTH) >= 3).long() * real
    ours = {"tokens": tokens, "tokens_length": lengths}
    theirs = {"input_ids": tokens, "attention_mask": real.long()}
    if family == "bert":
        return ours | {"segments": segments}, theirs | {"token_type_ids": segments}, real
    return ours, theirs, real


@torch.inference_mode()
def assert_same(ours: nn.Module, theirs: nn.Module, family: str, padding: int = 0) -> None:
    ours_in, theirs_in, real = inputs(family, padding)
    expected = theirs(**theirs_in)
    found = ours(ours_in)[ANSWER][real]
    wanted = torch.stack([expected.start_logits, expected.end_logits], dim=-1)[real]
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


@each_family
@pytest.mark.parametrize("new_task", [False, True])
def test_a_checkpoint_that_answers_questions_keeps_its_head(tmp_path: Path, family: str, new_task: bool) -> None:
    theirs = scrambled(getattr(transformers, f"{NAMES[family]}ForQuestionAnswering")(CONFIGS[family]))
    theirs.save_pretrained(tmp_path)
    ours, began = loaded(tmp_path, SHAPES, new_task)
    assert not began
    assert_same(ours, theirs, family, padding=1 if family == "roberta" else 0)


@each_family
def test_transformers_loads_what_danlu_saved(tmp_path: Path, family: str) -> None:
    layout, kinds = FAMILIES[family].layout, {"bert": 2, "roberta": 1, "distilbert": 0}[family]
    assert layout is not None
    fields = {"width": 24, "depth": 2, "heads": 3, "max_length": 16, "segments": kinds}
    ours, config = build(family, fields, SHAPES)
    files.write(tmp_path, layout.config(config, SHAPES), layout.tensors(scrambled(ours), config))
    theirs, told = transformers.AutoModelForQuestionAnswering.from_pretrained(tmp_path, output_loading_info=True)
    assert type(theirs).__name__ == f"{NAMES[family]}ForQuestionAnswering"
    assert not any(told.values()), told
    assert_same(ours, theirs.eval(), family)


@each_family
def test_a_checkpoint_of_another_task_begins_with_a_new_head(tmp_path: Path, family: str) -> None:
    scrambled(getattr(transformers, f"{NAMES[family]}ForMaskedLM")(CONFIGS[family])).save_pretrained(tmp_path)
    _, began = loaded(tmp_path, SHAPES, new_task=True)
    assert began == ["ends.linear.weight", "ends.linear.bias"]


@each_family
def test_the_head_of_answers_is_left_aside_for_another_task(tmp_path: Path, family: str) -> None:
    scrambled(getattr(transformers, f"{NAMES[family]}ForQuestionAnswering")(CONFIGS[family])).save_pretrained(tmp_path)
    _, began = loaded(tmp_path, Shapes(tokens=TOKENS, max_tokens=LENGTH, heads={"label": 3}), new_task=True)
    assert any(name.startswith("heads.") for name in began)
