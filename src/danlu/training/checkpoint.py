"""Checkpoints: a folder per step, whole or absent. Knows nothing of what is trained.

A checkpoint is written beside its place, synced, and renamed; `manifest.json`, written last, holds the size and hash
of each file. It holds weights, optimizer state, the best weights so far and the loop's counters; no generator state,
since all randomness of a run is a function of its seed and the step.
"""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from danlu.errors import DanluError
from danlu.models.hub.files import write_tensors

KEPT = 2  # the newest, and the one before it in case the newest is damaged


@dataclass(frozen=True)
class Checkpoints:
    """The `checkpoints` folder of a run."""

    folder: Path

    def save(self, step: int, tensors: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]) -> Path:
        """Write `checkpoints/step-N` with one safetensors file per entry of `tensors` and state.json.

        Raises DanluError where the disk is full; older checkpoints stay as they were.
        """
        final = self.folder / f"step-{step}"
        partial = self.folder / f".step-{step}.partial"
        try:
            self._write(partial, tensors, state)
            if final.exists():  # the same step, saved by a run that was killed after the rename
                shutil.rmtree(final)
            partial.rename(final)
            _sync(self.folder)
        except OSError as error:
            shutil.rmtree(partial, ignore_errors=True)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DanluError("train.disk_full", folder=self.folder, step=step, last=self._last_name()) from None
            raise
        self._prune()
        return final

    def load(self) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]] | None:
        """Tensors and state of the newest checkpoint; None where there is none.

        Raises DanluError, naming the file and the checkpoint before it, where the newest is damaged.
        """
        steps = self.steps()
        if not steps:
            return None
        folder = self.folder / f"step-{steps[-1]}"
        self._verify(folder, steps)
        tensors = {path.stem: _aligned(load_file(path)) for path in folder.glob("*.safetensors")}
        return tensors, json.loads((folder / "state.json").read_text())

    def steps(self) -> list[int]:
        """Steps of the whole checkpoints, oldest first."""
        return sorted(int(p.name.removeprefix("step-")) for p in self.folder.glob("step-*") if p.is_dir())

    def _write(self, partial: Path, tensors: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]) -> None:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for name, content in tensors.items():
            write_tensors(partial / f"{name}.safetensors", content)
        (partial / "state.json").write_text(json.dumps(state))
        files = sorted(partial.iterdir())
        manifest = {f.name: {"bytes": f.stat().st_size, "sha256": _sha256(f)} for f in files}
        (partial / "manifest.json").write_text(json.dumps(manifest, indent=1))
        for file in [*files, partial / "manifest.json", partial]:
            _sync(file)

    def _verify(self, folder: Path, steps: list[int]) -> None:
        before = f"step-{steps[-2]}" if len(steps) > 1 else "-"
        try:
            manifest = json.loads((folder / "manifest.json").read_text())
        except (OSError, ValueError):
            raise DanluError("train.damaged", file=folder / "manifest.json", folder=folder, before=before) from None
        for name, expected in manifest.items():
            file = folder / name
            if not file.exists() or file.stat().st_size != expected["bytes"] or _sha256(file) != expected["sha256"]:
                raise DanluError("train.damaged", file=file, folder=folder, before=before)

    def _prune(self) -> None:
        for step in self.steps()[:-KEPT]:
            shutil.rmtree(self.folder / f"step-{step}")
        for stale in self.folder.glob(".step-*.partial"):
            shutil.rmtree(stale)

    def _last_name(self) -> str:
        steps = self.steps()
        return f"step-{steps[-1]}" if steps else "-"


def packed(tree: Any, prefix: str = "") -> tuple[dict[str, Tensor], Any]:
    """A nested state (dicts, lists, numbers, tensors) as named tensors and a JSON tree that refers to them."""
    if isinstance(tree, Tensor):
        return {prefix: tree}, {"tensor": prefix}
    if isinstance(tree, Mapping):
        parts = {k: packed(v, f"{prefix}.{k}") for k, v in tree.items()}
        joined = {name: t for tensors, _ in parts.values() for name, t in tensors.items()}
        return joined, {"dict": [[k, spec] for k, (_, spec) in parts.items()]}
    if isinstance(tree, list | tuple):
        items = [packed(v, f"{prefix}.{i}") for i, v in enumerate(tree)]
        joined = {name: t for tensors, _ in items for name, t in tensors.items()}
        return joined, {"list": [spec for _, spec in items]}
    return {}, {"value": tree}


def unpacked(tensors: Mapping[str, Tensor], spec: Any) -> Any:
    """The nested state that `packed` took apart."""
    ((kind, content),) = spec.items()
    match kind:
        case "tensor":
            return tensors[content]
        case "dict":
            return {k: unpacked(tensors, inner) for k, inner in content}
        case "list":
            return [unpacked(tensors, inner) for inner in content]
        case _:
            return content


def _aligned(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies in torch's own memory: the last bit of a sum depends on how its input is aligned, and a file's is not."""
    return {name: tensor.clone() for name, tensor in tensors.items()}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
