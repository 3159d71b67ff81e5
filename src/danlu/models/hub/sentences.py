"""What sentence-transformers' own files say of a checkpoint: how a text's vectors become one. Knows no model."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from danlu.errors import DanluError
from danlu.models.hub.files import read_json

Pooling = Literal["mean", "cls", "last"]
MODULES = "modules.json"
POOLINGS: dict[str, Pooling] = {  # keys of 1_Pooling/config.json
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_lasttoken": "last",
}


@dataclass(frozen=True)
class Sentences:
    """How a checkpoint's vectors become one per text; `transformer` is the folder of the weights."""

    transformer: Path
    pooling: Pooling = "mean"
    normalize: bool = False
    max_length: int | None = None  # tokens of a text, marks included
    lowercase: bool = False


def sentences_of(folder: Path) -> Sentences | None:
    """What modules.json and the files that it names say; None where there is no modules.json.

    Raises DanluError where a module or a pooling is asked for that danlu does not have.
    """
    if not (folder / MODULES).is_file():
        return None
    modules = {
        str(module["type"]).rpartition(".")[2]: folder / module["path"] for module in read_json(folder / MODULES)
    }
    if unknown := modules.keys() - {"Transformer", "Pooling", "Normalize"}:
        raise DanluError("embed.unknown_module", folder=str(folder), module=", ".join(sorted(unknown)))
    transformer = modules.get("Transformer", folder)
    said: dict[str, Any] = next((read_json(path) for path in sorted(transformer.glob("sentence_*_config.json"))), {})
    return Sentences(
        transformer,
        pooling=_pooling(modules["Pooling"]) if "Pooling" in modules else "mean",
        normalize="Normalize" in modules,
        max_length=said.get("max_seq_length"),
        lowercase=bool(said.get("do_lower_case")),
    )


def _pooling(folder: Path) -> Pooling:
    said = read_json(folder / "config.json")
    asked = [key for key, value in said.items() if key.startswith("pooling_mode_") and value]
    if len(asked) != 1 or asked[0] not in POOLINGS:
        raise DanluError("embed.unknown_pooling", file=str(folder / "config.json"), found=", ".join(asked) or "–")
    return POOLINGS[asked[0]]
