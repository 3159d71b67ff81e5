"""Translations and summaries that a model writes, beside their references and plain rivals. Knows nothing of files."""

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from tokenizers import Tokenizer
from torch import nn

from danlu.data.codec import Codec
from danlu.data.examples import ROW, Examples
from danlu.data.loader import evaluation_batches
from danlu.data.pairs import Pairs, references
from danlu.data.store import Ragged, Store
from danlu.data.text import texts_of
from danlu.evaluation import overlap
from danlu.evaluation.asking import Answers, Asking
from danlu.evaluation.baseline import Baseline
from danlu.evaluation.judge import Evidence
from danlu.evaluation.lexicon import lexicon
from danlu.evaluation.mistakes import SHOWN
from danlu.evaluation.outcome import Outcome
from danlu.evaluation.preview import previews
from danlu.events import Progress
from danlu.generation import answer
from danlu.generation.config import GenerationConfig
from danlu.models.encoder_decoder import EncoderDecoder
from danlu.tasks.text_generation import told
from danlu.words import Note

BEAMS = 4
MOST = 2000  # rows that are measured: each needs a search
ROWS_AT_ONCE = 64
_SENTENCE = re.compile(r".*?(?:[.!?](?=\s|$)|[。！？])", re.DOTALL)


@dataclass(frozen=True)
class Written(Answers):
    """What a model writes of some texts; where their truth is wanted too, of MOST of them, evenly taken."""

    asking: Asking

    @property
    def codec(self) -> Codec:
        """How the rows are read."""
        return self.asking.codec

    @property
    def pairs(self) -> Pairs:
        """How their texts are."""
        assert isinstance(self.codec.reading, Pairs)
        return self.codec.reading

    @cached_property
    def examples(self) -> Examples:
        """The rows; those that are left out are counted."""
        every = self.asking.examples
        if not self.asking.with_targets or len(every) <= MOST:
            return every
        self.asking.tally.add("pairs.some", next(iter(self.codec.targets)), len(every) - MOST, "")
        return every.take(np.linspace(0, len(every) - 1, MOST).astype(np.int64))

    @cached_property
    def store(self) -> Store:
        """Their tokens."""
        return self.codec.encode(self.examples, self.asking.with_targets, tally=self.asking.tally)

    @cached_property
    def texts(self) -> list[str]:
        """What the model writes."""
        return written(self.asking.module, self.pairs, self.store, self.asking.progress)

    @cached_property
    def sources(self) -> list[str]:
        """What it reads."""
        return texts_of(self.examples.frame[self.pairs.source], self.pairs.source)

    @cached_property
    def right(self) -> list[list[str]]:
        """The references of each row."""
        return references(self.examples.frame[self.pairs.target])

    def columns(self) -> dict[str, pl.Series]:
        """`prediction`: the text that is written."""
        return {"prediction": pl.Series(self.texts, dtype=pl.String)}

    def evidence(self) -> Evidence:
        """The texts beside their references, as figures that add up, and the worst of them."""
        nats, right = told(self.asking.module, self.store, self.pairs.size)
        per_row = np.stack([self._summed(nats.double().numpy()), self._summed(right.numpy())], axis=1)
        figures = self._figures(self.texts)
        target = self.codec.targets[self.pairs.target]
        assert target.kind == "translation" or target.kind == "summary"
        outcome = Outcome(
            target=target.name,
            kind=target.kind,
            classes=(),
            truth=self._summed(np.ones(len(nats)))[:, None],
            prediction=np.concatenate([figures, per_row], axis=1),
            places=self.examples.origin.places(self.examples.frame[ROW]),
            frame=self.examples.frame.select(list(self.codec.inputs)),
        )
        quality = overlap.chrf(figures[:, overlap.CHRF]) if target.kind == "translation" else figures[:, -1]
        return Evidence(outcome, mistakes=self._worst(outcome, quality, 100.0 if target.kind == "translation" else 1.0))

    def rivals(self, train: Examples) -> Iterator[Baseline]:
        """Of a translation: the source as it is, and word by word. Of a summary: the first sentence."""
        rows = len(train)
        if self.codec.targets[self.pairs.target].kind == "summary":
            first = [first_sentence(text) for text in self.sources]
            yield Baseline(Note("evaluate.first_sentence"), self._prediction(first), rows, rows)
            return
        yield Baseline(Note("evaluate.copy"), self._prediction(self.sources), rows, rows)
        began = time.monotonic()
        prediction = self._prediction(self._word_by_word(train))
        yield Baseline(Note("evaluate.word_by_word"), prediction, rows, rows, time.monotonic() - began)

    def _word_by_word(self, train: Examples) -> list[str]:
        """Each token of the sources as the one that goes with it most in the training rows."""
        sources = texts_of(train.frame[self.pairs.source], self.pairs.source)
        first = [each[0] for each in references(train.frame[self.pairs.target])]
        read, answers = self.pairs.tokenizer, self.pairs.answer_tokenizer
        table = lexicon(_plain_ids(read, sources), _plain_ids(answers, first), self.pairs.size)
        return [self.pairs.text(table[ids].tolist()) for ids in _plain_ids(read, self.sources)]

    def _figures(self, texts: Sequence[str]) -> np.ndarray:
        return overlap.figures(texts, self.right, self.pairs.bleu_words)

    def _prediction(self, texts: Sequence[str]) -> np.ndarray:
        """As `Outcome.prediction`; what nobody told costs nan."""
        return np.pad(self._figures(texts), ((0, 0), (0, 2)), constant_values=np.nan)

    def _summed(self, values: np.ndarray) -> np.ndarray:
        """(N,): values of all positions of the answers, summed over each row's."""
        wanted = self.store.by_position["tokens"]
        assert isinstance(wanted, Ragged)
        return np.add.reduceat(values.astype(np.float64), wanted.offsets.numpy()[:-1])

    def _worst(self, outcome: Outcome, quality: np.ndarray, perfect: float) -> list[dict[str, Any]]:
        """The rows whose text is least like its references."""
        kinds = {name: self.examples.columns[name].kind for name in self.codec.inputs}
        return [
            {
                "place": outcome.places[row],
                "truth": self.right[row],
                "answer": self.texts[row],
                "inputs": previews(outcome.frame.row(row, named=True), kinds),
            }
            for row in np.argsort(quality, kind="stable")[:SHOWN].tolist()
            if quality[row] < perfect
        ]


def written(module: nn.Module, pairs: Pairs, store: Store, progress: Progress | None = None) -> list[str]:
    """The likeliest text for each row of the store, as far as beams find it."""
    assert isinstance(module, EncoderDecoder)
    module.eval()
    config = GenerationConfig(num_beams=BEAMS, max_new_tokens=pairs.answer_length)
    texts = [""] * len(store)
    for index, batch in evaluation_batches(store, ROWS_AT_ONCE, progress):
        tokens, lengths = (batch.inputs[name].tolist() for name in ("tokens", "tokens_length"))
        sources = [ids[:length] for ids, length in zip(tokens, lengths, strict=True)]
        answers = answer(module, sources, config, pairs.start, (pairs.end,), pairs.forced)
        for row, ids in zip(index.tolist(), answers, strict=True):
            texts[row] = pairs.text(ids)
    return texts


def _plain_ids(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """The tokens of each text without marks."""
    return [found.ids for found in tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]


def first_sentence(text: str) -> str:
    """The text up to the first mark that ends a sentence."""
    found = _SENTENCE.match(text)
    return found[0] if found else text
