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
    """A line per run below `folder`, newest first, those without a report last; then what to do about these."""
    finished, others, troubles = [], [], dict[str, DanluError]()
    for run in runs_in(folder):
        try:
            finished.append(_row(run, run.report))
        except DanluError as trouble:
            is_unfinished = trouble.key == "run.unfinished"
            others.append(_row_without_report(run, "runs.unfinished" if is_unfinished else "runs.damaged"))
            troubles.setdefault(trouble.key if is_unfinished else run.folder.name, trouble)
    if not finished and not others:
        return [say("runs.none", folder=folder)]
    table = columns([[say(f"runs.{name}") for name in HEADINGS], *finished, *others])
    return [*table, *([""] if troubles else []), *map(str, troubles.values())]


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


def _row_without_report(run: Run, status: str) -> list[str]:
    """The run's name, `status` where others have what was measured, and when it began."""
    began = datetime.fromtimestamp((run.folder / "recipe.yaml").stat().st_mtime).astimezone()
    known = {"run": run.folder.name, "measured": say(status), "when": began.strftime("%Y-%m-%d %H:%M")}
    return [known.get(name, "–") for name in HEADINGS]


def _strongest_baseline(target: Mapping[str, Any]) -> str:
    """The baseline that stands nearest: its value on the headline metric, and its name."""
    baselines = target["baselines"]
    if not baselines:
        return "–"
    strongest = baselines[-1]
    return f"{strongest['headline'][1]:.4g} {Note.from_json(strongest['name'])}"


def _interval(bounds: Any) -> str:
    return f"[{bounds[0]:.4g}, {bounds[1]:.4g}]" if bounds else ""
