"""Cross-validation: the same training on every fold, each fold's test rows seen by a model that never met them."""

import time
from collections.abc import Generator, Iterator
from dataclasses import replace
from typing import Any

from danlu.data.split import folds
from danlu.evaluation.judge import cross_validation
from danlu.evaluation.metrics import measure
from danlu.events import Doing, Event
from danlu.flow.fitting import calibrated_predictor, training_of
from danlu.flow.material import Material, stratified_on
from danlu.flow.prepare import prepared_for
from danlu.predictor import Predictor
from danlu.recipe import Recipe
from danlu.training.loop import fit
from danlu.training.machine import set_for
from danlu.words import Note


def cross_validated(recipe: Recipe, material: Material) -> Generator[Event, None, dict[str, Any]]:
    """The `cv` section of the report: metrics of `recipe.evaluate.cv` folds of the rows that were divided."""
    assert recipe.evaluate.cv
    split, count, measured = material.data.split, recipe.evaluate.cv, []
    for number, part in enumerate(fold_materials(recipe, material, count)):
        yield Doing(Note("flow.fold", fold=number + 1, folds=count), number, count)
        outcomes = fold_predictor(recipe, part).outcomes(part.test)
        measured.append({outcome.target: measure(outcome) for outcome in outcomes})
    stratify = stratified_on(material.task, material.targets, material.whole, recipe.data)
    how = "grouped" if split.by else "in_time" if split.time else "stratified" if stratify else "random"
    return cross_validation(measured, Note(f"flow.cv_{how}", folds=count, column=split.by or split.time or stratify))


def fold_materials(recipe: Recipe, material: Material, count: int) -> Iterator[Material]:
    """The material of each fold: every row is in one test."""
    whole, split = material.whole, material.data.split
    stratify = stratified_on(material.task, material.targets, whole, recipe.data)
    for parts in folds(whole, material.targets, split, count, recipe.seed, stratify):
        train, validation, test = (whole.take(rows) for rows in (parts.train, parts.validation, parts.test))
        yield replace(material, train=train, validation=validation, test=test)


def fold_predictor(recipe: Recipe, part: Material) -> Predictor:
    """A model of one fold's train rows, without a run folder."""
    prepared = prepared_for(recipe, part, time.monotonic(), lambda note, done, total: None)
    with set_for(prepared.plan):
        for _ in fit(training_of(prepared, prepared.plan, checkpoints=None)):
            pass
        return calibrated_predictor(recipe, part, prepared)
