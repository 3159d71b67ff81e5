"""torch.export: the model as model.pt2, which torch alone runs, with what raw rows need before and behind it.

With `compiled` also as compiled.pt2: machine code for processors like this one, which AOTInductor makes of it.
"""

import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.export import ExportedProgram

from danlu.errors import DanluError
from danlu.exporting.graph import Traced, traced
from danlu.exporting.job import Job, Proof
from danlu.exporting.parity import proof_of
from danlu.exporting.preprocessing import write_beside
from danlu.exporting.reference import Arrays, Run
from danlu.words import Note

MODEL, COMPILED = "model.pt2", "compiled.pt2"

_GRAPH = '''
def graph() -> Run:
    """{file} in torch: named arrays → those of its heads."""
    import torch

    program = {loaded}

    def run(given: Arrays) -> Arrays:
        with torch.inference_mode():
            outputs = program(*(torch.from_numpy(np.ascontiguousarray(given[name])) for name in {inputs!r}))
        return {{name: output.numpy() for name, output in zip({heads!r}, outputs, strict=True)}}

    return run
'''
_LOADED = {
    MODEL: 'torch.export.load(HERE / "model.pt2").module()',
    COMPILED: 'torch._inductor.aoti_load_package(str(HERE / "compiled.pt2"))',
}


def write(job: Job) -> Proof:
    """model.pt2, preprocessing.json, tokenizer.json and predict.py in the job's folder, and how true they are."""
    if job.compiled:
        _require_compiler()
    program = traced(job.predictor)
    torch.export.save(program.program, job.folder / MODEL)
    notes = [_compiled(job, program.program)] if job.compiled else []
    file = COMPILED if job.compiled else MODEL
    graph = _GRAPH.format(file=file, loaded=_LOADED[file], inputs=program.inputs, heads=program.outputs)
    write_beside(job, graph, "torch")
    proof = proof_of(job, in_torch(job.folder / MODEL, program)).judged()
    if job.compiled:
        proof = proof_of(job, in_torch(job.folder / COMPILED, program)).judged()
    return Proof(proof.largest, proof.bound, proof.of, notes)


def in_torch(model: Path, traced: Traced) -> Run:
    """The file as torch runs it."""
    compiled = model.name == COMPILED
    program: Any = torch._inductor.aoti_load_package(str(model)) if compiled else torch.export.load(model).module()

    def run(given: Arrays) -> Arrays:
        with torch.inference_mode():  # what is compiled takes for granted how its inputs lie
            outputs = program(*(torch.from_numpy(np.ascontiguousarray(given[name])) for name in traced.inputs))
        return {name: output.numpy() for name, output in zip(traced.outputs, outputs, strict=True)}

    return run


def compiler() -> str:
    """The C++ compiler that torch would call: that of the variable CXX, or the platform's own."""
    from torch._inductor import config

    return next(name for name in config.cpp.cxx if name)


def _require_compiler() -> None:
    if shutil.which(compiler()) is None:
        raise DanluError("export.no_compiler", compiler=compiler())


def _compiled(job: Job, program: ExportedProgram) -> Note:
    """Write compiled.pt2; how long that took. DanluError where AOTInductor cannot compile the program."""
    import torch._inductor

    if job.progress:
        job.progress(Note("export.compiling"), 0, 0)
    began = time.perf_counter()
    try:
        torch._inductor.aoti_compile_and_package(program, package_path=str(job.folder / COMPILED))
    except RuntimeError as error:  # of AOTInductor, or of the compiler
        raise DanluError("export.not_compiled", why=" ".join(str(error).split())[:300]) from None
    return Note("export.compiled", file=COMPILED, seconds=f"{time.perf_counter() - began:.0f}")
