"""SentencePiece models of Marian checkpoints, written here byte by byte, and what is done with such a checkpoint."""

import itertools
import json
import struct
from pathlib import Path

import pytest
import torch
import transformers

import danlu
from danlu.data.text import Forced
from danlu.errors import DanluError
from danlu.evaluation.text_to_text import BEAMS
from danlu.models.hub.spm import SOURCE, TARGET, marian_tokenizer
from danlu.models.hub.tokenizer import answer_tokenizer_json_of, tokenizer_json_of
from danlu.models.pretrained import Pretrained

NORMAL, UNKNOWN, CONTROL = 1, 2, 3
UNIGRAM, BPE = 1, 2
ENGLISH = {"▁": -3.0, "a": -2.0, "b": -2.5, "ab": -3.4, "▁a": -4.0, "▁ab": -8.0, "bb": -9.0, "c": -6.0}
CHINESE = {"▁": -3.0, "一": -2.0, "二": -2.0, "▁一二": -4.5, "三": -4.0}
NAMES = ["</s>", "<unk>", *ENGLISH, *(name for name in CHINESE if name not in ENGLISH), ">>zh<<", "<pad>"]
NUMBERS = {name: number for number, name in enumerate(NAMES)}


def varint(value: int) -> bytes:
    parts = []
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def entry(number: int, value: int | float | bytes) -> bytes:
    """A field of a protobuf message: an int as a varint, a float of four bytes, or bytes with their length."""
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    return varint(number << 3) + varint(value)


def model_of(pieces: dict[str, float], kind: int = UNIGRAM) -> bytes:
    """A model as SentencePiece writes it: pieces with score and kind, then how it was trained."""
    marks = [("<unk>", UNKNOWN), ("<s>", CONTROL), ("</s>", CONTROL)]
    messages = [entry(1, mark.encode()) + entry(2, 0.0) + entry(3, each) for mark, each in marks]
    messages += [entry(1, piece.encode()) + entry(2, score) for piece, score in pieces.items()]
    trained = entry(1, b"some/file.txt") + entry(3, kind) + entry(4, 300) + entry(10, 0.9995)
    return b"".join(entry(1, message) for message in messages) + entry(2, trained) + entry(3, entry(1, b"identity"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / SOURCE).write_bytes(model_of(ENGLISH))
    (tmp_path / TARGET).write_bytes(model_of(CHINESE))
    (tmp_path / "vocab.json").write_text(json.dumps(NUMBERS), encoding="utf-8")
    return tmp_path


def likeliest(text: str, pieces: dict[str, float]) -> list[int]:
    """The numbers of the pieces, among all ways to divide the text, whose scores have the largest sum; and the end."""
    words = "▁" + " ".join(text.split()).replace(" ", "▁")
    ways = []
    for count in range(len(words)):
        for cuts in itertools.combinations(range(1, len(words)), count):
            parts = [words[i:j] for i, j in itertools.pairwise((0, *cuts, len(words)))]
            if all(part in pieces for part in parts):
                ways.append((sum(pieces[part] for part in parts), [NUMBERS[part] for part in parts]))
    return [*max(ways)[1], NUMBERS["</s>"]]


@pytest.mark.parametrize("text", ["a", "ab", " ab  ab ", "abb", "b ab c", "cabbab"])
def test_a_text_is_the_likeliest_pieces_by_the_numbers_of_the_vocabulary(folder: Path, text: str) -> None:
    assert marian_tokenizer(folder, SOURCE).encode(text).ids == likeliest(text, ENGLISH)


def test_each_side_has_its_own_pieces_and_one_writes_those_of_both(folder: Path) -> None:
    source, target = (marian_tokenizer(folder, side) for side in (SOURCE, TARGET))
    answer = target.encode("一二三 一").ids
    assert answer == likeliest("一二三 一", CHINESE)
    assert source.decode(answer) == target.decode(answer) == "一二三 一"
    assert target.decode(source.encode("ab c").ids) == "ab c"
    assert source.get_vocab_size() == target.get_vocab_size() == len(NUMBERS)


def test_what_no_piece_holds_is_unknown_and_the_language_stands_before(folder: Path) -> None:
    source = marian_tokenizer(folder, SOURCE)
    assert source.encode("a☃").ids == [NUMBERS["▁a"], NUMBERS["<unk>"], NUMBERS["</s>"]]
    assert source.encode("三").ids == [NUMBERS["▁"], NUMBERS["三"], NUMBERS["</s>"]]
    assert source.encode(">>zh<< a").ids == [NUMBERS[">>zh<<"], NUMBERS["▁a"], NUMBERS["</s>"]]
    assert source.encode("").ids == [NUMBERS["</s>"]]


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (model_of(ENGLISH)[:-30], "no SentencePiece model"),
        (b"PK\x03\x04 something else", "no SentencePiece model"),
        (b"", "no SentencePiece model"),
        (model_of(ENGLISH, BPE), "model_type 2 ≠ 1, unigram"),
    ],
)
def test_a_model_that_cannot_be_read_is_refused_by_its_name(folder: Path, model: bytes, why: str) -> None:
    (folder / SOURCE).write_bytes(model)
    with pytest.raises(DanluError) as error:
        tokenizer_json_of(folder)
    assert error.value.key == "hub.bad_tokenizer"
    assert f"source.spm: {why}" in str(error.value)


