"""Catalogue: families of models as lines of text and as JSON: what each is for, can do and weighs.

What they weigh is measured once for each version of the code and kept: measuring imports torch, and takes seconds.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from danlu.cache import keep_json, kept_json
from danlu.layout import definitions, wrapped
from danlu.words import Note, say

INDENT = "    "
KEPT = "catalogue.json"


@dataclass(frozen=True)
class Entry:
    """A family: the sentence that says what it is for, the tasks that it can do, and what its default model weighs."""

    name: str
    summary: str
    tasks: Sequence[str]
    footprint: dict[str, Any]  # a models.footprint.Footprint

    @classmethod
    def of(cls, name: str) -> "Entry":
        """The entry of a family in FAMILIES, measured."""
        from danlu.models import family_named
        from danlu.models.footprint import footprint
        from danlu.tasks import TASKS

        family = family_named(name)
        tasks = [task for task, each in TASKS.items() if each.modality in family.reads]
        return cls(name, family.summary, tasks, asdict(footprint(name)))

    def to_json(self) -> dict[str, Any]:
        """Of all families alike; memory in bytes."""
        return {"name": self.name, "summary": say(self.summary), "tasks": list(self.tasks), **self.footprint}


@dataclass(frozen=True)
class Catalogue:
    """Every family, and what their sizes are measured with: kinds of inputs, and rows."""

    entries: Sequence[Entry]
    references: Sequence[str]
    rows: int


def listed() -> list[Entry]:
    """Every family."""
    return list(_catalogue().entries)


def catalogue_lines() -> Iterator[str]:
    """Every family in a few lines, and what their sizes are measured with."""
    known = _catalogue()
    for entry in known.entries:
        yield from _entry_lines(entry)
        yield ""
    yield from definitions([("transformers:TYPE", say("models.long_tail"))])
    yield ""
    yield from wrapped(say("models.footprint_of"))
    for modality in known.references:
        yield from wrapped(f"- {say(f'models.reference_{modality}', rows=known.rows)}", "  ")


def family_lines(name: str) -> Iterator[str]:
    """What one family is for, can do and weighs, and its settings; of an architecture of transformers, the settings."""
    from danlu.models import FAMILIES, family_named
    from danlu.models.footprint import ROWS
    from danlu.newrecipe import settings_of

    if name in FAMILIES:
        entry = Entry.of(name)
        yield from _entry_lines(entry)
        yield from wrapped(say(f"models.reference_{entry.footprint['reads']}", rows=ROWS), INDENT)
        yield ""
    yield from definitions(settings_of(name, family_named(name).config))


def family_json(name: str) -> dict[str, Any]:
    """What `family_lines` tells, for programs: each setting with its default and meaning."""
    from danlu.models import FAMILIES, family_named

    fields = family_named(name).config.model_json_schema()["properties"]
    known = Entry.of(name).to_json() if name in FAMILIES else {"name": name}
    return {**known, "settings": fields}


def _catalogue() -> Catalogue:
    """As it was kept by this version of the code; else measured, and kept."""
    version, kept = _version(), kept_json(KEPT)
    if isinstance(kept, dict) and kept.get("version") == version:
        return Catalogue([Entry(**entry) for entry in kept["entries"]], kept["references"], kept["rows"])
    found = _measured()
    keep_json(KEPT, {"version": version, **asdict(found)})
    return found


def _measured() -> Catalogue:
    from danlu.models import FAMILIES
    from danlu.models.footprint import REFERENCES, ROWS

    return Catalogue([Entry.of(name) for name in FAMILIES], list(REFERENCES), ROWS)


def _version() -> str:
    """Changes with torch's version and with any file that says what a family is, can do or weighs."""
    here = Path(__file__).parent
    files = sorted(path for part in ("models", "tasks", "data") for path in (here / part).rglob("*.py"))
    seen = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in [*files, Path(__file__)]]
    return hashlib.sha256(repr([metadata.version("torch"), *seen]).encode()).hexdigest()


def _entry_lines(entry: Entry) -> Iterator[str]:
    weighs = entry.footprint
    size = Note(
        "models.footprint",
        parameters=f"{weighs['parameters']:,}",
        running=_told(weighs["running"]),
        training=_told(weighs["training"]),
        batch=weighs["batch_size"],
    )
    yield from definitions([(entry.name, say(entry.summary))])
    yield from wrapped(", ".join(entry.tasks), INDENT)
    yield from wrapped(str(size), INDENT)


def _told(size: int) -> str:
    """Bytes in the unit that suits them."""
    unit, value = ("MB", size / 1e6) if size >= 1e6 else ("kB", size / 1e3)
    return f"{value:,.{0 if value >= 10 else 1}f} {unit}"
