"""Measures: rows, their tensors and their answers → what is watched of them. The same of the reference and of requests.

A measure of tensors comes from what the codec has made already, so that nothing is tokenized or decoded for it.
"""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import torch
from PIL import Image
from tokenizers import Tokenizer
from torch import Tensor

from danlu.data.codec import Codec
from danlu.data.image_check import DAMAGED
from danlu.data.store import Bags, Dense, Ragged, Store
from danlu.data.targets import Target
from danlu.data.text import PRETRAINED, UNKNOWN
from danlu.data.values import Floats, as_numbers, as_times
from danlu.drift.signals import KNOWN, Key, Measure, Values

NAMED = 30  # values of a category, classes and labels that are counted each by itself, the commonest first
PIXELS = 4096  # of an image, evenly taken, of which brightness and contrast are told

PROMPT, PROMPT_UNKNOWN = Key("input", "prompt", "prompt_tokens"), Key("input", "prompt", "prompt_unknown")

Measured = dict[Key, Values]


@dataclass(frozen=True)
class Seen:
    """Rows that were answered: their input columns, their tensors where columns are inputs, and what was answered.

    `answers`: of each target its probabilities (N, K) or numbers (N,), or the columns in which a Predictor tells them.
    """

    frame: pl.DataFrame
    store: Store | None
    answers: Mapping[str, np.ndarray] | pl.DataFrame

    def __len__(self) -> int:
        return self.frame.height


def measured(codec: Codec, seen: Sequence[Seen]) -> Measured:
    """What is watched of all these rows; at least one of them."""
    found: dict[Key, list[Values]] = {}
    for key, values in _all(codec, seen):
        found.setdefault(key, []).append(values)
    return {key: Values(np.concatenate([v.values for v in parts]), parts[0].size) for key, parts in found.items()}


def _all(codec: Codec, seen: Sequence[Seen]) -> Iterator[tuple[Key, Values]]:
    """Each measure of some of the rows."""
    for each in seen:
        yield from _of_store(codec, each)
        if not isinstance(each.answers, pl.DataFrame):
            yield from _of_targets(codec, each.answers)
    for frame in _joined([each.frame for each in seen]):
        yield from _of_frame(codec, frame)
    for answers in _joined([each.answers for each in seen if isinstance(each.answers, pl.DataFrame)]):
        yield from _of_own(answers) if codec.reading else _of_targets(codec, _predictions(codec, answers))


def of_prompts(codec: Codec, prompts: Sequence[Sequence[int]]) -> Measured:
    """What is watched of the tokens that a language model goes on with."""
    assert codec.tokenizer_json
    lengths = np.array([len(prompt) for prompt in prompts], np.float64)
    found = {PROMPT: Values(lengths)}
    unknown = unknown_token(codec.tokenizer_json)
    if unknown is not None:
        count = np.array([list(prompt).count(unknown) for prompt in prompts], np.float64)
        found[PROMPT_UNKNOWN] = Values(count / np.maximum(lengths, 1))
    return found


@cache
def unknown_token(tokenizer_json: str) -> int | None:
    """The token of what the tokenizer cannot write; None where it writes everything."""
    model = json.loads(tokenizer_json)["model"]
    if model.get("unk_id") is not None:
        return int(model["unk_id"])
    name = model.get("unk_token")
    return Tokenizer.from_str(tokenizer_json).token_to_id(name) if name else None


