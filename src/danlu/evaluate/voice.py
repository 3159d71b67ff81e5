"""How the report speaks: one language, numbers as that language writes them. Knows nothing of pages."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from danlu.evaluate.numerals import number, percent
from danlu.words import Language, Note, sentences

PERCENT = frozenset(
    {"accuracy", "balanced_accuracy", "subset_accuracy", "ece", "mape", "hamming_loss"}
    | {f"{name}_{average}" for name in ("precision", "recall", "f1") for average in ("micro", "macro", "weighted")}
)
IN_THE_TARGETS_UNIT = frozenset({"mae", "rmse", "median_absolute_error"})


@dataclass(frozen=True)
class Voice:
    """Says keys, notes and metrics in one language."""

    language: Language

    def say(self, key: str, **fields: Any) -> str:
        """The sentence `report.<key>`."""
        return self.note(Note(f"report.{key}", **fields))

    def note(self, note: Note | Mapping[str, Any]) -> str:
        """A note, or what `Note.to_json` made of it; per cent signs stay with their number."""
        spoken = note if isinstance(note, Note) else Note.from_json(note)
        return spoken.text(self.language).replace(" %", "\u202f%")

    def metric(self, name: str) -> str:
        """The metric's name as people say it; an unknown one as it is."""
        return self._word("m", name) or name.replace("_", " ")

    def meaning(self, name: str) -> str:
        """What the metric measures, in a few words, or nothing."""
        return self._word("h", name)

    def share(self, value: float) -> str:
        """0.98876 → "98.9 %"."""
        return self.say("percent", value=percent(value))

    def value(self, metric: str, value: float) -> str:
        """The metric's value: per cent, four digits of the target's unit, or three decimals."""
        if metric in PERCENT:
            return self.share(value)
        return number(value) if metric in IN_THE_TARGETS_UNIT else f"{value:.3f}"

    def _word(self, kind: str, name: str) -> str:
        key = f"report.{kind}.{name}"
        return self.note(Note(key)) if key in sentences() else ""
