"""The run folder: the only writer of a run's files, and what reads them again. Knows nothing of how they came about.

recipe.yaml  resolved.json  data.json  environment.json  codec.json  tokenizer.json
metrics.jsonl  checkpoints/  model/  drift.json  report.json  report.html  README.md  samples.parquet
"""

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from danlu.errors import DanluError
from danlu.recipe import Recipe

SAMPLES = "samples.parquet"  # inputs of a few test rows, on which what is exported is tried
PARTS = ("resolved", "data", "environment", "codec", "model/config", "drift", "report")


@dataclass(frozen=True)
class Run:
    """A run's folder. Files are written beside their place and renamed, so that each is whole or absent."""

    folder: Path

    @classmethod
    def create(cls, folder: str | Path, recipe: Recipe) -> "Run":
        """A new run that holds its recipe; raises DanluError where the folder holds something already."""
        folder = Path(folder)
        refuse_taken(folder)
        folder.mkdir(parents=True, exist_ok=True)
        run = cls(folder)
        run.write_text("recipe.yaml", recipe.to_yaml())
        return run

    @classmethod
    def open(cls, folder: str | Path) -> "Run":
        """The run in `folder`; raises DanluError where there is none, naming runs nearby."""
        folder = Path(folder)
        if not (folder / "recipe.yaml").is_file():
            near = ", ".join(str(r.folder) for r in runs_in(folder.parent if folder.parent.is_dir() else Path()))
            raise DanluError("run.not_found", folder=str(folder), near=near[:200] or "-")
        return cls(folder)

    @cached_property
    def recipe(self) -> Recipe:
        """What was asked."""
        return Recipe.load(self.folder / "recipe.yaml")

    @cached_property
    def resolved(self) -> dict[str, Any]:
        """Every setting as it became, with reasons."""
        return self.read("resolved")

    @cached_property
    def report(self) -> dict[str, Any]:
        """The evaluation; raises DanluError where the run has not got so far."""
        return self.read("report")

    @property
    def report_html(self) -> Path:
        """The page to look at."""
        return self.folder / "report.html"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.folder / "checkpoints"

    @property
    def model(self) -> Path:
        """The folder of the weights that the run serves."""
        return self.folder / "model"

    @property
    def finished(self) -> bool:
        """Whether the run was trained to its end and evaluated: one that was stopped by hand can go on."""
        if not (self.folder / "report.json").is_file():
            return False
        records = self.metrics()
        return bool(records) and records[-1].get("stopped") not in (None, "asked")

    def read(self, part: str) -> dict[str, Any]:
        """One of PARTS; raises DanluError where it is absent or damaged."""
        path = self.folder / f"{part}.json"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            if part in ("data", "environment", "codec") and (self.folder / "resolved.json").exists():
                raise DanluError("run.altered", path=str(path), why=error.strerror) from None
            raise DanluError("run.unfinished", folder=str(self.folder), file=path.name) from None
        except ValueError:
            raise DanluError("run.damaged", path=str(path)) from None
        if not isinstance(content, dict):
            raise DanluError("run.damaged", path=str(path))
        return content

    def write(self, part: str, content: Mapping[str, Any]) -> None:
        """Write one of PARTS."""
        assert part in PARTS
        self.write_text(f"{part}.json", json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False))

    def write_text(self, name: str, text: str) -> None:
        """Write a file, whole or not at all."""
        self.write_bytes(name, text.encode("utf-8"))

    def write_bytes(self, name: str, content: bytes) -> None:
        """Write a file, whole or not at all."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        with room_for(path):
            try:
                partial.write_bytes(content)
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)

    def log(self, record: Mapping[str, Any]) -> None:
        """Append one line to metrics.jsonl."""
        line = json.dumps({k: _json_number(v) for k, v in record.items()}, allow_nan=False)
        path = self.folder / "metrics.jsonl"
        with room_for(path), path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def metrics(self) -> list[dict[str, Any]]:
        """The whole lines of metrics.jsonl; a line that a crash cut short is left out."""
        path = self.folder / "metrics.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
        try:
            return [json.loads(line) for line in lines if line.endswith("\n")]
        except ValueError:
            raise DanluError("run.damaged", path=str(path)) from None

    def forget_metrics_after(self, step: int) -> None:
        """Drop the lines of steps that a resumed run will make again."""
        kept = [m for m in self.metrics() if m["step"] <= step]
        self.write_text("metrics.jsonl", "".join(json.dumps(m) + "\n" for m in kept))

    def _repr_html_(self) -> str:
        """The report, in a frame of its own, for notebooks."""
        import html

        if not self.report_html.exists():
            return f"<code>{html.escape(str(self.folder))}</code>"
        page = html.escape(self.report_html.read_text(encoding="utf-8"), quote=True)
        return f'<iframe srcdoc="{page}" style="width:100%;height:640px;border:0"></iframe>'

    def __str__(self) -> str:
        return str(self.folder)


@contextmanager
def as_written(file: Path) -> Iterator[None]:
    """DanluError where what is read from the file of a run is not what danlu wrote."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError, OSError, RuntimeError, SafetensorError) as error:
        raise DanluError("run.altered", path=str(file), why=" ".join(str(error).split())[:200]) from None


@contextmanager
def room_for(path: Path) -> Iterator[None]:
    """DanluError where the disk is full while the file of a run is written."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DanluError("run.disk_full", path=str(path)) from None


def refuse_taken(folder: Path) -> None:
    """DanluError where `folder` holds something already, or cannot be made."""
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK)):
        raise DanluError("run.no_place", folder=str(folder), nearest=str(nearest))
    if _taken(folder):
        key = "run.exists" if (folder / "recipe.yaml").exists() else "run.not_empty"
        raise DanluError(key, folder=str(folder))


def runs_in(folder: str | Path) -> Iterator[Run]:
    """The runs directly below `folder`, newest first."""
    below = [p.parent for p in Path(folder).glob("*/recipe.yaml")]
    yield from (Run(p) for p in sorted(below, key=lambda p: -p.stat().st_mtime))


def new_folder(name: str, parent: str | Path = "runs") -> Path:
    """A folder `runs/name`, or `runs/name-2` … where that is taken."""
    clean = "".join(c if c.isalnum() or c in "-_" else "-" for c in name).strip("-") or "run"
    candidates = (Path(parent) / (clean if n == 1 else f"{clean}-{n}") for n in range(1, 10**6))
    return next(p for p in candidates if not _taken(p))


def _taken(folder: Path) -> bool:
    """Whether the folder holds anything but what a killed run had half written."""
    return folder.exists() and any(not path.name.endswith(".partial") for path in folder.iterdir())


def _json_number(value: Any) -> Any:
    """Not-a-number has no JSON: null."""
    if isinstance(value, float) and value != value:
        return None
    return {k: _json_number(v) for k, v in value.items()} if isinstance(value, Mapping) else value
