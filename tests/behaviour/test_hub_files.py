"""Checkpoints are read from folders and from the hub's cache; what is wrong with one is named; no pickle is opened."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from danlu.data.store import Shapes
from danlu.errors import DanluError
from danlu.models import FAMILIES, build
from danlu.models.hub import files

SHAPES = Shapes(tokens=11, max_tokens=5, heads={"label": 2})
SIZE = {"width": 8, "depth": 2, "heads": 2, "max_length": 6}
LAYOUT = FAMILIES["bert"].layout
WEIGHT = "bert.encoder.layer.1.attention.self.key.weight"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    module, config = build("bert", SIZE, SHAPES)
    files.write(tmp_path / "checkpoint", LAYOUT.config(config, SHAPES), LAYOUT.tensors(module, config))
    return tmp_path / "checkpoint"


def load(folder: Path) -> torch.nn.Module:
    module, config = build("bert", LAYOUT.fields(files.read_config(folder)), SHAPES)
    LAYOUT.load(module, files.read_tensors(folder), config)
    return module


def refusal(folder: Path) -> DanluError:
    with pytest.raises(DanluError) as error:
        load(folder)
    return error.value


def rewrite(folder: Path, change) -> None:
    tensors = load_file(folder / files.WEIGHTS)
    change(tensors)
    save_file(tensors, folder / files.WEIGHTS)


def reconfigure(folder: Path, **changes) -> None:
    config = files.read_config(folder) | changes
    (folder / files.CONFIG).write_text(json.dumps(config))


def test_a_checkpoint_in_parts_is_the_same_checkpoint(folder: Path) -> None:
    whole = load_file(folder / files.WEIGHTS)
    names = sorted(whole)
    parts = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for file, held in parts.items():
        save_file({name: whole[name] for name in held}, folder / file)
    weight_map = {name: file for file, held in parts.items() for name in held}
    (folder / files.INDEX).write_text(json.dumps({"weight_map": weight_map}))
    (folder / files.WEIGHTS).unlink()
    assert files.read_tensors(folder).keys() == whole.keys()
    (folder / "model-00002-of-00002.safetensors").unlink()
    assert "model-00002-of-00002.safetensors" in str(refusal(folder))


def test_missing_extra_and_misshapen_tensors_are_named_in_one_error(folder: Path) -> None:
    def change(tensors: dict) -> None:
        tensors["bert.surplus.weight"] = torch.zeros(2)
        tensors[WEIGHT] = torch.zeros(8, 4)
        del tensors["classifier.bias"]

    rewrite(folder, change)
    error = refusal(folder)
    assert error.key == "hub.wrong_tensors"
    assert error.note.fields["missing"] == "classifier.bias"
    assert error.note.fields["extra"] == "bert.surplus.weight"
    assert error.note.fields["misshapen"] == f"{WEIGHT} (8, 4) ≠ (8, 8)"


def test_norms_may_have_their_old_names(folder: Path) -> None:
    before = load(folder).state_dict()

    def change(tensors: dict) -> None:
        for name in [name for name in tensors if "LayerNorm" in name]:
            old = name.replace(".weight", ".gamma").replace(".bias", ".beta")
            tensors[old] = tensors.pop(name)

    rewrite(folder, change)
    after = load(folder).state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_half_precision_becomes_float32(folder: Path) -> None:
    rewrite(folder, lambda tensors: tensors.update({name: t.half() for name, t in tensors.items()}))
    assert {p.dtype for p in load(folder).parameters()} == {torch.float32}


def test_a_pickle_is_refused_with_a_way_to_convert_it(folder: Path) -> None:
    (folder / files.WEIGHTS).rename(folder / "pytorch_model.bin")
    error = refusal(folder)
    assert error.key == "hub.pickle"
    assert "pytorch_model.bin" in str(error)
    assert "save_pretrained" in str(error)


@pytest.mark.parametrize("file", [files.CONFIG, files.WEIGHTS])
def test_a_file_that_is_damaged_or_absent_is_named(folder: Path, file: str) -> None:
    (folder / file).write_bytes(b"\x00nonsense")
    assert str(folder / file) in str(refusal(folder))
    (folder / file).unlink()
    assert refusal(folder).key == ("hub.no_file" if file == files.CONFIG else "hub.no_weights")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("hidden_act", "quick_gelu"),
        ("position_embedding_type", "relative_key"),
        ("is_decoder", True),
        ("tie_word_embeddings", False),
        ("hidden_size", None),
        ("num_attention_heads", "two"),
    ],
)
def test_a_config_that_cannot_be_represented_is_refused_by_key(folder: Path, key: str, value: object) -> None:
    reconfigure(folder, **{key: value})
    ours = {theirs: ours for ours, theirs in LAYOUT.settings.items()}.get(key, key)
    text = str(refusal(folder))
    assert key in text or ours in text


def test_a_model_type_without_a_family_is_refused(folder: Path) -> None:
    reconfigure(folder, model_type="mamba")
    with pytest.raises(DanluError) as error:
        files.family_name(files.read_config(folder))
    assert error.value.key == "hub.unknown_model_type"
    assert "mamba" in str(error.value)


def test_every_model_type_has_its_family() -> None:
    assert {*files.FAMILY_OF.values()} <= {*FAMILIES}
    for family in {*files.FAMILY_OF.values()}:
        assert FAMILIES[family].layout is not None, family


def test_a_folder_is_taken_as_it_is_and_an_absent_one_is_named(folder: Path) -> None:
    assert files.checkpoint(folder) == folder
    with pytest.raises(DanluError) as error:
        files.checkpoint(folder / "elsewhere")
    assert error.value.key == "hub.no_folder"


@pytest.fixture
def offline_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    constants = pytest.importorskip("huggingface_hub").constants
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_name_is_found_in_the_cache_while_offline(folder: Path, offline_cache: Path) -> None:
    repository = offline_cache / "models--someone--model"
    (repository / "snapshots").mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    folder.rename(repository / "snapshots" / ("0" * 40))
    load(files.checkpoint("someone/model"))


@pytest.mark.parametrize(("name", "key"), [("someone/else", "hub.unreachable"), ("not a name!", "hub.not_found")])
def test_a_name_that_is_nowhere_is_refused(offline_cache: Path, name: str, key: str) -> None:
    with pytest.raises(DanluError) as error:
        files.checkpoint(name)
    assert error.value.key == key
    assert name in str(error.value)
