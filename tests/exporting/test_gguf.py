"""GGUF: what llama.cpp reads writes on as danlu does, and transformers reads the same scores from it."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from untrained import Case, job_of

from danlu.errors import DanluError
from danlu.exporting import gguf_file

FIELDS = (("width", 64), ("heads", 4))
BPE = (("tokenizer", "bpe"), ("vocab_size", 300), ("max_length", 32))
VARIANTS = {
    "gpt2": FIELDS,
    "llama": (*FIELDS, ("kv_heads", 2), ("depth", 2)),
    "qwen2": (*FIELDS, ("kv_heads", 2), ("tied", True)),
    "qwen3": (*FIELDS, ("kv_heads", 1), ("head_width", 32)),
}


def gguf_job(family: str, folder, **options):
    case = Case(family, "stream", "text-generation", VARIANTS[family], BPE)
    return job_of(case, folder, max_drop=1000.0, **options)


@pytest.mark.parametrize("family", VARIANTS)
def test_transformers_reads_the_scores_that_danlu_gives(family, tmp_path):
    transformers = pytest.importorskip("transformers")
    job = gguf_job(family, tmp_path / "out")
    gguf_file.write(job)
    config = transformers.AutoConfig.from_pretrained(job.run.model)  # its reader takes some sizes for granted
    file = {"gguf_file": "trial-f16.gguf", "config": config}
    model = transformers.AutoModelForCausalLM.from_pretrained(job.folder, **file).eval()
    tokens = torch.randint(3, 300, (2, 9), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        ours, theirs = job.predictor.module({"tokens": tokens})["logits"], model(tokens).logits
    apart = (ours.softmax(-1) - theirs.softmax(-1)).abs().max()
    assert apart < 5e-3, "half precision"


@pytest.mark.parametrize("family", VARIANTS)
@pytest.mark.parametrize("bits", ["f16", "q8_0", "q4_0"])
def test_llama_cpp_goes_on_as_danlu_does(family, bits, tmp_path):
    llama = pytest.importorskip("xllamacpp", reason="xllamacpp, a build of llama.cpp, is not installed")
    job = gguf_job(family, tmp_path, bits=bits)
    learn_by_heart(job.predictor)
    proof = gguf_file.write(job)
    assert proof.largest < 1000
    rounded = gguf_file.read_back(job, tmp_path / f"trial-{bits}.gguf")
    prompts = ["the cat", "the cat sat on", "the cat sat on red mat while two"]
    said = rounded.generate(prompts, temperature=0.0, max_new_tokens=8)
    assert said[0].startswith(" sat on")
    assert written(llama, tmp_path / f"trial-{bits}.gguf", prompts) == said


def learn_by_heart(predictor) -> None:
    """A sentence, so that no two tokens are as likely: 8 bits round otherwise here and there."""
    reading, module = predictor.codec.reading, predictor.module
    ids = reading.tokenizer.encode("the cat sat on red mat while two dogs ran home in Oslo").ids
    given, wanted = (torch.tensor([each]) for each in ([reading.begin, *ids], [*ids, reading.end]))
    optimizer = torch.optim.Adam(module.parameters(), lr=3e-3)
    for _ in range(120):
        optimizer.zero_grad()
        F.cross_entropy(module({"tokens": given})["logits"][0], wanted[0]).backward()
        optimizer.step()


def written(llama, path, prompts: list[str]) -> list[str]:
    """What llama.cpp writes greedily behind the prompts."""
    params = llama.CommonParams()
    params.model.path = str(path)
    params.n_ctx, params.n_parallel, params.n_predict, params.warmup = 64, 1, 8, False
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    server = llama.Server(params)
    asked = [{"prompt": prompt, "temperature": 0, "max_tokens": 8} for prompt in prompts]
    return [server.handle_completions(each)["choices"][0]["text"] for each in asked]


def test_rounding_to_four_bits_costs_what_is_told_and_may_be_refused(tmp_path):
    proof = gguf_file.write(gguf_job("llama", tmp_path / "a", bits="q4_0"))
    assert [note.key for note in proof.notes] == ["export.dropped", "export.sizes"]
    with pytest.raises(DanluError) as error:
        gguf_file.write(job_of(Case("llama", "stream", "text-generation", VARIANTS["llama"], BPE), tmp_path / "b",
                               bits="q4_0", max_drop=-1000.0))  # fmt: skip
    assert error.value.key == "export.drops"


def test_the_file_keeps_every_weight(tmp_path):
    job = gguf_job("llama", tmp_path)
    gguf_file.write(job)
    read = gguf_file.read_back(job, tmp_path / "trial-f16.gguf").module.state_dict()
    for name, tensor in job.predictor.module.state_dict().items():
        np.testing.assert_allclose(read[name], tensor, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("case", "key"),
    [
        (Case("llama", "text", "text-classification"), "export.no_gguf"),
        (Case("llama", "stream", "text-generation"), "export.gguf_tokenizer"),
        (Case("mistral", "stream", "text-generation", (("window", 4),), BPE), "export.gguf_window"),
    ],
    ids=["classifier", "tokenizer", "window"],
)
def test_what_llama_cpp_cannot_read_is_refused(case, key, tmp_path):
    with pytest.raises(DanluError) as error:
        gguf_file.write(job_of(case, tmp_path))
    assert error.value.key == key
