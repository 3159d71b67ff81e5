"""Checkpoints as files: a local folder, or a name on the Hugging Face hub. Knows no family and no layout."""

import errno
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from danlu.errors import DanluError
from danlu.events import Progress
from danlu.words import Note

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
PREPROCESSOR, GENERATION = "preprocessor_config.json", "generation_config.json"
MEGABYTE = 1_000_000
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.bin.index.json")
WANTED = (
    CONFIG,
    INDEX,
    "model*.safetensors",
    "tokenizer*.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "*.spm",
    "special_tokens_map.json",
    GENERATION,
    PREPROCESSOR,
    "modules.json",
    "*_Pooling/config.json",
    "sentence_*_config.json",
)

# model_type of config.json → family.
FAMILY_OF = {
    "bert": "bert",
    "roberta": "roberta",
    "xlm-roberta": "roberta",
    "camembert": "roberta",
    "distilbert": "distilbert",
    "gpt2": "gpt2",
    "llama": "llama",
    "mistral": "mistral",
    "qwen2": "qwen2",
    "qwen3": "qwen3",
    "vit": "vit",
    "pegasus": "pegasus",
    "marian": "marian",
    "bart": "bart",
}


def checkpoint(name: str | Path, progress: Progress | None = None) -> Path:
    """The folder of a checkpoint: `name` itself, or what the hub has under it, fetched into the hub's cache.

    HF_ENDPOINT, HF_HUB_OFFLINE, HF_HOME and the user's token count, as for all that uses huggingface_hub. Raises
    DanluError where there is no such folder or name, it may not be read, or the hub cannot be reached.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if folder.is_absolute() or str(name).startswith((".", "~")) or str(name).count("/") > 1 or folder.exists():
        raise DanluError("hub.no_folder", folder=str(name))
    return _fetched(str(name), progress)


def family_name(config: Mapping[str, Any]) -> str:
    """The family of a config.json; DanluError where danlu has none like it."""
    model_type = config.get("model_type")
    if model_type is None and "danlu" in config:
        raise DanluError("hub.own_names")
    if model_type not in FAMILY_OF:
        raise DanluError("hub.unknown_model_type", model_type=model_type, known=", ".join(FAMILY_OF))
    return FAMILY_OF[model_type]


def read_config(folder: Path) -> dict[str, Any]:
    """config.json; DanluError where it is not there or not readable."""
    return _json(folder / CONFIG)


def read_preprocessor(folder: Path) -> dict[str, Any]:
    """preprocessor_config.json, which says what images become; {} where there is none."""
    return _json(folder / PREPROCESSOR) if (folder / PREPROCESSOR).is_file() else {}


def read_generation(folder: Path) -> dict[str, Any]:
    """generation_config.json, which says how texts begin and end; {} where there is none."""
    return _json(folder / GENERATION) if (folder / GENERATION).is_file() else {}


def read_tensors(folder: Path) -> dict[str, Tensor]:
    """All tensors of model.safetensors, or of the parts that model.safetensors.index.json names.

    Raises DanluError where there are none, or only pickles: opening a pickle can run any program.
    """
    tensors: dict[str, Tensor] = {}
    for file in _weights(folder):
        try:
            tensors |= load_file(file)
        except FileNotFoundError:
            raise DanluError("hub.no_part", path=str(file), index=INDEX) from None
        except (SafetensorError, OSError) as error:
            raise DanluError("hub.not_safetensors", path=str(file), why=" ".join(str(error).split())) from None
    return tensors


def write(folder: Path, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """model.safetensors, and then config.json, each whole or absent; raises OSError as any writer does."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = {name: folder / f".{name}.partial" for name in (WEIGHTS, CONFIG)}
    try:
        write_tensors(partial[WEIGHTS], tensors)
        partial[CONFIG].write_text(json.dumps(config, indent=2, ensure_ascii=False, allow_nan=False), encoding="utf-8")
        for name, file in partial.items():
            file.replace(folder / name)
    finally:
        for file in partial.values():
            file.unlink(missing_ok=True)


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """A safetensors file of the tensors; raises OSError as any writer does."""
    try:
        save_file({k: v.detach().contiguous().cpu().clone() for k, v in tensors.items()}, path, {"format": "pt"})
    except SafetensorError as error:  # wraps the system's error in one of its own
        if "os error 28" in str(error) or "No space left" in str(error):
            raise OSError(errno.ENOSPC, str(error)) from None
        raise


def _fetched(name: str, progress: Progress | None) -> Path:
    from huggingface_hub import constants, errors, snapshot_download  # half a second, and only where a name is given

    try:
        bars = _told_to(progress, name) if progress else None
        return Path(snapshot_download(name, allow_patterns=list(WANTED), tqdm_class=bars))
    except errors.GatedRepoError as error:
        raise DanluError("hub.gated", name=name, hub=constants.ENDPOINT, why=_line(error)) from None
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.HFValidationError) as error:
        raise DanluError("hub.not_found", name=name, why=_line(error)) from None
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled, errors.HfHubHTTPError) as error:
        response = getattr(error.__cause__ or error, "response", None)
        refused = response is not None and response.status_code in (401, 403)
        key = "hub.gated" if refused else "hub.unreachable"
        raise DanluError(key, name=name, hub=constants.ENDPOINT, why=_line(error)) from None


def _told_to(progress: Progress, name: str) -> Any:
    """A progress bar of huggingface_hub that shows nothing, and tells how many megabytes have come."""
    from huggingface_hub.utils.tqdm import tqdm

    class Told(tqdm):
        def __init__(self, *args: Any, **settings: Any) -> None:
            super().__init__(*args, **settings | {"disable": True})
            self.of_bytes = settings.get("unit") == "B"

        def update(self, n: float | None = 1) -> None:
            self.n += n or 0
            come, total = (math.ceil(size / MEGABYTE) for size in (self.n, self.total or 0))
            if self.of_bytes:
                progress(Note("hub.fetching", name=name), come, total)

    return Told


def _weights(folder: Path) -> list[Path]:
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if (folder / INDEX).is_file():
        parts = _json(folder / INDEX).get("weight_map")
        if not isinstance(parts, dict):
            raise DanluError("hub.not_json", path=str(folder / INDEX))
        return [folder / Path(part).name for part in sorted({*parts.values()})]
    pickles = sorted(file.name for pattern in PICKLES for file in folder.glob(pattern))
    if pickles:
        raise DanluError("hub.pickle", folder=str(folder), files=", ".join(pickles))
    raise DanluError("hub.no_weights", folder=str(folder))


def read_json(path: Path) -> Any:
    """What a JSON file of a checkpoint holds; DanluError where it is not there or not readable."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DanluError("hub.no_file", path=str(path)) from None
    except ValueError:
        raise DanluError("hub.not_json", path=str(path)) from None


def _json(path: Path) -> dict[str, Any]:
    found = read_json(path)
    if not isinstance(found, dict):
        raise DanluError("hub.not_json", path=str(path))
    return found


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
