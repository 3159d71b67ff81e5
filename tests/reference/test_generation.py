"""What a model writes is what transformers writes with the same weights, token for token."""

from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import GenerationConfig as Theirs
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM
from transformers.generation import logits_process

from danlu.data.store import Shapes
from danlu.errors import DanluError
from danlu.generation import generate, room, stream
from danlu.generation.choice import drawn, penalised, warped
from danlu.generation.config import GenerationConfig
from danlu.models import FAMILIES, build
from danlu.models.causal import CausalLM
from danlu.models.hub import files

TOKENS, ENDS, PAD = 23, [5, 9, 14], 0
PROMPTS = [[7, 3, 11, 2, 10], [4], [8, 8, 1]]
SIZES = {"hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4}
MARKS = {"vocab_size": TOKENS, "bos_token_id": None, "eos_token_id": ENDS, "pad_token_id": PAD}
MODELS: dict[str, Any] = {
    "gpt2": lambda: GPT2LMHeadModel(GPT2Config(n_embd=24, n_layer=2, n_head=4, n_positions=40, **MARKS)),
    "llama": lambda: LlamaForCausalLM(LlamaConfig(num_key_value_heads=2, **SIZES, **MARKS)),
    "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(num_key_value_heads=2, head_dim=10, **SIZES, **MARKS)),
}


@pytest.fixture(scope="module", params=MODELS)
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, CausalLM]:
    """The same random weights in transformers' model and in ours."""
    torch.manual_seed(9)  # some of whose texts end early, some late, some not
    theirs = MODELS[request.param]().eval()
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, mean=float(parameter.ndim == 1), std=0.4)
    folder = tmp_path_factory.mktemp(request.param)
    theirs.save_pretrained(folder)
    return theirs, loaded(request.param, folder)


def loaded(family: str, folder: Path) -> CausalLM:
    layout = FAMILIES[family].layout
    assert layout is not None
    module, config = build(family, layout.fields(files.read_config(folder)), Shapes(tokens=TOKENS))
    layout.load(module, files.read_tensors(folder), config)
    assert isinstance(module, CausalLM)
    return module.eval()


@pytest.fixture(scope="module")
def model() -> CausalLM:
    torch.manual_seed(0)
    module, _ = build("gpt2", {"width": 16, "depth": 2, "heads": 2, "max_length": 24}, Shapes(tokens=TOKENS))
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, mean=float(parameter.ndim == 1), std=0.4)
    assert isinstance(module, CausalLM)
    return module.eval()


def their_texts(theirs: Any, prompts: list[list[int]], **settings: Any) -> list[list[int]]:
    """The new tokens of transformers' generate, up to the end."""
    longest = max(map(len, prompts))
    padded = torch.tensor([[PAD] * (longest - len(prompt)) + prompt for prompt in prompts])
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    config = Theirs(do_sample=False, eos_token_id=ENDS, pad_token_id=PAD, **settings)
    written = theirs.generate(padded, attention_mask=mask, generation_config=config)[:, longest:].tolist()
    return [list(takewhile(lambda token: token not in ENDS, row)) for row in written]


def greedy(**settings: Any) -> GenerationConfig:
    return GenerationConfig(temperature=0, **settings)


def test_greedy_texts_are_those_of_transformers(both: tuple[Any, CausalLM]) -> None:
    theirs, ours = both
    assert generate(ours, PROMPTS, greedy(max_new_tokens=20), ENDS) == their_texts(theirs, PROMPTS, max_new_tokens=20)


def test_greedy_texts_with_a_penalty_are_those_of_transformers(both: tuple[Any, CausalLM]) -> None:
    theirs, ours = both
    settings = {"max_new_tokens": 20, "repetition_penalty": 1.7}
    for prompt in PROMPTS:  # one by one: theirs counts the padding of a shorter prompt among its tokens
        assert generate(ours, [prompt], greedy(**settings), ENDS) == their_texts(theirs, [prompt], **settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"num_beams": 2},
        {"num_beams": 4, "length_penalty": 2.0},
        {"num_beams": 3, "length_penalty": -1.0, "early_stopping": True},
        {"num_beams": 5, "early_stopping": True},
    ],
    ids=str,
)
def test_beams_find_the_texts_of_transformers(both: tuple[Any, CausalLM], settings: dict[str, Any]) -> None:
    theirs, ours = both
    for new in (1, 6, 18):
        wanted = their_texts(theirs, PROMPTS, max_new_tokens=new, **settings)
        assert generate(ours, PROMPTS, GenerationConfig(max_new_tokens=new, **settings), ENDS) == wanted


def test_scores_with_the_cache_are_those_without(both: tuple[Any, CausalLM]) -> None:
    _, ours = both
    prompt = PROMPTS[0]
    text = generate(ours, [prompt, [4]], greedy(max_new_tokens=12))[0]
    again = list(prompt)
    for token in text:
        with torch.no_grad():
            logits = ours({"tokens": torch.tensor([again])})["logits"][0, -1]
        assert logits.argmax() == token
        again.append(token)


@pytest.mark.parametrize(
    ("settings", "warper"),
    [
        ({"temperature": 0.6}, logits_process.TemperatureLogitsWarper(0.6)),
        ({"top_k": 7}, logits_process.TopKLogitsWarper(7)),
        ({"top_p": 0.6}, logits_process.TopPLogitsWarper(0.6)),
        ({"min_p": 0.2}, logits_process.MinPLogitsWarper(0.2)),
    ],
    ids=["temperature", "top_k", "top_p", "min_p"],
)
def test_filters_are_those_of_transformers(settings: dict[str, Any], warper: Any) -> None:
    scores = some_scores(200, 50)
    torch.testing.assert_close(
        warped(scores, GenerationConfig(**{"temperature": 1.0} | settings)), warper(None, scores)
    )


