"""What the numbers of one target mean, in sentences that a layman understands. Computes nothing but comparisons."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from danlu.evaluation.metrics import HEADLINE, class_counts
from danlu.evaluation.numerals import number, percent
from danlu.evaluation.outcome import Outcome
from danlu.words import Note

SAID: Mapping[str, Callable[[float], str]] = {"number": number, "text": number, "translation": "{:.1f}".format}
Standing = Literal["ahead", "level", "behind"]

COMMON = 0.75  # share of one class of two beyond which accuracy alone says little
FEW_ROWS = 50
OF_TEXTS = ("translation", "summary", "answers", "text", "masked")  # the simplest rival is worth using
RANKS_WELL = 0.6  # ROC-AUC that even its lower bound must exceed


def standing(advantage: tuple[float, float]) -> Standing:
    """Ahead or behind where the 95 % interval of the advantage leaves no doubt."""
    low, high = advantage
    if low > 0:
        return "ahead"
    return "behind" if high < 0 else "level"


def sentences(
    outcome: Outcome, measured: Mapping[str, Any], baselines: Sequence[Mapping[str, Any]], seen: bool = False
) -> list[Note]:
    """The headline, then what must be said beside it; `measured` holds metrics and intervals, as in report.json.

    `seen`: the rows are among those that the model was trained on.
    """
    notes = [_headline(outcome, measured, baselines, seen)]
    notes += [_against_constant(b, outcome, measured) for b in baselines[:1] if b["standing"] != "ahead"]
    notes += [Note(f"evaluate.{b['standing']}", rival=Note.from_json(b["name"])) for b in baselines[1:]]
    notes += _rarer_class(outcome) + _warnings(outcome)
    return notes


def calibration_note(calibration: Mapping[str, Any]) -> Note:
    """The temperature, and what it changed on the test rows."""
    shares = {part: percent(calibration[part]["ece"]) for part in ("before", "after")}
    return Note("evaluate.calibrated", temperature=f"{calibration['temperature']:.2f}", **shares)


def _headline(
    outcome: Outcome, measured: Mapping[str, Any], baselines: Sequence[Mapping[str, Any]], seen: bool
) -> Note:
    metrics, name = measured["metrics"], HEADLINE[outcome.kind]
    said = SAID.get(outcome.kind, percent)
    fields: dict[str, Any] = {
        "rows": f"{len(outcome):,}",
        "seen": Note("evaluate.rows_seen" if seen else "evaluate.rows_unseen"),
        "value": said(metrics[name]),
        "interval": _interval(measured["intervals"].get(name), said),
        "rivals": _rivals([(Note.from_json(b["name"]), said(b["metrics"][name])) for b in baselines], outcome.kind),
    }
    if outcome.kind in ("labels", "entities"):
        fields |= {part: percent(metrics[f"{part}_micro"]) for part in ("precision", "recall")}
    if outcome.kind == "text":
        size, tokens = outcome.truth[:, 1].sum(), outcome.truth[:, 0].sum()
        fields |= {"bytes": f"{size:,.0f}", "tokens": f"{tokens:,.0f}", "perplexity": number(metrics["perplexity"])}
    if outcome.kind == "masked":
        tokens = f"{outcome.truth[:, 0].sum():,.0f}"
        fields |= {"tokens": tokens, "among": percent(metrics["top5_accuracy"])}
    if outcome.kind == "translation":
        fields |= {"chrf": said(metrics["chrf"])}
    if outcome.kind == "summary":
        fields |= {name: percent(metrics[name]) for name in ("rouge_1", "rouge_2")}
    if outcome.kind == "answers":
        fields |= {"exact": percent(metrics["exact_match"])}
    if outcome.kind == "number" and metrics.get("r2", -1) > 0:
        return Note("evaluate.headline_number_r2", **fields, r2=percent(metrics["r2"]))
    return Note(f"evaluate.headline_{outcome.kind}", **fields)


def _interval(bounds: Sequence[float] | None, said: Any) -> Note:
    return Note("evaluate.interval", low=said(bounds[0]), high=said(bounds[1])) if bounds else Note("evaluate.nothing")


def _rivals(rivals: Sequence[tuple[Note, str]], kind: str) -> Note:
    """ "; always saying “3” gives 10.1 %, gradient boosting 96.7 %" or nothing."""
    if not rivals:
        return Note("evaluate.nothing")
    (name, value), *others = rivals
    rest = Note("evaluate.nothing")
    for other, other_value in reversed(others):
        rest = Note(f"evaluate.rival_{kind}", name=other, value=other_value, rest=rest)
    return Note(f"evaluate.rivals_{kind}", name=name, value=value, rest=rest)


def _against_constant(baseline: Mapping[str, Any], outcome: Outcome, measured: Mapping[str, Any]) -> Note:
    roc_auc = measured["metrics"].get("roc_auc", 0.0)
    low = measured["intervals"].get("roc_auc", (roc_auc,))[0]
    rival = Note.from_json(baseline["name"])
    if low > RANKS_WELL:
        return Note("evaluate.only_ranks", rival=rival, roc_auc=number(roc_auc))
    if baseline["standing"] == "behind" and outcome.kind in OF_TEXTS:
        return Note("evaluate.behind", rival=rival)
    ours, theirs = baseline["headline"]
    better = ours < theirs if outcome.kind in ("number", "text") else ours > theirs
    known = len(outcome) >= FEW_ROWS and not better
    return Note("evaluate.constant_as_good" if known else "evaluate.constant_level", rival=rival)


def _rarer_class(outcome: Outcome) -> list[Note]:
    """How the rarer of two classes fares, where the other is so common that accuracy hides it."""
    if outcome.kind != "class" or len(outcome.classes) != 2:
        return []
    counts = class_counts(outcome)
    rare = int(counts.actual.argmin())
    if counts.actual[rare] == 0 or counts.actual[1 - rare] < COMMON * len(outcome):
        return []
    fields = {
        "actual": int(counts.actual[rare]),
        "found": int(counts.hits[rare]),
        "name": outcome.classes[rare],
    }
    wrong = int(counts.answered[rare] - counts.hits[rare])
    return [Note("evaluate.rarer", **fields, answered=int(counts.answered[rare]), wrong=wrong)]


def _warnings(outcome: Outcome) -> list[Note]:
    unseen = int((outcome.truth < 0).sum()) if outcome.kind == "class" else 0
    few = [Note("evaluate.few_rows", rows=len(outcome))] if len(outcome) < FEW_ROWS else []
    return few + ([Note("evaluate.unseen", count=unseen)] if unseen else [])