def _joined(frames: Sequence[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The frames of one schema as one."""
    by_schema: dict[tuple[Any, ...], list[pl.DataFrame]] = {}
    for frame in frames:
        by_schema.setdefault((*frame.columns, *frame.dtypes), []).append(frame)
    yield from (pl.concat(alike, rechunk=True) for alike in by_schema.values())


def _of_frame(codec: Codec, frame: pl.DataFrame) -> Iterator[tuple[Key, Values]]:
    for name, kind in (codec.numbers.columns if codec.numbers else {}).items():
        if kind == "date":
            days = as_times(frame[name]).dt.epoch("us").cast(pl.Float64).to_numpy() / 86_400e6
            yield Key("input", name, "time"), Values(days)
        else:
            yield Key("input", name, "value"), Values(as_numbers(frame[name]))
    for name, kind in codec.inputs.items():
        if kind == "text" and frame[name].dtype == pl.String:
            characters = _floats(frame[name].str.len_chars())
            yield Key("input", name, "characters"), Values(characters)
            size = _floats(frame[name].str.len_bytes())
            yield Key("input", name, "bytes_per_character"), Values(size / np.where(characters > 0, characters, np.nan))
        if kind == "image" and codec.images and codec.images.column == name:
            yield Key("input", name, "pixels"), Values(_sizes(frame[name]))


def _of_store(codec: Codec, seen: Seen) -> Iterator[tuple[Key, Values]]:
    feeds = seen.store.feeds if seen.store else {}
    for name, feed in feeds.items():
        if name == "categories" and isinstance(feed, Dense):
            for number, category in enumerate(codec.categories):
                places = feed.values[:, number].numpy()
                key = Key("input", category.name, "category")
                yield key, Values(places, min(category.cardinality, KNOWN + NAMED) + 1)
        elif name == "tokens" and codec.tokens and isinstance(feed, Ragged):
            yield from _of_tokens(codec, ", ".join(codec.tokens.columns), feed)
        elif name == "terms" and codec.terms and isinstance(feed, Bags):
            terms = feed.offsets.diff().double().numpy()
            yield Key("input", ", ".join(codec.terms.columns), "terms"), Values(terms)
        elif name == "image" and codec.images:
            yield from _of_pixels(codec.images.column, feed.take(name, torch.arange(len(feed)))[name])
        elif name == "sequence" and codec.sequences and isinstance(feed, Ragged):
            yield from _of_steps(", ".join(codec.sequences.columns), feed)


def _of_tokens(codec: Codec, column: str, feed: Ragged) -> Iterator[tuple[Key, Values]]:
    assert codec.tokens
    lengths = feed.lengths.double().numpy()
    yield Key("input", column, "tokens"), Values(lengths)
    unknown = unknown_token(codec.tokens.tokenizer_json) if codec.tokens.kind == PRETRAINED else UNKNOWN
    if unknown is not None and codec.tokens.kind != "bpe":
        count = _summed(feed, feed.values == unknown)
        yield Key("input", column, "unknown"), Values(count / np.maximum(lengths, 1))


def _of_pixels(column: str, pixels: Tensor) -> Iterator[tuple[Key, Values]]:
    """pixels: (N, C, H, W) uint8."""
    flat = pixels.flatten(1)
    flat = flat[:, :: max(1, flat.shape[1] // PIXELS)].float()
    deviation, mean = torch.std_mean(flat, dim=1, correction=0)
    yield Key("input", column, "brightness"), Values(mean.double().numpy())
    yield Key("input", column, "contrast"), Values(deviation.double().numpy())


def _of_steps(column: str, feed: Ragged) -> Iterator[tuple[Key, Values]]:
    """values: (total, channels), standardised."""
    lengths = feed.lengths.double().numpy()
    yield Key("input", column, "steps"), Values(lengths)
    level = _summed(feed, feed.values.double().mean(dim=1)) / np.where(lengths > 0, lengths, np.nan)
    yield Key("input", column, "level"), Values(level)


def _summed(feed: Ragged, values: Tensor) -> Floats:
    """values: (total,) → (N,) sums over the steps of each row."""
    row = torch.arange(len(feed)).repeat_interleave(feed.lengths)
    return torch.zeros(len(feed), dtype=torch.float64).index_add(0, row, values.double()).numpy()


def _predictions(codec: Codec, answers: pl.DataFrame) -> dict[str, np.ndarray]:
    """Of each target its probabilities (N, K) or numbers (N,)."""
    found, first = {}, 0
    for name, target in codec.targets.items():
        end = first + 1 + (0 if target.kind == "number" else target.size)
        own = answers[:, first:end]
        found[name] = own.to_series().to_numpy() if target.kind == "number" else own[:, 1:].to_numpy()
        first = end
    return found


def _of_targets(codec: Codec, predictions: Mapping[str, np.ndarray]) -> Iterator[tuple[Key, Values]]:
    for name, prediction in predictions.items():
        yield from _of_target(codec.targets[name], prediction)


def _of_target(target: Target, prediction: np.ndarray) -> Iterator[tuple[Key, Values]]:
    if target.kind == "number":
        yield Key("prediction", target.name, "value"), Values(prediction)
        return
    size = KNOWN + min(len(target.classes), NAMED) + 1
    if target.kind == "class":
        yield Key("prediction", target.name, "class"), Values(KNOWN + prediction.argmax(1), size)
        sure = prediction.max(1)
    else:
        chosen = KNOWN + np.nonzero(prediction > 0.5)[1]
        none = np.full(int((prediction <= 0.5).all(1).sum()), KNOWN - 1)
        yield Key("prediction", target.name, "labels"), Values(np.concatenate([chosen, none]), size)
        sure = np.maximum(prediction, 1 - prediction).mean(1)
    yield Key("prediction", target.name, "confidence"), Values(sure.astype(np.float64))


def _of_own(answers: pl.DataFrame) -> Iterator[tuple[Key, Values]]:
    """Of the columns that a task answers with: scores, losses, texts, entities."""
    for name, measure in _OWN.items():
        if name in answers.columns:
            yield Key("prediction", name, measure), Values(answers[name].cast(pl.Float64).to_numpy())
    for series in answers.get_columns():
        if series.name == "prediction" and series.dtype == pl.String:
            yield Key("prediction", series.name, "characters"), Values(_floats(series.str.len_chars()))
        elif isinstance(series.dtype, pl.List) and "label" in _fields(series.dtype.inner):
            yield Key("prediction", series.name, "entities"), Values(_floats(series.list.len()))
            scores = series.list.eval(pl.element().struct.field("score")).list.mean()
            yield Key("prediction", series.name, "confidence"), Values(_floats(scores))


def _fields(dtype: Any) -> list[str]:
    return [field.name for field in dtype.fields] if isinstance(dtype, pl.Struct) else []


def _sizes(series: pl.Series) -> Floats:
    """Pixels of each image as it came, by its header."""
    if isinstance(series.dtype, pl.Array):
        height, width = series.dtype.shape[:2]
        return np.full(len(series), float(height * width))
    return np.array([_size(source) for source in series], np.float64)


def _size(source: str | bytes) -> float:
    try:
        with Image.open(source if isinstance(source, str) else io.BytesIO(source)) as picture:
            return float(picture.width * picture.height)
    except DAMAGED:
        return float("nan")


def _floats(series: pl.Series) -> Floats:
    """NaN where missing."""
    return series.cast(pl.Float64).to_numpy()


_OWN: Mapping[str, Measure] = {"score": "confidence", "loss": "loss"}
