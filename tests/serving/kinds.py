"""Runs of every kind of task, small and quickly trained, and a row that each of them answers."""

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from PIL import Image

QUICK: dict[str, Any] = {
    "train__epochs": None,
    "train__steps": 2,
    "evaluate__baseline": False,
    "evaluate__bootstrap": 10,
}
SAYINGS = ("the cat sees the sun.", "a dog likes a tree.", "my bird hears you.", "春眠不觉晓。")
SMALL = {"width": 8, "depth": 1, "heads": 2}
ROWS = 60
RNG = np.random.default_rng(0)


def _reviews() -> list[dict[str, Any]]:
    return [{"text": f"{'fine, warm' if i % 2 else 'dull, long'} film {i}", "label": f"{i % 2}"} for i in range(ROWS)]


def _houses() -> list[dict[str, Any]]:
    return [
        {
            "rooms": 1 + i % 5,
            "area": 20.5 + 3 * i,
            "city": ("Rome", "Oslo", "Lima")[i % 3],
            "sold": f"2024-{1 + i % 12:02}-{1 + i % 28:02}",
            "lift": bool(i % 2),
            "price": 1000.0 * i + 7,
        }
        for i in range(ROWS)
    ]


def _images() -> pl.DataFrame:
    bright = np.arange(ROWS) % 2
    pixels = np.clip(RNG.normal(size=(ROWS, 12, 12)) * 20 + 80 + 90 * bright[:, None, None], 0, 255).astype(np.uint8)
    return pl.DataFrame({"image": pixels, "label": np.where(bright, "day", "night")})


def _signals() -> list[dict[str, Any]]:
    return [
        {"signal": RNG.normal(i % 2, 1, 6).round(3).tolist(), "moving": "yes" if i % 2 else "no"} for i in range(ROWS)
    ]


def _films() -> list[dict[str, Any]]:
    return [
        {"text": f"{'funny ' * (i % 2)}{'sad ' * (i % 3)}film {i}", "tags": ["funny", "sad"][: 1 + i % 2]}
        for i in range(ROWS)
    ]


def _names() -> list[dict[str, Any]]:
    people, towns = ("Ann", "Bob", "Kim"), ("Oslo", "Rome", "Lima")
    rows = []
    for i in range(ROWS):
        who, where = people[i % 3], towns[i % 2]
        rows.append({"tokens": ["We", "met", who, "in", where, "."], "tags": ["O", "O", "B-who", "O", "B-where", "O"]})
    return rows


def _questions() -> list[dict[str, Any]]:
    rows = []
    for i in range(ROWS):
        who, where = ("Ann", "Bob", "Kim")[i % 3], ("Oslo", "Rome", "Lima")[i % 2]
        context = f"Number {i}: {who} lives in {where}, and likes it."
        answers = {"text": [where], "answer_start": [context.index(where)]}
        rows.append({"question": f"Where does {who} live?", "context": context, "answers": answers})
    return rows


def _pairs() -> list[dict[str, Any]]:
    return [{"source": f"We met {i} times.", "target": f"我们见过{i}次。"} for i in range(ROWS)]


@dataclass(frozen=True)
class Kind:
    """How a run of a task is made, and a row that it answers."""

    rows: Callable[[], Any]
    row: dict[str, Any]
    settings: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)


def picture(brightness: int = 200, size: tuple[int, int] = (12, 12), form: str = "PNG") -> bytes:
    """An encoded grey image."""
    stream = io.BytesIO()
    Image.new("L", size, brightness).save(stream, form)
    return stream.getvalue()


SMALL_BERT = {"family": "bert", **SMALL}
KINDS: dict[str, Kind] = {
    "reviews": Kind(_reviews, {"text": "a warm film"}, {"target": "label"}),
    "houses": Kind(
        _houses,
        {"rooms": 3, "area": 82.5, "city": "Rome", "sold": "2024-03-05", "lift": True},
        {"target": "price", "model": {"family": "mlp", "width": 8}},
    ),
    "photos": Kind(
        _images,
        {"image": base64.b64encode(picture()).decode()},
        {"target": "label", "model": {"family": "cnn", "width": 4}},
    ),
    "signals": Kind(
        _signals, {"signal": [0.5, 1, -0.25]}, {"target": "moving", "model": {"family": "cnn", "width": 4}}
    ),
    "films": Kind(_films, {"text": "a funny film"}, {"target": "tags"}),
    "names": Kind(_names, {"text": "We met Ann in Rome ."}, {"model": {"family": "lstm", "width": 8}}),
    "questions": Kind(
        _questions, {"question": "Where does Ann live?", "context": "Ann lives in Oslo."}, {"model": SMALL_BERT}
    ),
    "masked": Kind(
        lambda: [{"text": f"{saying} {i}"} for i, saying in enumerate(SAYINGS * 15)],
        {"text": "the cat [MASK] the sun."},
        {"task": "fill-mask", "model": SMALL_BERT, "data__columns": {"text": "text"}},
    ),
    "pairs": Kind(
        _pairs, {"source": "We met 3 times."}, {"task": "translation", "model": {"family": "pegasus", **SMALL}}
    ),
    "sayings": Kind(
        lambda: [{"text": SAYINGS[i % 4]} for i in range(200)],
        {"text": SAYINGS[0]},
        {
            "task": "text-generation",
            "model": {"family": "llama", "width": 32, "depth": 1, "heads": 2, "dropout": 0.0},
            "data__columns": {"text": "text"},
            "data__text__max_length": 32,
            "data__text__tokenizer": "bpe",
        },
        {"train__steps": 100, "train__learning_rate": 0.02, "train__keep": "last"},
    ),
}
