"""What Python users call: `train`, `load`, `predict`, `evaluate`, `read`. Each is one call into the flow."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from danlu.data.examples import Examples
from danlu.data.read import examples_of
from danlu.data.read import read as read_files
from danlu.embedding import Embedder, Precision
from danlu.errors import DanluError
from danlu.exporting import exporting
from danlu.exporting.job import Bits
from danlu.flow.runs import resuming, training
from danlu.models.hub.sentences import Pooling
from danlu.predictor import Predictor, files_of
from danlu.recipe import Recipe
from danlu.run import Run
from danlu.training.measure import half_pays

__all__ = [
    "embed",
    "embedder",
    "evaluate",
    "export",
    "exporting",
    "load",
    "predict",
    "read",
    "recipe_of",
    "resuming",
    "train",
    "training",
]


def train(
    data: Any = None,
    *,
    target: str | Sequence[str] | None = None,
    task: str | None = None,
    model: str | dict[str, Any] | None = None,
    out: str | Path | None = None,
    time_limit: float | str | None = None,
    cv: int | None = None,
    seed: int | None = None,
    recipe: str | Path | Recipe | None = None,
    resume: str | Path | None = None,
    quiet: bool = False,
    **settings: Any,
) -> Run:
    """Train a model on `data` and return its run; shows progress unless `quiet`.

    `data`: a file, folder, glob or several, or rows in memory (DataFrame, dicts, arrays). `settings` are recipe paths
    with `__` for the dot, such as `train__epochs=5`. Raises DanluError for what the user can mend.
    """
    from danlu.display import shown

    if resume is not None:
        given = (data, target, task, model, out, time_limit, cv, seed, recipe)
        if settings or any(value is not None for value in given):
            raise DanluError("cli.resume_alone", run=str(resume))
        return shown(resuming(resume), quiet=quiet)
    files = files_of(data)
    asked = recipe_of(
        files,
        target=target,
        task=task,
        model=model,
        time_limit=time_limit,
        cv=cv,
        seed=seed,
        recipe=recipe,
        **settings,
    )
    rows = examples_of(data, asked.data, task=asked.task) if data is not None and not files else None
    return shown(training(asked, out, rows), quiet=quiet)


def recipe_of(
    files: Sequence[str] = (),
    *,
    target: str | Sequence[str] | None = None,
    task: str | None = None,
    model: str | dict[str, Any] | None = None,
    time_limit: float | str | None = None,
    cv: int | None = None,
    seed: int | None = None,
    recipe: str | Path | Recipe | None = None,
    **settings: Any,
) -> Recipe:
    """The recipe of these settings, laid over `recipe` (a file or a Recipe) where one is given."""
    base = recipe if isinstance(recipe, Recipe) else Recipe.load(recipe) if recipe else Recipe()
    given = {
        "data__files": list(files) or None,
        "data__target": target,
        "task": task,
        "model": model,
        "train__time_limit": time_limit,
        "evaluate__cv": cv,
        "seed": seed,
        **settings,
    }
    return base.replace(**{key: value for key, value in given.items() if value is not None})


def read(data: Any, **settings: Any) -> Examples:
    """Files or rows in memory with the kinds of their columns; `settings` are those of the recipe's `data` section.

    `frame` of the result is a polars DataFrame, `columns` tells each column's kind and why.
    """
    files = files_of(data)
    config = Recipe.of({"data": {"files": files, **settings}}).data
    return read_files(config) if files else examples_of(data, config)


def load(run: str | Path | Run) -> Predictor:
    """The trained model of a run folder."""
    return Predictor.load(run)


def predict(run: str | Path | Run, rows: Any) -> pl.DataFrame:
    """Predictions of the run's model for files or rows, see `Predictor.predict`."""
    return load(run).predict(rows)


def embedder(source: str | Path | Run) -> Embedder:
    """What makes vectors of texts: a run's model, or the checkpoint of a folder or of a name on the hub."""
    if isinstance(source, Run) or (Path(source) / "recipe.yaml").is_file():
        return load(source).embedder
    return replace(Embedder.of_checkpoint(str(source)), half_pays=half_pays())


def embed(
    source: str | Path | Run,
    texts: str | Sequence[str],
    *,
    pooling: Pooling | None = None,
    normalize: bool | None = None,
    precision: Precision | None = None,
) -> np.ndarray:
    """A vector for each text, (N, width) float32, from a run or a checkpoint.

    `pooling` and `normalize` are what the checkpoint says where they are None; `precision` ("float32", "bfloat16",
    "int8") is what is fast on this machine of the first two. Raises DanluError where it is no Transformer that reads
    texts.
    """
    return embedder(source).asked(pooling, normalize, precision).vectors(texts)


def export(
    run: str | Path | Run,
    to: str,
    out: str | Path | None = None,
    *,
    rows: str | None = None,
    int8: bool = False,
    bits: Bits = "f16",
    compiled: bool = False,
    max_drop: float = 1.0,
    quiet: bool = False,
) -> Path:
    """Write the run's model in another format into the folder `out`, try it on rows of the run, and return the folder.

    See `danlu.exporting.exporting`; tells what was found unless `quiet`.
    """
    from danlu.display import shown

    events = exporting(run, to, out, rows=rows, int8=int8, bits=bits, compiled=compiled, max_drop=max_drop)
    return shown(events, quiet=quiet)


def evaluate(run: str | Path | Run, data: Any) -> dict[str, Any]:
    """Metrics of the run's model on labelled files or rows, see `Predictor.evaluate`."""
    return load(run).evaluate(data)
