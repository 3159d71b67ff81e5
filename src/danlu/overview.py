"""Overview: run folders and their reports as lines of text. Reads report.json and nothing else; no torch."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from danlu.display import clock
from danlu.errors import DanluError
from danlu.layout import columns
from danlu.run import Run, runs_in
from danlu.words import Note, say

HEADINGS = ("run", "task", "model", "measured", "baseline", "rows", "took", "when")


def runs_table(folder: str) -> list[str]:
    """A line per run below `folder`, newest first; a run without a report says how to go on with it."""
    finished, others = [], []
    for run in runs_in(folder):
        try:
            finished.append(_row(run, run.report))
        except DanluError as trouble:
            others.append(f"{run.folder.name}  {trouble}")
    table = columns([[say(f"runs.{name}") for name in HEADINGS], *finished]) if finished else []
    return [*table, *others] or [say("runs.none", folder=folder)]


def report_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """The verdict on each target and every metric with its interval."""
    for target in report["targets"]:
        yield say("overview.target", target=target["name"], rows=target["rows"])
        yield from (f"  {Note.from_json(note)}" for note in target["verdict"])
        yield from (f"  {line}" for line in metric_lines(target))


def metric_lines(target: Mapping[str, Any]) -> list[str]:
    """A line per metric: its name, its value, its 95 % interval."""
    intervals = target["intervals"]
    rows = [[name, f"{value:.4g}", _interval(intervals.get(name))] for name, value in target["metrics"].items()]
    return columns(rows) if rows else []


def _row(run: Run, report: Mapping[str, Any]) -> list[str]:
    target = report["targets"][0]
    metric = target["headline"]
    value = target["metrics"].get(metric)
    measured = "–" if value is None else f"{metric} {value:.4g} {_interval(target['intervals'].get(metric))}"
    return [
        run.folder.name,
        report["task"],
        report["family"],
        measured.rstrip(),
        _strongest_baseline(target),
        f"{sum(report['rows'].values()):,}",
        clock(report["timing"]["total"]),
        datetime.fromisoformat(report["created"]).astimezone().strftime("%Y-%m-%d %H:%M"),
    ]


def _strongest_baseline(target: Mapping[str, Any]) -> str:
    """The baseline that stands nearest: its value on the headline metric, and its name."""
    baselines = target["baselines"]
    if not baselines:
        return "–"
    strongest = baselines[-1]
    return f"{strongest['headline'][1]:.4g} {Note.from_json(strongest['name'])}"


def _interval(bounds: Any) -> str:
    return f"[{bounds[0]:.4g}, {bounds[1]:.4g}]" if bounds else ""
