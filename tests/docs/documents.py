"""The pieces of a document: headings and blocks of code; and what it takes to run them."""

import contextlib
import io
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from danlu.cli import app
from danlu.recipe import Recipe

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"(?:<!-- not run: (?P<reason>.+?) -->\n)?^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    """A fenced block of code; `reason` says why it is not run."""

    language: str
    code: str
    reason: str | None

    @property
    def essence(self) -> str:
        """What must be the same in every language: the code without comments; of outputs nothing."""
        if self.language == "text":
            return ""
        if self.language == "yaml":
            return str(yaml.safe_load(self.code))
        return "\n".join(line for line in (re.sub(r"\s*#.*", "", line) for line in self.code.splitlines()) if line)


def blocks(document: Path) -> list[Block]:
    """The blocks of a document from top to bottom."""
    found = _BLOCK.finditer(document.read_text(encoding="utf-8"))
    return [Block(m["language"], m["code"], m["reason"]) for m in found]


def heading_levels(document: Path) -> list[int]:
    """1 for a title, 2 for a section …, from top to bottom."""
    plain = _BLOCK.sub("", document.read_text(encoding="utf-8"))
    return [len(marks) for marks in re.findall(r"^(#+) ", plain, re.M)]


def run_blocks(document: Path, quick_settings: list[str]) -> None:
    """Run every block: commands and Python as they stand, with quick settings; recipes are validated.

    A recipe that begins with the comment "# name.yaml" is written to that file, for the commands after it.
    """
    names: dict[str, Any] = {}
    for block in blocks(document):
        if block.reason:
            continue
        match block.language:
            case "bash":
                for line in block.code.replace("\\\n", " ").splitlines():
                    run_line(line, quick_settings)
            case "python":
                with contextlib.redirect_stdout(io.StringIO()):
                    exec(compile(block.code, str(document), "exec"), names)
            case "yaml":
                _use_recipe(block.code)


def run_line(line: str, quick_settings: list[str]) -> None:
    """Run `danlu …` in this process, also behind `cat FILE |` and before `> FILE`."""
    words = shlex.split(line, comments=True)
    if not words:
        return
    source = target = None
    if words[0] == "cat":
        source, words = words[1], words[3:]
    if ">" in words:
        words, target = words[: words.index(">")], words[words.index(">") + 1]
    assert words[0] == "danlu", f"only danlu is run: {line}"
    if words[1] == "train" and "--resume" not in words:
        words += quick_settings
    with _standard_streams(source, target):
        assert not app(words[1:], standalone_mode=False)


@contextlib.contextmanager
def _standard_streams(source: str | None, target: str | None) -> Iterator[None]:
    before = sys.stdin
    given = io.BytesIO(Path(source).read_bytes() if source else b"")
    taken = io.BytesIO()
    written = io.TextIOWrapper(taken, encoding="utf-8", write_through=True)
    sys.stdin = io.TextIOWrapper(io.BufferedReader(given), encoding="utf-8")
    try:
        with contextlib.redirect_stdout(written):
            yield
    finally:
        sys.stdin = before
    if target:
        Path(target).write_bytes(taken.getvalue())


def _use_recipe(text: str) -> None:
    Recipe.of(yaml.safe_load(text))
    name = re.match(r"# (\S+\.yaml)\n", text)
    if name:
        Path(name[1]).write_text(text, encoding="utf-8")
