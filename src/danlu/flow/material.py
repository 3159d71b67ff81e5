"""Material: files → rows with a purpose, divided and checked. Knows nothing of models."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from danlu.data.checks import Finding, check
from danlu.data.documents import (
    are_few,
    cut_in_parts,
    document_column,
    drawn,
    is_plain_text,
    of_documents,
    with_documents,
)
from danlu.data.examples import Examples
from danlu.data.kept import byte_sizes, is_kept
from danlu.data.kinds import infer_target, infer_task
from danlu.data.large import are_large, kept_documents
from danlu.data.question_rows import kept_together
from danlu.data.read import given_splits, read
from danlu.data.split import drop_duplicates, labelled, split, without_overlap
from danlu.errors import DanluError
from danlu.events import Event, Progress, Told, during
from danlu.recipe import DataConfig, EvaluateConfig, Recipe, SplitConfig
from danlu.tasks import Task, task_named
from danlu.words import Note

MEASURED = 8_000_000  # bytes of a corpus, each, that are enough to validate and to test


@dataclass(frozen=True)
class Material:
    """The rows of a run, divided, with what they are for and what was found in them."""

    task: Task
    data: DataConfig  # with what was derived for reading further files alike
    targets: tuple[str, ...]
    train: Examples
    validation: Examples
    test: Examples
    whole: Examples  # the rows that were divided, for cross-validation
    findings: tuple[Finding, ...]
    notes: tuple[Note, ...]

    def to_json(self) -> dict[str, Any]:
        """What `data.json` holds: files, columns, counts, what was found and why."""
        return {
            **self.whole.to_json(),
            "task": self.task.name,
            "targets": list(self.targets),
            "train_rows": len(self.train),
            "validation_rows": len(self.validation),
            "test_rows": len(self.test),
            "findings": [finding.to_json() for finding in self.findings],
            "notes": [note.to_json() for note in self.notes],
        }


def gathered(recipe: Recipe, rows: Examples | None = None) -> Generator[Event, None, Material]:
    """Read (unless `rows` are given), infer, divide and check, telling each inference with its reason."""
    recipe = recipe.model_copy(update={"data": given_splits(recipe.data)})
    wanted, notes = _wanted_before_reading(recipe)
    if wanted and wanted.goal is None:
        data, why = with_documents(recipe.data, wanted.name)
        recipe, notes = recipe.model_copy(update={"data": data}), [*notes, *why]
    if rows is None:
        reading = kept_documents if wanted and wanted.goal is None and are_large(recipe.data) else read
        rows = yield from during(lambda progress: reading(recipe.data, progress=progress, task=recipe.task))
    task, targets, examples, why = _purpose(wanted, rows, recipe.data)
    notes += why
    _refuse_idle_text(task, recipe)
    recipe = recipe.model_copy(update={"data": kept_together(recipe.data, examples.columns)})
    material = yield from during(lambda progress: _divided(recipe, task, targets, examples, notes, progress))
    for note in material.notes:
        yield Told(note)
    for finding in material.findings:
        yield Told(finding.note, "info" if finding.level == "info" else "warning")
    return material


def _wanted_before_reading(recipe: Recipe) -> tuple[Task | None, list[Note]]:
    """The task that the recipe names, or that files of nothing but text call for; None where rows must be seen."""
    if recipe.task:
        return task_named(recipe.task), []
    if is_plain_text(recipe.data):
        return task_named("text-generation"), [Note("corpus.task")]
    return None, []


def _purpose(
    wanted: Task | None, rows: Examples, data: DataConfig
) -> tuple[Task, tuple[str, ...], Examples, list[Note]]:
    """The task, its targets, the rows as it takes them, and why."""
    if wanted and wanted.goal is None:
        return wanted, (), of_documents(rows), []
    targets, why_target = infer_target(rows.columns, rows.frame, data)
    if wanted:
        _refuse_other_inputs(wanted, targets, rows)
        return wanted, targets, rows, [why_target]
    name, why_task = infer_task(rows.columns, targets, rows.frame)
    return task_named(name), targets, rows, [why_target, why_task]


def _refuse_other_inputs(task: Task, targets: tuple[str, ...], examples: Examples) -> None:
    """DanluError where a task of texts, images or sequences has no such column."""
    inputs = [column for column in examples.columns.values() if column.name not in targets]
    if task.modality in ("text", "image", "sequence") and task.modality not in {column.kind for column in inputs}:
        kind = Note(f"codec.kind_{task.modality}")
        names = ", ".join(column.name for column in inputs) or "–"
        raise DanluError("flow.no_such_input", task=task.name, kind=kind, wanted=task.modality, names=names)


def _refuse_idle_text(task: Task, recipe: Recipe) -> None:
    """DanluError for a setting of documents, of questions and contexts, or of hidden tokens, where there are none."""
    data = recipe.data
    if task.goal is not None and "megabytes" in recipe.evaluate.model_fields_set:
        raise DanluError("corpus.megabytes", task=task.name)
    for setting in ("stride", "max_answer"):
        if task.modality != "passages" and getattr(data.text, setting) is not None:
            raise DanluError("qa.only_here", setting=setting, task=task.name)
    for setting in ("whole_word", "next_sentence"):
        if task.modality != "masked" and getattr(data.text, setting):
            raise DanluError("masking.other_task", setting=setting, task=task.name)


def _divided(
    recipe: Recipe,
    task: Task,
    targets: tuple[str, ...],
    examples: Examples,
    notes: list[Note],
    progress: Progress,
) -> Material:
    """Train, validation and test rows, from given files or by a split, and what the checks find."""
    data = recipe.data
    classification = task.goal == "classification"
    examples, dropped = _trainable(examples, targets, data)
    validation, about_validation = _given(data.validation_files, data, targets, examples, progress)
    test, about_test = _given(data.test_files, data, targets, examples, progress)
    given = {name: 0.0 for name, rows in (("validation", validation), ("test", test)) if rows is not None}
    shares = data.split.model_copy(update=given)
    if task.goal is None:
        shares, limited = _limited(shares, examples, recipe.evaluate)
        notes = [*notes, *limited]
    if task.goal is None and are_few(examples, shares):
        _refuse_folds(recipe, examples)
        examples, parts = cut_in_parts(examples, shares)
    else:
        parts = split(examples, targets, shares, recipe.seed, stratified_on(task, targets, examples, data))
    train, overlaps = examples.take(parts.train), []
    for other in (validation, test):
        if other is not None:
            train, overlap = without_overlap(train, other, targets)
            overlaps.append(overlap)
    if not len(train):
        raise DanluError("flow.nothing_new")
    validation = examples.take(parts.validation) if validation is None else validation
    test = examples.take(parts.test) if test is None else test
    about_drawn: list[Note] = []
    if task.goal is None and recipe.evaluate.megabytes:
        validation, said = _measured_on(validation, "corpus.validation", recipe)
        test, said_of_test = _measured_on(test, "corpus.test", recipe)
        about_drawn = [*said, *said_of_test]
    counts = Note("flow.rows", train=len(train), validation=len(validation), test=len(test))
    return Material(
        task=task,
        data=data,
        targets=targets,
        train=train,
        validation=validation,
        test=test,
        whole=examples,
        findings=tuple(check(examples, targets, classification, parts, progress)),
        notes=(
            *examples.origin.notes,
            *notes,
            *dropped,
            *about_validation,
            *about_test,
            *parts.notes,
            *(o for o in overlaps if o),
            *about_drawn,
            counts,
        ),
    )


def _limited(shares: SplitConfig, examples: Examples, measured: EvaluateConfig) -> tuple[SplitConfig, list[Note]]:
    """The shares where nobody chose them: of a large corpus less is set apart, as more would tell the same."""
    asked = measured.megabytes if "megabytes" in measured.model_fields_set else None
    size, most = _text_bytes(examples), max(MEASURED, round((asked or 0) * 1e6))
    chosen = shares.model_fields_set
    less = {
        name: most / size
        for name in ("validation", "test")
        if name not in chosen and getattr(shares, name) * size > most
    }
    note = Note("corpus.measured", megabytes=most // 10**6)
    return shares.model_copy(update=less), [note] if less else []


def _measured_on(examples: Examples, side: str, recipe: Recipe) -> tuple[Examples, list[Note]]:
    """The documents that are measured of one side, and how many those are where it holds more."""
    most = round((recipe.evaluate.megabytes or 0) * 1e6)
    less = drawn(examples, most, recipe.seed) if len(examples) else examples
    if less is examples:
        return examples, []
    megabytes, whole = (f"{_text_bytes(each) / 1e6:.3g}" for each in (less, examples))
    return less, [Note("corpus.drawn", side=Note(side), megabytes=megabytes, whole=whole, count=len(less))]


def _text_bytes(examples: Examples) -> int:
    return int(byte_sizes(examples.frame[document_column(examples)]).sum())


def _refuse_folds(recipe: Recipe, examples: Examples) -> None:
    """DanluError where folds are wanted of texts that are too few to be divided whole."""
    if recipe.evaluate.cv:
        raise DanluError("corpus.no_folds", count=len(examples))


def _given(
    files: Sequence[str], data: DataConfig, targets: tuple[str, ...], examples: Examples, progress: Progress
) -> tuple[Examples | None, list[Note]]:
    """The labelled rows of given files, and what was left out; None where no file is given or none has the targets."""
    if not files:
        return None, []
    kept = any(is_kept(column) for column in examples.frame)
    rows = (kept_documents if kept else read)(data, files, examples.columns, progress)
    if not set(targets) <= set(rows.frame.columns):  # as a contest's test.csv, which is there to be predicted
        return None, [Note("flow.unlabelled_file", files=", ".join(files), targets=", ".join(targets))]
    marked = [rows.columns[name].reason for name in targets if rows.columns[name].kind in ("entities", "answers")]
    rows, unlabelled = labelled(rows, targets)
    said = [Note("entities.given", files=", ".join(files), reason=reason) for reason in marked]
    return rows, [*rows.origin.notes, *said, *([unlabelled] if unlabelled else [])]


def stratified_on(task: Task, targets: tuple[str, ...], examples: Examples, data: DataConfig) -> str | None:
    """The column whose classes every side has the same share of; several labels in a row are no class."""
    one_class = task.goal == "classification" and examples.columns[targets[0]].kind != "labels"
    return targets[0] if one_class and data.split.stratify else None


def _trainable(examples: Examples, targets: tuple[str, ...], data: DataConfig) -> tuple[Examples, list[Note]]:
    """The rows that have a target, without duplicates where the recipe drops them."""
    examples, unlabelled = labelled(examples, targets)
    notes = [unlabelled] if unlabelled else []
    if data.duplicates == "drop":
        examples, dropped = drop_duplicates(examples, targets)
        notes += [dropped] if dropped else []
    return examples, notes
