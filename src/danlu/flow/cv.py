"""Cross-validation: the same training on every fold, each fold's test rows seen by a model that never met them."""

import time
from collections.abc import Generator
from dataclasses import replace
from typing import Any

from danlu.data.split import Split, folds
from danlu.evaluate.evaluation import cross_validation
from danlu.evaluate.metrics import measure
from danlu.events import Doing, Event
from danlu.flow.fitting import calibrated_predictor, training_of
from danlu.flow.material import Material
from danlu.flow.prepare import prepared_for
from danlu.recipe import Recipe
from danlu.train.loop import fit
from danlu.train.machine import set_for
from danlu.words import Note


def cross_validated(recipe: Recipe, material: Material) -> Generator[Event, None, dict[str, Any]]:
    """The `cv` section of the report: metrics of `recipe.evaluate.cv` folds of the rows that were divided."""
    assert recipe.evaluate.cv
    data, count = recipe.data.split, recipe.evaluate.cv
    stratify = material.targets[0] if material.task.goal == "classification" and data.stratify else None
    measured = []
    for number, parts in enumerate(folds(material.whole, material.targets, data, count, recipe.seed, stratify)):
        yield Doing(Note("flow.fold", fold=number + 1, folds=count), number, count)
        measured.append(_metrics_of(recipe, _part(material, parts)))
    how = "grouped" if data.by else "in_time" if data.time else "stratified" if stratify else "random"
    return cross_validation(measured, Note(f"flow.cv_{how}", folds=count, column=data.by or data.time or stratify))


def _part(material: Material, parts: Split) -> Material:
    whole = material.whole
    return replace(
        material,
        train=whole.take(parts.train),
        validation=whole.take(parts.validation),
        test=whole.take(parts.test),
    )


def _metrics_of(recipe: Recipe, material: Material) -> dict[str, dict[str, float]]:
    """{target: {metric: value}} on the test rows of one fold."""
    prepared = prepared_for(recipe, material, time.monotonic(), lambda note, done, total: None)
    with set_for(prepared.plan.threads):
        for _ in fit(training_of(prepared, prepared.plan, checkpoints=None)):
            pass
        predictor = calibrated_predictor(recipe, material, prepared)
        return {outcome.target: measure(outcome) for outcome in predictor.outcomes(material.test)}
