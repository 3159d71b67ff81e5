"""Training: a recipe → a run folder, from top to bottom. Tells what happens as events; the value is the Run."""

import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

from danlu.data.corpus import Documents
from danlu.data.examples import Examples
from danlu.errors import DanluError
from danlu.events import Event, Told, Trained, during
from danlu.flow.assess import assessed
from danlu.flow.cv import cross_validated
from danlu.flow.fitting import calibrated_predictor, chosen_by_validation, training_of
from danlu.flow.material import Material, gathered
from danlu.flow.prepare import Prepared, prepared_for
from danlu.models import family_named
from danlu.recipe import Recipe, validated
from danlu.run import Run, as_written, new_folder, refuse_taken
from danlu.tasks import task_named
from danlu.training.checkpoint import Checkpoints
from danlu.training.loop import Record, fit
from danlu.training.machine import environment, halting, set_for
from danlu.training.plan import Plan
from danlu.words import Note


def training(
    recipe: Recipe, out: str | Path | None = None, rows: Examples | None = None
) -> Generator[Event, None, Run]:
    """Train what the recipe asks for into the folder `out`, a new one below runs/ where None.

    `rows` are examples in memory, instead of the recipe's files.
    """
    began = time.monotonic()
    folder = Path(out) if out else new_folder(_name(recipe))
    refuse_taken(folder)
    _refuse_unknown_names(recipe)
    material = yield from gathered(recipe, rows)
    prepared = yield from _prepared(recipe, material, began)
    run = Run.create(folder, recipe.located(Path.cwd()))  # not before all that can be refused has been
    return (yield from _into(run, material, prepared, began))


def resuming(folder: str | Path) -> Generator[Event, None, Run]:
    """Go on with an interrupted run, so that it ends with the weights that it would have had.

    Raises DanluError where the rows were in memory, or where the data, the recipe or what is fitted on the data are no
    longer the same.
    """
    began = time.monotonic()
    run = Run.open(folder)
    if run.finished:
        yield Told(Note("run.already_finished", folder=str(run.folder), report=str(run.report_html)), "result")
        return run
    if not run.recipe.data.files:
        raise DanluError("run.rows_not_kept", folder=str(run.folder))
    _refuse_other_recipe(run)
    material = yield from gathered(run.recipe)
    _refuse_other_data(run, material)
    prepared = yield from _prepared(run.recipe, material, began, _tokenizer_of(run))
    return (yield from _into(run, material, prepared, began))


def _tokenizer_of(run: Run) -> str | None:
    """The tokenizer that a run was trained with, where it had come so far."""
    path = run.folder / "tokenizer.json"
    return path.read_text(encoding="utf-8") if (run.folder / "resolved.json").exists() and path.exists() else None


def _prepared(
    recipe: Recipe, material: Material, began: float, tokenizer_json: str | None = None
) -> Generator[Event, None, Prepared]:
    """Codec, model and plan, with what was derived and why."""
    prepared = yield from during(lambda progress: prepared_for(recipe, material, began, progress, tokenizer_json))
    for note in prepared.notes:
        yield Told(note)
    return prepared


def _into(run: Run, material: Material, prepared: Prepared, began: float) -> Generator[Event, None, Run]:
    """Train and evaluate, filling the run folder."""
    plan = _settled(run, material, prepared)
    timing = {"prepare": time.monotonic() - began}
    with set_for(plan):
        yield from _fitted(run, prepared, plan)
        timing["train"] = time.monotonic() - began - timing["prepare"]
        predictor = calibrated_predictor(run.recipe, material, prepared)
        for note in chosen_by_validation(predictor, material):
            yield Told(note)
        predictor.save(run, prepared.config)
        cv = (yield from cross_validated(run.recipe, material)) if run.recipe.evaluate.cv else None
        yield from assessed(run, material, predictor, timing, cv, began)
    return run


