"""The evaluation of a run as one dict, `report.json`: everything that the report, the card and the summary say.

Version 1. Notes are {code, fields, text}, so that the report can be said in either language.

    format "danlu.report"   version   name   task   family   created (ISO 8601, UTC)
    rows         {train, validation, test}
    asked        the recipe, as given              resolved    every setting as it became
    notes        [note]: what was inferred, and why
    findings     [{level, note}]: what the data checks found
    columns      {name: {kind, reason}}            files       [{path, format, rows, sha256, …}]
    history      [{step, epoch, loss, learning_rate, validation: {metric: value}, …}]: thinned metrics.jsonl
    cv           null or {how, targets: {name: {folds: [{metric: value}], mean, std}}}
    timing       {what: seconds}   memory_bytes   environment {…}
    targets      [{
        name   kind (that of danlu.evaluation.outcome)   classes   rows   headline (metric)
        verdict      [note]: the headline first
        metrics      {metric: value}               intervals   {metric: [low, high]} (95 %)
        baselines    [{name, metrics, intervals, rows, available, fit_s, headline [ours, theirs], advantage [low, high],
                       standing: ahead | level | behind}]: the constant answer first
        calibration  null or {temperature, before, after: {ece, log_loss, bins: [{low, high, count, claimed, right}]}}
        per_class    [{class, precision, recall, f1, actual, answered}]
        confusion    [[true, answered, count]]: class indices, -1 is "never in training"
        roc          [{class, area, x, y}]         pr          the same: the classes of least area
        residuals    null or {points: [[true, predicted]], edges, counts}
        mistakes     see danlu.evaluation.mistakes
        samples      [{prompt, text, true}]: of a language model, test text continued, and how it really goes on
    }]
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from danlu.data.examples import Column
from danlu.evaluation.baseline import Baseline
from danlu.evaluation.bootstrap import advantage, intervals_of, resampled
from danlu.evaluation.metrics import (
    HEADLINE,
    Values,
    average_precision,
    class_counts,
    confidence,
    measure,
    one_against_rest,
    precision_recall_curve,
    reliability,
    roc_auc,
    roc_curve,
)
from danlu.evaluation.mistakes import worst
from danlu.evaluation.outcome import Outcome
from danlu.evaluation.verdict import sentences, standing
from danlu.events import Progress
from danlu.words import Note

VERSION = 1
CURVES = 6  # classes whose ROC and precision-recall curves are drawn
CURVE_POINTS = 120
RESIDUALS = 1500
RESIDUAL_BINS = 31
CHANCES = ("class", "labels")  # kinds of which a model gives probabilities
RECORDS = 400  # lines of metrics.jsonl that are kept


@dataclass(frozen=True)
class Evidence:
    """What is known of one target: the outcome on the test rows, and what it is to be compared with.

    `baselines`: the trivial one first. `uncalibrated`: the predictions before the temperature, where one was fitted.
    """

    outcome: Outcome
    baselines: Sequence[Baseline] = ()
    uncalibrated: np.ndarray | None = None
    temperature: float = 1.0
    samples: Sequence[Mapping[str, str]] = ()
    mistakes: Sequence[Mapping[str, Any]] = ()  # where the outcome's figures do not tell them
    seen: bool = False  # the rows are of files that training took rows from


@dataclass(frozen=True)
class About:
    """What the caller knows of the run: told in the report, changed by nothing."""

    name: str
    task: str
    family: str
    columns: Mapping[str, Column]
    rows: Mapping[str, int] = field(default_factory=dict)  # train, validation, test
    asked: Mapping[str, Any] = field(default_factory=dict)
    resolved: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[Note] = ()
    findings: Sequence[tuple[str, Note]] = ()  # level (info, warning), what was found
    files: Sequence[Mapping[str, Any]] = ()
    history: Sequence[Mapping[str, Any]] = ()
    cv: Mapping[str, Any] | None = None
    timing: Mapping[str, float] = field(default_factory=dict)
    memory_bytes: int | None = None
    environment: Mapping[str, Any] = field(default_factory=dict)


def evaluation(
    evidence: Sequence[Evidence],
    about: About,
    samples: int = 1000,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The content of report.json (see above); `samples` of the bootstrap, 0 for no intervals."""
    return {
        "format": "danlu.report",
        "version": VERSION,
        "name": about.name,
        "task": about.task,
        "family": about.family,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "rows": dict(about.rows),
        "asked": dict(about.asked),
        "resolved": dict(about.resolved),
        "notes": [note.to_json() for note in about.notes],
        "findings": [{"level": level, "note": note.to_json()} for level, note in about.findings],
        "columns": {c.name: {"kind": c.kind, "reason": c.reason.to_json()} for c in about.columns.values()},
        "files": [dict(file) for file in about.files],
        "history": _thinned_history(about.history),
        "cv": about.cv,
        "timing": dict(about.timing),
        "memory_bytes": about.memory_bytes,
        "environment": dict(about.environment),
        "targets": [judged(each, about.columns, samples, seed, progress) for each in evidence],
    }


