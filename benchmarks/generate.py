"""Writing one text with a Llama of 100 million weights (random), beside transformers and llama.cpp: tokens per second.

    python benchmarks/generate.py [--rounds 3] [--tokens 64]

12 layers of width 768, 32,000 tokens in the vocabulary, a prompt of 32 tokens, greedy. All have the same weights:
transformers those of danlu's Hugging Face layout, llama.cpp, of the package xllamacpp, danlu's own GGUF export. Each
contestant writes a few tokens to warm up. Quality is the correlation of the first token's scores with those of danlu in
float32; random weights feel rounding more than trained ones, of which benchmarks/precision.py tells. Each step reads
all weights once, so the speed of memory, measured beside, says what the limit is.
"""

import argparse
import math
import tempfile
from functools import partial
from pathlib import Path

import contest

WIDTH, DEPTH, HEADS, HIDDEN, TOKENS, PROMPT = 768, 12, 12, 2048, 32_000, 32


def prompt():
    import torch

    return torch.randint(3, TOKENS, (PROMPT,), generator=torch.Generator().manual_seed(1)).tolist()


def model():
    """Danlu's; its weights are a little larger than at the start of training, so that tokens differ."""
    import torch

    from danlu import models
    from danlu.data.store import Shapes

    torch.manual_seed(0)
    fields = {"width": WIDTH, "depth": DEPTH, "heads": HEADS, "hidden": HIDDEN, "max_length": 1024}
    module, _ = models.build("llama", fields, Shapes(tokens=TOKENS, max_tokens=1024))
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim == 2:
                parameter.mul_(3)
    return module.eval()


def agreement(scores):
    """The correlation of scores (TOKENS,) of the token behind the prompt with those of danlu in float32."""
    import torch

    with torch.no_grad():
        exact = model()({"tokens": torch.tensor([prompt()])})["logits"][0, -1]
    return float(torch.cosine_similarity(exact - exact.mean(), scores - scores.mean(), dim=0))


def found(asked, write, scores, weights):
    """Of what writes so many tokens, has such scores and reads so many bytes for a token."""
    write(4)
    speed = asked.tokens / contest.seconds(lambda: write(asked.tokens))
    return {"speed": speed, "quality": agreement(scores), "share": weights * speed / bandwidth()}


def bandwidth():
    """Bytes per second of reading memory."""
    import torch

    much = torch.ones(50_000_000)
    return much.nbytes / min(contest.seconds(much.sum) for _ in range(5))


def danlu(precision, asked):
    import torch

    from danlu.generation import generate
    from danlu.generation.config import GenerationConfig
    from danlu.models.precision import computed_in

    fast = computed_in(model(), precision)
    with torch.no_grad():
        scores = fast({"tokens": torch.tensor([prompt()])})["logits"][0, -1].float()
    weights = sum(t.nbytes for t in [*fast.parameters(), *fast.buffers()]) - fast.trunk.embedding.tokens.weight.nbytes
    settings = partial(GenerationConfig, temperature=0.0)
    return found(asked, lambda count: generate(fast, [prompt()], settings(max_new_tokens=count)), scores, weights)


def transformers(precision, asked):
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from danlu.models import family_named

    ours = model()
    config = LlamaConfig(
        vocab_size=TOKENS, hidden_size=WIDTH, num_hidden_layers=DEPTH, num_attention_heads=HEADS,
        intermediate_size=HIDDEN, max_position_embeddings=1024, eos_token_id=None, rms_norm_eps=ours.config.norm_eps,
        rope_parameters={"rope_type": "default", "rope_theta": ours.config.rope_theta},
        tie_word_embeddings=ours.config.tied,
    )  # fmt: skip
    other = LlamaForCausalLM(config)
    other.load_state_dict(family_named("llama").layout.tensors(ours, ours.config), strict=not ours.config.tied)
    other = other.eval().to(getattr(torch, precision))
    given = torch.tensor([prompt()])
    with torch.no_grad():
        scores = other(given).logits[0, -1].float()
    weights = sum(t.nbytes for t in other.parameters()) - other.get_input_embeddings().weight.nbytes
    settings = {"do_sample": False, "attention_mask": torch.ones_like(given)}
    write = lambda count: other.generate(given, max_new_tokens=count, min_new_tokens=count, **settings)  # noqa: E731
    return found(asked, write, scores, weights)


def llama_cpp(bits, asked):
    import torch
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.n_ctx, params.n_parallel, params.verbosity = 2 * (PROMPT + asked.tokens), 1, -1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        file = exported(Path(folder), bits)
        weights = file.stat().st_size * (1 - TOKENS * WIDTH / sum(t.numel() for t in model().parameters()))
        params.model.path = str(file)
        server = xllamacpp.Server(params)
        fixed = {"prompt": prompt(), "temperature": 0, "ignore_eos": True, "cache_prompt": False}

        def write(count, **more):
            answer = server.handle_completions({**fixed, "max_tokens": count, **more})
            assert answer["usage"]["completion_tokens"] == count, answer
            return answer["choices"][0]

        (first,) = write(1, logprobs=TOKENS)["logprobs"]["content"]
        scores = torch.full((TOKENS,), math.nan)
        for token in first["top_logprobs"]:
            scores[token["id"]] = token["logprob"]
        return found(asked, write, scores, weights)


def exported(folder, bits):
    """danlu's GGUF file of the weights; its tokenizer is a small one, as the prompt is given in numbers."""
    from dataclasses import replace

    from danlu.data.documents import of_documents
    from danlu.data.read import examples_of
    from danlu.exporting import gguf_file
    from danlu.exporting.job import Job
    from danlu.models import FAMILIES
    from danlu.predictor import Predictor
    from danlu.recipe import Recipe
    from danlu.run import Run
    from danlu.tasks import TASKS
    from danlu.tasks.task import Given

    name = "text-generation"
    text = {"tokenizer": "bpe", "vocab_size": 300, "max_length": 1024}
    data = Recipe.of({"task": name, "data": {"text": text}}).data
    rows = of_documents(examples_of([{"text": "a short text"}, {"text": "another one"}], data, task=name))
    codec = TASKS[name].codec(Given(rows, (), FAMILIES["llama"], data))
    codec = replace(codec, reading=replace(codec.reading, size=TOKENS))
    predictor = Predictor(TASKS[name], codec, model(), "llama", {}, rows.columns, data)
    run = Run(folder / "run")
    gguf_file.write(Job(run, predictor, rows, folder, "model", folder, lambda: rows, bits=bits, max_drop=math.inf))
    return folder / f"model-{bits}.gguf"


CONTESTANTS = {
    "danlu, int8": partial(danlu, "int8"),
    "danlu, bfloat16": partial(danlu, "bfloat16"),
    "danlu, float32": partial(danlu, "float32"),
    "llama.cpp, q8_0": partial(llama_cpp, "q8_0"),
    "llama.cpp, f16": partial(llama_cpp, "f16"),
    "transformers, bfloat16": partial(transformers, "bfloat16"),
    "transformers, float32": partial(transformers, "float32"),
}


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tokens", type=int, default=64)


if __name__ == "__main__":
    contest.main(
        __doc__,
        CONTESTANTS,
        unit="tokens/s",
        quality="correlation",
        tolerance=0.05,
        limit="of memory's speed",
        options=options,
    )
