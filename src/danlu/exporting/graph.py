"""A predictor's model as one torch program for any number of rows and steps. Knows no file format.

Of targets the program gives what is answered: calibrated probabilities, or numbers in raw units. Of tokens it gives
scores.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from danlu.data.codec import Codec
from danlu.data.corpus import Documents
from danlu.data.pairs import Pairs
from danlu.errors import DanluError
from danlu.predictor import Predictor

BATCH, ROWS, STEPS = "batch", 3, 5  # the size of what is traced means nothing: it may be any
STEPPED = {
    "tokens": "length",
    "segments": "length",
    "sequence": "steps",
    "answer": "answer_length",
    "terms": "terms",
    "terms_weight": "terms",
}


@dataclass(frozen=True)
class Traced:
    """A program and the names of its tensors, in order."""

    program: ExportedProgram
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    dynamic: tuple[dict[int, str], ...]  # of each input: dimension → its name, where it may be of any size


class Finished(nn.Module):
    """The tensors of `names` → those of the model's heads, in order, as they are answered."""

    def __init__(self, predictor: Predictor, names: tuple[str, ...]) -> None:
        super().__init__()
        self.module, self.names = predictor.module, names
        self.targets = {} if predictor.codec.reading else dict(predictor.codec.targets)
        self.temperatures = dict(predictor.temperatures)

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        outputs = self.module(dict(zip(self.names, tensors, strict=True)))
        return tuple(self._finished(name, value) for name, value in outputs.items())

    def _finished(self, name: str, outputs: Tensor) -> Tensor:
        target = self.targets.get(name)
        if target is None:
            return outputs
        if target.kind == "number":  # as doubles: a float cannot tell years apart from their days
            return (outputs.flatten(1).mean(1).double() * target.scale) + target.mean
        temperature = self.temperatures.get(name, 1.0)
        if target.kind == "class":
            scores = outputs if outputs.ndim == 2 else outputs.log_softmax(-1).exp().mean(1).log()
            return (scores / temperature).softmax(-1)
        if outputs.ndim == 3:
            chances = outputs.sigmoid().mean(1)
            outputs = chances.log() - (1 - outputs.sigmoid()).mean(1).log()
        return (outputs / temperature).sigmoid()


def traced(predictor: Predictor) -> Traced:
    """The predictor's model as a program; DanluError where torch cannot trace it for any number of rows."""
    given = example_inputs(predictor.codec)
    names = tuple(given)
    dynamic = tuple({0: BATCH} | ({1: STEPPED[name]} if name in STEPPED else {}) for name in names)
    dims = {name: Dim(name, min=1) for sizes in dynamic for name in sizes.values()}
    shapes = tuple({place: dims[name] for place, name in sizes.items()} for sizes in dynamic)
    module = Finished(predictor, names).eval()
    with torch.no_grad():
        try:
            program = torch.export.export(module, tuple(given.values()), dynamic_shapes=(shapes,), strict=False)
        except RuntimeError as error:  # what torch cannot trace: an architecture that branches on what it reads
            raise DanluError("export.no_graph", why=" ".join(str(error).split())[:300]) from None
        outputs = tuple(predictor.module(given))
    return Traced(program, names, outputs, dynamic)


def example_inputs(codec: Codec) -> dict[str, Tensor]:
    """Tensors as the model takes them, of no meaning."""
    shapes = codec.shapes
    steps = min(STEPS, max(shapes.max_tokens, 2)) if shapes.tokens else STEPS
    length = torch.full((ROWS,), steps)
    whole = torch.zeros(ROWS, steps, dtype=torch.long)
    given: dict[str, Tensor] = {}
    for name in ("numbers", "missing"):
        if count := getattr(shapes, name):
            given[name] = torch.zeros(ROWS, count)
    if shapes.categories:
        given["categories"] = torch.zeros(ROWS, len(shapes.categories), dtype=torch.long)
    if shapes.tokens:
        given["tokens"] = whole
    if shapes.tokens and not isinstance(codec.reading, Documents):  # where no position sees a later one, none is asked
        given["tokens_length"] = length
    if shapes.segments:
        given["segments"] = whole.clone()
    if shapes.terms:
        given |= {"terms": whole, "terms_weight": torch.zeros(ROWS, steps)}
    if shapes.image:
        given["image"] = torch.zeros(ROWS, *shapes.image, dtype=torch.uint8)
    if shapes.sequence:
        given |= {"sequence": torch.zeros(ROWS, steps, shapes.sequence), "sequence_length": length.clone()}
    if isinstance(codec.reading, Pairs):
        given["answer"] = torch.zeros(ROWS, 2, dtype=torch.long)
    return given


def rows_of_terms(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weighted bags one behind the other as rows (B, K), padded with weight 0, which is how a graph takes them."""
    if "terms_offset" not in inputs:
        return inputs
    begin, count = inputs["terms_offset"], len(inputs["terms"])
    length = torch.cat([begin, begin.new_tensor([count])]).diff()
    steps = torch.arange(max(int(length.max()), 1))
    inside = steps < length[:, None]
    place = (begin[:, None] + steps).masked_fill(~inside, 0)
    terms, weights = (inputs[name] if count else inputs[name].new_zeros(1) for name in ("terms", "terms_weight"))
    rows = {"terms": terms[place].masked_fill(~inside, 0), "terms_weight": weights[place] * inside}
    return {name: value for name, value in inputs.items() if name != "terms_offset"} | rows
