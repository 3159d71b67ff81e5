"""The Hugging Face layout: transformers gives the same scores and tokens from what is exported."""

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


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.family}-{case.modality}")
def test_transformers_gives_the_same_scores_and_tokens(case, tmp_path):
    job = job_of(case, tmp_path / "out")
    proof = hf.write(job)
    assert proof.largest <= 1e-4
    assert {path.name for path in job.folder.iterdir()} == {path.name for path in job.run.model.iterdir()}
    assert [note.key for note in proof.notes] == (["export.vllm"] if case.modality == "stream" else [])


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
