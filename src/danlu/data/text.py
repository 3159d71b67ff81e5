"""Texts as tokens, by a tokenizer trained on the training rows or a checkpoint's. N-grams are in ngrams.py."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from tokenizers import (
    AddedToken,
    Encoding,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from danlu.data.kept import is_kept, texts_at
from danlu.data.store import Ragged
from danlu.data.tally import Rows
from danlu.data.values import IDEOGRAPHS, Lengths, first_of_each, offsets_of
from danlu.errors import DanluError
from danlu.events import Progress
from danlu.recipe import TextConfig
from danlu.words import Note

TokenKind = Literal["word", "char", "bpe", "wordpiece", "unigram"]
PRETRAINED: Literal["pretrained"] = "pretrained"
TokenIds = npt.NDArray[np.int64]

PAD, UNKNOWN, SEPARATOR = 0, 1, 2
SPECIAL = ["[PAD]", "[UNK]", "[SEP]"]
# of encoders that read a text between marks; a mask takes the place of the space before it too
MARKS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", AddedToken("[MASK]", lstrip=True, normalized=False, special=True)]

# One token per character of scripts that put no space between words, else runs of letters and digits.
_IDEOGRAPHS = r"\p{Han}\p{Hiragana}\p{Katakana}"
_LETTERS = rf"[\w&&[^{_IDEOGRAPHS}]]+"
WORD = rf"[{_IDEOGRAPHS}]|{_LETTERS}(?:['’]{_LETTERS})*|[^\w\s]"

_VOCAB_SIZE: dict[TokenKind, int] = {"word": 30_000, "char": 10_000, "bpe": 8_000, "wordpiece": 8_000, "unigram": 8_000}
_LONGEST: dict[TokenKind, int] = {"word": 512, "char": 1024, "bpe": 512, "wordpiece": 512, "unigram": 512}
_MODELS: dict[TokenKind, Callable[[], Any]] = {
    "word": lambda: models.WordLevel(unk_token=SPECIAL[UNKNOWN]),
    "char": lambda: models.WordLevel(unk_token=SPECIAL[UNKNOWN]),
    "wordpiece": lambda: models.WordPiece(unk_token=SPECIAL[UNKNOWN]),
    "unigram": models.Unigram,
}
_BYTES = 256
_SAMPLE = 2000  # texts that are looked at to choose
_LENGTHS = 10_000  # texts whose length is looked at, where longer ones may be cut
_CHUNK = 10_000  # texts between two signs of progress


@dataclass(frozen=True)
class Forced:
    """What a checkpoint rules of its answers: their first token, the last of one that fills its room, and those that
    are never written; nothing where nothing is said.
    """

    first: int | None = None
    last: int | None = None
    never: tuple[int, ...] = ()


FREE = Forced()


@dataclass(frozen=True)
class Checkpoint:
    """The tokenizer of a pretrained model, as the text of a `tokenizer.json`, and what its model can take."""

    tokenizer_json: str
    max_length: int
    size: int  # tokens that have a vector, which may be more than the tokenizer knows
    start: int | None = None  # the token that stands before an encoder-decoder's answer, or a decoder's document
    answer_tokenizer_json: str | None = None  # of an encoder-decoder that has another one for its answers
    forced: Forced = FREE


@dataclass(frozen=True)
class Tokens:
    """The text columns and their tokenizer as the text of a `tokenizer.json`.

    A tokenizer that was trained here joins columns with a separator. One that is `marked`, as a checkpoint's is, adds
    its own marks, and takes two columns as its pair of texts: `segments` then says how many kinds it tells apart.
    """

    columns: tuple[str, ...]
    kind: TokenKind | Literal["pretrained"]
    max_length: int
    over_long: Literal["cut", "refuse"]
    size: int
    tokenizer_json: str
    segments: int = 0
    marked: bool = False

    def encode(self, frame: pl.DataFrame, rows: Rows, progress: Progress | None = None) -> dict[str, Ragged]:
        """The feeds "tokens" (ids below `size`) and "segments"; over-long texts are cut and counted, or refused."""
        texts = [texts_of(frame[name], name) for name in self.columns]
        if self.marked:
            return self._encoded_between_marks(texts, rows, progress)
        values, lengths = _token_ids(self._tokenizer, texts, progress)
        self._judge(lengths, rows)
        values, lengths = first_of_each(values, lengths, self.max_length)
        return {"tokens": Ragged(torch.from_numpy(values), torch.from_numpy(offsets_of(lengths)))}

    def _encoded_between_marks(
        self, texts: Sequence[list[str]], rows: Rows, progress: Progress | None
    ) -> dict[str, Ragged]:
        found = list(_encodings(self._tokenizer, texts, progress))
        self._judge(np.array([_whole_length(e) for e in found], np.int64), rows)
        offsets = torch.from_numpy(offsets_of(np.array([len(e) for e in found], np.int64)))
        parts = {"tokens": chain.from_iterable(e.ids for e in found)}
        if self.segments:
            parts["segments"] = chain.from_iterable(e.type_ids for e in found)
        return {name: Ragged(torch.from_numpy(np.fromiter(ids, np.int64)), offsets) for name, ids in parts.items()}

    def _judge(self, lengths: Lengths, rows: Rows) -> None:
        """Count what is too long, or refuse it."""
        too_long = lengths > self.max_length
        if self.over_long == "refuse" and too_long.any():
            raise DanluError(
                "codec.text_too_long",
                place=rows.first(too_long),
                column=", ".join(self.columns),
                length=int(lengths[too_long][0]),
                longest=self.max_length,
            )
        rows.count("codec.text_cut", ", ".join(self.columns), too_long)

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        tokenizer = opened(self.tokenizer_json)
        if self.marked:
            tokenizer.enable_truncation(self.max_length)
        return tokenizer


def fit_tokens(
    frame: pl.DataFrame,
    columns: tuple[str, ...],
    config: TextConfig,
    progress: Progress | None = None,
    marked: bool = False,
) -> tuple[Tokens, list[Note]]:
    """The tokenizer trained on the texts, `marked` with marks before and behind, and what was chosen and why."""
    texts = [texts_of(frame[name], name) for name in columns]
    kind, why = (config.tokenizer, None) if config.tokenizer else chosen_kind(texts)
    tokenizer = trained_tokenizer(kind, texts, config, marked)
    every = 1 if config.over_long == "refuse" else max(1, len(texts[0]) // _LENGTHS)
    sample = [column[::every] for column in texts]
    lengths = _marked_lengths(tokenizer, sample, progress) if marked else _token_ids(tokenizer, sample, progress)[1]
    longest = config.max_length or _max_length(kind, lengths, config.over_long)
    size = tokenizer.get_vocab_size()
    segments = 2 if marked and len(columns) > 1 else 0
    tokens = Tokens(columns, kind, longest, config.over_long, size, tokenizer.to_str(), segments, marked)
    fitted = Note(
        f"codec.tokens_{kind}",
        column=", ".join(columns),
        size=size,
        longest=longest,
        cut=round(100 * float((lengths > longest).mean()), 1),
    )
    return tokens, [why, fitted] if why else [fitted]


def given_tokens(
    checkpoint: Checkpoint,
    frame: pl.DataFrame,
    columns: tuple[str, ...],
    config: TextConfig,
    progress: Progress | None = None,
) -> tuple[Tokens, list[Note]]:
    """The texts as the checkpoint's tokenizer reads them, no longer than its model can take.

    Raises DanluError where the recipe asks for another tokenizer.
    """
    checkpoint_only(config)
    tokenizer = opened(checkpoint.tokenizer_json, reads_marks=True)
    texts = [texts_of(frame[name], name) for name in columns]
    every = 1 if config.over_long == "refuse" else max(1, len(texts[0]) // _LENGTHS)
    sample = list(_encodings(tokenizer, [column[::every] for column in texts], progress))
    lengths = np.array([len(e) for e in sample], np.int64)
    fitting = max(lengths.max(initial=1), tokenizer.num_special_tokens_to_add(len(columns) > 1) + 1)
    longest = min(config.max_length or int(fitting), checkpoint.max_length)
    segments = 2 if any(max(e.type_ids, default=0) for e in sample) else 0
    tokens = Tokens(
        columns, PRETRAINED, longest, config.over_long, checkpoint.size, checkpoint.tokenizer_json, segments, True
    )
    cut = round(100 * float((lengths > longest).mean()), 1)
    return tokens, [
        Note("codec.tokens_pretrained", column=", ".join(columns), size=checkpoint.size, longest=longest, cut=cut)
    ]


def trained_tokenizer(
    kind: TokenKind, texts: Sequence[list[str]], config: TextConfig, marked: bool = False
) -> Tokenizer:
    """A tokenizer trained on the texts of the columns; `marked` puts [CLS] before a text and [SEP] behind it."""
    size = config.vocab_size or _VOCAB_SIZE[kind]
    special: list[Any] = MARKS if marked else SPECIAL
    if kind == "bpe" and size < _BYTES + len(special):
        raise DanluError("codec.vocab_too_small", got=size, needed=_BYTES + len(special))
    tokenizer, every = _untrained(kind, config.lowercase is not False), [text for column in texts for text in column]
    tokenizer.encode_special_tokens = True
    if kind == "wordpiece":
        pieces = learned_pieces(
            tokenizer, every, special, _letters_inside(every, tokenizer.normalizer), vocab_size=size, min_frequency=2
        )
        tokenizer.model = models.WordPiece(pieces, unk_token=SPECIAL[UNKNOWN])
        tokenizer.add_special_tokens(special)
    else:
        trainer = _trainer(kind, {"vocab_size": size, "special_tokens": special, "show_progress": False})
        tokenizer.train_from_iterator(every, trainer)
    if marked:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]",
            pair="[CLS] $A [SEP] $B:1 [SEP]:1",
            special_tokens=[(mark, tokenizer.token_to_id(mark)) for mark in ("[CLS]", "[SEP]")],
        )
    return tokenizer


def learned_pieces(
    tokenizer: Tokenizer,
    texts: Sequence[str],
    special: Sequence[Any],
    inside: Sequence[str],
    prefix: str = "##",
    **settings: Any,
) -> dict[str, int]:
    """The vocabulary of a WordPiece tokenizer trained on the texts; `tokenizer` says how they become words.

    Letters `inside` words are numbered before: left to itself the trainer numbers them in the order of a hash table,
    which is another each time, and so learns other tokens.
    """
    learner = Tokenizer(models.WordPiece(unk_token=SPECIAL[UNKNOWN]))
    learner.pre_tokenizer = tokenizer.pre_tokenizer
    if tokenizer.normalizer:
        learner.normalizer = tokenizer.normalizer
    numbered = [*special, *(prefix + letter for letter in inside)]
    trainer = trainers.WordPieceTrainer(
        special_tokens=numbered, continuing_subword_prefix=prefix, show_progress=False, **settings
    )
    learner.train_from_iterator(texts, trainer)
    return learner.get_vocab()


def checkpoint_only(config: TextConfig) -> None:
    """DanluError where the recipe asks for another tokenizer than the checkpoint's."""
    if asked := {"tokenizer", "vocab_size", "lowercase"} & config.model_fields_set:
        raise DanluError("codec.tokenizer_given", setting=min(asked))


