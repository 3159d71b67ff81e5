"""Generation: a language model and prompts → what it writes behind them. Knows no task and no run.

config.py says how tokens are chosen, choice.py chooses them, beams.py searches; text.py is the way in for texts.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from danlu.errors import DanluError
from danlu.generation.beams import beam_search
from danlu.generation.choice import Choice
from danlu.generation.config import GenerationConfig
from danlu.generation.reading import Prompted
from danlu.models.causal import CausalLM

NEW_TOKENS = 200  # where nothing else is asked for, if so many fit


def generate(
    model: CausalLM, prompts: Sequence[Sequence[int]], config: GenerationConfig, ends: Sequence[int] = ()
) -> list[list[int]]:
    """The tokens that the model writes behind each prompt, up to one of `ends`, which is left out.

    Raises DanluError where the model has no positions for prompt and new tokens.
    """
    if config.num_beams > 1 and prompts:
        most = room(model, prompts, config)
        return beam_search(*_prompted(model, prompts, most), config, most, ends)
    written: list[list[int]] = [[] for _ in prompts]
    for step in stream(model, prompts, config, ends):
        for row, token in step.items():
            written[row].append(token)
    return [tokens[:-1] if tokens[-1] in ends else tokens for tokens in written]


@torch.inference_mode()
def stream(
    model: CausalLM, prompts: Sequence[Sequence[int]], config: GenerationConfig, ends: Sequence[int] = ()
) -> Iterator[dict[int, int]]:
    """`generate` step by step: prompt → its new token, for those that have not ended; the last may be one of `ends`.

    What is written behind a prompt does not depend on the prompts behind it, unless these leave less room. Raises
    DanluError for beams, which cannot be followed, and as `generate` does.
    """
    if not prompts:
        return
    if config.num_beams > 1:
        raise DanluError("generate.beams_stream")
    most = room(model, prompts, config)
    reader, tokens = _prompted(model, prompts, most)
    choice = Choice(config, tokens)
    rows = list(range(len(prompts)))
    for _ in range(most):
        chosen = choice(reader.next_scores(tokens), rows)
        step = dict(zip(rows, chosen.tolist(), strict=True))
        yield step
        going = [place for place, row in enumerate(rows) if step[row] not in ends]
        if not going:
            return
        if len(going) < len(rows):
            kept = torch.tensor(going, device=tokens.device)
            reader.select(kept)
            rows, chosen = [rows[place] for place in going], chosen[kept]
        tokens = chosen[:, None]


def room(model: CausalLM, prompts: Sequence[Sequence[int]], config: GenerationConfig) -> int:
    """How many tokens to write; DanluError where the model has no positions for them, or for the longest prompt."""
    if model.config.positions != "learned":
        return config.max_new_tokens or NEW_TOKENS
    longest, positions = max(map(len, prompts)), model.config.max_length
    free = positions - longest + 1  # the last token that is written is never read
    if free < 1:
        raise DanluError("generate.prompt_too_long", prompt=longest, positions=positions)
    if config.max_new_tokens and config.max_new_tokens > free:
        raise DanluError(
            "generate.too_many", asked=config.max_new_tokens, prompt=longest, positions=positions, free=free
        )
    return config.max_new_tokens or min(NEW_TOKENS, free)


def _prompted(model: CausalLM, prompts: Sequence[Sequence[int]], most: int) -> tuple[Prompted, Tensor]:
    """The model before it has read anything, and the prompts (B, T), padded at their beginning."""
    assert all(prompts), "a model begins behind a token"
    lengths = [len(prompt) for prompt in prompts]
    padded = [[prompt[0]] * (max(lengths) - len(prompt)) + list(prompt) for prompt in prompts]
    reader = Prompted(model, lengths, max(lengths) + most - 1)
    return reader, torch.tensor(padded, device=reader.cache.keys[0].device)
