"""Checkpoints: whole or absent, and a clear word where one is damaged or the disk is full."""

import errno
import json

import pytest
import torch

from danlu.errors import DanluError
from danlu.training import checkpoint
from danlu.training.checkpoint import Checkpoints, packed, unpacked

TENSORS = {"model": {"w": torch.arange(6.0).view(2, 3)}, "optimizer": {}, "best": {"w": torch.zeros(2, 3)}}


def saved(folder, *steps):
    checkpoints = Checkpoints(folder)
    for step in steps:
        checkpoints.save(step, TENSORS, {"state": {"step": step}})
    return checkpoints


def test_what_is_saved_is_loaded_and_only_the_newest_two_are_kept(tmp_path):
    checkpoints = saved(tmp_path, 5, 10, 15)
    tensors, state = checkpoints.load()
    assert checkpoints.steps() == [10, 15]
    assert state["state"]["step"] == 15
    assert torch.equal(tensors["model"]["w"], TENSORS["model"]["w"])


def test_a_folder_that_was_never_renamed_does_not_count(tmp_path):
    checkpoints = saved(tmp_path, 5)
    (tmp_path / ".step-10.partial").mkdir()
    (tmp_path / ".step-10.partial" / "model.safetensors").write_bytes(b"half")
    assert checkpoints.load()[1]["state"]["step"] == 5
    saved(tmp_path, 12)
    assert not (tmp_path / ".step-10.partial").exists()


@pytest.mark.parametrize("name", ["model.safetensors", "state.json", "manifest.json"])
def test_truncated_checkpoint_is_named_with_the_one_before_it(tmp_path, name):
    checkpoints = saved(tmp_path, 5, 10)
    file = tmp_path / "step-10" / name
    file.write_bytes(file.read_bytes()[:-7])
    with pytest.raises(DanluError) as refused:
        checkpoints.load()
    assert refused.value.key == "train.damaged"
    assert str(file) in str(refused.value)
    assert "step-5" in str(refused.value)
    assert checkpoints.steps() == [5, 10], "nothing that was saved is lost"


def test_changed_byte_is_found_even_where_the_size_is_the_same(tmp_path):
    checkpoints = saved(tmp_path, 5)
    file = tmp_path / "step-5" / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(DanluError):
        checkpoints.load()


def test_full_disk_is_told_and_the_checkpoint_before_stays_whole(tmp_path, monkeypatch):
    checkpoints = saved(tmp_path, 5)

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint, "_sync", full)
    with pytest.raises(DanluError) as refused:
        saved(tmp_path, 10)
    monkeypatch.undo()
    assert refused.value.key == "train.disk_full"
    assert "step-5" in str(refused.value)
    assert checkpoints.load()[1]["state"]["step"] == 5
    assert [p.name for p in tmp_path.iterdir()] == ["step-5"]


def test_nested_state_survives_json_and_safetensors():
    state = {"state": {0: {"step": torch.tensor(3.0), "old": [torch.ones(2), torch.zeros(1)]}}, "groups": [{"lr": 0.1}]}
    tensors, spec = packed(state, "optimizer")
    back = unpacked(tensors, json.loads(json.dumps(spec)))
    assert back["groups"] == [{"lr": 0.1}]
    assert torch.equal(back["state"][0]["old"][0], torch.ones(2))
    assert back["state"][0]["step"] == 3.0
