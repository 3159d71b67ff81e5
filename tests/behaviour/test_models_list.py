"""`danlu models`: what each family is for, can do and weighs, in both languages, on any terminal."""

import json
import subprocess
import sys

import pytest
import torch
from torch import nn

from danlu import catalogue, cli
from danlu.layout import cells
from danlu.models import FAMILIES
from danlu.models.footprint import REFERENCES, ROWS, _kept_for_the_way_back, footprint
from danlu.tasks import TASKS


@pytest.fixture
def shown(monkeypatch, capsys):
    """What `danlu models …` prints on a terminal of 80 columns, line by line."""

    def show(*arguments, language="en"):
        monkeypatch.setenv("COLUMNS", "80")
        monkeypatch.setenv("DANLU_LANG", language)
        monkeypatch.setattr(sys, "argv", ["danlu", "models", *arguments])
        with pytest.raises(SystemExit) as left:
            cli.main()
        assert not left.value.code
        return capsys.readouterr().out

    return show


@pytest.mark.parametrize("language", ["en", "zh"])
def test_families_are_listed_with_their_tasks_and_sizes_within_80_columns(shown, language):
    told = shown(language=language)
    assert max(map(cells, told.splitlines())) <= 80
    for name, family in FAMILIES.items():
        part = told.split(f"\n  {name}  ")[-1].split("\n\n")[0] if name != "linear" else told.split("\n\n")[0]
        assert all(task in part.replace("\n", " ") for task in TASKS if TASKS[task].modality in family.reads)
        assert f"{footprint(name).parameters:,}" in part
    assert "transformers:TYPE" in told


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", ["llama", "transformers:xlnet"])
def test_one_family_is_shown_with_its_settings(shown, name, language):
    told = shown(name, language=language)
    assert max(map(cells, told.splitlines())) <= 80
    assert all(f"model.{setting}" in told for setting in catalogue.family_json(name)["settings"])
    assert ("层数" in told or "num_hidden_layers" in told) if language == "zh" else "layers" in told


def test_programs_read_the_same_as_json(shown):
    listed = json.loads(shown("--json"))
    assert [each["name"] for each in listed] == [*FAMILIES]
    assert all(each["tasks"] and each["training"] > each["running"] for each in listed)
    assert json.loads(shown("gru", "--json"))["settings"]["width"]["default"] == 128


def test_parameters_are_those_of_the_model_that_such_data_would_get():
    known, shapes = FAMILIES["bert"], REFERENCES["text"]
    module = known.build(known.config(**known.fields(shapes, ROWS)), shapes)
    assert footprint("bert").parameters == sum(p.numel() for p in module.parameters())


def test_what_a_batch_keeps_is_counted_once_and_without_the_weights():
    class Squares(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(8, 16)

        def forward(self, inputs):
            x = self.linear(inputs["x"])
            return {"y": x * x}  # keeps x, twice the same

    assert _kept_for_the_way_back(Squares(), {"x": torch.zeros(4, 8)}) == 4 * (4 * 8 + 4 * 16)


def test_the_list_is_measured_once_for_each_version_of_the_code(monkeypatch, tmp_path, shown):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = shown("--json")
    measured = catalogue._measured
    monkeypatch.setattr(catalogue, "_measured", lambda: pytest.fail("measured again"))
    assert shown("--json") == first
    assert shown(language="zh").startswith("  linear")
    monkeypatch.setattr(catalogue, "_measured", measured)
    monkeypatch.setattr(catalogue, "_version", lambda: "another")
    assert shown("--json") == first


def test_the_kept_list_is_shown_without_torch():
    catalogue.listed()
    code = "import sys; from danlu import catalogue; list(catalogue.catalogue_lines()); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
