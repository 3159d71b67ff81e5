"""What an encoder-decoder answers is what transformers answers with the same weights, token for token."""

from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor

from danlu.data.store import Shapes
from danlu.data.text import Forced
from danlu.errors import DanluError
from danlu.generation import answer
from danlu.generation.config import GenerationConfig
from danlu.models import FAMILIES, build
from danlu.models.encoder_decoder import EncoderDecoder
from danlu.models.hub import files
from danlu.models.scoring import token_nats

TOKENS, START, ENDS, PAD = 23, 3, [5, 9], 0
SOURCES = [[7, 3, 11, 2, 10, 5], [4], [8, 8, 1], [6, 14, 2, 2, 19, 20, 21]]
SIZES = {
    "vocab_size": TOKENS,
    "d_model": 24,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "encoder_attention_heads": 3,
    "decoder_attention_heads": 3,
    "encoder_ffn_dim": 40,
    "decoder_ffn_dim": 40,
    "max_position_embeddings": 40,
    "decoder_start_token_id": START,
    "eos_token_id": ENDS,
    "pad_token_id": PAD,
    "forced_eos_token_id": None,
}
MODELS: dict[str, Any] = {
    "marian": lambda: transformers.MarianMTModel(transformers.MarianConfig(scale_embedding=True, **SIZES)),
    "bart": lambda: transformers.BartForConditionalGeneration(transformers.BartConfig(**SIZES)),
    "pegasus": lambda: transformers.PegasusForConditionalGeneration(transformers.PegasusConfig(**SIZES)),
}


SEEDS = {"marian": 1, "bart": 0, "pegasus": 0}  # of weights with which some answers end early, some late, some not


@pytest.fixture(scope="module", params=MODELS)
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, EncoderDecoder]:
    """The same random weights in transformers' model and in ours."""
    torch.manual_seed(SEEDS[request.param])
    theirs = MODELS[request.param]().eval()
    scramble(theirs)
    torch.nn.init.normal_(theirs.final_logits_bias, std=0.5)
    theirs.final_logits_bias[:, ENDS] += 3
    folder = tmp_path_factory.mktemp(request.param)
    theirs.save_pretrained(folder)
    layout = FAMILIES[request.param].layout
    assert layout is not None
    module, config = build(request.param, layout.fields(files.read_config(folder)), Shapes(tokens=TOKENS))
    layout.load(module, files.read_tensors(folder), config)
    assert isinstance(module, EncoderDecoder)
    return theirs, module.eval()


@pytest.fixture(scope="module")
def model() -> EncoderDecoder:
    torch.manual_seed(0)
    module, _ = build("bart", {"width": 16, "depth": 2, "heads": 2, "max_length": 12}, Shapes(tokens=TOKENS))
    scramble(module)
    assert isinstance(module, EncoderDecoder)
    return module.eval()


def scramble(module: torch.nn.Module) -> None:
    """Random weights that let the sources tell in the scores; a table of sines is left alone."""
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            mean = float(name.endswith(("norm.weight", "layernorm_embedding.weight")))
            torch.nn.init.normal_(parameter, mean=mean, std=0.3 if parameter.ndim > 1 else 0.2)


