"""Every family of models, and how one is built. Knows nothing of data, tasks or training."""

import difflib
from collections.abc import Mapping
from typing import Any

from torch import nn

from danlu.data.store import Modality, Shapes
from danlu.errors import DanluError
from danlu.models import (
    bart,
    bert,
    cnn,
    gpt2,
    linear,
    llama,
    long_tail,
    marian,
    mlp,
    pegasus,
    pointer,
    resnet,
    rnn,
    vit,
)
from danlu.models.family import Family
from danlu.models.inputs import inputs_of
from danlu.recipe import Frozen, validated
from danlu.words import Note

FAMILIES: dict[str, Family] = {
    "linear": linear.FAMILY,
    "mlp": mlp.FAMILY,
    "cnn": cnn.FAMILY,
    "resnet": resnet.FAMILY,
    "rnn": rnn.RNN,
    "lstm": rnn.LSTM,
    "gru": rnn.GRU,
    "bert": bert.BERT,
    "roberta": bert.ROBERTA,
    "distilbert": bert.DISTILBERT,
    "vit": vit.FAMILY,
    "gpt2": gpt2.FAMILY,
    "llama": llama.LLAMA,
    "mistral": llama.MISTRAL,
    "qwen2": llama.QWEN2,
    "qwen3": llama.QWEN3,
    "pegasus": pegasus.FAMILY,
    "pointer": pointer.FAMILY,
    "marian": marian.FAMILY,
    "bart": bart.FAMILY,
}


def family_named(name: str) -> Family:
    """The family of that name, or of `transformers:TYPE`; DanluError with the nearest names where there is none."""
    if name.startswith(long_tail.PREFIX):
        return long_tail.family(name.removeprefix(long_tail.PREFIX))
    if name not in FAMILIES:
        near = difflib.get_close_matches(name, FAMILIES, n=3, cutoff=0.5) or list(FAMILIES)
        raise DanluError("models.unknown_family", name=name, nearest=", ".join(near))
    return FAMILIES[name]


def family_for(name: str, modality: Modality) -> Family:
    """The family of that name; DanluError where there is none, or it cannot take data of this modality."""
    family = family_named(name)
    if modality not in family.reads:
        others = [other.name for other in FAMILIES.values() if modality in other.reads]
        raise DanluError(
            "models.cannot_read",
            family=name,
            modality=Note(f"models.{modality}"),
            families=", ".join(others),
        )
    return family


def build(name: str, fields: Mapping[str, Any], shapes: Shapes) -> tuple[nn.Module, Frozen]:
    """The model and its config; its weights come from torch's generator, which the caller seeds.

    `shapes` holds inputs that the family reads. Raises DanluError for an unknown family or field, or a value
    that does not fit.
    """
    family = family_named(name)
    config = validated(family.config, fields, where=f"model ({name})")
    assert {*inputs_of(shapes)} - {"segments"} <= {name for names in family.reads.values() for name in names}
    return family.build(config, shapes), config


def size(model: nn.Module) -> dict[str, int]:
    """Trainable parameters, and the bytes of all weights and buffers."""
    tensors = [*model.parameters(), *model.buffers()]
    return {
        "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "bytes": sum(t.numel() * t.element_size() for t in tensors),
    }