def opened(tokenizer_json: str, *, reads_marks: bool = False) -> Tokenizer:
    """The tokenizer, which cuts and pads nothing; "[PAD]" in a text is text unless it `reads_marks`."""
    tokenizer = Tokenizer.from_str(tokenizer_json)
    tokenizer.encode_special_tokens = not reads_marks
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def chunks(count: int, size: int, progress: Progress | None) -> Iterator[slice]:
    """`count` texts in parts of `size`; `progress` is told of each once it is done with."""
    for start in range(0, count, size):
        end = min(start + size, count)
        yield slice(start, end)
        if progress:
            progress(Note("codec.encoding_texts"), end, count)


def texts_of(series: pl.Series, name: str) -> list[str]:
    """The texts of a column, "" where missing; raises DanluError where it holds no texts."""
    require_texts(series, name)
    return texts_at(series)


def require_texts(series: pl.Series, name: str) -> None:
    """Raises DanluError where the column holds no texts."""
    if is_kept(series):
        return
    if series.dtype.is_nested() or series.dtype == pl.Binary:
        raise DanluError("codec.wrong_type", column=name, wanted=Note("codec.kind_text"), got=str(series.dtype))


def share_of_ideographs(texts: Sequence[str]) -> float:
    """Share of Chinese characters and kana among the letters of a sample of the texts."""
    return _share(texts, f"[{IDEOGRAPHS}]")


