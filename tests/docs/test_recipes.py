"""Every recipe of recipes/ is valid, explains itself, and trains."""

from pathlib import Path

import pytest

from danlu import api
from danlu.models import FAMILIES
from danlu.recipe import Recipe, validated
from danlu.tasks import TASKS

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))

every_recipe = pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)


@every_recipe
def test_a_recipe_is_valid_and_says_what_it_is_for(path: Path) -> None:
    recipe = Recipe.load(path)
    assert recipe.task in TASKS
    if recipe.model.family != "auto":
        validated(FAMILIES[recipe.model.family].config, recipe.model.fields, path.name)
    assert path.read_text(encoding="utf-8").startswith("# ")


@every_recipe
def test_a_recipe_trains(path: Path, workplace: Path, tmp_path: Path, quick_settings: list[str]) -> None:
    """On small files of the names it gives, in two steps."""
    recipe = Recipe.load(path, quick_settings)
    run = api.train(recipe=recipe, out=tmp_path / "run", quiet=True)
    assert run.finished
    assert run.report["task"] == recipe.task


def test_every_task_has_a_recipe() -> None:
    assert {Recipe.load(path).task for path in RECIPES} == set(TASKS)


def test_every_family_that_is_not_a_variant_has_a_recipe() -> None:
    used = {Recipe.load(path).model.family for path in RECIPES}
    assert used >= set(FAMILIES) - {"rnn", "roberta", "distilbert", "mistral", "qwen2", "qwen3", "marian"}
