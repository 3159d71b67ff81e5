"""How the report speaks: one language, numbers as that language writes them. Knows nothing of pages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from danlu.evaluation.numerals import number, percent
from danlu.words import Language, Note, sentences

PERCENT = frozenset(
    {"accuracy", "balanced_accuracy", "subset_accuracy", "ece", "mape", "hamming_loss"}
    | {"top5_accuracy", "next_accuracy"}
    | {"rouge_1", "rouge_2", "rouge_l"}
    | {"f1", "exact_match", "f1_answerable", "exact_match_answerable", "no_answer_accuracy"}
    | {f"{name}_{average}" for name in ("precision", "recall", "f1") for average in ("micro", "macro", "weighted")}
)
OF_A_HUNDRED = frozenset({"bleu", "chrf"})
UNBOUNDED = frozenset({"mae", "rmse", "median_absolute_error", "perplexity"})


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

    def text(self, *said: str) -> str:
        """Sentences one after another, as the language spaces them."""
        return (" " if self.language == "en" else "").join(sentence for sentence in said if sentence)

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
        """The metric's value: per cent, points of a hundred, four digits of the target's unit, or three decimals."""
        if metric in PERCENT:
            return self.share(value)
        if metric in OF_A_HUNDRED:
            return f"{value:.1f}"
        return number(value) if metric in UNBOUNDED else f"{value:.3f}"

    def between(self, metric: str, bounds: Sequence[float]) -> str:
        """The interval of a metric: "95.0 – 98.6 %"."""
        low = percent(bounds[0]) if metric in PERCENT else self.value(metric, bounds[0])
        return f"{low} – {self.value(metric, bounds[1])}"

    def duration(self, seconds: float) -> str:
        """0.42 s, 12 s, 3 min 20 s, 2 h 5 min."""
        if seconds < 100:
            return self.say("seconds", seconds=f"{seconds:.2g}")
        minutes, rest = divmod(round(seconds), 60)
        if minutes < 60:
            return self.say("minutes", minutes=minutes, seconds=rest)
        return self.say("hours", hours=minutes // 60, minutes=minutes % 60)

    def _word(self, kind: str, name: str) -> str:
        key = f"report.{kind}.{name}"
        return self.note(Note(key)) if key in sentences() else ""
