"""Catalogue: families of models as lines of text and as JSON: what each is for, can do and weighs. Imports torch."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from danlu.layout import definitions, wrapped
from danlu.models import FAMILIES, family_named
from danlu.models.footprint import REFERENCES, ROWS, Footprint, footprint
from danlu.newrecipe import settings_of
from danlu.tasks import TASKS
from danlu.words import Note, say

INDENT = "    "


@dataclass(frozen=True)
class Entry:
    """A family: what it is for, the tasks that it can do, and what its default model weighs."""

    name: str
    summary: str
    tasks: tuple[str, ...]
    footprint: Footprint

    @classmethod
    def of(cls, name: str) -> "Entry":
        """The entry of a family in FAMILIES."""
        family = family_named(name)
        tasks = tuple(task for task, each in TASKS.items() if each.modality in family.reads)
        return cls(name, say(family.summary), tasks, footprint(name))

    def to_json(self) -> dict[str, Any]:
        """Of all families alike; memory in bytes."""
        return {"name": self.name, "summary": self.summary, "tasks": list(self.tasks), **vars(self.footprint)}


def listed() -> list[Entry]:
    """Every family."""
    return [Entry.of(name) for name in FAMILIES]


def catalogue_lines() -> Iterator[str]:
    """Every family in a few lines, and what their sizes are measured with."""
    for entry in listed():
        yield from _entry_lines(entry)
        yield ""
    yield from definitions([("transformers:TYPE", say("models.long_tail"))])
    yield ""
    yield from wrapped(say("models.footprint_of"))
    for modality in REFERENCES:
        yield from wrapped(f"- {say(f'models.reference_{modality}', rows=ROWS)}", "  ")


def family_lines(name: str) -> Iterator[str]:
    """What one family is for, can do and weighs, and its settings; of an architecture of transformers, the settings."""
    if name in FAMILIES:
        entry = Entry.of(name)
        yield from _entry_lines(entry)
        yield from wrapped(say(f"models.reference_{entry.footprint.reads}", rows=ROWS), INDENT)
        yield ""
    yield from definitions(settings_of(name, family_named(name).config))


def family_json(name: str) -> dict[str, Any]:
    """What `family_lines` tells, for programs: each setting with its default and meaning."""
    fields = family_named(name).config.model_json_schema()["properties"]
    known = Entry.of(name).to_json() if name in FAMILIES else {"name": name}
    return {**known, "settings": fields}


def _entry_lines(entry: Entry) -> Iterator[str]:
    weighs = entry.footprint
    size = Note(
        "models.footprint",
        parameters=f"{weighs.parameters:,}",
        running=_told(weighs.running),
        training=_told(weighs.training),
        batch=weighs.batch_size,
    )
    yield from definitions([(entry.name, entry.summary)])
    yield from wrapped(", ".join(entry.tasks), INDENT)
    yield from wrapped(str(size), INDENT)


def _told(size: int) -> str:
    """Bytes in the unit that suits them."""
    unit, value = ("MB", size / 1e6) if size >= 1e6 else ("kB", size / 1e3)
    return f"{value:,.{0 if value >= 10 else 1}f} {unit}"
