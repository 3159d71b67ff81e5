"""Every sentence that danlu says, in English and in Chinese. Knows nothing of who says it.

A sentence has a key, the same in every language; `say` fills it in the user's language, `Note` keeps key and
fields so that a file written in one language can be read in the other.
"""

import locale
import os
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any, Literal

Language = Literal["en", "zh"]
AREAS = (
    "checks",
    "cli",
    "codec",
    "corpus",
    "data",
    "drift",
    "embed",
    "entities",
    "evaluate",
    "exporting",
    "flow",
    "generate",
    "hub",
    "masking",
    "models",
    "pairs",
    "predict",
    "qa",
    "recipe",
    "report",
    "run",
    "serving",
    "train",
)


def say(key: str, /, **fields: Any) -> str:
    """The sentence `key` in the user's language, with `fields` filled in."""
    return Note(key, **fields).text(language())


def language() -> Language:
    """`DANLU_LANG` if set, else the locale: "zh" for Chinese, "en" for all others."""
    wanted = os.environ.get("DANLU_LANG") or os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES")
    wanted = wanted or os.environ.get("LANG") or locale.getlocale()[0] or "en"
    return "zh" if wanted.lower().startswith(("zh", "chinese")) else "en"


class Note:
    """A sentence that is said later: `str(note)` speaks the user's language at that time."""

    def __init__(self, key: str, /, **fields: Any) -> None:
        assert key in sentences(), f"no sentence named {key}"
        self.key = key
        self.fields = fields

    def text(self, lang: Language) -> str:
        """The sentence in `lang`; fields that are notes themselves are said in `lang` too."""
        filled = {k: v.text(lang) if isinstance(v, Note) else v for k, v in self.fields.items()}
        return sentences()[self.key][0 if lang == "en" else 1].format(**filled)

    def to_json(self) -> dict[str, Any]:
        """key, fields and the English text; `Note.from_json` reads it back."""
        fields = {k: v.to_json() if isinstance(v, Note) else v for k, v in self.fields.items()}
        return {"code": self.key, "fields": fields, "text": self.text("en")}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Note":
        """The note that `to_json` wrote."""
        fields = {k: cls.from_json(v) if isinstance(v, dict) and "code" in v else v for k, v in data["fields"].items()}
        return cls(data["code"], **fields)

    def __str__(self) -> str:
        return self.text(language())

    def __repr__(self) -> str:
        return f"Note({self.text('en')!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Note) and (self.key, self.fields) == (other.key, other.fields)

    def __hash__(self) -> int:
        return hash(self.key)


@cache
def sentences() -> dict[str, tuple[str, str]]:
    """key → (English, Chinese), from the files beside this one."""
    joined: dict[str, tuple[str, str]] = {}
    for area in AREAS:
        words = import_module(f"danlu.words.{area}").WORDS
        assert not joined.keys() & words.keys()
        joined.update(words)
    return joined