def judged(
    evidence: Evidence,
    columns: Mapping[str, Column],
    samples: int = 1000,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """One entry of `targets`."""
    outcome = evidence.outcome
    facts: dict[str, Any] = {
        "name": outcome.target,
        "kind": outcome.kind,
        "classes": list(outcome.classes),
        "rows": len(outcome),
        "headline": HEADLINE[outcome.kind],
    }
    if not len(outcome):
        return facts | _nothing_measured()
    drawn = resampled(outcome, samples, seed, progress) if samples else {}
    measured = _measured(outcome, drawn)
    baselines = [_compared(b, outcome, measured, drawn, samples, seed) for b in evidence.baselines]
    return facts | {
        "verdict": [note.to_json() for note in sentences(outcome, measured, baselines, evidence.seen)],
        **measured,
        "baselines": baselines,
        "calibration": _calibration(evidence),
        "per_class": _per_class(outcome),
        "confusion": _confusion(outcome),
        "roc": _curves(outcome, roc_curve, roc_auc),
        "pr": _curves(outcome, _recall_first, average_precision),
        "residuals": _residuals(outcome),
        "mistakes": [dict(mistake) for mistake in evidence.mistakes] or worst(outcome, columns),
        "samples": [dict(sample) for sample in evidence.samples],
    }


def cross_validation(folds: Sequence[Mapping[str, Mapping[str, float]]], how: Note) -> dict[str, Any]:
    """The `cv` section of the metrics {target: {metric: value}} of each fold; `how` the rows were divided.

    std is the sample standard deviation; a metric counts where every fold defines it.
    """
    return {
        "how": how.to_json(),
        "targets": {name: _over_folds([f[name] for f in folds]) for name in folds[0]},
    }


def _nothing_measured() -> dict[str, Any]:
    verdict = [Note("evaluate.no_rows").to_json()]
    empty: dict[str, Any] = {
        "samples": [],
        "baselines": [],
        "per_class": [],
        "confusion": [],
        "roc": [],
        "pr": [],
        "mistakes": [],
    }
    return empty | {
        "verdict": verdict,
        "metrics": {},
        "intervals": {},
        "calibration": None,
        "residuals": None,
    }


def _over_folds(folds: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    values = {m: np.array([f[m] for f in folds]) for m in folds[0] if all(m in f for f in folds)}
    return {
        "folds": [dict(f) for f in folds],
        "mean": {m: float(v.mean()) for m, v in values.items()},
        "std": {m: float(v.std(ddof=1)) for m, v in values.items()},
    }


def _measured(outcome: Outcome, drawn: Values) -> dict[str, Any]:
    metrics = measure(outcome)
    return {
        "metrics": metrics,
        "intervals": {k: list(v) for k, v in intervals_of(drawn, metrics, len(outcome)).items()},
    }


def _compared(
    baseline: Baseline, outcome: Outcome, ours: Mapping[str, Any], drawn: Values, samples: int, seed: int
) -> dict[str, Any]:
    """The baseline's metrics, and how far danlu is ahead of it on the same resampled rows."""
    theirs = outcome.predicted(baseline.prediction)
    redrawn = resampled(theirs, samples, seed, ranking=False) if samples else {}
    measured, metric = _measured(theirs, redrawn), HEADLINE[outcome.kind]
    values = [ours["metrics"][metric], measured["metrics"][metric]]
    lead = advantage(drawn, redrawn, metric) if samples else (0.0, 0.0)
    return {
        "name": baseline.name.to_json(),
        **measured,
        "rows": baseline.rows,
        "available": baseline.available,
        "fit_s": round(baseline.fit_s, 3),
        "headline": values,
        "advantage": list(lead),
        "standing": standing(lead),
    }


def _calibration(evidence: Evidence) -> dict[str, Any] | None:
    outcome = evidence.outcome
    if outcome.kind not in CHANCES:
        return None
    after = _reliability(outcome)
    before = after if evidence.uncalibrated is None else _reliability(outcome.predicted(evidence.uncalibrated))
    return {"temperature": evidence.temperature, "before": before, "after": after}


def _reliability(outcome: Outcome) -> dict[str, Any]:
    metrics = measure(outcome)
    bins = [{k: _short(v) for k, v in asdict(b).items()} for b in reliability(*confidence(outcome))]
    return {"ece": metrics["ece"], "log_loss": metrics.get("log_loss"), "bins": bins}


def _per_class(outcome: Outcome) -> list[dict[str, Any]]:
    if outcome.kind not in (*CHANCES, "entities"):
        return []
    c = class_counts(outcome)
    columns = zip(outcome.classes, c.precision, c.recall, c.f1, c.actual, c.answered, strict=True)
    return [
        {
            "class": k,
            "precision": float(p),
            "recall": float(r),
            "f1": float(f),
            "actual": int(a),
            "answered": int(n),
        }
        for k, p, r, f, a, n in columns
    ]


def _confusion(outcome: Outcome) -> list[list[int]]:
    if outcome.kind != "class":
        return []
    pairs, counts = np.unique(np.stack([outcome.truth, outcome.decision], axis=1), axis=0, return_counts=True)
    return [[int(t), int(a), int(n)] for (t, a), n in zip(pairs, counts, strict=True)]


def _curves(
    outcome: Outcome,
    curve: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]],
    area: Callable[[np.ndarray, np.ndarray], float],
) -> list[dict[str, Any]]:
    """The curves of the classes of least area, those least first."""
    if outcome.kind not in CHANCES:
        return []
    pairs = one_against_rest(outcome)
    areas = {k: area(*pair) for k, pair in pairs.items()}
    least = sorted(areas, key=lambda k: areas[k])[:CURVES]
    return [{"class": outcome.classes[k], "area": areas[k], **_thinned(*curve(*pairs[k]))} for k in least]


