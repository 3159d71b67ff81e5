"""Predictors of every family for every task, untrained: what is exported need not know anything."""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch

from danlu.data.documents import of_documents
from danlu.data.examples import Examples
from danlu.data.read import examples_of
from danlu.exporting.job import Job
from danlu.models import FAMILIES, build
from danlu.predictor import Predictor
from danlu.recipe import DataConfig, Frozen, Recipe
from danlu.run import Run
from danlu.tasks import TASKS
from danlu.tasks.task import Given

TRANSFORMER = {"width": 8, "depth": 1, "heads": 2}
SMALL = {
    **{name: {"width": 8} for name in ("mlp", "cnn", "resnet", "rnn", "lstm", "gru")},
    **dict.fromkeys(
        ("bert", "roberta", "distilbert", "vit", "gpt2", "llama", "mistral", "qwen2", "qwen3"), TRANSFORMER
    ),
    **dict.fromkeys(("pegasus", "pointer", "marian", "bart"), TRANSFORMER),
}
SIZES = {
    ("mlp", "table"): {"members": 3, "embed_numbers": "periodic"},
    ("mistral", "stream"): {"window": 3},
    ("qwen3", "stream"): {"kv_heads": 1},
    ("lstm", "words"): {"layers": 2},
}
WORDS = [
    "the",
    "cat",
    "sat",
    "on",
    "a",
    "red",
    "mat",
    "while",
    "two",
    "dogs",
    "ran",
    "home",
    "in",
    "Oslo",
    "and",
    "Paris",
]


@dataclass(frozen=True)
class Case:
    """A family, what it reads, and the task that asks for it."""

    family: str
    modality: str
    task: str
    fields: tuple[tuple[str, object], ...] = ()  # settings of the model
    text: tuple[tuple[str, object], ...] = ()  # settings of its tokens


def _text(rng, least=3, most=12) -> str:
    return " ".join(rng.choice(WORDS, rng.integers(least, most)))


def rows_of(modality: str, rows: int = 24):
    """Rows of one modality, and the column that is told, if there is one."""
    rng = np.random.default_rng(0)
    label = rng.choice(["yes", "no", "who knows"], rows)
    made = {
        "table": lambda: {
            "size": [None if i % 7 == 0 else float(v) for i, v in enumerate(rng.normal(size=rows))],
            "height": rng.normal(size=rows) * 100,
            "when": [f"2024-0{1 + i % 9}-1{i % 9} 0{i % 9}:30:00" for i in range(rows)],
            "colour": rng.choice(["red", "green", "blue"], rows),
        },
        "text": lambda: {"text": [f"{_text(rng)} 猫 {i}" for i in range(rows)]},
        "image": lambda: {"image": pl.Series(rng.integers(0, 256, (rows, 9, 12, 3)).astype(np.uint8))},
        "sequence": lambda: {
            "signal": pl.Series([rng.normal(size=n).round(3).tolist() for n in rng.integers(3, 9, rows)])
        },
    }
    if modality in made:
        return pl.DataFrame(made[modality]() | {"target": label}), "target"
    if modality == "stream":
        return pl.DataFrame({"text": [_text(rng, 8, 20) for _ in range(rows)]}), None
    if modality == "masked":
        return pl.DataFrame({"text": [_text(rng, 5, 15) for _ in range(rows)]}), None
    if modality == "pairs":
        both = [(_text(rng), _text(rng)) for _ in range(rows)]
        return pl.DataFrame({"en": [a for a, _ in both], "de": [b for _, b in both]}), "de"
    if modality == "words":
        texts = [_text(rng) + " in Oslo" for _ in range(rows)]
        spans = [[{"start": text.index("Oslo"), "end": text.index("Oslo") + 4, "label": "place"}] for text in texts]
        return [{"text": text, "entities": span} for text, span in zip(texts, spans, strict=True)], "entities"
    assert modality == "passages"
    contexts = [_text(rng, 6, 12) + " in Oslo ." for _ in range(rows)]
    return [
        {"question": "Where was it ?", "context": c, "answers": [{"text": "Oslo", "answer_start": c.index("Oslo")}]}
        for c in contexts
    ], "answers"


def predictor_of(case: Case) -> tuple[Predictor, Examples, Frozen]:
    """A model of the case with drawn weights, rows for it, and the model's settings."""
    task, family = TASKS[case.task], FAMILIES[case.family]
    rows, target = rows_of(case.modality)
    asked = {"target": target} if isinstance(rows, pl.DataFrame) and target else {}
    config = Recipe.of({"data": asked}).data
    examples = examples_of(rows, config, task=case.task)
    examples = of_documents(examples) if task.goal is None else examples
    text = ({"max_length": 16} if case.modality in ("stream", "masked", "words") else {}) | dict(case.text)
    config = config.model_copy(update={"text": config.text.model_copy(update=text)})
    codec = task.codec(Given(examples, (target,) if target else (), family, config))
    fields = SMALL.get(case.family, {}) | SIZES.get((case.family, case.modality), {})
    fields |= dict(case.fields)
    shapes = codec.shapes
    if "max_length" in family.config.model_fields:
        fields |= {"max_length": max(shapes.max_tokens, shapes.answers, 24)}
    if case.modality == "passages":
        fields |= {"segments": shapes.segments}
    torch.manual_seed(0)
    module, config_of_model = build(case.family, fields, shapes)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    temperatures = {"target": 1.7} if case.modality in ("table", "text", "image", "sequence") else {}
    predictor = Predictor(task, codec, module.eval(), case.family, temperatures, examples.columns, DataConfig())
    return predictor, examples, config_of_model


def job_of(case: Case, folder: Path, **options) -> Job:
    """What an exporter is given of the case."""
    predictor, examples, config = predictor_of(case)
    names = [name for name in predictor.codec.inputs if name in examples.columns]
    rows = examples.take(range(5))
    kept = Examples(rows.frame.select("_row", *names), {name: rows.columns[name] for name in names})
    folder.mkdir(parents=True, exist_ok=True)
    run = Run(folder.with_name(f"{folder.name}-run"))
    predictor.save(run, config)
    return Job(run, predictor, kept, folder, "trial", folder, lambda: examples, **options)


def cases() -> list[Case]:
    """Every kind of model and everything that is read; with DANLU_EVERY_EXPORT=1 all that every family reads."""
    tasks = {task.modality: name for name, task in reversed(TASKS.items()) if not name.endswith("regression")}
    every = [Case(name, how, tasks[how]) for name, family in FAMILIES.items() for how in family.reads]
    return every if os.environ.get("DANLU_EVERY_EXPORT") else _covering(every)


def _covering(every: list[Case]) -> list[Case]:
    """Each kind of model and each modality once, the rarer ones first: the whole table takes minutes.

    Families that are built by the same function differ by settings alone.
    """
    chosen: list[Case] = []
    counts = Counter(case.modality for case in every)
    kinds, modalities = set(), set()
    for case in sorted(every, key=lambda case: counts[case.modality]):
        kind = FAMILIES[case.family].build
        if kind not in kinds or case.modality not in modalities:
            chosen.append(case)
        kinds.add(kind)
        modalities.add(case.modality)
    return chosen
