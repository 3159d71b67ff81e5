"""What the terminal says at the end of a run, on one screen. Knows only report.json."""

from collections.abc import Mapping
from typing import Any

from danlu.evaluation.metrics import MAIN
from danlu.evaluation.verdict import calibration_note
from danlu.evaluation.voice import Voice
from danlu.words import Note, language


def summary(report: Mapping[str, Any]) -> list[Note]:
    """Per target: the verdict, the other main metrics in a line, and what calibration changed."""
    notes: list[Note] = []
    for target in report["targets"]:
        if len(report["targets"]) > 1:
            notes.append(Note("report.target", name=target["name"]))
        notes += [Note.from_json(note) for note in target["verdict"]]
        if target["metrics"]:
            notes.append(Note("report.also", metrics=_others(target)))
        if target["calibration"] and target["calibration"]["temperature"] != 1:
            notes.append(calibration_note(target["calibration"]))
    return notes


def _others(target: Mapping[str, Any]) -> str:
    voice = Voice(language())
    names = [name for name in MAIN[target["kind"]] if name in target["metrics"] and name != target["headline"]]
    return " · ".join(f"{voice.metric(name)} {voice.value(name, target['metrics'][name])}" for name in names)
