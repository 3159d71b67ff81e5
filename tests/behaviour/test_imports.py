"""Imports point down the flow, and nothing heavy is imported before it is needed."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "danlu"
HEAVY = {"torch", "polars", "pydantic", "sklearn", "rich", "numpy", "PIL", "tokenizers", "yaml"}


def test_modules_import_only_what_stands_before_them() -> None:
    order = flow_in_the_documentation()
    wrong = [
        f"{module} imports {imported}"
        for module in modules()
        for imported in danlu_imports(module)
        if top(imported) and top(module) and order.index(top(imported)) > order.index(top(module))
    ]
    assert not wrong


def test_every_module_has_a_place_in_the_documented_flow() -> None:
    assert {top(module) for module in modules()} - {""} == set(flow_in_the_documentation())


def test_no_two_modules_import_each_other() -> None:
    graph = {module: danlu_imports(module, at_import_only=True) - {module} for module in modules()}
    assert list(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("words", ["import danlu", "import danlu; dir(danlu)"])
def test_import_danlu_imports_nothing_heavy(words: str) -> None:
    assert not imported_by(words) & HEAVY


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    assert not imported_by(command(arguments)) & HEAVY


@pytest.mark.parametrize("verb", ["train", "predict", "evaluate", "new", "runs", "models"])
def test_help_of_a_verb_imports_nothing_heavy_but_what_typer_needs(verb: str) -> None:
    assert imported_by(command([verb, "--help"])) & HEAVY <= {"pydantic"}


@pytest.mark.parametrize("module", ["words", "errors", "events", "recipe", "run", "display", "overview", "cli"])
def test_what_needs_no_tensors_imports_no_torch(module: str) -> None:
    assert "torch" not in imported_by(f"import danlu.{module}")


def test_plain_lines_are_shown_without_rich() -> None:
    words = "import danlu.display as d; d.shown(iter([]), d.display_here())"
    assert "rich" not in imported_by(words.replace("iter([])", "(x for x in ())"))


def test_help_takes_less_than_a_fifth_of_a_second() -> None:
    """Processor time, the least of five: others may be using the machine."""
    code = command(["--help"]).replace("main()", "atexit.register(lambda: print(time.process_time())); main()")
    assert min(float(output(f"import atexit, sys, time; {code}").splitlines()[-1]) for _ in range(5)) < 0.2


def flow_in_the_documentation() -> list[str]:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    block = re.search(r"walks the imports\):\n\n((?: {4}.*\n)+)", text)
    assert block
    return block.group(1).split()


def modules() -> dict[str, Path]:
    """danlu's modules by dotted name."""
    return {name_of(path): path for path in sorted(SOURCE.rglob("*.py"))}


def name_of(path: Path) -> str:
    parts = ("danlu", *path.relative_to(SOURCE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def top(module: str) -> str:
    """ "data" of danlu.data.codec; "" of danlu itself."""
    return [*module.split("."), ""][1]


def danlu_imports(module: str, at_import_only: bool = False) -> set[str]:
    """The modules of danlu that `module` imports, in functions and for types too unless `at_import_only`."""
    known = modules()
    tree = ast.parse(known[module].read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in at_import(tree) if at_import_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            below = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (below & known.keys()) or {str(node.module)}
    return {name for name in found if name.split(".")[0] == "danlu"}


def at_import(tree: ast.Module) -> Iterator[ast.stmt]:
    """Statements at the top of a module; not those for types only."""
    return iter(tree.body)


def command(arguments: list[str]) -> str:
    return f"sys.argv = {['danlu', *arguments]}; from danlu.cli import main; main()"


def imported_by(words: str) -> set[str]:
    """Top-level names of all modules that a new Python has imported after `words`."""
    at_exit = "import sys, atexit; atexit.register(lambda: print('\\n' + ' '.join(sys.modules)))"
    return {name.split(".")[0] for name in output(f"{at_exit}\n{words}").splitlines()[-1].split()}


def output(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
