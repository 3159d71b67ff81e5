"""Embeddings: one vector per text, from the Transformer of a run or of a checkpoint. Knows no family.

A checkpoint's own settings are read as sentence-transformers reads them (Reimers & Gurevych 2019).
"""

import copy
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
import torch.nn.functional as F
from tokenizers import Encoding, Tokenizer
from torch import Tensor, nn

from danlu import models
from danlu.data.documents import lone_text
from danlu.data.examples import ROW, Column, Examples, free_name
from danlu.data.read import examples_of, stream
from danlu.data.sources import STANDARD_INPUT
from danlu.data.store import Shapes
from danlu.data.tally import Rows, Tally
from danlu.data.text import texts_of
from danlu.errors import DanluError
from danlu.events import Progress, beyond
from danlu.memory import kept_memory
from danlu.models.encoder_decoder import EncoderDecoder
from danlu.models.hub import files
from danlu.models.hub.sentences import Pooling, Sentences, sentences_of
from danlu.models.precision import in_int8
from danlu.models.pretrained import Pretrained
from danlu.models.transformer import Trunk
from danlu.recipe import DataConfig
from danlu.words import Note

TOKENS_AT_ONCE = 2048  # of a batch, padding included: what they come to stays in cache
MANY = 256  # texts from which on it pays to keep memory between batches
HALF_FROM = 256  # width below which casts take longer than what is gained
COLUMN = "embedding"