def test_the_penalty_is_that_of_transformers() -> None:
    scores, texts = some_scores(20, 50), torch.randint(0, 50, (20, 9))
    theirs = logits_process.RepetitionPenaltyLogitsProcessor(1.4)(texts, scores)
    torch.testing.assert_close(penalised(scores, texts, 1.4), theirs)


def test_drawn_tokens_are_as_frequent_as_likely() -> None:
    draws, rng = 100_000, torch.Generator().manual_seed(0)
    chances = some_scores(1, 12).softmax(-1)
    tokens = drawn(chances.expand(draws, -1), torch.rand(draws, generator=rng))
    expected = chances[0] * draws
    chi_square = ((tokens.bincount(minlength=12) - expected) ** 2 / expected).sum()
    assert chi_square < 31.3  # 11 degrees of freedom: one in a thousand lies above


def test_a_token_that_a_filter_leaves_out_is_never_drawn() -> None:
    chances = torch.tensor([[0.0, 0.5, 0.0, 0.5, 0.0]])
    points = torch.tensor([0.0, 0.4999, 0.5, 0.99999994])
    assert drawn(chances.expand(4, -1), points).tolist() == [1, 1, 3, 3]


def test_a_models_first_tokens_are_as_frequent_as_likely(model: CausalLM) -> None:
    with torch.no_grad():
        chances = model({"tokens": torch.tensor([[4]])})["logits"][0, -1].softmax(-1)
    texts = generate(model, [[4]] * 4000, GenerationConfig(max_new_tokens=1, temperature=1.0))
    frequent = torch.tensor(texts)[:, 0].bincount(minlength=TOKENS) / 4000
    assert (frequent - chances).abs().max() < 0.03  # four deviations of a share of one half


@pytest.mark.parametrize("cold", [1e-29, 1e-31, 1e-40, 5e-324])
def test_next_to_no_temperature_takes_the_likeliest_token(cold: float, model: CausalLM) -> None:
    prompts = [[1, 2, 3], [4, 5]]
    assert generate(model, prompts, GenerationConfig(temperature=cold, max_new_tokens=8)) == generate(
        model, prompts, greedy(max_new_tokens=8)
    )


def test_next_to_no_share_of_the_tokens_keeps_the_likeliest(model: CausalLM) -> None:
    config = GenerationConfig(temperature=1.0, top_p=5e-324, max_new_tokens=8)
    assert generate(model, [[1, 2, 3]], config) == generate(model, [[1, 2, 3]], greedy(max_new_tokens=8))


def test_the_same_seed_writes_the_same_text_and_another_one_another(model: CausalLM) -> None:
    texts = [generate(model, PROMPTS, GenerationConfig(max_new_tokens=15, seed=seed)) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_a_text_does_not_depend_on_the_prompts_behind_it(model: CausalLM) -> None:
    config = GenerationConfig(max_new_tokens=15, seed=4, repetition_penalty=1.2)
    together = generate(model, PROMPTS, config, ENDS)
    for count in (1, 2):
        assert generate(model, PROMPTS[:count], config, ENDS) == together[:count]


def test_a_stream_gives_the_same_tokens_step_by_step(model: CausalLM) -> None:
    config = GenerationConfig(max_new_tokens=15, seed=1)
    steps = list(stream(model, PROMPTS, config, ENDS))
    for row, text in enumerate(generate(model, PROMPTS, config, ENDS)):
        tokens = [step[row] for step in steps if row in step]
        assert tokens[: len(text)] == text
        assert set(tokens[len(text) :]) <= set(ENDS)


def test_learned_positions_are_used_to_the_last_and_not_beyond(model: CausalLM) -> None:
    prompt = [1] * 20
    assert len(generate(model, [prompt], greedy(max_new_tokens=5))[0]) == 5
    assert room(model, [prompt], greedy()) == 5
    for tokens, new, key in ((20, 6, "too_many"), (25, None, "prompt_too_long")):
        with pytest.raises(DanluError) as error:
            generate(model, [[1] * tokens], greedy(max_new_tokens=new))
        assert error.value.key == f"generate.{key}"
        assert "24 positions" in error.value.note.text("en")


def test_rotary_positions_go_on() -> None:
    module, _ = build("llama", {"width": 16, "depth": 1, "heads": 2, "max_length": 8}, Shapes(tokens=TOKENS))
    assert isinstance(module, CausalLM)
    assert len(generate(module.eval(), [[1]], greedy(max_new_tokens=12))[0]) == 12


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"temperature": 0, "top_k": 5}, "generate.idle_when_greedy"),
        ({"temperature": 0, "seed": 1}, "generate.idle_when_greedy"),
        ({"num_beams": 2, "top_p": 0.5}, "generate.idle_in_beams"),
        ({"num_beams": 2, "temperature": 0.5}, "generate.idle_in_beams"),
        ({"length_penalty": 2.0}, "generate.idle_without_beams"),
    ],
    ids=str,
)
def test_a_setting_that_would_change_nothing_is_refused(settings: dict[str, Any], key: str) -> None:
    with pytest.raises(DanluError) as error:
        GenerationConfig(**settings)
    assert error.value.key == key


def test_beams_cannot_be_streamed(model: CausalLM) -> None:
    with pytest.raises(DanluError) as error:
        next(stream(model, PROMPTS, GenerationConfig(num_beams=2)))
    assert error.value.key == "generate.beams_stream"


def some_scores(rows: int, tokens: int) -> Tensor:
    return 3 * torch.randn(rows, tokens, generator=torch.Generator().manual_seed(0))
