"""Drift while a run is served: what was answered is counted on a thread of its own, and told beside the reference.

No row outlasts the moment until it is counted, and nothing of it is written anywhere.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from danlu.data.codec import Codec
from danlu.drift.measures import Seen, measured, of_prompts
from danlu.drift.reference import Reference, names_of
from danlu.drift.signals import Signal
from danlu.drift.verdict import LEAST_REFERENCE, LEAST_ROWS, Finding, findings, overall
from danlu.drift.window import ROWS, Window
from danlu.run import Run, as_written
from danlu.words import Language, Note

PAUSE_S = 0.5  # in which what was answered gathers, so that it is counted at once
HELD, IMAGES_HELD = 4096, 256  # rows that wait to be counted; more are skipped
SERIES = 100  # signals of a model that /metrics tells
LABEL = 100  # characters of a column's name there

Prompt = Sequence[int]


@dataclass
class _Waiting:
    """What was answered and is not counted yet."""

    seen: list[Seen] = field(default_factory=list)
    prompts: list[Prompt] = field(default_factory=list)

    def __len__(self) -> int:
        return sum(map(len, self.seen)) + len(self.prompts)


class Drift:
    """The newest rows that a model answered, beside those of its reference."""

    def __init__(self, codec: Codec, reference: Reference) -> None:
        self.codec, self.reference = codec, reference
        self.window, self.skipped = Window(reference.signals), 0
        self._names = names_of(codec)
        self._waiting, self._held = _Waiting(), 0
        self._most = IMAGES_HELD if codec.images else HELD
        self._taking, self._counting = threading.Lock(), threading.Lock()
        self._woken, self._filled = threading.Event(), threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="drift", daemon=True)
        self._thread.start()

    @classmethod
    def of(cls, run: Run, codec: Codec) -> "Drift | None":
        """Of a run; None where it was trained before runs kept a reference."""
        file = run.folder / "drift.json"
        if not file.is_file():
            return None
        with as_written(file):
            return cls(codec, Reference.from_json(run.read("drift")))

    def saw(self, seen: Seen) -> None:
        """Rows were answered; they are counted soon, or skipped where too many wait."""
        with self._taking:
            if self._has_room(len(seen)):
                self._waiting.seen.append(seen)
        self._woken.set()

    def saw_prompt(self, prompt: Prompt) -> None:
        """A prompt was gone on with."""
        with self._taking:
            if self._has_room(1):
                self._waiting.prompts.append(prompt)
        self._woken.set()

    def settle(self) -> None:
        """Count what waits."""
        with self._counting:
            with self._taking:
                waiting, self._waiting, self._held = self._waiting, _Waiting(), 0
            if waiting.seen:
                self.window.add(measured(self.codec, waiting.seen), sum(map(len, waiting.seen)))
            if waiting.prompts:
                self.window.add(of_prompts(self.codec, waiting.prompts), len(waiting.prompts))

    def found(self) -> tuple[list[Finding], int, datetime]:
        """Of each signal what moved; of how many rows, since when."""
        self.settle()
        with self._counting:
            counts, means, rows, since = self.window.newest()
        return findings(self.reference.signals, counts, means, self._names), rows, since

    def close(self) -> None:
        """End the thread."""
        self._closed = True
        self._filled.set()
        self._woken.set()

    def _has_room(self, rows: int) -> bool:
        has_room = self._held + rows <= self._most
        self._held += rows if has_room else 0
        self.skipped += 0 if has_room else rows
        if self._held > self._most / 2:
            self._filled.set()
        return has_room

    def _run(self) -> None:
        while not self._closed:
            self._woken.wait()
            self._filled.wait(PAUSE_S)
            self._woken.clear()
            self._filled.clear()
            self.settle()


def told(name: str, drift: Drift | None, lang: Language) -> dict[str, Any]:
    """What moved of a model, as /v1/drift tells it."""
    if drift is None:
        note = Note("drift.unwatched", name=name)
        return {"model": name, "status": "unwatched", "columns": [], "notes": [note.text(lang)]}
    found, rows, since = drift.found()
    of = drift.reference.rows
    few = [Note("drift.few_reference", rows=of, least=LEAST_REFERENCE)] if of < LEAST_REFERENCE else []
    few += [Note("drift.few", rows=rows, least=LEAST_ROWS)] if rows < LEAST_ROWS else []
    return {
        "model": name,
        "status": overall(found),
        "reference": {"rows": of, "of": drift.reference.of},
        "window": {
            "rows": rows,
            "most": ROWS,
            "least": LEAST_ROWS,
            "skipped": drift.skipped,
            "since": since.isoformat(timespec="seconds"),
        },
        "columns": [each.to_json(lang) for each in found],
        "notes": [note.text(lang) for note in few],
    }


@dataclass(frozen=True, eq=False)
class DriftCollector(Collector):
    """The same as gauges of Prometheus, worked out when they are asked for; predictions first, SERIES at most."""

    drifts: Mapping[str, Drift]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One gauge per figure, one series per signal."""
        of_model = {name: _gauge(name, text, ("model",)) for name, text in _OF_MODEL.items()}
        of_signal = {
            name: _gauge(name, text, ("model", "of", "column", "measure")) for name, text in _OF_SIGNAL.items()
        }
        for model, drift in self.drifts.items():
            found, rows, _ = drift.found()
            moved = sum(each.status == "moved" for each in found)
            for name, value in (("rows", rows), ("signals_moved", moved)):
                of_model[name].add_metric((model,), value)
            ordered = sorted(found, key=lambda one: one.signal.of == "input")
            for number, each in enumerate(ordered[:SERIES]):
                for name, figure in _figures(each).items():
                    if figure is not None:
                        of_signal[name].add_metric((model, *_labels(each.signal, number)), figure)
        yield from (*of_model.values(), *of_signal.values())


def _gauge(name: str, text: str, labels: Sequence[str]) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"danlu_drift_{name}", text, labels=labels)


def _labels(signal: Signal, number: int) -> tuple[str, str, str]:
    """of, column and measure; a long name is cut, and numbered so that no two series are one."""
    name = signal.column
    return signal.of, name if len(name) <= LABEL else f"{name[:LABEL]}…{number}", signal.measure


def _figures(found: Finding) -> dict[str, float | None]:
    """Of few rows, none; 1 where the signal moved."""
    if found.status == "few":
        return {}
    return {
        "psi": found.psi,
        "missing_share": found.missing[1],
        "unseen_share": found.unseen[1],
        "mean": found.mean[1],
        "reference_mean": found.mean[0],
        "moved": float(found.status == "moved"),
    }


_OF_MODEL = {
    "rows": "Newest rows that are compared with the reference.",
    "signals_moved": "Columns and predictions, measure by measure, that moved.",
}
_OF_SIGNAL = {
    "psi": "Population stability index against the reference.",
    "missing_share": "Share of missing values.",
    "unseen_share": "Share of values that the reference did not have.",
    "mean": "Mean of the newest rows.",
    "reference_mean": "Mean of the reference.",
    "moved": "Whether it moved, beyond chance and by enough to matter.",
}