Precision = Literal["auto", "float32", "bfloat16", "int8"]

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Embedder:
    """A Transformer and what it takes to make a vector of a text.

    `max_length`: tokens of a text, marks included. `precision`: of products; "auto" is bfloat16 from a width of
    HALF_FROM on, where that is fast on this machine (`half_pays`), else float32; with "int8" matrices are of 8 bits.
    Of a run: `data` and `columns` tell how files are read, `texts` names its columns of texts.
    """

    trunk: Trunk
    tokenizer: Tokenizer
    max_length: int
    pooling: Pooling = "mean"
    normalize: bool = False
    lowercase: bool = False
    precision: Precision = "auto"
    half_pays: bool = False
    data: DataConfig = field(default_factory=DataConfig)
    columns: Mapping[str, Column] = field(default_factory=dict)
    texts: tuple[str, ...] = ()

    @classmethod
    def of_module(cls, module: nn.Module, tokenizer_json: str | None, max_length: int) -> Self:
        """That of a run's module; DanluError where it is no Transformer that reads texts."""
        trunk = module.encoder if isinstance(module, EncoderDecoder) else getattr(module, "trunk", None)
        if tokenizer_json is None or not isinstance(trunk, Trunk):
            raise DanluError("embed.no_transformer")
        return cls(trunk.eval(), Tokenizer.from_str(tokenizer_json), max_length)

    @classmethod
    def of_checkpoint(cls, name: str) -> Self:
        """That of a folder in the Hugging Face layout or a name on the hub, with the settings that it brings."""
        folder = files.checkpoint(name)
        said = sentences_of(folder) or Sentences(folder)
        begin = Pretrained.open(str(said.transformer))
        if begin.tokenizer is None:
            raise DanluError("embed.no_transformer")
        longest = min(said.max_length or begin.tokenizer.max_length, begin.tokenizer.max_length)
        shapes = Shapes(tokens=begin.tokenizer.size, max_tokens=longest, heads={COLUMN: 1})
        module, config = models.build(begin.family, begin.fields, shapes)
        begin.layout.load(module, files.read_tensors(begin.folder), config, new_task=True)
        made = cls.of_module(module, begin.tokenizer.tokenizer_json, longest)
        return replace(made, pooling=said.pooling, normalize=said.normalize, lowercase=said.lowercase)

    def asked(self, pooling: Pooling | None, normalize: bool | None, precision: Precision | None = None) -> Self:
        """The same with the settings that are not None; DanluError where they have no meaning."""
        chosen = replace(
            self,
            pooling=pooling or self.pooling,
            normalize=self.normalize if normalize is None else normalize,
            precision=precision or self.precision,
        )
        if chosen.pooling == "cls" and self.trunk.config.causal:
            raise DanluError("embed.cls_sees_nothing")
        return replace(chosen, trunk=in_int8(copy.deepcopy(self.trunk))) if precision == "int8" else chosen

    @property
    def note(self) -> Note:
        """What is done to a text."""
        unit = Note("embed.normalized" if self.normalize else "embed.as_it_is")
        return Note(
            "embed.settings",
            width=self.trunk.config.width,
            pooling=Note(f"embed.{self.pooling}"),
            unit=unit,
            longest=self.max_length,
            precision="int8" if self.precision == "int8" else "bfloat16" if self.half else "float32",
        )

    @property
    def half(self) -> bool:
        """Whether products are in bfloat16; sums and norms are in float32."""
        chosen = self.half_pays and self.trunk.config.width >= HALF_FROM
        return self.precision == "bfloat16" or (self.precision == "auto" and chosen)

    def vectors(self, texts: str | Sequence[str]) -> Vectors:
        """(N, width) float32, with a warning where texts are longer than fits."""
        tally = Tally()
        frame = self.frame([texts] if isinstance(texts, str) else texts, tally)
        for note in tally.notes():
            warnings.warn(str(note), stacklevel=3)
        return frame[COLUMN].to_numpy(writable=True)

    def frame(self, texts: Sequence[str], tally: Tally, progress: Progress | None = None) -> pl.DataFrame:
        """The texts and their vectors; texts that are cut are counted."""
        examples = examples_of({"text": list(texts)}, DataConfig(), {"text": _column("text")})
        return self._embedded(examples, "text", tally, progress)

    def rows(
        self, source: str, tally: Tally, column: str | None = None, progress: Progress | None = None
    ) -> Iterator[pl.DataFrame]:
        """The rows of a file (or "-", standard input) with a vector for each text, in pieces, in constant memory.

        `column` holds the texts; where it is None, the one that leaves no doubt. Texts that are cut are counted.
        `progress` is told of texts done, the total being unknown. Raises DanluError where there is no such column.
        """
        done = 0
        name = column or self._text_column(source)
        for examples in stream(source, self.data, {**self.columns, name: _column(name)}):
            yield self._embedded(examples, name, tally, beyond(progress, done))
            done += len(examples)

    def _text_column(self, source: str) -> str:
        """The run's column of texts, or the file's."""
        if len(self.texts) == 1:
            return self.texts[0]
        if self.texts or source == STANDARD_INPUT:
            raise DanluError("embed.name_column", names=", ".join(self.texts) or "–")
        first = next(stream(source, self.data, None))
        found = lone_text(first.of_kind("text") or [*first.columns])
        if found is None:
            raise DanluError("embed.name_column", names=", ".join(first.columns))
        return found

    def _embedded(self, examples: Examples, name: str, tally: Tally, progress: Progress | None = None) -> pl.DataFrame:
        """The columns, and the vectors of the texts in one of them."""
        frame = examples.frame.drop(ROW)
        if name not in frame.columns:
            raise DanluError("codec.missing_columns", columns=name, found=", ".join(frame.columns))
        encodings = self._encodings(texts_of(frame[name], name))
        cut = np.array([bool(encoding.overflowing) for encoding in encodings], bool)
        Rows.of(examples, tally).count("embed.cut", name, cut)
        width = self.trunk.config.width
        vectors = self._computed(encodings, progress)
        return frame.with_columns(
            pl.Series(free_name(COLUMN, frame.columns), vectors, dtype=pl.Array(pl.Float32, width))
        )

    def _computed(self, encodings: Sequence[Encoding], progress: Progress | None) -> Vectors:
        done = 0
        vectors = np.zeros((len(encodings), self.trunk.config.width), np.float32)
        with kept_memory() if len(encodings) > MANY else nullcontext():
            for index in _batches(np.array([len(encoding) for encoding in encodings], np.int64)):
                vectors[index] = self._pooled([encodings[i].ids for i in index]).numpy()
                done += len(index)
                if progress:
                    progress(Note("embed.reading"), done, len(encodings))
        return vectors

    def _encodings(self, texts: Sequence[str]) -> list[Encoding]:
        tokenizer = self.tokenizer
        tokenizer.no_padding()
        tokenizer.enable_truncation(self.max_length)
        tokenizer.encode_special_tokens = True  # "[PAD]" in a text is text
        stripped = [text.strip() for text in texts]
        return tokenizer.encode_batch([text.lower() for text in stripped] if self.lowercase else stripped)

    @torch.inference_mode()
    def _pooled(self, ids: Sequence[Sequence[int]]) -> Tensor:
        """Vectors (B, W) of texts of B lists of tokens; zeros of one without any."""
        length = torch.tensor([len(row) for row in ids])
        longest = max(int(length.max()), 1)
        tokens = torch.tensor([[*row, *[0] * (longest - len(row))] for row in ids])
        with torch.autocast("cpu", torch.bfloat16, enabled=self.half):
            x = self.trunk(tokens, length.clamp(min=1)).float()
        inside = (torch.arange(longest) < length[:, None])[..., None]
        if self.pooling == "mean":
            vectors = (x * inside).sum(1) / length.clamp(min=1)[:, None]
        else:
            place = torch.zeros_like(length) if self.pooling == "cls" else (length - 1).clamp(min=0)
            vectors = x[torch.arange(len(x)), place] * inside[:, 0]
        return F.normalize(vectors, dim=1) if self.normalize else vectors


def _batches(lengths: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
    """Rows of similar length, the longest first, so many that TOKENS_AT_ONCE hold them and their padding."""
    order = np.argsort(-lengths, kind="stable")
    while len(order):
        fitting = max(1, TOKENS_AT_ONCE // max(int(lengths[order[0]]), 1))
        yield order[:fitting]
        order = order[fitting:]


def _column(name: str) -> Column:
    return Column(name, "text", Note("embed.column"))
