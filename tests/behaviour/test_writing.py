"""What a model writes reaches the reader whole, as it comes, and stops where it was told to."""

import random
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from danlu.data.store import Shapes
from danlu.errors import DanluError
from danlu.generation.config import GenerationConfig
from danlu.generation.text import Writer, Written
from danlu.models import build

BYTES = 256
POEM = "春眠不觉晓，处处闻啼鸟。\nnaïve café 😀 end"


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """A token for each byte, so that a character comes in pieces."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({symbol: number for number, symbol in enumerate(alphabet)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    return made


@pytest.fixture(scope="module")
def writer(tokenizer: Tokenizer) -> Writer:
    torch.manual_seed(0)
    module: Any = build("llama", {"width": 16, "depth": 1, "heads": 2}, Shapes(tokens=BYTES))[0]
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, mean=float(parameter.ndim == 1), std=0.4)
    return Writer(module.eval(), tokenizer, (), ())


def pieces_of(tokenizer: Tokenizer, text: str, stop: tuple[str, ...] = ()) -> list[str]:
    written = Written(tokenizer, tokenizer.encode("Poem: ").ids, stop)
    pieces = []
    for token in tokenizer.encode(text).ids:
        pieces.append(written.add(token))
        if written.stopped:
            return pieces
    return [*pieces, written.rest()]


def test_characters_come_whole_and_at_once(tokenizer: Tokenizer) -> None:
    pieces = [piece for piece in pieces_of(tokenizer, POEM) if piece]
    assert pieces == list(POEM)


def test_half_a_character_at_the_end_is_told_as_such(tokenizer: Tokenizer) -> None:
    written = Written(tokenizer, [], ())
    told = "".join(written.add(token) for token in tokenizer.encode("ab春").ids[:-1])
    assert told == "ab"
    assert written.rest() == "\ufffd"


@pytest.mark.parametrize(
    ("stop", "expected"),
    [
        (("。",), "春眠不觉晓，处处闻啼鸟"),
        (("café x", "é 😀"), "春眠不觉晓，处处闻啼鸟。\nnaïve caf"),
        (("觉晓", "不觉"), "春眠"),
        (("nowhere", "end."), POEM),
    ],
    ids=str,
)
def test_a_text_stops_before_the_first_stop_string(tokenizer: Tokenizer, stop: tuple[str, ...], expected: str) -> None:
    assert "".join(pieces_of(tokenizer, POEM, stop)) == expected


def test_nothing_of_a_stop_string_is_ever_shown(tokenizer: Tokenizer) -> None:
    rng = random.Random(0)
    for _ in range(100):
        text = "".join(rng.choices("ab\n", k=30))
        stop = ("".join(rng.choices("ab\n", k=rng.randint(1, 4))), "ab\nab")
        cut = min((text.find(s) for s in stop if s in text), default=len(text))
        assert "".join(pieces_of(tokenizer, text, stop)) == text[:cut]


def test_pieces_together_are_the_texts(writer: Writer) -> None:
    prompts = ["a", "春眠", "hello there"]
    config = GenerationConfig(max_new_tokens=40, seed=3)
    joined = [""] * len(prompts)
    for row, piece in writer.pieces(prompts, config, ("q", "zz")):
        joined[row] += piece
    assert joined == writer.texts(prompts, config, ("q", "zz"))
    assert len({*map(len, joined)}) > 1


def test_beams_stop_at_stop_strings_too(writer: Writer) -> None:
    config = GenerationConfig(max_new_tokens=30, num_beams=3)
    (whole,) = writer.texts(["春眠"], config)
    stop = whole[len(whole) // 2]
    assert writer.texts(["春眠"], config, (stop,)) == [whole[: whole.index(stop)]]


def test_an_empty_prompt_needs_a_token_to_begin_with(writer: Writer) -> None:
    with pytest.raises(DanluError) as error:
        writer.texts([""], GenerationConfig())
    assert error.value.key == "generate.no_prompt"