def chosen_kind(texts: Sequence[list[str]]) -> tuple[TokenKind, Note]:
    """The kind of token that suits the texts of the columns, and why."""
    joined = [text for column in texts for text in column]
    if share_of_ideographs(joined) > 0.3:
        return "word", Note("codec.why_ideographs")
    if _share(joined, r"[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff]") > 0.3:  # Thai, Lao, Tibetan, Burmese, Khmer
        return "char", Note("codec.why_no_spaces")
    once = _share_of_words_seen_once(joined)
    kind: TokenKind = "bpe" if once > 0.1 else "word"
    return kind, Note(f"codec.why_{kind}", share=round(100 * once, 1))


def _share(texts: Sequence[str], script: str) -> float:
    sample = "".join(texts[:: max(1, len(texts) // _SAMPLE)])
    letters = len(re.findall(r"[^\W\d_]", sample))
    return len(re.findall(script, sample)) / max(letters, 1)


def _share_of_words_seen_once(texts: Sequence[str]) -> float:
    sample = texts[:: max(1, len(texts) // (10 * _SAMPLE))]
    counts = Counter(word for text in sample for word in re.findall(r"\w+", text.lower()))
    return sum(count == 1 for count in counts.values()) / max(sum(counts.values()), 1)


def _letters_inside(texts: Sequence[str], normalizer: Any) -> list[str]:
    """The letters that stand behind others in the words of WORD."""
    seen: set[str] = set()
    for text in texts:
        seen.update(re.findall(r"(?<=\w)['’\w]", normalizer.normalize_str(text)))
    return sorted(letter for letter in seen if not re.match(f"[{IDEOGRAPHS}]", letter))


def _trainer(kind: TokenKind, settings: dict[str, Any]) -> Any:
    if kind == "unigram":
        return trainers.UnigramTrainer(unk_token=SPECIAL[UNKNOWN], **settings)
    if kind == "bpe":
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        return trainers.BpeTrainer(min_frequency=2, initial_alphabet=alphabet, **settings)
    return trainers.WordLevelTrainer(min_frequency=2, **settings)


def _untrained(kind: TokenKind, lowercase: bool) -> Tokenizer:
    if kind == "bpe":  # bytes as the alphabet: nothing is unknown
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
    else:
        tokenizer = Tokenizer(_MODELS[kind]())
        pattern = r"\S" if kind == "char" else WORD
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
    folding = [normalizers.NFKC()] + ([normalizers.Lowercase()] if lowercase else [])
    tokenizer.normalizer = normalizers.Sequence(folding)
    return tokenizer


def _max_length(kind: TokenKind, lengths: np.ndarray, over_long: str) -> int:
    """Long enough for 99 of 100 texts, or for all where none may be cut."""
    share = 0.99 if over_long == "cut" else 1.0
    fitting = int(np.ceil(np.quantile(lengths, share)))
    return max(1, min(fitting, _LONGEST[kind]) if over_long == "cut" else fitting)


def _token_ids(tokenizer: Tokenizer, texts: Sequence[list[str]], progress: Progress | None) -> tuple[TokenIds, Lengths]:
    """The token ids of all rows, one behind the other, and their lengths; SEPARATOR between columns."""
    values: list[TokenIds] = [np.empty(0, np.int64)]
    lengths: list[int] = []
    for part in chunks(len(texts[0]), _CHUNK, progress):
        chunk = [column[part] for column in texts]
        encodings = [tokenizer.encode_batch_fast(column, add_special_tokens=False) for column in chunk]
        ids = [_joined([encoding.ids for encoding in row]) for row in zip(*encodings, strict=True)]
        values.append(np.fromiter(chain.from_iterable(ids), np.int64))
        lengths += map(len, ids)
    return np.concatenate(values), np.array(lengths, np.int64)


def _encodings(tokenizer: Tokenizer, texts: Sequence[list[str]], progress: Progress | None) -> Iterator[Encoding]:
    """What a tokenizer with marks makes of each row: one text, or two as its pair; further columns join the second.

    Where it marks no pair, columns are lines of one text.
    """
    pairs = tokenizer.num_special_tokens_to_add(is_pair=True) > 0
    for part in chunks(len(texts[0]), _CHUNK, progress):
        first, *others = (column[part] for column in texts)
        inputs: Any = first
        if others and pairs:
            inputs = list(zip(first, map("\n".join, zip(*others, strict=True)), strict=True))
        elif others:
            inputs = list(map("\n".join, zip(first, *others, strict=True)))
        yield from tokenizer.encode_batch(inputs)


def _marked_lengths(tokenizer: Tokenizer, texts: Sequence[list[str]], progress: Progress | None) -> Lengths:
    return np.array([len(e) for e in _encodings(tokenizer, texts, progress)], np.int64)


def _whole_length(encoding: Encoding) -> int:
    """Tokens of the text had nothing been cut, as far as one can tell: more than fit where something was."""
    return len(encoding) + (1 if encoding.overflowing else 0)


def _joined(parts: list[list[int]]) -> list[int]:
    first, *others = parts
    return first + [i for ids in others for i in (SEPARATOR, *ids)]
