"""The Hugging Face layout: transformers gives the same scores and tokens from what is exported."""

import shlex
from dataclasses import replace

import pytest
from untrained import Case, job_of

from danlu.errors import DanluError
from danlu.exporting import hf

BERT = Case("bert", "passages", "question-answering")
CASES = [
    BERT,
    Case("roberta", "words", "token-classification"),
    Case("distilbert", "text", "text-classification"),
    Case("vit", "image", "image-classification"),
    Case("qwen3", "stream", "text-generation", text=(("tokenizer", "bpe"), ("max_length", 32))),
    Case("pegasus", "pairs", "translation"),
]

# https://docs.vllm.ai/en/v0.30.0/cli/serve/, read in November 2026: a model's folder, then options, of which these
VLLM_OPTIONS = {
    "--served-model-name": "the name, or several, by which requests ask for the model",
    "--dtype": "auto, half, float16, bfloat16, float, float32",
    "--max-model-len": "positions of prompt and answer; else as config.json says",
    "--generation-config": "auto (the folder's generation_config.json), vllm, or a folder",
    "--api-key": "which requests have to show",
    "--host": "address to listen on",
    "--port": "port to listen on",
}
# https://docs.vllm.ai/en/v0.30.0/models/supported_models/, of the kind that writes texts
VLLM_WRITES = ("GPT2LMHeadModel", "LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM")


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.family}-{case.modality}")
def test_transformers_gives_the_same_scores_and_tokens(case, tmp_path):
    job = job_of(case, tmp_path / "out")
    proof = hf.write(job)
    assert proof.largest <= 1e-4
    assert {path.name for path in job.folder.iterdir()} == {path.name for path in job.run.model.iterdir()}
    assert [note.key for note in proof.notes] == (["export.vllm"] if case.modality == "stream" else [])


def test_the_command_of_vllm_has_options_that_vllm_documents(tmp_path):
    job = replace(job_of(CASES[4], tmp_path / "out"), place=tmp_path / "my exports", name="some poems")
    (note,) = hf.write(job).notes
    said = note.text("en")
    words = shlex.split(said[said.index("vllm serve") :])
    assert words[:3] == ["vllm", "serve", str(job.place)]
    options = dict(zip(words[3::2], words[4::2], strict=True))
    assert set(options) <= set(VLLM_OPTIONS)
    assert options["--served-model-name"] == "some poems"
    assert set(hf.IN_VLLM) <= set(VLLM_WRITES)


def test_other_weights_are_noticed(tmp_path):
    job = job_of(BERT, tmp_path / "out")
    job.predictor.module.ends.linear.weight.data.mul_(1.01)
    with pytest.raises(DanluError) as error:
        hf.write(job)
    assert error.value.key == "export.differs"


def test_a_family_without_a_place_there_is_refused(tmp_path):
    with pytest.raises(DanluError) as error:
        hf.write(job_of(Case("mlp", "table", "tabular-classification"), tmp_path / "out"))
    assert error.value.key == "export.no_layout"
    assert "onnx" in str(error.value)
