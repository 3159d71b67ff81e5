"""What the documentation says is true: its commands, settings, make targets and links exist."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from danlu.cli import app
from danlu.errors import DanluError
from danlu.models import FAMILIES
from danlu.recipe import Recipe, validated, with_overrides

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
VERBS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
SETTING = re.compile(r"[a-z]\w*(\.\w+)+=")


@pytest.fixture(autouse=True)
def language(monkeypatch: pytest.MonkeyPatch) -> None:
    """An option --language sets it; so it is set back."""
    monkeypatch.setenv("DANLU_LANG", "en")


def commands_in(text: str, program: str) -> Iterator[list[str]]:
    """Arguments of every line of code that calls `program`; a call ends at a pipe, a redirection or a comment."""
    for line in re.findall(rf"(?:^(?:    |\t|\$ )?|\| |`){program} ([^`\n]*)", code_of(text), re.M):
        words = shlex.split(line, comments=True)
        ends = [i for i, word in enumerate(words) if word in ("|", ">", ">>", "&&", "<")]
        yield words[: ends[0]] if ends else words


def code_of(text: str) -> str:
    """Fenced, indented and inline code, a piece per line."""
    fenced = re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S)
    plain = re.sub(r"^```\w*\n.*?^```", "", text, flags=re.M | re.S)
    indented = re.findall(r"^    .*$", plain, re.M)
    inline = [f"`{code}`" for code in re.findall(r"`([^`\n]+)`", plain)]
    return "\n".join([*fenced, *indented, *inline])


def refuse_untrue(arguments: list[str]) -> None:
    """Raises where the verb, an option or a setting does not exist."""
    verb, *rest = arguments
    if verb.startswith("-"):
        return
    assert verb in VERBS, verb
    if "..." in rest or "[" in " ".join(rest):  # a synopsis rather than a call
        return
    settings = [word for word in rest if SETTING.match(word)]
    VERBS[verb].make_context(verb, [*rest])
    if settings:
        family = next((rest[i + 1] for i, word in enumerate(rest[:-1]) if word in ("--model", "-m")), None)
        recipe = Recipe.of(with_overrides({"model": family} if family else {}, settings))
        if family and family != "auto" and not family.startswith("."):  # a folder is a checkpoint
            validated(FAMILIES[family].config, recipe.model.fields, f"model ({family})")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_of_a_document_exist(document: Path) -> None:
    for arguments in commands_in(document.read_text(encoding="utf-8"), "danlu"):
        if arguments and re.fullmatch(r"-*[a-z]+", arguments[0]):
            refuse_untrue(arguments)


@pytest.mark.parametrize("verb", VERBS)
def test_examples_of_the_help_exist(verb: str) -> None:
    for arguments in commands_in(f"```\n{VERBS[verb].epilog}\n```", "danlu"):
        refuse_untrue(arguments)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_make_targets_of_a_document_exist(document: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    for arguments in commands_in(document.read_text(encoding="utf-8"), "make"):
        assert {word for word in arguments if word.isalpha()} <= targets


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_of_a_document_lead_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", document.read_text(encoding="utf-8")):
        assert (document.parent / link).exists(), link


@pytest.mark.parametrize(
    "untrue",
    ["tarin a.csv", "train a.csv train.epoch=3", "train a.csv --traget x", "train a.csv -m mlp model.dept=2"],
)
def test_an_untrue_command_would_be_found(untrue: str) -> None:
    found = list(commands_in(f"Use `danlu {untrue}` now.", "danlu"))
    with pytest.raises((AssertionError, DanluError, typer.TyperException)):
        refuse_untrue(found[0])
