"""Footprint: what a family's default model weighs for a reference input, by building it and one forward pass."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from danlu.data.store import Modality, Shapes
from danlu.models import build, family_named, size

ROWS = 10_000  # for training, by which families choose their size
MEASURED = 1  # rows that go forward
REFERENCES: Mapping[Modality, Shapes] = {  # of what a family is mostly for, the first that it reads
    "stream": Shapes(tokens=8000, max_tokens=256),
    "pairs": Shapes(tokens=8000, max_tokens=64, answers=64),
    "table": Shapes(numbers=16, categories=(10, 10, 10, 10), heads={"label": 2}),
    "image": Shapes(image=(3, 32, 32), heads={"label": 10}),
    "text": Shapes(tokens=8000, max_tokens=128, heads={"label": 2}),
}
STATES = {"adamw": 2, "adam": 2, "rmsprop": 1, "sgd": 0, "lbfgs": 40}  # numbers that an optimizer keeps per weight


@dataclass(frozen=True)
class Footprint:
    """Parameters, and bytes: to run, the weights; to train, with gradients, the optimizer's state, and what a batch of
    `batch_size` rows keeps for the way back.
    """

    reads: Modality
    parameters: int
    running: int
    training: int
    batch_size: int


def footprint(family: str) -> Footprint:
    """Of the family's default model for the first of REFERENCES that it reads."""
    known = family_named(family)
    reads = next(modality for modality in REFERENCES if modality in known.reads)
    shapes = REFERENCES[reads]
    with torch.random.fork_rng(devices=[]):
        module, _ = build(family, known.fields(shapes, ROWS), shapes)
    plan, weighs = known.training(shapes, ROWS), size(module)
    batch = ROWS if plan["batch_size"] == "full" else plan["batch_size"]
    held = weighs["parameters"] * 4 * (1 + STATES[plan["optimizer"]])  # float32
    kept = _kept_for_the_way_back(module, _inputs(shapes)) * batch // MEASURED
    return Footprint(reads, weighs["parameters"], weighs["bytes"], weighs["bytes"] + held + kept, batch)


def _kept_for_the_way_back(module: torch.nn.Module, inputs: Mapping[str, Tensor]) -> int:
    """Bytes of the tensors that a forward pass saves, weights left out."""
    weights = {p.untyped_storage().data_ptr() for p in module.parameters()}
    saved: dict[int, int] = {}

    def seen(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(seen, lambda tensor: tensor):
        outputs = module.train()(inputs)
    del outputs  # until here every saved tensor lives, so that no two share a place
    return sum(nbytes for place, nbytes in saved.items() if place not in weights)


def _inputs(shapes: Shapes) -> dict[str, Tensor]:
    """A batch of these shapes, as long as can be."""
    made = {
        "numbers": torch.zeros(MEASURED, shapes.numbers),
        "categories": torch.zeros(MEASURED, len(shapes.categories), dtype=torch.long),
        "image": torch.zeros(MEASURED, *(shapes.image or (1, 1, 1)), dtype=torch.uint8),
        "tokens": torch.ones(MEASURED, shapes.max_tokens, dtype=torch.long),
        "answer": torch.ones(MEASURED, shapes.answers, dtype=torch.long),
    }
    present = {name: values for name, values in made.items() if values.numel() and getattr(shapes, name, True)}
    texts = {name: values.shape[1] for name, values in present.items() if name in ("tokens", "answer")}
    return present | {f"{name}_length": torch.full((MEASURED,), steps) for name, steps in texts.items()}
