"""Documents as tokens for models that continue text: one tokenizer, nothing of a text lost. Knows nothing of models.

A document's tokens are followed by END, which also stands before its first one: there the model begins from nothing.
A checkpoint may have another token for that.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from torch import Tensor

from danlu.cache import kept
from danlu.data import token_file
from danlu.data.examples import Examples
from danlu.data.kept import PIECE, STRETCH, byte_sizes, character_counts, contents, in_pieces, sample
from danlu.data.store import NextTokens, Ragged, Shapes, Store, Stream
from danlu.data.tally import Rows
from danlu.data.targets import UNKNOWN_CLASS, Target
from danlu.data.text import Checkpoint, learned_pieces, opened, require_texts, share_of_ideographs
from danlu.data.token_file import Stretch, sums_of
from danlu.data.values import code_points, offsets_of
from danlu.errors import DanluError
from danlu.events import Progress
from danlu.memory import returned_memory
from danlu.recipe import TextConfig
from danlu.words import Note

Unit = Literal["file", "paragraph", "line"]
Kind = Literal["char", "word", "bpe", "wordpiece", "unigram", "pretrained"]

UNKNOWN, END = 1, 2
SPECIAL = ["[PAD]", "[UNK]", "[END]"]
_ENDS = ("<|endoftext|>", "</s>", "<|end_of_text|>", "<eos>", "[END]", "[SEP]")  # of checkpoints
_BEGINS = ("<s>", "<|begin_of_text|>", "<bos>")  # of those whose config.json names none

# A word with the space before it, an ideograph, any other character: together they are the whole text.
_IDEOGRAPH = r"\p{Han}\p{Hiragana}\p{Katakana}"
_PIECES: dict[str, str] = {"char": r"[\s\S]", "word": rf" ?[\w&&[^{_IDEOGRAPH}]]+|[\s\S]"}
_INSIDE = "▁"  # before a WordPiece token that goes on with a word; no byte is written so

_CHARACTERS = 2_000_000  # of training text up to which single characters are learned from best
_IDEOGRAPHS = 20_000_000  # the same where each is a word or half of one
_MOST: dict[Kind, int] = {"char": 10_000, "word": 30_000}
_BYTES_PER_TOKEN = 2000  # of training text, for each token of a vocabulary of parts of words
_PARTS = (1024, 16_384)  # least and most of them
_SMALL_ALPHABET = 256  # characters; of a larger one those seen once teach what an unknown one is like
_CONTEXT = 256
_LONGEST = 1024  # the same of a checkpoint that can take more
_ROWS = 64  # of training text, at least, for a long context
LARGE = 4 << 20  # bytes of text: of less, tokens are held in memory, and made in a second or two
LEARNED = 32 << 20  # bytes of text, at most, that a tokenizer is trained on


@dataclass(frozen=True)
class Documents:
    """The column of documents, and their tokenizer as the text of a `tokenizer.json`.

    `unit`: what a document is in plain text files. `max_length`: tokens that a model has in view. `end`: the token
    that closes a document, `begin`: the one that stands before it.
    """

    column: str
    unit: Unit | None
    kind: Kind
    max_length: int
    size: int
    lowercase: bool
    tokenizer_json: str
    end: int = END
    begin: int = END
    reads: Literal["documents"] = "documents"

    def tokens(self, frame: pl.DataFrame, progress: Progress | None = None) -> "Encoded":
        """The tokens of every document, each closed by `end`; of a large corpus they lie in the cache folder."""
        texts = frame[self.column]
        require_texts(texts, self.column)
        size = int(byte_sizes(texts).sum())
        if size >= LARGE:
            return self._mapped(texts, size, progress)
        empty = Stretch(np.empty(0, np.int32), np.empty((0, 4), np.int64))
        stretches = [empty]
        for stretch in self._stretches(texts):
            stretches.append(stretch)
            if progress:
                progress(Note("codec.encoding_texts"), int(stretch.records[-1, 0]) + 1, len(texts))
        lengths, bytes_, unwritten = sums_of(np.concatenate([each.records for each in stretches]), len(texts))
        tokens = np.concatenate([each.tokens for each in stretches])
        return Encoded(torch.from_numpy(tokens), torch.from_numpy(offsets_of(lengths)), bytes_, unwritten)

    def encode(
        self, examples: Examples, targets: Mapping[str, Target], rows: Rows, progress: Progress | None = None
    ) -> Store:
        """The documents packed into rows of `max_length` tokens, for training: "tokens" in and the next ones out."""
        encoded = self.tokens(examples.frame, progress)
        rows.count("corpus.unknown", self.column, encoded.unwritten > 0)
        stream = Stream(encoded.tokens, encoded.offsets, self.begin, self.max_length)
        first = torch.from_numpy(rows.positions)[stream.first_documents()]
        return Store({"tokens": stream}, {}, first, {"tokens": NextTokens(stream)})

    def shapes(self, targets: Mapping[str, Target]) -> Shapes:
        """Tokens, and no head: what is told are the next ones."""
        return Shapes(tokens=self.size, max_tokens=self.max_length)

    def windows(self, encoded: "Encoded") -> Store:
        """Each document by itself, for measuring: as many rows as it needs for every token to have half a context.

        Row positions are the documents' numbers, each token is told in one row.
        """
        begin, told, end, document = _windows(encoded.offsets.numpy(), self.max_length)
        lengths = end - begin
        place = torch.from_numpy(_ranges(begin, lengths))
        first = torch.from_numpy(np.repeat(encoded.offsets.numpy()[document], lengths))
        before = encoded.tokens[(place - 1).clamp(min=0)].long().masked_fill(place == first, self.begin)
        old = place < torch.from_numpy(np.repeat(told, lengths))
        wanted = encoded.tokens[place].long().masked_fill(old, UNKNOWN_CLASS)
        offsets = torch.from_numpy(offsets_of(lengths))
        feeds = {"tokens": Ragged(before, offsets)}
        return Store(feeds, {}, torch.from_numpy(document), {"tokens": Ragged(wanted, offsets, padding=UNKNOWN_CLASS)})

    def cut(self, text: str, tokens: int) -> str:
        """The beginning of the text that so many tokens write."""
        offsets = self.tokenizer.encode(text, add_special_tokens=False).offsets[:tokens]
        return text[: offsets[-1][1]] if offsets else ""

    def told_from(self, encoded: "Encoded") -> np.ndarray:
        """(rows,): the position in all tokens from which on each row of `windows` tells."""
        return _windows(encoded.offsets.numpy(), self.max_length)[1]

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer itself; names of special tokens in a text are text."""
        return opened(self.tokenizer_json)

    @cached_property
    def token_bytes(self) -> np.ndarray:
        """(size,) int64: UTF-8 bytes that each token writes; 0 of special ones. For tokens of whole characters only."""
        written = np.zeros(self.size, np.int64)
        for token, number in self.tokenizer.get_vocab().items():
            written[number] = len(token.encode()) if number >= len(SPECIAL) else 0
        return written

    def _mapped(self, texts: pl.Series, size: int, progress: Progress | None) -> "Encoded":
        """The tokens of a large corpus, written unless they are there."""
        tell = progress or (lambda note, done, total: None)

        def stretches(first: int) -> Iterator[Stretch]:
            done = first * STRETCH
            for stretch in self._stretches(texts, first):
                yield stretch
                done += int(stretch.records[:, 2].sum())
                tell(Note("corpus.tokenizing"), min(done, size) >> 20, size >> 20)

        def fill(folder: Path) -> None:
            with returned_memory():
                token_file.write(folder, stretches, len(texts), self.size)

        folder = kept("tokens", self._key(texts), fill, lambda: tell(Note("corpus.waiting"), 0, 0))
        found = token_file.opened(folder, self.size)
        return Encoded(torch.from_numpy(found.tokens), torch.from_numpy(found.offsets), found.bytes, found.unwritten)

    def _key(self, texts: pl.Series) -> str:
        """What tokens of these texts are found again by."""
        how = (self.kind, self.lowercase, self.end, self.tokenizer_json, STRETCH, PIECE)
        return hashlib.sha256(repr(how).encode() + contents(texts).to_numpy().tobytes()).hexdigest()[:32]

    def _stretches(self, series: pl.Series, first: int = 0) -> Iterator[Stretch]:
        """The tokens of all texts, a stretch after the other, without the `first` ones."""
        for pieces in islice(in_pieces(series), first, None):
            texts = [text.lower() for text in pieces.texts] if self.lowercase else pieces.texts
            ids = self._ids(texts, pieces.before)
            end = np.array([self.end], np.int32)
            closed = [part for own, last in zip(ids, pieces.ends, strict=True) for part in ((own, end)[: 1 + last])]
            number = pieces.documents - pieces.documents[0]
            counts = np.array([len(own) for own in ids], np.int64) + pieces.ends
            written = np.array([len(text.encode()) for text in texts], np.int64)
            lengths, size = (np.bincount(number, each).astype(np.int64) for each in (counts, written))
            tokens = np.concatenate(closed)
            unwritten = self._unwritten(tokens, offsets_of(lengths), size)
            documents = np.arange(len(lengths)) + pieces.documents[0]
            yield Stretch(tokens, np.stack([documents, lengths, size, unwritten], axis=1))

    def _ids(self, texts: list[str], before: Sequence[str]) -> list[np.ndarray]:
        if self.kind == "char":  # a tokenizer takes 30 times as long for single characters
            return [self._characters[code_points(text)] for text in texts]
        if self.kind != "pretrained" or not any(before):
            encodings = self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)
            return [np.array(encoding.ids, np.int32) for encoding in encodings]
        # one that marks where a text begins must not see a beginning in a piece
        whole = self._ids([*map(str.__add__, before, texts)], [])
        return [ids[len(seen) :] for ids, seen in zip(whole, self._ids([*before], []), strict=True)]

    @cached_property
    def _characters(self) -> np.ndarray:
        """(0x110000,) int32: the token of every code point."""
        table = np.full(0x110000, UNKNOWN, np.int32)
        for token, number in self.tokenizer.get_vocab().items():
            if number >= len(SPECIAL):
                table[ord(token)] = number
        return table

    def _unwritten(self, tokens: np.ndarray, offsets: np.ndarray, size: np.ndarray) -> np.ndarray:
        """(D,): bytes of each document that its tokens do not tell."""
        if self.kind not in _PIECES:
            return np.zeros(len(size), np.int64)
        written = np.append(0, np.cumsum(self.token_bytes[tokens]))
        return size - np.diff(written[offsets])


