"""Generation: a language model and prompts, or an encoder-decoder and sources → what it writes. Knows no task, no run.

config.py says how tokens are chosen, choice.py chooses them, beams.py searches; text.py is the way in for texts.
"""

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from danlu.data.text import FREE, Forced
from danlu.errors import DanluError
from danlu.generation.beams import beam_search
from danlu.generation.choice import Choice
from danlu.generation.config import GenerationConfig
from danlu.generation.reading import Answering, Decoder, Reader, Rereading, padded, prompted
from danlu.models.causal import CausalLM
from danlu.models.encoder_decoder import EncoderDecoder

NEW_TOKENS = 200  # where nothing else is asked for, if so many fit


def generate(
    model: Decoder, prompts: Sequence[Sequence[int]], config: GenerationConfig, ends: Sequence[int] = ()
) -> list[list[int]]:
    """The tokens that the model writes behind each prompt, up to one of `ends`, which is left out.

    Raises DanluError where the model has no positions for prompt and new tokens.
    """
    if config.num_beams > 1 and prompts:
        most = room(model, prompts, config)
        return beam_search(*_prompted(model, prompts, most), config, most, ends)
    return _whole(stream(model, prompts, config, ends), len(prompts), ends)


@torch.inference_mode()
def answer(
    model: EncoderDecoder,
    sources: Sequence[Sequence[int]],
    config: GenerationConfig,
    start: int,
    ends: Sequence[int] = (),
    forced: Forced = FREE,
) -> list[list[int]]:
    """The tokens that the model, in evaluation mode, writes for each source, up to one of `ends`, which is left out.

    start: the token that stands before every answer. All sources are read in one batch, and an answer does not depend
    on those behind it. Raises DanluError where the model has no positions for the sources or for so many new tokens.
    """
    if not sources:
        return []
    most = room_for_answers(model, sources, config)
    reader = Answering(model, sources, most, forced)
    begin = torch.full((len(sources), 1), start, device=reader.source.device)
    if config.num_beams > 1:
        return beam_search(reader, begin, config, most, ends)
    return _whole(_steps(reader, begin, config, most, ends), len(sources), ends)


@torch.inference_mode()
def stream(
    model: Decoder, prompts: Sequence[Sequence[int]], config: GenerationConfig, ends: Sequence[int] = ()
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
    yield from _steps(*_prompted(model, prompts, most), config, most, ends)


def room(model: Decoder, prompts: Sequence[Sequence[int]], config: GenerationConfig) -> int:
    """How many tokens to write; DanluError where the model has no positions for them, or for the longest prompt."""
    longest, positions = max(map(len, prompts)), model.positions
    if positions is None:
        return config.max_new_tokens or NEW_TOKENS
    free = positions - longest + 1  # the last token that is written is never read
    if free < 1:
        raise DanluError("generate.prompt_too_long", prompt=longest, positions=positions)
    if config.max_new_tokens and config.max_new_tokens > free:
        raise DanluError(
            "generate.too_many", asked=config.max_new_tokens, prompt=longest, positions=positions, free=free
        )
    return config.max_new_tokens or min(NEW_TOKENS, free)


def room_for_answers(model: EncoderDecoder, sources: Sequence[Sequence[int]], config: GenerationConfig) -> int:
    """How many tokens to write; DanluError where the model has no positions for them, or for the longest source."""
    if model.config.positions != "learned":
        return config.max_new_tokens or NEW_TOKENS
    longest, positions = max(map(len, sources)), model.config.max_length
    if longest > positions:
        raise DanluError("generate.prompt_too_long", prompt=longest, positions=positions)
    if config.max_new_tokens and config.max_new_tokens > positions:
        raise DanluError("generate.answer_too_long", asked=config.max_new_tokens, positions=positions)
    return config.max_new_tokens or min(NEW_TOKENS, positions)


def _steps(
    reader: Reader, tokens: Tensor, config: GenerationConfig, most: int, ends: Sequence[int]
) -> Iterator[dict[int, int]]:
    """Row → its new token, step by step, behind the tokens (B, T) that the reader has not read yet."""
    choice = Choice(config, tokens)
    rows = list(range(len(tokens)))
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


def _prompted(model: Decoder, prompts: Sequence[Sequence[int]], most: int) -> tuple[Reader, Tensor]:
    """The model before it has read anything, and the prompts (B, T), padded at their beginning."""
    assert all(prompts), "a model begins behind a token"
    if isinstance(model, CausalLM):
        return prompted(model, prompts, most - 1)
    return Rereading(model, [len(prompt) for prompt in prompts]), padded(prompts, next(model.parameters()).device)


def _whole(steps: Iterable[dict[int, int]], rows: int, ends: Sequence[int]) -> list[list[int]]:
    """The tokens of each row, without the end."""
    written: list[list[int]] = [[] for _ in range(rows)]
    for step in steps:
        for row, token in step.items():
            written[row].append(token)
    return [tokens[:-1] if tokens[-1] in ends else tokens for tokens in written]
