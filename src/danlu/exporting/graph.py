"""A predictor's model as one torch program for any number of rows and steps. Knows no file format.

Of targets the program gives what is answered: calibrated probabilities, or numbers in raw units. Of tokens it gives
scores.
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from danlu.data.codec import Codec
from danlu.data.corpus import Documents
from danlu.data.pairs import Pairs
from danlu.errors import DanluError
from danlu.models.causal import CausalLM
from danlu.models.transformer import Cache
from danlu.predictor import Predictor

BATCH, ROWS, STEPS, BEFORE = "batch", 3, 5, 4  # the size of what is traced means nothing: it may be any
PAST = ("past_keys", "past_values")  # (B, layers, heads, positions before, width of a head)
KEPT = ("keys", "values")  # the same with the positions of these tokens behind: what is past to the next ones
STEPPED = {
    "tokens": "length",
    "segments": "length",
    "sequence": "steps",
    "answer": "answer_length",
    "terms": "terms",
    "terms_weight": "terms",
}


@dataclass(frozen=True)
class Past:
    """What a language model keeps of each position that it has read."""

    layers: int
    heads: int
    width: int
    positions: int | None  # the largest number of them; None where there is none

    @classmethod
    def of(cls, module: nn.Module) -> "Past | None":
        """Of the model; None where it keeps nothing."""
        if not isinstance(module, CausalLM):
            return None
        config = module.config
        return cls(config.depth, config.key_heads, config.per_head, module.positions)

    def empty(self, rows: int, before: int = 0) -> dict[str, Tensor]:
        """Of rows of which nothing was read yet."""
        shape = (rows, self.layers, self.heads, before, self.width)
        return {name: torch.zeros(shape) for name in PAST}


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


@dataclass
class Joined(Cache):
    """A cache of what is given, to which the keys and values of new positions are joined."""

    def put(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """All keys and values of the layer up to the last new one."""
        self.keys[layer] = torch.cat([self.keys[layer], keys], dim=2)
        self.values[layer] = torch.cat([self.values[layer], values], dim=2)
        return self.keys[layer], self.values[layer]


class Continued(nn.Module):
    """tokens (B, T) and what is kept of those before → scores (B, T, tokens), and what is kept of all of them."""

    def __init__(self, model: CausalLM) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor, past_keys: Tensor, past_values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        cache = Joined(list(past_keys.unbind(1)), list(past_values.unbind(1)), past_keys.shape[3])
        logits = self.model.scores(self.model.trunk(tokens, cache=cache))
        return logits, torch.stack(cache.keys, dim=1), torch.stack(cache.values, dim=1)


def traced(predictor: Predictor) -> Traced:
    """The predictor's model as a program; DanluError where torch cannot trace it for any number of rows."""
    given = example_inputs(predictor.codec)
    past = Past.of(predictor.module)
    module = Finished(predictor, tuple(given)) if past is None else Continued(cast("CausalLM", predictor.module))
    outputs = tuple(predictor.module(given)) + (KEPT if past else ())
    given |= past.empty(ROWS, BEFORE) if past else {}
    names = tuple(given)
    dynamic = tuple({0: BATCH} | _growing(name) for name in names)
    dims = {name: Dim(name, min=int(name != "past")) for sizes in dynamic for name in sizes.values()}
    shapes = tuple({place: dims[name] for place, name in sizes.items()} for sizes in dynamic)
    module.eval()
    given_shapes = (shapes,) if past is None else shapes  # of tensors that are taken one by one, or by their names
    with torch.no_grad():
        try:
            program = torch.export.export(module, tuple(given.values()), dynamic_shapes=given_shapes, strict=False)
        except RuntimeError as error:  # what torch cannot trace: an architecture that branches on what it reads
            raise DanluError("export.no_graph", why=" ".join(str(error).split())[:300]) from None
    return Traced(program, names, outputs, dynamic)


def _growing(name: str) -> dict[int, str]:
    """Which dimension of a tensor may be of any size beside the rows, and its name."""
    if name in PAST:
        return {3: "past"}
    return {1: STEPPED[name]} if name in STEPPED else {}


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