def test_a_vocabulary_without_a_mark_or_a_number_is_refused(folder: Path) -> None:
    for without, why in (("<pad>", "<pad>"), ("c", f"0 … {len(NUMBERS) - 2}")):
        given = {name: number for name, number in NUMBERS.items() if name != without}
        (folder / "vocab.json").write_text(json.dumps(given), encoding="utf-8")
        with pytest.raises(DanluError) as error:
            tokenizer_json_of(folder)
        assert why in str(error.value)


def test_a_tokenizer_json_reads_both_sides(folder: Path) -> None:
    assert answer_tokenizer_json_of(folder) == marian_tokenizer(folder, TARGET).to_str()
    marian_tokenizer(folder, SOURCE).save(str(folder / "tokenizer.json"))
    assert answer_tokenizer_json_of(folder) is None


@pytest.fixture
def checkpoint(folder: Path) -> Path:
    """A Marian checkpoint as the hub has them: never its padding token, and the end where an answer fills its room."""
    pad, end = NUMBERS["<pad>"], NUMBERS["</s>"]
    marks = {"pad_token_id": pad, "eos_token_id": end, "decoder_start_token_id": pad, "forced_eos_token_id": end}
    torch.manual_seed(0)
    model = transformers.MarianMTModel(
        transformers.MarianConfig(
            vocab_size=len(NUMBERS), d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
            decoder_attention_heads=2, encoder_ffn_dim=24, decoder_ffn_dim=24, max_position_embeddings=32, **marks,
        )
    )  # fmt: skip
    model.generation_config.bad_words_ids = [[pad]]
    model.save_pretrained(folder)
    return folder


def test_what_a_checkpoint_forces_in_its_answers_is_read(checkpoint: Path) -> None:
    read = Pretrained.open(str(checkpoint)).tokenizer
    assert read is not None
    assert read.start == NUMBERS["<pad>"]
    assert read.forced == Forced(None, NUMBERS["</s>"], (NUMBERS["<pad>"],))
    assert read.answer_tokenizer_json == marian_tokenizer(checkpoint, TARGET).to_str()


def test_a_trained_marian_checkpoint_answers_in_transformers_as_in_danlu(checkpoint: Path, tmp_path: Path) -> None:
    rows = [{"en": "ab " * (n % 4 + 1), "zh": "一二 三"[: n % 3 + 2]} for n in range(40)]
    run = danlu.train(
        rows, task="translation", model__pretrained=str(checkpoint), out=tmp_path / "run", quiet=True,
        train__steps=3, evaluate__bootstrap=0,
    )  # fmt: skip
    model = danlu.load(run)
    texts = ["ab", "c ab", "b c"]
    theirs = transformers.MarianMTModel.from_pretrained(run.model)
    read = transformers.AutoTokenizer.from_pretrained(run.model)
    longest = json.loads((run.folder / "codec.json").read_text(encoding="utf-8"))["reading"]["answer_length"]
    given = read(texts, return_tensors="pt", padding=True)
    written = theirs.eval().generate(
        given["input_ids"], attention_mask=given["attention_mask"], num_beams=BEAMS, max_new_tokens=longest
    )
    wanted = [text.strip() for text in read.batch_decode(written, skip_special_tokens=True)]
    assert model.predict(texts)["prediction"].to_list() == wanted
    again = Pretrained.open(str(run.folder)).tokenizer
    assert again is not None
    assert again.answer_tokenizer_json == marian_tokenizer(checkpoint, TARGET).to_str()
