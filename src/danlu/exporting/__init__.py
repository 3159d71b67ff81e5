"""Exporting: a run → files that other programs read, each tried on rows of the run before it is left there."""

import difflib
import logging
import shutil
import warnings
from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from danlu.data.examples import Examples
from danlu.data.read import read, stream
from danlu.data.sample_rows import sample_of
from danlu.errors import DanluError
from danlu.events import Event, Told, during, result_of
from danlu.exporting.job import Bits, Job, Proof
from danlu.flow.material import gathered
from danlu.predictor import Predictor
from danlu.run import SAMPLES, Run
from danlu.words import Note

EXPORTERS: dict[str, str] = {  # format → module, whose `write` makes it
    "docker": "docker",
    "gguf": "gguf_file",
    "hf": "hf",
    "onnx": "onnx_file",
    "ray": "ray_app",
    "torch": "torch_file",
    "quantized": "quantized",
}
OPTIONS = {"--int8": "onnx", "--bits": "gguf", "--compiled": "torch"}  # option → the only format that has it
TRIED = 16  # rows on which what is written is tried

__all__ = ["EXPORTERS", "exporting"]


def exporting(
    run: str | Path | Run,
    to: str,
    out: str | Path | None = None,
    *,
    rows: str | None = None,
    int8: bool = False,
    bits: Bits = "f16",
    compiled: bool = False,
    max_drop: float = 1.0,
) -> Generator[Event, None, Path]:
    """Write the run's model in the format `to` into the folder `out`, a new one, and try it.

    `rows`: a file of rows to try it on, instead of those that the run keeps. Raises DanluError where the run has no
    such format, or the file answers otherwise than the run does, and then leaves nothing.
    """
    write = _exporter(to, {"--int8": int8, "--bits": bits != "f16", "--compiled": compiled})
    run = run if isinstance(run, Run) else Run.open(run)
    folder = Path(out) if out else Path("exports") / f"{run.folder.resolve().name}-{to}"
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DanluError("export.taken", folder=str(folder))
    predictor = Predictor.load(run)
    tried = yield from during(lambda _: _tried(run, predictor, rows))
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    job = Job(
        run=run,
        predictor=predictor,
        rows=tried,
        folder=partial,
        name=run.folder.resolve().name,
        place=folder,
        labelled=lambda: _labelled(run, predictor, rows),
        int8=int8,
        bits=bits,
        compiled=compiled,
        max_drop=max_drop,
    )
    try:
        proof = yield from during(lambda progress: _quietly(write, replace(job, progress=progress)))
        if folder.exists():
            folder.rmdir()
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    for note in proof.notes:
        yield Told(note)
    yield Told(Note("export.proof", largest=f"{proof.largest:.2g}", bound=f"{proof.bound:g}", of=proof.of), "result")
    files = ", ".join(sorted(path.name for path in folder.iterdir()))
    yield Told(Note("export.written", folder=str(folder), files=files), "result")
    return folder


def _exporter(to: str, asked: Mapping[str, bool]) -> Callable[[Job], Proof]:
    if to not in EXPORTERS:
        near = difflib.get_close_matches(to, EXPORTERS, n=3, cutoff=0.4) or list(EXPORTERS)
        raise DanluError("export.unknown", format=to, nearest=", ".join(near))
    for option, only in OPTIONS.items():
        if asked[option] and to != only:
            raise DanluError("export.idle", option=option, format=to, only=only)
    module: Any = import_module(f"danlu.exporting.{EXPORTERS[to]}")
    return module.write


def _quietly(write: Callable[[Job], Proof], job: Job) -> Proof:
    """What is written, without what the libraries say to their own developers meanwhile."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return write(job)
    finally:
        logging.disable(before)


def _tried(run: Run, predictor: Predictor, rows: str | None) -> Examples:
    """A few rows: of the file, or those that the run keeps, or of its own test rows."""
    if rows:
        return next(stream(rows, predictor.data, predictor.columns, TRIED))
    kept = run.folder / SAMPLES
    if kept.is_file():
        return sample_of(kept.read_bytes(), predictor.columns)
    test = _labelled(run, predictor, None)
    return test.take(range(min(TRIED, len(test))))


def _labelled(run: Run, predictor: Predictor, rows: str | None) -> Examples:
    """Rows with their targets: of the file, or the run's own test rows, read and divided as they were."""
    if rows:
        return read(predictor.data, [rows], predictor.columns)
    kept = run.folder / SAMPLES
    if not run.recipe.data.files and kept.is_file() and not predictor.codec.targets:
        return sample_of(kept.read_bytes(), predictor.columns)  # texts are their own truth
    if not run.recipe.data.files:
        raise DanluError("export.no_rows", run=str(run.folder))
    return result_of(gathered(run.recipe)).test
