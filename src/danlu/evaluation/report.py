"""report.html: one page of the whole evaluation, from the dict that `evaluation` makes. Loads and sends nothing.

Knows nothing of models or files: what stands in report.json is all that it tells.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import resources
from typing import Any

import yaml

from danlu.evaluation.charts import Line, line_chart
from danlu.evaluation.markup import NOTHING, Markup, tag
from danlu.evaluation.numerals import size
from danlu.evaluation.report_target import hero, target_sections
from danlu.evaluation.tables import folded, section, table
from danlu.evaluation.voice import Voice
from danlu.words import Language, language, sentences

Report = Mapping[str, Any]

MOST_METRICS = 4  # validation metrics whose curves are drawn
SHORT = 20  # columns that are listed without a fold
LANGUAGE_TAGS = {"en": "en", "zh": "zh-CN"}


def html(report: Report, lang: Language | None = None) -> str:
    """The page in `lang`, or in the user's language."""
    lang = lang or language()
    voice = Voice(lang)
    style = resources.files("danlu.evaluation").joinpath("report.css").read_text(encoding="utf-8")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{report['name']} · danlu"),
        tag("style", Markup(style)),
    )
    parts = list(_sections(report, voice))
    heroes = [hero(t, voice, named=len(report["targets"]) > 1) for t in report["targets"]]
    links = [tag("a", title, href=f"#{anchor}") for anchor, title, _ in parts]
    body = tag(
        "body",
        _masthead(report, voice),
        tag(
            "main",
            *heroes,
            tag("nav", *links, aria_label=voice.say("contents")),
            *[section(anchor, title, *content) for anchor, title, content in parts],
        ),
        tag("footer", tag("p", voice.say("foot", version=str(report["environment"].get("danlu", ""))))),
    )
    return f"<!doctype html>\n{tag('html', head, body, lang=LANGUAGE_TAGS[lang])}\n"


def _masthead(report: Report, voice: Voice) -> Markup:
    made = voice.say("made", task=report["task"], family=report["family"], created=report["created"][:10])
    mark = tag("p", tag("b", "丹"), " danlu", class_="mark", aria_hidden="true")
    return tag("header", mark, tag("h1", report["name"]), tag("p", made, class_="made"))


def _sections(report: Report, voice: Voice) -> Iterator[tuple[str, str, list[Markup]]]:
    """(anchor, title, parts) of every section."""
    for i, target in enumerate(report["targets"]):
        suffix = f": {target['name']}" if len(report["targets"]) > 1 else ""
        for name, parts in target_sections(target, voice):
            yield f"{name}-{i}", voice.say(name) + suffix, parts
    for name, tell in SECTIONS.items():
        parts = tell(report, voice)
        if parts:
            yield name, voice.say(name), parts


def _training(report: Report, voice: Voice) -> list[Markup]:
    history = report["history"]
    if not history:
        return []
    scored = [r for r in history if r.get("validation")]
    loss = [_curve(voice.say("train_loss"), history, "loss", "s2 thin")]
    loss += [_curve(voice.say("validation_loss"), scored, ("validation", "loss"), "s1")]
    names = [n for n in dict.fromkeys(n for r in scored for n in r["validation"]) if n != "loss"][:MOST_METRICS]
    step = voice.say("step")
    charts = [_line_chart(voice.say("loss"), [line for line in loss if line.x], step)]
    for name in names:
        title = voice.say("validation_of", name=voice.metric(name))
        charts.append(_line_chart(title, [_curve("", scored, ("validation", name), "s1")], step))
    charts.append(_line_chart(voice.say("learning_rate"), [_curve("", history, "learning_rate", "s2")], step))
    return [tag("div", *charts, class_="grid")]


def _line_chart(title: str, lines: Sequence[Line], step: str) -> Markup:
    drawn = [line for line in lines if line.x]
    return line_chart(title, drawn, step, "") if drawn else NOTHING


def _curve(name: str, records: Sequence[Report], field: str | tuple[str, str], style: str) -> Line:
    """The field (or the field within a field) of each record that has it, over its step."""
    outer, inner = (field, None) if isinstance(field, str) else field
    values = [(r["step"], r[outer] if inner is None else r[outer].get(inner)) for r in records if outer in r]
    points = [(step, value) for step, value in values if value is not None]
    return Line(name, [p[0] for p in points], [p[1] for p in points], style)


