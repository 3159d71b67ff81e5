"""Assess: a trained predictor → report.json, report.html and the model card, with honest things to compare with."""

import time
from collections.abc import Generator, Mapping
from dataclasses import replace
from typing import Any

from danlu.data.codec import Codec
from danlu.data.tally import Tally
from danlu.evaluation import entities
from danlu.evaluation.baseline import Baseline, classical, trivial
from danlu.evaluation.card import card
from danlu.evaluation.judge import About, Evidence, evaluation
from danlu.evaluation.language import Text, beginnings, rivals
from danlu.evaluation.outcome import Outcome
from danlu.evaluation.report import html
from danlu.evaluation.summary import summary
from danlu.events import Event, Progress, Told, during
from danlu.flow.material import Material
from danlu.predictor import Predictor
from danlu.recipe import Recipe
from danlu.run import Run
from danlu.training.machine import peak_memory_bytes
from danlu.words import Note, language

TEMPERATURE = 0.8  # at which samples are drawn: livelier than the likeliest text, less wild than the model


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
    evidence = yield from during(lambda progress: evidence_of(run.recipe, material, predictor, tally, progress))
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
) -> list[Evidence]:
    """Per target: the outcome on the test rows, and what it is to be compared with; `tally` counts the unusual."""
    progress(Note("flow.evaluating"), 0, 0)
    evidence = []
    for found in predictor.evidence(material.test, tally):
        progress(Note("flow.baseline"), 0, 0)
        if found.outcome.kind == "text" and len(found.outcome):
            found = replace(found, samples=_samples(predictor, material, recipe.seed))
        compared = RIVALS.get(found.outcome.kind, _rivals)
        evidence.append(replace(found, baselines=compared(recipe, material, predictor.codec, found.outcome)))
    return evidence


def _rivals(recipe: Recipe, material: Material, codec: Codec, outcome: Outcome) -> list[Baseline]:
    """The constant answer, and a classical model where the recipe wants one."""
    if not len(outcome):
        return []
    target = codec.targets[outcome.target]
    truth = target.truth(target.encode(material.train.frame[target.name]))
    rival = classical(material.train, truth, outcome, recipe.seed) if recipe.evaluate.baseline else None
    return [trivial(truth, outcome), *([rival] if rival else [])]


def _samples(predictor: Predictor, material: Material, seed: int) -> list[dict[str, str]]:
    """Beginnings of test text, and what the model writes behind them."""
    assert predictor.codec.documents
    given = beginnings(Text(predictor.codec.documents, material.test))
    room = predictor.codec.documents.max_length // 4
    prompts = [predictor.codec.documents.cut(prompt, room) for prompt, _ in given]
    written = predictor.generate(prompts, temperature=TEMPERATURE, seed=seed)
    return [
        {"prompt": prompt, "text": text, "true": whole[len(prompt) :]}
        for prompt, text, whole in zip(prompts, written, map("".join, given), strict=True)
    ]


def _text_rivals(recipe: Recipe, material: Material, codec: Codec, outcome: Outcome) -> list[Baseline]:
    """Single tokens; n-grams and compression where the recipe wants them."""
    if not len(outcome):
        return []
    assert codec.documents
    every = rivals(Text(codec.documents, material.train), Text(codec.documents, material.test))
    return list(every) if recipe.evaluate.baseline else [next(every)]


def _entity_rivals(recipe: Recipe, material: Material, codec: Codec, outcome: Outcome) -> list[Baseline]:
    """No entity at all; each word with its commonest tag where the recipe wants a comparison."""
    if not len(outcome):
        return []
    train, test = (entities.Tagged(codec, rows) for rows in (material.train, material.test))
    every = entities.rivals(train, test, outcome)
    return list(every) if recipe.evaluate.baseline else [next(every)]


RIVALS = {"text": _text_rivals, "entities": _entity_rivals}  # kind of target → what else than classical models