@dataclass(frozen=True)
class Encoded:
    """The tokens of D documents one behind the other, each closed by END."""

    tokens: Tensor  # (total,) int32, or uint16 where they lie on the disk
    offsets: Tensor  # (D + 1,) int64
    bytes: np.ndarray  # (D,) of UTF-8
    unwritten: np.ndarray  # (D,) of them in characters or words that no token stands for


def fit_documents(
    frame: pl.DataFrame,
    column: str,
    unit: Unit | None,
    config: TextConfig,
    checkpoint: Checkpoint | None = None,
    progress: Progress | None = None,
    tokenizer_json: str | None = None,
) -> tuple[Documents, list[Note]]:
    """The checkpoint's tokenizer, or one trained on the documents, and what was chosen and why.

    `tokenizer_json`: of a run that is resumed, which was trained on them already. Raises DanluError where there is no
    text, where a setting has no use here, or the vocabulary is too small.
    """
    if "over_long" in config.model_fields_set:
        raise DanluError("corpus.over_long")
    if checkpoint:
        made, why = _of_checkpoint(column, unit, config, checkpoint), list[Note]()
    else:
        made, why = _fitted(frame, column, unit, config, progress, tokenizer_json)
    wanted = config.max_length or made.max_length
    longest = min(wanted, checkpoint.max_length) if checkpoint else wanted
    fitted = Note(f"corpus.tokens_{made.kind}", column=column, size=made.size, context=longest)
    return replace(made, max_length=longest), [*why, fitted]


