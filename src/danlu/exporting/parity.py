"""Parity: how far a model in another format answers otherwise than the run does, on the same rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from danlu.data.corpus import Documents
from danlu.data.examples import Examples
from danlu.data.pairs import Pairs
from danlu.data.store import Store
from danlu.errors import DanluError
from danlu.evaluation.judge import About, evaluation
from danlu.evaluation.metrics import LOWER_IS_BETTER
from danlu.exporting.graph import Past, rows_of_terms
from danlu.exporting.job import Job, Proof
from danlu.exporting.preprocessing import answers_by_script
from danlu.exporting.reference import Run
from danlu.predictor import Predictor
from danlu.words import Note

BOUND = 1e-4  # of differences of probabilities
LEAST = 1e-37  # a probability whose logarithm is a number
SIZES = (1, 2, 3)  # rows of a batch, in turn
TRIED = 2  # rows of tasks that read texts in their own way: written answers take long
NEW_TOKENS = 8


class Elsewhere(nn.Module):
    """A graph in the place of a predictor's module: what it gives of targets is turned back into scores."""

    def __init__(self, predictor: Predictor, run: Run) -> None:
        super().__init__()
        self.run = run
        self.targets = {} if predictor.codec.reading else dict(predictor.codec.targets)
        self.temperatures = dict(predictor.temperatures)
        self.past = Past.of(predictor.module)
        self.place = nn.Parameter(torch.zeros(0))  # says on which device the model is

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        unread = self.past.empty(len(inputs["tokens"])) if self.past else {}
        given = {name: value.numpy() for name, value in (rows_of_terms(inputs) | unread).items()}
        outputs = {name: torch.from_numpy(value) for name, value in self.run(given).items()}
        if "told" in inputs:
            outputs["logits"] = outputs["logits"][inputs["told"]]
        return {name: self._scores(name, value) for name, value in outputs.items()}

    def _scores(self, name: str, answer: Tensor) -> Tensor:
        target = self.targets.get(name)
        if target is None:
            return answer
        if target.kind == "number":
            return ((answer - target.mean) / target.scale)[:, None]
        temperature = self.temperatures.get(name, 1.0)
        answer = answer.double()
        if target.kind == "class":
            return answer.clamp_min(LEAST).log() * temperature
        return (answer.clamp_min(LEAST).log() - (1 - answer).clamp_min(LEAST).log()) * temperature


def elsewhere(predictor: Predictor, run: Run) -> Predictor:
    """The same predictor with a graph in the place of its module."""
    return replace(predictor, module=Elsewhere(predictor, run).eval())


def largest_difference(predictor: Predictor, other: Predictor, rows: Examples) -> float:
    """The largest difference of a probability, or of a number in units of its deviation in training."""
    if predictor.codec.reading is None:
        return _of_targets(predictor, other, rows)
    return max((_of_scores(predictor, other, inputs) for inputs in batches(predictor, rows)), default=0.0)


def script_difference(predictor: Predictor, rows: Examples, run: Run) -> float:
    """The same for what the program beside the graph makes of the raw rows; 1 where it says something else."""
    if predictor.codec.reading is None:
        said = predictor.answers(rows)
        told = answers_by_script(predictor, rows, run)
        scales = {f"prediction{suffix}": scale for suffix, scale in _scales(predictor).items()}
        rows_said = said.iter_rows(named=True)
        return max((_between(a, _numbers(b), scales) for a, b in zip(rows_said, told, strict=True)), default=0.0)
    some = rows.take(range(min(len(rows), TRIED)))
    if isinstance(predictor.codec.reading, Documents):
        return _of_continuations(predictor, some, run)
    if predictor.codec.reading.reads == "masked" and not _all_masked(predictor, some):
        some = _masked(predictor, some)
    said = predictor.answers(some)
    told = answers_by_script(predictor, some, run)
    return max((_between(a, b, {}) for a, b in zip(said.iter_rows(named=True), told, strict=True)), default=0.0)


def proof_of(job: Job, run: Run) -> Proof:
    """How far the graph, and the program around it, answer otherwise than the run on the job's rows."""
    apart = largest_difference(job.predictor, elsewhere(job.predictor, run), job.rows)
    raw = script_difference(job.predictor, job.rows, run)
    return Proof(max(apart, raw), BOUND, Note("export.of_answers", rows=len(job.rows)))


def batches(predictor: Predictor, rows: Examples, sizes: Sequence[int] = SIZES) -> Iterator[dict[str, Tensor]]:
    """The rows as a model takes them, in batches of several sizes."""
    store, start, turn = _store(predictor, rows), 0, 0
    while start < len(store):
        end = min(start + sizes[turn % len(sizes)], len(store))
        inputs = store.batch(torch.arange(start, end)).inputs
        if isinstance(reading := predictor.codec.reading, Pairs):  # any answer: what it was would be searched for
            inputs["answer"] = inputs["tokens"][:, : reading.answer_length]
        yield {name: value for name, value in inputs.items() if name not in ("told", "told_length")}
        start, turn = end, turn + 1


def main_metric(predictor: Predictor, rows: Examples) -> tuple[str, float]:
    """What the first target is measured by, and its value on these rows."""
    report = evaluation(predictor.evidence(rows), About(name="", task=predictor.task.name, family="", columns={}), 0)
    target: Mapping[str, Any] = report["targets"][0]
    return target["headline"], target["metrics"].get(target["headline"], float("nan"))


