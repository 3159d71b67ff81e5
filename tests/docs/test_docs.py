"""The guides say what is so: their commands and code run, and their tables hold what the code holds."""

import re
from pathlib import Path
from typing import get_args

import pytest
import yaml
from documents import ROOT, blocks, heading_levels, run_blocks
from pydantic import BaseModel

from danlu.evaluation.metrics import MAIN
from danlu.generation.config import GenerationConfig
from danlu.models import FAMILIES
from danlu.models.transformer import Config as TransformerConfig
from danlu.recipe import Recipe, TrainConfig
from danlu.tasks import TASKS

ENGLISH = sorted((ROOT / "docs" / "en").glob("*.md"))
GUIDES = [*ENGLISH, *sorted((ROOT / "docs" / "zh").glob("*.md"))]
DOCUMENTS = [*GUIDES, *ROOT.glob("*.md"), ROOT / "docs" / "architecture.md"]

each_language = pytest.mark.parametrize("language", ["en", "zh"])


@pytest.mark.usefixtures("quick_training", "workplace")
@pytest.mark.parametrize("guide", ENGLISH, ids=lambda path: path.stem)
def test_code_of_a_guide_runs(guide: Path, quick_settings: list[str]) -> None:
    """The Chinese guide holds the same code, see below."""
    run_blocks(guide, quick_settings)


def test_both_languages_have_the_same_guides() -> None:
    assert [p.name for p in ENGLISH] == sorted(p.name for p in (ROOT / "docs" / "zh").glob("*.md"))
    assert ENGLISH


@pytest.mark.parametrize("guide", ENGLISH, ids=lambda path: path.stem)
def test_a_guide_has_the_same_sections_and_code_in_both_languages(guide: Path) -> None:
    chinese = ROOT / "docs" / "zh" / guide.name
    assert heading_levels(guide) == heading_levels(chinese)
    assert [b.language for b in blocks(guide)] == [b.language for b in blocks(chinese)]
    assert [b.essence for b in blocks(guide)] == [b.essence for b in blocks(chinese)]


@each_language
def test_the_table_of_the_recipe_holds_every_key_with_its_default(language: str) -> None:
    assert dict(rows_of(guide("recipe", language), 2)) == dict(defaults(Recipe))


@each_language
def test_the_table_of_generate_holds_every_setting_with_its_default(language: str) -> None:
    assert dict(rows_of(guide("generate", language), 2)) == dict(defaults(GenerationConfig))


@each_language
@pytest.mark.parametrize("family", FAMILIES)
def test_the_settings_of_a_family_stand_under_its_name(family: str, language: str) -> None:
    sections = re.split(r"^## ", guide("models", language), flags=re.M)
    section = next(s for s in sections if f"`{family}`" in s.splitlines()[0])
    config = FAMILIES[family].config
    settings = {name: default for name, default in defaults(config) if name != "cell"}
    shared = next(s for s in sections if s.startswith("Transformer")) if issubclass(config, TransformerConfig) else ""
    assert dict(rows_of(shared, 2)) == (dict(defaults(TransformerConfig)) if shared else {})
    assert dict(rows_of(shared, 2)) | dict(rows_of(section, 2)) == settings


@each_language
def test_every_metric_is_explained(language: str) -> None:
    explained = set(re.findall(r"`(\w+)`", guide("evaluation", language)))
    assert {name for names in MAIN.values() for name in names} <= explained


@each_language
@pytest.mark.parametrize("setting", ["optimizer", "schedule", "loss"])
def test_every_choice_of_training_is_explained(setting: str, language: str) -> None:
    choices = get_args(get_args(TrainConfig.model_fields[setting].annotation)[0])
    assert {f"`{choice}`" for choice in choices} <= set(re.findall(r"`\w+`", guide("training", language)))


@each_language
def test_every_task_is_in_the_guide_to_models(language: str) -> None:
    assert set(TASKS) <= set(re.findall(r"`([\w-]+)`", guide("models", language)))


@each_language
def test_every_dependency_has_its_reason(language: str) -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    listed = re.search(r"^dependencies = \[(.*?)^\]", project, re.M | re.S)
    assert listed
    names = set(re.findall(r'"([\w-]+)>', listed[1]))
    assert names == {row[0] for row in rows_of(guide("dependencies", language).split("\n## ")[1], 1)}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_source_files_that_a_document_names_exist(document: Path) -> None:
    for name in re.findall(r"`(src/danlu/[\w/.]+)`", document.read_text(encoding="utf-8")):
        assert (ROOT / name).exists(), name


def test_the_map_of_the_house_names_files_that_exist() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    there = {path.name for path in (ROOT / "src" / "danlu").rglob("*.py")}
    assert set(re.findall(r"\b[a-z_]+\.py\b", text)) <= there


def guide(name: str, language: str) -> str:
    return (ROOT / "docs" / language / f"{name}.md").read_text(encoding="utf-8")


def rows_of(text: str, cells: int) -> list[tuple[str, ...]]:
    """The first `cells` cells, without backticks, of each table row that begins with code."""
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    return [tuple(cell.strip("` ") for cell in row[:cells]) for row in rows]


def defaults(config: type[BaseModel], prefix: str = "") -> list[tuple[str, str]]:
    """Every key below `config` with its default as YAML."""
    found = []
    for name, field in config.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found += defaults(inner, f"{prefix}{name}.")
        else:
            found.append((prefix + name, written(field.get_default())))
    return found


def written(value: object) -> str:
    value = list(value) if isinstance(value, tuple) else value
    return yaml.safe_dump(value, default_flow_style=True).removesuffix("\n").removesuffix("\n...")
