"""Assess: a trained predictor → report.json, report.html and the model card, with honest things to compare with."""

import time
from collections.abc import Generator, Mapping
from dataclasses import replace
from typing import Any

from danlu.data.codec import Codec
from danlu.data.sample_rows import sample_bytes
from danlu.data.tally import Tally
from danlu.evaluation.answers import Answers
from danlu.evaluation.baseline import Baseline, classical, trivial
from danlu.evaluation.card import card
from danlu.evaluation.judge import About, Evidence, evaluation
from danlu.evaluation.outcome import Outcome
from danlu.evaluation.report import html
from danlu.evaluation.summary import summary
from danlu.events import Event, Progress, Told, during
from danlu.flow.material import Material
from danlu.flow.watched import watched
from danlu.predictor import Predictor
from danlu.recipe import Recipe
from danlu.run import SAMPLES, Run
from danlu.training.machine import peak_memory_bytes
from danlu.words import Note, language


def assessed(
    run: Run,
    material: Material,
    predictor: Predictor,
    timing: Mapping[str, float],
    cv: Mapping[str, Any] | None,
    began: float,
) -> Generator[Event, None, dict[str, Any]]:
    """Measure the predictor on the test rows, once, and write the report, its page and the card.

    `timing`: seconds of what came before; `began`: when the whole run did.
    """
    evaluation_began = time.monotonic()
    tally = Tally()
    found = yield from during(lambda progress: evidence_of(run.recipe, material, predictor, tally, progress))
    evidence, answers = found
    run.write("drift", watched(predictor, material, evidence, answers).to_json())
    for note in tally.notes():
        yield Told(note)
    about = About(
        name=run.folder.name,
        task=material.task.name,
        family=predictor.family,
        columns=material.whole.columns,
        rows={
            "train": len(material.train),
            "validation": len(material.validation),
            "test": len(material.test),
        },
        asked=run.recipe.model_dump(mode="json", exclude_unset=True),
        resolved=run.resolved,
        notes=[*material.notes, *(Note.from_json(note) for note in run.resolved["notes"]), *tally.notes()],
        findings=[(finding.level, finding.note) for finding in material.findings],
        files=run.read("data")["files"],
        history=run.metrics(),
        cv=cv,
        timing={**timing, "evaluate": time.monotonic() - evaluation_began, "total": time.monotonic() - began},
        memory_bytes=peak_memory_bytes(),
        environment=run.read("environment"),
    )
    samples = run.recipe.evaluate.bootstrap
    report = yield from during(lambda progress: evaluation(evidence, about, samples, run.recipe.seed, progress))
    write_report(run, report)
    if count := min(run.recipe.evaluate.keep_rows, len(material.test)):
        names = [name for name in predictor.codec.inputs if name in material.test.columns]
        run.write_bytes(SAMPLES, sample_bytes(material.test.take(range(count)), names))
    for note in summary(report):
        yield Told(note, "result")
    yield Told(Note("flow.report", path=str(run.report_html)), "result")
    yield Told(Note(material.task.usage, folder=str(run.folder)), "result")
    return report


def write_report(run: Run, report: dict[str, Any]) -> None:
    """report.html and README.md from the report, then the report itself."""
    run.write_text("report.html", html(report, language()))
    run.write_text("README.md", card(report))
    run.write("report", report)


def evidence_of(
    recipe: Recipe, material: Material, predictor: Predictor, tally: Tally, progress: Progress
) -> tuple[list[Evidence], Answers | None]:
    """Per target: the outcome on the test rows, and what it is to be compared with; and the answers of a task that
    reads texts in its own way. `tally` counts the unusual.
    """
    progress(Note("flow.evaluating"), 0, 0)
    answers = predictor.answers_to(material.test, tally, with_targets=True, progress=progress)
    if answers:
        return [_own_evidence(recipe, material, answers, progress)], answers
    evidence = predictor.evidence(material.test, tally, progress)
    progress(Note("flow.baseline"), 0, 0)
    rivals = [_rivals(recipe, material, predictor.codec, found.outcome) for found in evidence]
    return [replace(found, baselines=each) for found, each in zip(evidence, rivals, strict=True)], None


def _own_evidence(recipe: Recipe, material: Material, answers: Answers, progress: Progress) -> Evidence:
    """The outcome of a task that reads in its own way; the trivial rival alone unless all are wanted."""
    found = answers.evidence()
    if not len(found.outcome):
        return found
    progress(Note("flow.baseline"), 0, 0)
    rivals = answers.rivals(material.train)
    baselines = list(rivals) if recipe.evaluate.baseline else [next(rivals)]
    return replace(found, baselines=baselines, samples=answers.samples(recipe.seed))


def _rivals(recipe: Recipe, material: Material, codec: Codec, outcome: Outcome) -> list[Baseline]:
    """The constant answer, and a classical model where the recipe wants one."""
    if not len(outcome):
        return []
    target = codec.targets[outcome.target]
    truth = target.truth(target.encode(material.train.frame[target.name]))
    rival = classical(material.train, truth, outcome, recipe.seed) if recipe.evaluate.baseline else None
    return [trivial(truth, outcome), *([rival] if rival else [])]