def _recall_first(score: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    precision, recall = precision_recall_curve(score, positive)
    return np.append(0.0, recall), np.append(precision[0], precision)


def _thinned(x: np.ndarray, y: np.ndarray) -> dict[str, list[float]]:
    """At most CURVE_POINTS points, evenly along the way that the curve goes."""
    way = np.cumsum(np.append(0.0, np.abs(np.diff(x)) + np.abs(np.diff(y))))
    kept = np.unique(np.searchsorted(way, np.linspace(0, way[-1], CURVE_POINTS)).clip(max=len(x) - 1))
    kept = np.unique(np.concatenate([[0], kept, [len(x) - 1]]))
    return {"x": [_short(v) for v in x[kept]], "y": [_short(v) for v in y[kept]]}


def _residuals(outcome: Outcome) -> dict[str, Any] | None:
    """Points, evenly taken, and a histogram of predicted minus true; the farthest 0.5 % are in its end bins."""
    if outcome.kind != "number":
        return None
    residual = outcome.prediction - outcome.truth
    reach = float(np.quantile(np.abs(residual), 0.995)) or 1.0
    edges = np.linspace(-reach, reach, RESIDUAL_BINS + 1)
    counts, _ = np.histogram(np.clip(residual, -reach, reach), edges)
    taken = np.linspace(0, len(residual) - 1, min(RESIDUALS, len(residual))).astype(int)
    points = [[_short(t), _short(p)] for t, p in zip(outcome.truth[taken], outcome.prediction[taken], strict=True)]
    return {"points": points, "edges": [_short(e) for e in edges], "counts": counts.tolist()}


def _thinned_history(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Every record that holds a validation, and as many of the others as leave RECORDS, evenly."""
    stride = max(1, len(records) // RECORDS)
    last = len(records) - 1
    kept = [dict(r) for i, r in enumerate(records) if i % stride == 0 or i == last or "validation" in r]
    return kept if len(kept) <= 2 * RECORDS else kept[:: len(kept) // RECORDS] + kept[-1:]


def _short(value: float) -> float:
    """Five significant digits: what a chart can show."""
    return float(f"{value:.5g}")
