"""Writing one text with a Llama of 100 million weights (random), beside transformers: tokens per second.

    python benchmarks/generate.py [--rounds 3] [--tokens 64]

12 layers of width 768, 32,000 tokens in the vocabulary, a prompt of 32 tokens, greedy. Each contestant writes a few
tokens to warm up. Quality is the cosine of the first token's scores to those of float32. Each step reads all weights
once, so the speed of memory, measured beside, says what the limit is.
"""

import argparse

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


def _danlu(asked, precision):
    import torch

    from danlu.generation import generate
    from danlu.generation.config import GenerationConfig
    from danlu.models.precision import computed_in

    exact = model()
    fast = computed_in(exact, precision)
    with torch.no_grad():
        scores = [each({"tokens": torch.tensor([prompt()])})["logits"][0, -1].float() for each in (exact, fast)]
    write = lambda count: generate(fast, [prompt()], GenerationConfig(temperature=0.0, max_new_tokens=count))[0]  # noqa: E731
    write(4)
    taken = contest.seconds(lambda: write(asked.tokens))
    weights = sum(t.nbytes for t in [*fast.parameters(), *fast.buffers()]) - fast.trunk.embedding.tokens.weight.nbytes
    share = weights * asked.tokens / taken / bandwidth()
    return {"speed": asked.tokens / taken, "quality": float(torch.cosine_similarity(*scores, dim=0)), "share": share}


def bandwidth():
    """Bytes per second of reading memory."""
    import torch

    much = torch.ones(50_000_000)
    return much.nbytes / min(contest.seconds(much.sum) for _ in range(5))


def _transformers(asked, dtype):
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=TOKENS, hidden_size=WIDTH, num_hidden_layers=DEPTH, num_attention_heads=HEADS,
        intermediate_size=HIDDEN, max_position_embeddings=1024, eos_token_id=None,
    )  # fmt: skip
    torch.manual_seed(0)
    other = LlamaForCausalLM(config).eval().to(dtype)
    given = torch.tensor([prompt()])
    write = lambda count: other.generate(given, do_sample=False, max_new_tokens=count, min_new_tokens=count)  # noqa: E731
    write(4)
    return {"speed": asked.tokens / contest.seconds(lambda: write(asked.tokens)), "quality": 1.0}


def danlu_int8(asked):
    return _danlu(asked, "int8")


def danlu_bf16(asked):
    return _danlu(asked, "bfloat16")


def danlu_float32(asked):
    return _danlu(asked, "float32")


def transformers_float32(asked):
    import torch

    return _transformers(asked, torch.float32)


def transformers_bf16(asked):
    import torch

    return _transformers(asked, torch.bfloat16)


CONTESTANTS = {
    "danlu, int8": danlu_int8,
    "danlu, bfloat16": danlu_bf16,
    "danlu, float32": danlu_float32,
    "transformers, bfloat16": transformers_bf16,
    "transformers, float32": transformers_float32,
}


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tokens", type=int, default=64)


if __name__ == "__main__":
    contest.main(
        __doc__,
        CONTESTANTS,
        unit="tokens/s",
        quality="cosine",
        tolerance=0.01,
        limit="of memory's speed",
        options=options,
    )