def _cross_validation(report: Report, voice: Voice) -> list[Markup]:
    if not report["cv"]:
        return []
    parts = [tag("p", voice.note(report["cv"]["how"]), class_="lead")]
    for name, scores in report["cv"]["targets"].items():
        head = [voice.say("metric"), voice.say("mean")]
        head += [voice.say("fold", number=i + 1) for i in range(len(scores["folds"]))]
        rows = [
            [
                voice.metric(m),
                f"{voice.value(m, mean)} ± {voice.value(m, scores['std'][m])}",
                *(voice.value(m, fold[m]) for fold in scores["folds"]),
            ]
            for m, mean in scores["mean"].items()
        ]
        title = voice.say("cv_table", folds=len(scores["folds"]))
        parts.append(table(title if len(report["cv"]["targets"]) == 1 else f"{name}: {title}", head, rows))
    return parts


def _data(report: Report, voice: Voice) -> list[Markup]:
    counts = [
        tag("div", tag("dt", voice.say(f"rows_{part}")), tag("dd", f"{count:,}"))
        for part, count in report["rows"].items()
    ]
    findings = [_finding(f, voice) for f in sorted(report["findings"], key=lambda f: f["level"] != "warning")]
    said = tag("ul", *findings, class_="findings") if findings else tag("p", voice.say("no_findings"))
    head = [voice.say(part) for part in ("file", "format", "rows", "size", "hash")]
    rows = [
        [f["path"], f["format"], f"{f['rows']:,}", size(f["bytes"]), tag("code", f["sha256"][:12])]
        for f in report["files"]
    ]
    files = table(voice.say("files"), head, rows, texts=2) if rows else NOTHING
    return [tag("dl", *counts, class_="counts") if counts else NOTHING, said, files]


def _finding(finding: Report, voice: Voice) -> Markup:
    level = "warning" if finding["level"] == "warning" else "info"
    return tag("li", tag("b", voice.say(level)), " ", voice.note(finding["note"]), class_=level)


def _inferred(report: Report, voice: Voice) -> list[Markup]:
    notes = tag("ul", *[tag("li", voice.note(note)) for note in report["notes"]], class_="notes")
    head = [voice.say(part) for part in ("column", "kind", "why")]
    rows = [[name, voice.say(f"kind_{c['kind']}"), voice.note(c["reason"])] for name, c in report["columns"].items()]
    title = voice.say("columns", count=len(rows))
    columns = table(title, head, rows, texts=3)
    asked = yaml.safe_dump(report["asked"], sort_keys=False, allow_unicode=True)
    settings = [[tag("code", name), value] for name, value in _flat(report["resolved"])]
    return [
        notes if report["notes"] else NOTHING,
        columns if len(rows) <= SHORT else folded(title, columns),
        folded(voice.say("recipe"), tag("pre", asked)) if report["asked"] else NOTHING,
        folded(voice.say("settings"), table("", [voice.say("setting"), voice.say("value")], settings, texts=2))
        if settings
        else NOTHING,
    ]


def _costs(report: Report, voice: Voice) -> list[Markup]:
    rows = [[_time_name(name, voice), voice.duration(value)] for name, value in report["timing"].items()]
    if report["memory_bytes"]:
        rows.append([voice.say("memory"), size(report["memory_bytes"])])
    facts = [[name, value] for name, value in _flat(report["environment"])]
    parts = [table(voice.say("timing"), [], rows)] if rows else []
    return [*parts, *([folded(voice.say("environment"), table("", [], facts, texts=2))] if facts else [])]


def _time_name(name: str, voice: Voice) -> str:
    return voice.say(f"time_{name}") if f"report.time_{name}" in sentences() else name


def _flat(nested: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """a: {b: 1} → ("a.b", "1"); what is null is left out."""
    if isinstance(nested, Mapping):
        for key, value in nested.items():
            yield from _flat(value, f"{path}.{key}" if path else str(key))
    elif nested is not None:
        yield path, ", ".join(str(v) for v in nested) if isinstance(nested, list | tuple) else str(nested)


SECTIONS: dict[str, Callable[[Report, Voice], list[Markup]]] = {
    "training": _training,
    "cv": _cross_validation,
    "data": _data,
    "inferred": _inferred,
    "costs": _costs,
}