def padded(sources: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Sources (B, S), padded at their end, and their lengths."""
    longest = max(map(len, sources))
    tokens = [source + [PAD] * (longest - len(source)) for source in sources]
    return torch.tensor(tokens), torch.tensor([len(source) for source in sources])


def their_answers(theirs: Any, **settings: Any) -> list[list[int]]:
    """The tokens of transformers' generate, up to the end."""
    tokens, lengths = padded(SOURCES)
    mask = (torch.arange(tokens.shape[1]) < lengths[:, None]).long()
    config = transformers.GenerationConfig(
        do_sample=False, eos_token_id=ENDS, pad_token_id=PAD, decoder_start_token_id=START, **settings
    )
    written = theirs.generate(tokens, attention_mask=mask, generation_config=config)[:, 1:].tolist()
    return [list(takewhile(lambda token: token not in ENDS, row)) for row in written]


def greedy(**settings: Any) -> GenerationConfig:
    return GenerationConfig(temperature=0, **settings)


@pytest.mark.parametrize("settings", [{}, {"repetition_penalty": 1.7}], ids=str)
def test_greedy_answers_are_those_of_transformers(both: tuple[Any, EncoderDecoder], settings: dict[str, Any]) -> None:
    theirs, ours = both
    wanted = their_answers(theirs, max_new_tokens=20, **settings)
    assert answer(ours, SOURCES, greedy(max_new_tokens=20, **settings), START, ENDS) == wanted
    assert len({*map(tuple, wanted)}) > 1, "sources are read"


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
def test_beams_find_the_answers_of_transformers(both: tuple[Any, EncoderDecoder], settings: dict[str, Any]) -> None:
    theirs, ours = both
    for new in (1, 6, 18):
        wanted = their_answers(theirs, max_new_tokens=new, **settings)
        assert answer(ours, SOURCES, GenerationConfig(max_new_tokens=new, **settings), START, ENDS) == wanted


@pytest.mark.parametrize("beams", [1, 4])
def test_forced_tokens_are_those_of_transformers(both: tuple[Any, EncoderDecoder], beams: int) -> None:
    theirs, ours = both
    searched = GenerationConfig(max_new_tokens=8, num_beams=beams) if beams > 1 else greedy(max_new_tokens=8)
    for rules in ({"first": 12}, {"last": ENDS[0]}, {"first": 12, "last": ENDS[1]}):
        named = {"forced_bos_token_id": rules.get("first"), "forced_eos_token_id": rules.get("last")}
        wanted = their_answers(theirs, max_new_tokens=8, num_beams=beams, **named)
        assert answer(ours, SOURCES, searched, START, ENDS, Forced(**rules)) == wanted


def test_a_token_that_is_never_written_is_not_written(both: tuple[Any, EncoderDecoder]) -> None:
    theirs, ours = both
    free = answer(ours, SOURCES, greedy(max_new_tokens=15), START, ENDS)
    never = tuple(sorted({tokens[0] for tokens in free if tokens}))
    wanted = their_answers(theirs, max_new_tokens=15, bad_words_ids=[[token] for token in never])
    assert answer(ours, SOURCES, greedy(max_new_tokens=15), START, ENDS, Forced(never=never)) == wanted
    searched = answer(ours, SOURCES, GenerationConfig(max_new_tokens=15, num_beams=3), START, ENDS, Forced(never=never))
    assert not {token for tokens in searched for token in tokens} & {*never}


def test_an_answer_does_not_depend_on_its_neighbours(model: EncoderDecoder) -> None:
    for config in (greedy(max_new_tokens=10), GenerationConfig(max_new_tokens=10, num_beams=3)):
        together = answer(model, SOURCES, config, START, ENDS)
        assert [answer(model, [source], config, START, ENDS)[0] for source in SOURCES] == together
    drawn = GenerationConfig(max_new_tokens=10, temperature=1.0, seed=3)
    assert answer(model, SOURCES[:2], drawn, START, ENDS) == answer(model, SOURCES, drawn, START, ENDS)[:2]


@torch.no_grad()
def test_scores_with_the_cache_are_those_without(model: EncoderDecoder) -> None:
    written = answer(model, SOURCES, greedy(max_new_tokens=9), START)
    tokens, lengths = padded(SOURCES)
    given = torch.tensor([[START, *row[:-1]] for row in written])
    logits = model({"tokens": tokens, "tokens_length": lengths, "answer": given})["logits"]
    assert logits.argmax(-1).tolist() == written


@torch.no_grad()
def test_padding_changes_no_score(model: EncoderDecoder) -> None:
    tokens, lengths = padded(SOURCES)
    given = torch.randint(1, TOKENS, (len(SOURCES), 6))
    inputs = {"tokens": tokens, "tokens_length": lengths, "answer": given}
    scores = model(inputs)["logits"]
    outside = torch.arange(tokens.shape[1]) >= lengths[:, None]
    filled = model(inputs | {"tokens": torch.where(outside, 17, tokens)})["logits"]
    torch.testing.assert_close(filled, scores, atol=0.0, rtol=0.0)
    longer = model(inputs | {"answer": torch.cat([given, given], dim=1)})["logits"][:, :6]
    torch.testing.assert_close(longer, scores, atol=1e-5, rtol=1e-5)


def test_learned_positions_are_used_to_the_last_and_not_beyond(model: EncoderDecoder) -> None:
    assert len(answer(model, [[1] * 12], greedy(max_new_tokens=12), START)[0]) == 12
    assert len(answer(model, [[1]], greedy(), START)[0]) == 12
    for tokens, new, key in ((13, 5, "prompt_too_long"), (5, 13, "answer_too_long")):
        with pytest.raises(DanluError) as error:
            answer(model, [[1] * tokens], greedy(max_new_tokens=new), START)
        assert error.value.key == f"generate.{key}"
        assert "12 positions" in error.value.note.text("en")


def test_no_sources_have_no_answers(model: EncoderDecoder) -> None:
    assert answer(model, [], greedy(), START) == []


def test_it_learns_to_copy_what_it_reads() -> None:
    torch.manual_seed(0)
    fields = {"width": 32, "depth": 1, "heads": 2, "dropout": 0.0}
    module, _ = build("marian", fields, Shapes(tokens=TOKENS, max_tokens=6, answers=6))
    optimizer = torch.optim.Adam(module.parameters(), lr=5e-3)
    for _ in range(500):
        tokens = torch.randint(10, TOKENS, (24, 4))
        given = torch.cat([torch.full((24, 1), START), tokens[:, :-1]], dim=1)
        inputs = {"tokens": tokens, "tokens_length": torch.full((24,), 4), "answer": given}
        loss = token_nats(module(inputs), tokens, 0.0, -1) / tokens.numel()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert isinstance(module, EncoderDecoder)
    unseen = torch.randint(10, TOKENS, (8, 4)).tolist()
    assert answer(module.eval(), unseen, greedy(max_new_tokens=4), START) == unseen


@pytest.mark.parametrize("family", MODELS)
def test_gradients_reach_every_weight_and_the_sources_alike(family: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    fields = {"width": 16, "depth": 2, "decoder_depth": 1, "heads": 2, "dropout": 0.0}
    module, _ = build(family, fields, Shapes(tokens=TOKENS, max_tokens=7, answers=6))
    tokens, lengths = padded(SOURCES)
    inputs = {"tokens": tokens, "tokens_length": lengths, "answer": torch.randint(1, TOKENS, (len(SOURCES), 6))}
    module.eval()(inputs)["logits"].square().sum().backward()
    assert [name for name, p in module.named_parameters() if p.grad is None or not p.grad.any()] == []
