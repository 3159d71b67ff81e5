"""A checkpoint of llama2.c writes the story that llama2.c writes."""

from pathlib import Path

import pytest

from danlu.errors import DanluError
from danlu.generation.config import GenerationConfig
from danlu.generation.text import Writer
from danlu.models.hub.llama2c import BEGIN, END, read_model, read_tokenizer

WEIGHTS = Path(__file__).parents[3] / "shared" / "data" / "weights-stories260k"
STORY = (  # of llama2.c itself, at temperature 0
    "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, she saw a "
    "big, red ball. She wanted to play with it, but it was too high.\nLily's mom said, \"Lily, let's go to the park.\" "
    "Lily was sad and didn't know what to do."
)
needs_weights = pytest.mark.skipif(not WEIGHTS.is_dir(), reason=f"the weights are not at {WEIGHTS}")


@pytest.fixture(scope="module")
def writer() -> Writer:
    model = read_model(WEIGHTS / "stories260K.bin")
    return Writer(model, read_tokenizer(WEIGHTS / "tok512.bin", 512), (BEGIN,), (BEGIN, END))


@needs_weights
def test_a_fluent_story_is_written_word_by_word(writer: Writer) -> None:
    prompt = "Once upon a time"
    greedy = GenerationConfig(temperature=0, max_new_tokens=140)
    assert (prompt + writer.texts([prompt], greedy)[0]).startswith(STORY)
    assert writer.texts([""], greedy)[0].startswith(STORY[:100])


@needs_weights
def test_texts_become_tokens_and_texts_again(writer: Writer) -> None:
    for text in ("Once upon a time", "  two  spaces", "naïve 春天 \U0001f600", "a\nb"):
        ids = writer.tokenizer.encode(text, add_special_tokens=False).ids
        assert writer.tokenizer.decode(ids) == text
    assert writer.tokenizer.encode("Once upon a time").ids == [403, 407, 261, 378]


@needs_weights
def test_half_a_file_is_refused(tmp_path: Path) -> None:
    half = tmp_path / "half.bin"
    half.write_bytes((WEIGHTS / "stories260K.bin").read_bytes()[:500_000])
    with pytest.raises(DanluError) as error:
        read_model(half)
    assert error.value.key == "hub.not_llama2c"