def _settled(run: Run, material: Material, prepared: Prepared) -> Plan:
    """Write what was read and prepared; in a resumed run, see that it is the same and take the plan as it was.

    resolved.json comes last: a run that was killed before has nothing yet to hold to.
    """
    codec = prepared.codec.to_json()
    if (run.folder / "resolved.json").exists():
        then, now = run.read("environment").get("versions"), environment()["versions"]
        if run.read("codec") != codec:
            raise DanluError("run.versions_changed", folder=str(run.folder), then=str(then), now=str(now))
        with as_written(run.folder / "resolved.json"):
            return Plan.model_validate(run.resolved["train"])
    run.write("data", material.to_json())
    run.write("environment", environment())
    run.write("codec", codec)
    if prepared.codec.tokenizer_json:
        run.write_text("tokenizer.json", prepared.codec.tokenizer_json)
    run.write("resolved", {"asked": run.recipe.model_dump(mode="json"), **prepared.to_json()})
    return prepared.plan


def _fitted(run: Run, prepared: Prepared, plan: Plan) -> Generator[Event, None, None]:
    """Run the loop, logging and telling each record."""
    checkpoints = Checkpoints(run.checkpoints)
    steps = checkpoints.steps()
    run.forget_metrics_after(steps[-1] if steps else 0)
    with halting() as halt:
        task = training_of(prepared, plan, checkpoints)
        task.halt = halt
        newest = None
        for record in fit(task):
            run.log(record.to_json())
            newest = record.validation[plan.metric] if record.validation else newest
            yield _told(record, plan, newest, _tokens_per_row(prepared))
    if task.state.stopped != "done":
        yield Told(Note(f"flow.stopped_{task.state.stopped}", step=task.state.step, folder=str(run.folder)))


def _tokens_per_row(prepared: Prepared) -> int | None:
    """Tokens of a row where every row is full of them."""
    return prepared.codec.shapes.max_tokens if isinstance(prepared.codec.reading, Documents) else None


def _told(record: Record, plan: Plan, metric: float | None, tokens: int | None) -> Trained:
    return Trained(
        fraction=record.fraction,
        step=record.step,
        epoch=record.epoch,
        loss=record.loss,
        metric_name=plan.metric,
        metric=metric,
        best=record.best,
        rows_per_s=record.rows_per_s,
        remaining_s=record.remaining_s,
        tokens_per_s=record.rows_per_s * tokens if tokens else None,
    )


def _refuse_unknown_names(recipe: Recipe) -> None:
    """Before the data are read, which may take long."""
    if recipe.task:
        task_named(recipe.task)
    if recipe.model.family != "auto":
        validated(family_named(recipe.model.family).config, recipe.model.fields, f"model ({recipe.model.family})")


def _refuse_other_recipe(run: Run) -> None:
    if not (run.folder / "resolved.json").exists():
        return
    with as_written(run.folder / "resolved.json"):
        then, now = _flat(run.resolved["asked"]), _flat(run.recipe.model_dump(mode="json"))
    for key in sorted(then.keys() | now.keys()):
        if then.get(key) != now.get(key):
            recipe = str(run.folder / "recipe.yaml")
            raise DanluError(
                "run.recipe_changed", recipe=recipe, key=key, then=str(then.get(key)), now=str(now.get(key))
            )


def _refuse_other_data(run: Run, material: Material) -> None:
    if not (run.folder / "data.json").exists():
        return
    with as_written(run.folder / "data.json"):
        hashes = [file["sha256"] for file in run.read("data")["files"]]
    for then, now in zip(hashes, material.to_json()["files"], strict=False):
        if then != now["sha256"]:
            raise DanluError(
                "run.data_changed",
                file=now["path"],
                now=now["sha256"][:12],
                then=then[:12],
                recipe=str(run.folder / "recipe.yaml"),
            )


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat


def _name(recipe: Recipe) -> str:
    """What a run is called where nobody names it: its first file."""
    first = recipe.data.files[0] if recipe.data.files else "run"
    return Path(first.removeprefix("sample:")).name.split(".")[0]
