"""SentencePiece models (Kudo and Richardson 2018) as tokenizers, with the numbers that a Marian checkpoint gives.

A model is a protobuf message: pieces with scores, how it was trained, how texts are normalised. A Marian checkpoint
has one for each side, and a vocab.json with the numbers of both sides' pieces.
"""

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from danlu.errors import DanluError

SOURCE, TARGET, NUMBERS = "source.spm", "target.spm", "vocab.json"
END = "</s>"
MARKS = (END, "<unk>", "<pad>")
OF_OTHER_SIDE = "\ufdd0"  # begins the pieces that only the other side has: no text holds this character
# Numbers of sentencepiece_model.proto:
PIECE, TRAINING, NORMALISATION = 1, 2, 3  # fields of a model
UNIGRAM = 1  # of the kinds of model
PLAIN, OWN = 1, 4  # of the kinds of piece: those that stand for text, the trained ones and a user's own
UNKNOWN = 10.0  # how much less than any piece a character scores that is none
FIXED = {1: 8, 5: 4}  # wire type → bytes


@dataclass(frozen=True)
class Pieces:
    """What a SentencePiece model says: the score of each piece that stands for text, and the table of characters."""

    scores: Mapping[str, float]
    characters: bytes
    kind: int


def marian_tokenizer(folder: Path, side: str) -> Tokenizer:
    """The tokenizer of one side, SOURCE or TARGET; it writes the tokens of both.

    Raises DanluError where the model is broken or none of unigrams, or vocab.json lacks a mark or a number.
    """
    try:
        pieces = _pieces((folder / side).read_bytes())
    except (IndexError, KeyError, TypeError, ValueError, struct.error):
        raise DanluError("hub.bad_tokenizer", folder=str(folder), why=f"{side}: no SentencePiece model") from None
    numbers: dict[str, int] = json.loads((folder / NUMBERS).read_text(encoding="utf-8"))
    if pieces.kind != UNIGRAM:
        why = f"{side}: model_type {pieces.kind} ≠ {UNIGRAM}, unigram"
        raise DanluError("hub.bad_tokenizer", folder=str(folder), why=why)
    if flaw := _flaw(numbers):
        raise DanluError("hub.bad_tokenizer", folder=str(folder), why=f"{NUMBERS}: {flaw}?")
    languages = [name for name in numbers if name.startswith(">>") and name.endswith("<<")]  # to translate to
    return _tokenizer(pieces, numbers, languages)


def _flaw(numbers: Mapping[str, int]) -> str:
    """The marks that are not there, or else the numbers that should be."""
    if lacking := [mark for mark in MARKS if mark not in numbers]:
        return ", ".join(lacking)
    return "" if {*numbers.values()} == {*range(len(numbers))} else f"0 … {len(numbers) - 1}"


def _tokenizer(pieces: Pieces, numbers: Mapping[str, int], languages: Sequence[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram(_scored(pieces, numbers, languages), unk_id=numbers["<unk>"]))
    spaces = [normalizers.Strip(), normalizers.Replace(Regex(" {2,}"), " ")]
    table = [normalizers.Precompiled(pieces.characters)] if pieces.characters else []
    tokenizer.normalizer = normalizers.Sequence([*table, *spaces])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=False)
    tokenizer.decoder = decoders.Sequence([decoders.Replace(OF_OTHER_SIDE, ""), decoders.Metaspace()])
    tokenizer.add_special_tokens([AddedToken(mark, special=True) for mark in MARKS])
    tokenizer.add_tokens([AddedToken(name, normalized=False, rstrip=True) for name in languages])
    end = (END, numbers[END])
    tokenizer.post_processor = processors.TemplateProcessing(single=f"$A {END}", special_tokens=[end])
    return tokenizer


def _scored(pieces: Pieces, numbers: Mapping[str, int], languages: Sequence[str]) -> list[tuple[str, float]]:
    """Every name of vocab.json in the order of its numbers, as the tokenizer of this side finds it in a text."""
    least = min(pieces.scores.values())
    known = {**dict.fromkeys((*MARKS, *languages), least), **pieces.scores}
    strange = {name: least - UNKNOWN for name in numbers if len(name) == 1 and name not in known}
    known |= strange  # characters that only the other side knows keep their numbers
    names = sorted(numbers, key=lambda name: numbers[name])
    return [(name, known[name]) if name in known else (OF_OTHER_SIDE + name, least) for name in names]


def _pieces(model: bytes) -> Pieces:
    scores, characters, kind = dict[str, float](), b"", UNIGRAM
    for number, part in _entries(model):
        if number == PIECE:
            piece = dict(_entries(part))
            if piece.get(3, PLAIN) in (PLAIN, OWN):
                scores[piece[1].decode()] = struct.unpack("<f", piece[2])[0]
        elif number == TRAINING:
            kind = dict(_entries(part)).get(3, UNIGRAM)
        elif number == NORMALISATION:
            characters = dict(_entries(part)).get(2, b"")
    if not scores:
        raise ValueError("no pieces")
    return Pieces(scores, characters, kind)


def _entries(message: bytes) -> Iterator[tuple[int, Any]]:
    """The number and the value of each field: an int, or bytes where it is a number of fixed size, a text or a message.

    https://protobuf.dev/programming-guides/encoding
    """
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        wire = key & 7
        if wire == 0:
            value, place = _varint(message, place)
            yield key >> 3, value
            continue
        size, place = _varint(message, place) if wire == 2 else (FIXED[wire], place)
        if place + size > len(message):
            raise ValueError("a field that goes beyond its message")
        yield key >> 3, message[place : place + size]
        place += size


def _varint(message: bytes, place: int) -> tuple[int, int]:
    """A number of seven bits per byte, the lowest first, and the place behind it."""
    value = shift = 0
    while message[place] >= 128:
        value |= (message[place] & 127) << shift
        place, shift = place + 1, shift + 7
    return value | message[place] << shift, place + 1
