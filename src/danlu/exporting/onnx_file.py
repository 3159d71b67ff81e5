"""ONNX: the model as model.onnx, with what raw rows need before and behind it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from danlu.errors import DanluError
from danlu.exporting.graph import Traced, traced
from danlu.exporting.job import Job, Proof, require, size_of
from danlu.exporting.parity import elsewhere, proof_of, rounding_proof
from danlu.exporting.preprocessing import write_beside
from danlu.exporting.reference import Arrays, Run

MODEL = "model.onnx"
OPSET = 20  # what the exporter itself is written for; ONNX Runtime has read it since 1.17
ONE_FILE = 1_500_000_000  # bytes beyond which weights lie beside: a protobuf ends at 2 GB

_GRAPH = '''
def graph() -> Run:
    """model.onnx in ONNX Runtime: named arrays → those of its heads."""
    from onnxruntime import InferenceSession

    session = InferenceSession(HERE / "model.onnx", providers=["CPUExecutionProvider"])
    taken = {{found.name for found in session.get_inputs()}}

    def run(given: Arrays) -> Arrays:
        outputs = session.run(None, {{name: value for name, value in given.items() if name in taken}})
        return dict(zip({heads!r}, outputs, strict=True))

    return run
'''


def write(job: Job) -> Proof:
    """model.onnx, preprocessing.json, tokenizer.json and predict.py in the job's folder, and how true they are."""
    require("onnx", "onnxscript", "onnxruntime")
    program = traced(job.predictor)
    _save(program, job.folder / MODEL)
    write_beside(job, _GRAPH.format(heads=program.outputs), "onnxruntime")
    run = in_runtime(job.folder / MODEL, program.outputs)
    proof = proof_of(job, run).judged()
    return _in_int8(job, program.outputs) if job.int8 else proof


def in_runtime(model: Path, heads: tuple[str, ...]) -> Run:
    """The graph as ONNX Runtime runs it on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    taken = {found.name for found in session.get_inputs()}

    def run(given: Arrays) -> Arrays:
        outputs = session.run(None, {name: value for name, value in given.items() if name in taken})
        return dict(zip(heads, (np.asarray(output) for output in outputs), strict=True))

    return run


def _save(traced: Traced, path: Path) -> None:
    import torch
    from torch.onnx.errors import OnnxExporterError

    names = [f"{name}_answer" if name in traced.inputs else name for name in traced.outputs]
    try:
        written: Any = torch.onnx.export(
            traced.program,
            (),
            input_names=list(traced.inputs),
            output_names=names,
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    except OnnxExporterError as error:
        raise DanluError("export.no_graph", why=" ".join(str(error).split())[-300:]) from None
    _name_dimensions(written.model, traced.dynamic)
    written.save(path, external_data=_weights_bytes(traced) > ONE_FILE)


def _name_dimensions(model: Any, dynamic: tuple[Mapping[int, str], ...]) -> None:
    """Give the sizes that may vary the names that a reader of the file understands."""
    import onnx_ir

    for given, sizes in zip(model.graph.inputs, dynamic, strict=True):
        given.shape = onnx_ir.Shape([sizes.get(place, size) for place, size in enumerate(given.shape)])


def _weights_bytes(traced: Traced) -> int:
    return sum(value.nbytes for value in traced.program.state_dict.values())


def _in_int8(job: Job, heads: tuple[str, ...]) -> Proof:
    """The file with the matrices' weights in 8 bits; DanluError where that costs more than the job allows."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    before, whole = size_of(job.folder), job.folder / MODEL
    small = job.folder / "int8.onnx"
    quantize_dynamic(whole, small, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul", "Gemm"])
    small.replace(whole)
    rounded = elsewhere(job.predictor, in_runtime(whole, heads))
    return rounding_proof(job, rounded, before, size_of(job.folder))
