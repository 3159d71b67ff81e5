"""A commented recipe and the schema of recipes, written from the fields of Recipe, so that neither drifts."""

import json
from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from danlu.recipe import Recipe, json_schema
from danlu.words import language, say
from danlu.words.fields import CHINESE
from danlu.words.models import SETTINGS

SCHEMA_FILE = "recipe.schema.json"

# task, or the modality of one → what its recipe sets, so that only names are left to change
STARTS: dict[str, dict[str, Any]] = {
    "tabular": {"files": ["train.csv"], "target": ["label"]},
    "text-generation": {"files": ["texts/"]},
    "fill-mask": {"files": ["texts/"]},
    "token-classification": {"files": ["train.conll"]},
    "question-answering": {"files": ["train.json"]},
    "translation": {"files": ["sentences.tsv"]},
    "summarization": {"files": ["train.jsonl"], "target": ["summary"]},
    "text": {"files": ["train.csv"], "target": ["label"], "columns": {"text": "text"}},
    "image": {"files": ["images/"]},
    "sequence": {"files": ["train.parquet"], "target": ["label"]},
}


def recipe_text(task: str, family: str, settings: type[BaseModel] | None = None) -> str:
    """A YAML recipe for `task`: what must be set is set, every other key stands commented out at its default.

    `settings` is the Config of `family`, whose fields are then listed too.
    """
    given = {"task": task, "data": STARTS.get(task) or STARTS[task.partition("-")[0]], "model": {"family": family}}
    lines = [
        f"# yaml-language-server: $schema={SCHEMA_FILE}",
        f"# {say('new.schema', schema=SCHEMA_FILE)}",
        f"# {say('new.commented')}",
    ]
    for name, field in Recipe.model_fields.items():
        section = list(_field(name, field, given.get(name), indent="", parents=""))
        lines += ["", *section]
        if name == "model" and settings:
            lines += _fields(settings, {}, indent="  ", parents=f"{family.partition(':')[0]}.")
    return "\n".join(lines)


def schema_text() -> str:
    """JSON Schema of a recipe; an editor that reads a recipe's first line completes and checks keys by it."""
    return json.dumps(json_schema(), ensure_ascii=False, indent=1)


def settings_of(family: str, config: type[BaseModel]) -> list[tuple[str, str]]:
    """The settings of a family with their defaults, and what they mean."""
    kind = family.partition(":")[0]  # all of transformers:TYPE have the same
    return [
        (f"model.{name}={_flow(field.get_default())}", _meaning(f"{kind}.{name}", field))
        for name, field in config.model_fields.items()
    ]


def _fields(config: type[BaseModel], given: Mapping[str, Any], indent: str, parents: str) -> Iterator[str]:
    for name, field in config.model_fields.items():
        yield from _field(name, field, given.get(name), indent, parents)


def _field(name: str, field: FieldInfo, given: Any, indent: str, parents: str) -> Iterator[str]:
    """The lines of one key: a section and its keys; or the key as given, or commented out at its default."""
    path = parents + name
    inner = field.annotation
    if isinstance(inner, type) and issubclass(inner, BaseModel):
        yield f"{indent}{name}:"
        yield from _fields(inner, given or {}, indent + "  ", f"{path}.")
        return
    value = field.get_default() if given is None else given
    mark = "# " if given is None else ""
    meaning = _meaning(path, field)
    yield f"{indent}{mark}{name}: {_flow(value)}" + (f"  # {meaning}" if meaning else "")


def _meaning(path: str, field: FieldInfo) -> str:
    """The description in the user's language, and the words among which the key may choose."""
    english = field.description or ""
    description = (CHINESE | SETTINGS).get(path, english) if language() == "zh" else english
    return "; ".join(filter(None, [description, _choices(field.annotation)]))


def _flow(value: Any) -> str:
    """YAML on one line."""
    plain = list(value) if isinstance(value, tuple) else value
    return (
        yaml.safe_dump(plain, default_flow_style=True, allow_unicode=True, width=10**6).removesuffix("\n...\n").strip()
    )


def _choices(annotation: Any) -> str:
    """The words among which a key may choose, as "a | b"."""
    if get_origin(annotation) is Literal:
        return " | ".join(str(choice) for choice in get_args(annotation) if isinstance(choice, str))
    if get_origin(annotation) in (Union, UnionType):
        return " | ".join(filter(None, map(_choices, get_args(annotation))))
    return ""