def _fitted(
    frame: pl.DataFrame,
    column: str,
    unit: Unit | None,
    config: TextConfig,
    progress: Progress | None,
    tokenizer_json: str | None,
) -> tuple[Documents, list[Note]]:
    require_texts(frame[column], column)
    characters = int(character_counts(frame[column]).sum())
    begun, texts = _texts_to_learn_from(frame[column])
    texts = [text.lower() for text in texts] if config.lowercase else texts
    kind, why = (config.tokenizer, []) if config.tokenizer else _chosen_kind(begun, characters)

    def trained() -> str:
        if progress:
            progress(Note("corpus.training_tokenizer"), 0, 0)
        tokenizer = trained_tokenizer(kind, texts, config.vocab_size)
        if config.lowercase:
            tokenizer.normalizer = normalizers.Lowercase()
        return tokenizer.to_str()

    written = tokenizer_json or _trained_once(frame[column], (kind, config.vocab_size, config.lowercase), trained)
    size = Tokenizer.from_str(written).get_vocab_size()
    context = _context(characters // (1 if kind == "char" else 4))
    return Documents(column, unit, kind, context, size, bool(config.lowercase), written), why


def _texts_to_learn_from(series: pl.Series) -> tuple[list[str], list[str]]:
    """Beginnings of documents, and texts for a tokenizer: all of them, of a large corpus some from everywhere."""
    if byte_sizes(series).sum() > LEARNED:
        some = sample(series, LEARNED, seed=0)
        return some, some
    begun: list[str] = []
    texts: list[str] = []
    for pieces in in_pieces(series):
        begun += [text for text, before in zip(pieces.texts, pieces.before, strict=True) if not before]
        texts += pieces.texts
    return begun, texts


def _trained_once(series: pl.Series, settings: tuple[Any, ...], trained: Callable[[], str]) -> str:
    """The tokenizer of a large corpus is kept beside its tokens; else it is trained each time."""
    if byte_sizes(series).sum() < LARGE:
        return trained()
    how = (*settings, LEARNED, PIECE, version("tokenizers"))
    key = hashlib.sha256(repr(how).encode() + contents(series).to_numpy().tobytes()).hexdigest()[:32]

    def fill(folder: Path) -> None:
        (folder / "tokenizer.json").write_text(trained(), encoding="utf-8")

    return (kept("tokenizers", key, fill) / "tokenizer.json").read_text(encoding="utf-8")


def _of_checkpoint(column: str, unit: Unit | None, config: TextConfig, checkpoint: Checkpoint) -> Documents:
    if asked := {"tokenizer", "vocab_size", "lowercase"} & config.model_fields_set:
        raise DanluError("codec.tokenizer_given", setting=min(asked))
    known = Tokenizer.from_str(checkpoint.tokenizer_json)
    ends = [number for mark in _ENDS if (number := known.token_to_id(mark)) is not None]
    if not ends:
        raise DanluError("corpus.no_end", marks=", ".join(_ENDS))
    marks = [known.token_to_id(mark) for mark in _BEGINS]
    # a config.json may name the default of its architecture, which a small vocabulary does not have
    said = checkpoint.start if checkpoint.start is not None and checkpoint.start < checkpoint.size else None
    begin = next((number for number in (said, *marks) if number is not None), ends[0])
    longest, text = min(checkpoint.max_length, _LONGEST), checkpoint.tokenizer_json
    return Documents(column, unit, "pretrained", longest, checkpoint.size, False, text, end=ends[0], begin=begin)


def _chosen_kind(texts: Sequence[str], characters: int) -> tuple[Kind, list[Note]]:
    """Characters where there is little text to learn longer tokens from, else parts of words."""
    chinese = share_of_ideographs([text[:10_000] for text in texts]) > 0.3
    kind: Kind = "char" if characters <= (_IDEOGRAPHS if chinese else _CHARACTERS) else "bpe"
    key = "corpus.why_ideographs" if chinese and kind == "char" else f"corpus.why_{kind}"
    return kind, [Note(key, characters=characters)]


def _context(tokens: int) -> int:
    """Tokens in view: `_CONTEXT`, less where so many tokens would make few rows of it."""
    return max(16, min(_CONTEXT, 2 ** int(math.log2(max(tokens / _ROWS, 1)))))


def trained_tokenizer(kind: Kind, texts: Sequence[str], size: int | None) -> Tokenizer:
    """A tokenizer that loses nothing of a text, its first tokens being SPECIAL; DanluError for too few tokens."""
    if kind in _PIECES:
        return _of_pieces(kind, texts, size or _MOST[kind])
    smallest = 256 * (2 if kind == "wordpiece" else 1) + len(SPECIAL)
    if size and size < smallest:
        raise DanluError("corpus.vocab_too_small", got=size, needed=smallest, kind=kind)
    least, most = _PARTS
    return _of_bytes(kind, texts, size or max(least, min(most, sum(map(len, texts)) // _BYTES_PER_TOKEN)))


def _of_pieces(kind: Kind, texts: Sequence[str], size: int) -> Tokenizer:
    """Characters or words as they stand; what is rare is unknown."""
    split = pre_tokenizers.Split(Regex(_PIECES[kind]), "isolated")
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text if kind == "char" else (piece for piece, _ in split.pre_tokenize_str(text)))
    least = 2 if len(counts) > _SMALL_ALPHABET else 1
    ranked = sorted((piece for piece, n in counts.items() if n >= least), key=lambda piece: (-counts[piece], piece))
    vocabulary = {piece: i for i, piece in enumerate([*SPECIAL, *ranked[: size - len(SPECIAL)]])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=SPECIAL[UNKNOWN]))
    tokenizer.pre_tokenizer = split
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens(SPECIAL)
    return tokenizer


def _of_bytes(kind: Kind, texts: Sequence[str], size: int) -> Tokenizer:
    """Parts of words over the bytes of UTF-8: nothing is unknown."""
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    shared: dict[str, Any] = {"special_tokens": SPECIAL, "initial_alphabet": alphabet, "show_progress": False}
    model: Any
    trainer: Any
    if kind == "bpe":
        model, trainer = models.BPE(), trainers.BpeTrainer(vocab_size=size, **shared)
    elif kind == "unigram":
        model, trainer = (
            models.Unigram(),
            trainers.UnigramTrainer(vocab_size=size, unk_token=SPECIAL[UNKNOWN], **shared),
        )
    else:
        return _pieces_of_bytes(texts, size, sorted(alphabet))
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.encode_special_tokens = True
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def _pieces_of_bytes(texts: Sequence[str], size: int, alphabet: Sequence[str]) -> Tokenizer:
    """WordPiece with every byte also as a token inside words, and words of any length."""
    tokenizer = Tokenizer(models.WordPiece(unk_token=SPECIAL[UNKNOWN]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.encode_special_tokens = True
    pieces = learned_pieces(
        tokenizer, texts, SPECIAL, alphabet, prefix=_INSIDE, vocab_size=size, initial_alphabet=alphabet
    )
    tokenizer.model = models.WordPiece(
        pieces, unk_token=SPECIAL[UNKNOWN], continuing_subword_prefix=_INSIDE, max_input_chars_per_word=10**9
    )
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.decoder = decoders.Sequence([decoders.Replace(_INSIDE, ""), decoders.ByteLevel()])
    return tokenizer


def _windows(offsets: np.ndarray, width: int) -> tuple[np.ndarray, ...]:
    """Of each row: where it begins, from where on it tells, where it ends (in all tokens), and its document.

    A row begins half a width behind the one before it and tells what that one did not.
    """
    step = max(1, width // 2)
    lengths = np.diff(offsets)
    counts = 1 + np.maximum(0, -(-(lengths - width) // step))
    document = np.repeat(np.arange(len(lengths)), counts)
    number = _ranges(np.zeros(len(counts), np.int64), counts)
    begin = offsets[document] + number * step
    end = np.minimum(begin + width, offsets[document + 1])
    told = np.where(number > 0, begin + width - step, begin)
    return begin, told, end, document


def _ranges(begin: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """begin[i] … begin[i] + lengths[i] - 1 of every i, one behind the other."""
    offsets = offsets_of(lengths)
    return np.arange(offsets[-1]) + np.repeat(begin - offsets[:-1], lengths)
