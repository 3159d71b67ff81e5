"""Every family of models, and how one is built. Knows nothing of data, tasks or training."""

import difflib
from collections.abc import Mapping
from typing import Any

from torch import nn

from danlu.data.store import Shapes
from danlu.errors import DanluError
from danlu.models import cnn, linear, mlp, resnet, rnn
from danlu.models.family import Family
from danlu.models.inputs import inputs_of
from danlu.recipe import Frozen, validated

FAMILIES: dict[str, Family] = {
    "linear": linear.FAMILY,
    "mlp": mlp.FAMILY,
    "cnn": cnn.FAMILY,
    "resnet": resnet.FAMILY,
    "rnn": rnn.RNN,
    "lstm": rnn.LSTM,
    "gru": rnn.GRU,
}


def family_named(name: str) -> Family:
    """The family of that name; DanluError with the nearest names where there is none."""
    if name not in FAMILIES:
        near = difflib.get_close_matches(name, FAMILIES, n=3, cutoff=0.5) or list(FAMILIES)
        raise DanluError("models.unknown_family", name=name, nearest=", ".join(near))
    return FAMILIES[name]


def build(name: str, fields: Mapping[str, Any], shapes: Shapes) -> tuple[nn.Module, Frozen]:
    """The model and its config; its weights come from torch's generator, which the caller seeds.

    Raises DanluError for an unknown family or field, a value that does not fit, or an input that the family
    cannot read.
    """
    family = family_named(name)
    config = validated(family.config, fields, where=f"model ({name})")
    _refuse_unread(family, shapes)
    return family.build(config, shapes), config


def size(model: nn.Module) -> dict[str, int]:
    """Trainable parameters, and the bytes of all weights and buffers."""
    tensors = [*model.parameters(), *model.buffers()]
    return {
        "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "bytes": sum(t.numel() * t.element_size() for t in tensors),
    }


def _refuse_unread(family: Family, shapes: Shapes) -> None:
    """An input is read or refused, never ignored."""
    present = set(inputs_of(shapes))
    if not _can_read(family, present):
        others = [name for name, other in FAMILIES.items() if _can_read(other, present)]
        raise DanluError(
            "models.cannot_read",
            family=family.name,
            inputs=", ".join(inputs_of(shapes)),
            reads=", ".join(family.reads),
            others=", ".join(others) or "-",
        )


def _can_read(family: Family, present: set[str]) -> bool:
    """Whether all inputs are read, and one of them is more than a companion."""
    main = {name for names in family.reads.values() for name in names}
    beside = {name for names in family.beside.values() for name in names}
    return present <= main | beside and bool(present & main)
