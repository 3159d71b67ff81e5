"""Every sentence exists in both languages, is filled as it asks, and is said somewhere."""

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from danlu.errors import DanluError
from danlu.newrecipe import recipe_text
from danlu.recipe import Recipe
from danlu.words import Note, say, sentences
from danlu.words.fields import CHINESE

SOURCE = Path(__file__).parents[2] / "src" / "danlu"
SPEAKERS = {"say", "Note", "DanluError"}
CHINESE_CHARACTER = re.compile(r"[\u4e00-\u9fff]")


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def trees() -> Iterator[tuple[Path, ast.AST]]:
    for path in SOURCE.rglob("*.py"):
        if path.parent.name != "words" or path.name == "__init__.py":
            yield path, ast.parse(path.read_text(encoding="utf-8"))


def speeches() -> Iterator[tuple[str, ast.Call]]:
    """(place, call) of every say, Note and DanluError."""
    for path, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", None) in SPEAKERS and node.args:
                yield f"{path.relative_to(SOURCE)}:{node.lineno}", node


def pattern_of(key: ast.expr) -> re.Pattern[str] | None:
    """What a literal or f-string key can be; None where it is computed."""
    if isinstance(key, ast.Constant):
        return re.compile(re.escape(str(key.value)))
    if isinstance(key, ast.JoinedStr):
        return re.compile("".join(re.escape(p.value) if isinstance(p, ast.Constant) else r"\w+" for p in key.values))
    return None


def test_every_sentence_has_both_languages_with_the_same_fields() -> None:
    for key, (english, chinese) in sentences().items():
        assert placeholders(english) == placeholders(chinese), key
        assert bool(english) == bool(chinese), key
        assert not CHINESE_CHARACTER.search(english), key


def test_every_key_that_the_code_says_exists() -> None:
    unknown = []
    for place, call in speeches():
        pattern = pattern_of(call.args[0])
        if pattern and not any(map(pattern.fullmatch, sentences())):
            unknown.append(f"{place} {pattern.pattern}")
    assert not unknown


def test_every_sentence_is_given_all_its_fields() -> None:
    incomplete = []
    for place, call in speeches():
        key = getattr(call.args[0], "value", None)
        given = {word.arg for word in call.keywords}
        if key in sentences() and None not in given:  # None: **fields
            lacking = placeholders(sentences()[key][0]) - given
            incomplete += [f"{place} {key} lacks {lacking}"] if lacking else []
    assert not incomplete


def test_every_sentence_is_said_somewhere() -> None:
    literals, patterns = set(), []
    for _, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                literals.add(node.value)
            elif isinstance(node, ast.JoinedStr) and (pattern := pattern_of(node)):
                patterns.append(pattern)
    areas = {key.split(".")[0] for key in sentences()}
    patterns = [p for p in patterns if p.pattern.split("\\.")[0] in areas]
    silent = [key for key in sentences() if key not in literals and not any(p.fullmatch(key) for p in patterns)]
    assert not silent


def test_commands_in_sentences_are_quoted_as_a_shell_reads_them() -> None:
    wrong = re.compile(r"danlu (train|predict|generate|embed|evaluate)[ \w{}./-]*[“”]")
    assert not [key for key, said in sentences().items() for text in said if wrong.search(text)]


def test_error_speaks_the_users_language(monkeypatch: pytest.MonkeyPatch) -> None:
    error = DanluError("cli.no_data")
    monkeypatch.setenv("DANLU_LANG", "en")
    assert str(error).startswith("Give data or a recipe")
    monkeypatch.setenv("DANLU_LANG", "zh_CN.UTF-8")
    assert str(error).startswith("请给出数据或配方")


def test_note_written_in_one_language_is_read_in_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANLU_LANG", "en")
    inner = Note("doctor.bf16_slower")
    written = Note("doctor.speeds", speeds=10, verdict=inner, when="today", how="").to_json()
    monkeypatch.setenv("DANLU_LANG", "zh")
    assert str(Note.from_json(written)) == say("doctor.speeds", speeds=10, verdict=str(inner), when="today", how="")


def test_every_key_of_a_recipe_has_its_meaning_in_both_languages() -> None:
    described = dict(keys_below(Recipe, ""))
    assert set(described) == set(CHINESE)
    assert all(described.values())


def keys_below(config: type, prefix: str) -> Iterator[tuple[str, str | None]]:
    from pydantic import BaseModel

    for name, field in config.model_fields.items():  # type: ignore[attr-defined]
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from keys_below(inner, f"{prefix}{name}.")
        else:
            yield prefix + name, field.description


def test_a_new_recipe_speaks_the_users_language(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANLU_LANG", "zh")
    assert "学习率" in recipe_text("text-classification", "auto")
    monkeypatch.setenv("DANLU_LANG", "en")
    assert not CHINESE_CHARACTER.search(recipe_text("text-classification", "auto"))
