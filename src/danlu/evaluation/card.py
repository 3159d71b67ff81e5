"""README.md of a run: the model card, as Hugging Face reads it. Knows only report.json."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from danlu.evaluation.metrics import MAIN
from danlu.evaluation.verdict import calibration_note
from danlu.evaluation.voice import Voice
from danlu.words import Language

Report = Mapping[str, Any]
Target = Mapping[str, Any]

PIPELINE_TAGS = (
    "tabular-classification",
    "tabular-regression",
    "text-classification",
    "image-classification",
    "text-generation",
    "fill-mask",
    "token-classification",
    "translation",
    "summarization",
)
NAMED = 20  # columns or classes that are listed by name
GENERATING = """```python
import danlu

model = danlu.load(".")  # the folder of this file
print(model.generate("Once"))
```"""
FILLING = """```python
import danlu

model = danlu.load(".")  # the folder of this file
print(model.predict("The [MASK] of it.")["tokens"][0])
```"""
LOADING = """```python
import danlu

model = danlu.load(".")  # the folder of this file
answers = model.predict("new.csv")
```"""


def card(report: Report, lang: Language = "en") -> str:
    """The model card in Markdown, its metadata first."""
    voice = Voice(lang)
    sections = {
        "card_use": _use(report, voice),
        "card_data": _data(report, voice),
        "card_training": [_items([voice.note(note) for note in report["notes"]])],
        "card_evaluation": [part for target in report["targets"] for part in _evaluation(target, report, voice)],
        "card_limits": [_items(_limits(report, voice))],
    }
    parts = [f"# {_plain(report['name'])}", *[_verdict(target, voice) for target in report["targets"]]]
    for title, content in sections.items():
        filled = [part for part in content if part]
        parts += [f"## {voice.say(title)}", *filled] if filled else []
    return f"---\n{_metadata(report)}---\n\n" + "\n\n".join(parts) + "\n"


def _metadata(report: Report) -> str:
    """The YAML header: https://huggingface.co/docs/hub/model-cards#model-card-metadata."""
    tag = {"pipeline_tag": report["task"]} if report["task"] in PIPELINE_TAGS else {}
    results = [
        {
            "task": {"type": report["task"]},
            "dataset": {"type": report["name"], "name": report["name"], "split": "test"},
            "metrics": [{"type": m, "name": m, "value": round(t["metrics"][m], 6)} for m in _main(t)],
        }
        for t in report["targets"]
        if t["metrics"]
    ]
    index = {"model-index": [{"name": report["name"], "results": results}]} if results else {}
    header = {"library_name": "danlu", **tag, "tags": ["danlu", report["family"]], **index}
    return yaml.safe_dump(header, sort_keys=False, allow_unicode=True)


def _main(target: Target) -> list[str]:
    return [name for name in MAIN[target["kind"]] if name in target["metrics"]]


def _verdict(target: Target, voice: Voice) -> str:
    return _plain(voice.text(*[voice.note(note) for note in target["verdict"]]))


def _use(report: Report, voice: Voice) -> list[str]:
    said = []
    for target in report["targets"]:
        if target["kind"] == "text":
            return [_plain(voice.say("card_continues")), GENERATING]
        if target["kind"] == "masked":
            return [_plain(voice.say("card_fills")), FILLING]
        if target["kind"] == "entities":
            said.append(voice.say("card_finds", classes=_listed(target["classes"], voice)))
        elif target["kind"] in ("translation", "summary"):
            said.append(voice.say(f"card_{target['kind']}", name=target["name"]))
        elif target["kind"] == "answers":
            said.append(voice.say("card_answers"))
        elif target["kind"] == "number":
            said.append(voice.say("card_predicts_number", name=target["name"]))
        else:
            said.append(voice.say("card_predicts", name=target["name"], classes=_listed(target["classes"], voice)))
    targets = {target["name"] for target in report["targets"]}
    inputs = [name for name, column in report["columns"].items() if column["kind"] != "ignore" and name not in targets]
    columns = voice.say("card_columns", columns=_listed(inputs, voice))
    return [_plain(voice.text(*said, columns, voice.say("card_meant_for"))), LOADING]


def _data(report: Report, voice: Voice) -> list[str]:
    rows = [f"{voice.say(f'rows_{part}')}: {count:,}" for part, count in report["rows"].items()]
    files = [voice.say("card_file", path=f["path"], rows=f"{f['rows']:,}", hash=f["sha256"]) for f in report["files"]]
    found = [voice.note(f["note"]) for f in report["findings"] if f["level"] == "warning"]
    return [_items([*rows, *files]), voice.say("card_found") if found else "", _items(found)]


def _evaluation(target: Target, report: Report, voice: Voice) -> list[str]:
    """A table of the main metrics, under the target's name where there are several."""
    if not target["metrics"]:
        return []
    head = [
        voice.say("metric"),
        voice.say("this_model"),
        "95 %",
        *(voice.note(b["name"]) for b in target["baselines"]),
    ]
    rows = [_row(target, name, voice) for name in _main(target)]
    rule = ["---", *["---:"] * (len(head) - 1)]
    lines = [[_plain(cell) for cell in head], rule, *([_plain(cell) for cell in row] for row in rows)]
    title = [f"### {_plain(voice.say('target', name=target['name']))}"] if len(report["targets"]) > 1 else []
    return [*title, "\n".join(f"| {' | '.join(line)} |" for line in lines)]


def _row(target: Target, name: str, voice: Voice) -> list[str]:
    bounds = target["intervals"].get(name)
    others = [b["metrics"].get(name) for b in target["baselines"]]
    return [
        voice.metric(name),
        voice.value(name, target["metrics"][name]),
        voice.between(name, bounds) if bounds else "–",
        *(voice.value(name, other) if other is not None else "–" for other in others),
    ]


def _limits(report: Report, voice: Voice) -> list[str]:
    limits = [voice.say("card_same_source")]
    for target in report["targets"]:
        known = [c for c in target["per_class"] if c["actual"]]
        if target["kind"] == "class" and len(known) > 1:
            weakest = min(known, key=lambda c: c["recall"])
            share = voice.share(weakest["recall"])
            limits.append(voice.say("card_weakest", name=weakest["class"], share=share, rows=weakest["actual"]))
        if target["calibration"] and target["calibration"]["temperature"] != 1:
            limits.append(voice.note(calibration_note(target["calibration"])))
    return [*limits, voice.say("card_no_licence")]


def _listed(names: Sequence[str], voice: Voice) -> str:
    shown = ", ".join(names[:NAMED])
    return shown if len(names) <= NAMED else voice.say("card_and_more", names=shown, count=len(names) - NAMED)


def _items(lines: Sequence[str]) -> str:
    return "\n".join(f"- {_plain(line)}" for line in lines)


def _plain(text: str) -> str:
    """The text on one line, with nothing that Markdown or HTML would take for its own."""
    line = " ".join(text.split())
    return re.sub(r"([\\`*\[\]<>#|]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))", r"\\\1", line)
