"""Conversations → the text that a model goes on with, by the template that its run holds. Knows no HTTP."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from danlu.errors import DanluError

TEMPLATE, SETTINGS = "chat_template.jinja", "tokenizer_config.json"
_LONGEST = 1_000_000  # characters of what a template writes


@dataclass(frozen=True)
class ChatTemplate:
    """A template in the language of transformers' chat templates, with the marks of its tokenizer."""

    source: str
    marks: Mapping[str, str]  # such as bos_token

    @classmethod
    def of(cls, folder: Path) -> "ChatTemplate | None":
        """That of a model's folder; None where it has none."""
        settings = _settings(folder / SETTINGS)
        marks = {name: _content(value) for name, value in settings.items() if name.endswith("_token")}
        if (folder / TEMPLATE).is_file():
            return cls((folder / TEMPLATE).read_text(encoding="utf-8"), marks)
        source = settings.get("chat_template")
        return cls(source, marks) if isinstance(source, str) else None

    def prompt(self, messages: Sequence[Mapping[str, Any]]) -> str:
        """The conversation as text, up to where the answer begins; DanluError where the template refuses it."""
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        environment.filters["tojson"] = lambda value, **_: json.dumps(value, ensure_ascii=False)
        environment.globals |= {
            "raise_exception": _refuse,
            "strftime_now": lambda form: datetime.now(UTC).strftime(form),
        }
        try:
            template = environment.from_string(self.source)
            text = template.render(messages=messages, add_generation_prompt=True, **self.marks)
        except (TemplateError, TypeError) as error:
            raise DanluError("serve.template", why=str(error)[:200]) from None
        if len(text) > _LONGEST:
            raise DanluError("serve.template", why=f"> {_LONGEST}")
        return text


def _refuse(message: str) -> None:
    raise TemplateError(message)


def _settings(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def _content(mark: Any) -> str:
    """A mark is a text, or an object that holds it."""
    return str(mark.get("content", "")) if isinstance(mark, dict) else str(mark or "")
