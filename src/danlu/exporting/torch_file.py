"""torch.export: the model as model.pt2, which torch alone runs, with what raw rows need before and behind it."""

from pathlib import Path

import torch

from danlu.exporting.graph import traced
from danlu.exporting.job import Job, Proof
from danlu.exporting.parity import proof_of
from danlu.exporting.preprocessing import write_beside
from danlu.exporting.reference import Arrays, Run

MODEL = "model.pt2"

_GRAPH = '''
def graph() -> Run:
    """model.pt2 in torch: named arrays → those of its heads."""
    import torch

    program = torch.export.load(HERE / "model.pt2").module()

    def run(given: Arrays) -> Arrays:
        with torch.inference_mode():
            outputs = program(*(torch.from_numpy(given[name]) for name in {inputs!r}))
        return {{name: output.numpy() for name, output in zip({heads!r}, outputs, strict=True)}}

    return run
'''


def write(job: Job) -> Proof:
    """model.pt2, preprocessing.json, tokenizer.json and predict.py in the job's folder, and how true they are."""
    program = traced(job.predictor)
    torch.export.save(program.program, job.folder / MODEL)
    write_beside(job, _GRAPH.format(inputs=program.inputs, heads=program.outputs), "torch")
    return proof_of(job, in_torch(job.folder / MODEL, program.inputs, program.outputs)).judged()


def in_torch(model: Path, names: tuple[str, ...], heads: tuple[str, ...]) -> Run:
    """The file as torch runs it."""
    program = torch.export.load(model).module()

    def run(given: Arrays) -> Arrays:
        with torch.inference_mode():
            outputs = program(*(torch.from_numpy(given[name]) for name in names))
        return {name: output.numpy() for name, output in zip(heads, outputs, strict=True)}

    return run