def points_lost(name: str, before: float, after: float) -> float:
    """Hundredths by which a share (such as accuracy) fell, or per cent by which another metric became worse."""
    if name in LOWER_IS_BETTER:
        return 100 * (after / before - 1) if before else 100 * after
    return 100 * (before - after) / max(1.0, abs(before))


def rounding_proof(job: Job, rounded: Any, before: int, after: int) -> Proof:
    """What rounding costs on labelled rows; DanluError where that is more than the job allows."""
    rows = job.labelled()
    name, whole = main_metric(job.predictor, rows)
    _, value = main_metric(rounded, rows)
    lost = points_lost(name, whole, value)
    sizes = Note("export.sizes", before=f"{before / 1e6:.2f}", after=f"{after / 1e6:.2f}")
    if not lost <= job.max_drop:
        raise DanluError(
            "export.drops",
            metric=name,
            before=f"{whole:.4g}",
            after=f"{value:.4g}",
            lost=f"{lost:.2f}",
            most=f"{job.max_drop:g}",
            rows=len(rows),
        )
    said = Note("export.dropped", metric=name, before=f"{whole:.4g}", after=f"{value:.4g}", rows=len(rows))
    return Proof(max(lost, 0.0), job.max_drop, Note("export.of_metric", metric=name), [said, sizes])


def _of_targets(predictor: Predictor, other: Predictor, rows: Examples) -> float:
    ours, theirs = predictor.answers(rows), other.answers(rows)
    scales = {f"prediction{suffix}": scale for suffix, scale in _scales(predictor).items()}
    shared = [name for name in ours.columns if ours[name].dtype.is_float() and name not in rows.frame.columns]
    apart = [np.abs(ours[name].to_numpy() - theirs[name].to_numpy()) / scales.get(name, 1.0) for name in shared]
    return float(np.concatenate([np.zeros(1), *apart]).max())


def _scales(predictor: Predictor) -> dict[str, float]:
    """Suffix of a target's columns → deviation of its numbers."""
    targets = predictor.codec.targets
    single = len(targets) == 1
    return {"" if single else f"_{name}": t.scale for name, t in targets.items() if t.kind == "number"}


def _store(predictor: Predictor, rows: Examples) -> Store:
    if isinstance(reading := predictor.codec.reading, Documents):
        return reading.windows(reading.tokens(rows.frame))
    return predictor.codec.encode(rows, with_targets=False)


@torch.inference_mode()
def _of_scores(predictor: Predictor, other: Predictor, inputs: dict[str, Tensor]) -> float:
    """Of the probabilities of each token's answers, where there is a token."""
    ours, theirs = predictor.module(inputs), other.module(inputs)
    spans = predictor.codec.shapes.spans
    worst = 0.0
    for name, scores in ours.items():
        length = inputs["answer" if name == "logits" and "answer" in inputs else "tokens"].shape[1]
        inside = torch.arange(length) < inputs["tokens_length"].clamp_min(1)[:, None]
        chances = [_chances(each.double(), inside if spans else None) for each in (scores, theirs[name])]
        apart = (chances[0] - chances[1]).abs()
        if scores.ndim == 3 and "answer" not in inputs:
            apart = apart[inside]
        worst = max(worst, float(apart.max()))
    return worst


def _chances(scores: Tensor, places: Tensor | None) -> Tensor:
    """Of the answers of each token, or of the `places` (B, T) of a text as the ends of an answer."""
    if places is None:
        return scores.softmax(-1)
    return scores.masked_fill(~places[..., None], -torch.inf).softmax(1)  # what padding is given means nothing


def _of_continuations(predictor: Predictor, rows: Examples, run: Run) -> float:
    """0 where the program goes on with the beginnings of documents as the run does, else 1."""
    reading = predictor.codec.reading
    assert isinstance(reading, Documents)
    most = max(1, min(NEW_TOKENS, reading.max_length // 2))
    prompts = [reading.cut(text, reading.max_length // 4) for text in rows.frame[reading.column]]
    column = type(rows.frame[reading.column])(reading.column, prompts)
    said = predictor.generate(prompts, temperature=0.0, max_new_tokens=most)
    told = answers_by_script(predictor, replace(rows, frame=rows.frame.with_columns(column)), run, max_new_tokens=most)
    return float(any(a != b["prediction"] for a, b in zip(said, told, strict=True)))


def _all_masked(predictor: Predictor, rows: Examples) -> bool:
    column = next(iter(predictor.codec.inputs))
    return all("[MASK]" in text or "<mask>" in text for text in rows.frame[column])


def _masked(predictor: Predictor, rows: Examples) -> Examples:
    """Each text with a mask behind it."""
    column = next(iter(predictor.codec.inputs))
    masked = [f"{text[:200]} [MASK]" for text in rows.frame[column]]
    return replace(rows, frame=rows.frame.with_columns(type(rows.frame[column])(column, masked)))


def _numbers(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The answer without what is chosen, which hangs on the numbers alone."""
    return {name: value for name, value in answer.items() if isinstance(value, float)}


def _between(said: Any, told: Any, scales: Mapping[str, float], name: str = "") -> float:
    """How far two answers lie apart: numbers by their difference, all else by 1 where it is not the same."""
    if isinstance(told, dict):
        return max((_between(said[key], value, scales, key) for key, value in told.items()), default=0.0)
    if isinstance(told, list) and isinstance(said, list):
        if len(told) != len(said):
            return 1.0
        return max((_between(a, b, scales) for a, b in zip(said, told, strict=True)), default=0.0)
    if isinstance(told, float) and isinstance(said, float):
        return abs(said - told) / scales.get(name, 1.0)
    return float(said != told)
