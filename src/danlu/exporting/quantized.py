"""quantized: a run folder whose matrices are in 8 bits, which danlu reads like any other."""

import copy
import shutil
import time
from dataclasses import replace

from danlu.data.examples import Examples
from danlu.exporting.job import Job, Proof, size_of
from danlu.exporting.parity import rounding_proof
from danlu.models.hub import files
from danlu.models.precision import in_int8
from danlu.predictor import Predictor, SavedModel
from danlu.run import Run
from danlu.words import Note

LEFT_BEHIND = ("checkpoints", "model", "exports")
ROUNDS = 3  # of which the quickest counts


def write(job: Job) -> Proof:
    """The run's folder without its checkpoints, its matrices rounded; what that costs, saves and takes."""
    shutil.copytree(job.run.folder, job.folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*LEFT_BEHIND))
    saved = SavedModel.of(job.run).model_copy(update={"hub": False, "int8": True})
    small = replace(job.predictor, module=in_int8(copy.deepcopy(job.predictor.module)))
    (job.folder / "model").mkdir()
    files.write(job.folder / "model", {"danlu": saved.model_dump(mode="json")}, small.module.state_dict())
    written = Predictor.load(Run(job.folder))
    before, after = (size_of(folder / "model") for folder in (job.run.folder, job.folder))
    proof = rounding_proof(job, written, before, after)
    speeds = [_rows_per_s(each, job.rows) for each in (job.predictor, written)]
    said = Note("export.speeds", before=f"{speeds[0]:,.0f}", after=f"{speeds[1]:,.0f}", rows=len(job.rows))
    return replace(proof, notes=[*proof.notes, said])


def _rows_per_s(predictor: Predictor, rows: Examples) -> float:
    """How many of these rows are answered in a second, all of them at once."""
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        predictor.answers(rows)
        taken.append(time.perf_counter() - began)
    return len(rows) / min(taken)
