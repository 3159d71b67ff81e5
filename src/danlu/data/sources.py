"""What the user names (files, folders, globs, samples, addresses) as sources in known formats."""

import difflib
import re
from pathlib import Path

from danlu.data.formats import TABLE_SUFFIXES, format_of, format_of_text, hub, idx, plain_suffix, samples
from danlu.data.formats.folders import IMAGE_SUFFIXES, SPLIT_NAMES, files_below, text_suffixes
from danlu.data.formats.foreign import refuse_foreign
from danlu.data.formats.table import Source
from danlu.errors import DanluError
from danlu.recipe import DataConfig

STANDARD_INPUT = "-"
_GLOB = frozenset("*?[")


def sources_of(name: str) -> list[Source]:
    """The sources that one name of `data.files` stands for. Raises DanluError where there is none."""
    if name == STANDARD_INPUT:
        return [_standard_input()]
    if name.startswith(samples.PREFIX):
        return [Source(name, "sample")]
    if name.startswith(hub.PREFIX):
        return [Source(name, "hub")]
    path = Path(name).expanduser()
    if path.is_dir():
        return _sources_in(path)
    if path.exists():
        return [_source(path)]
    if _GLOB & set(name):
        return _matches(name)
    raise _no_such_file(path)


def given_splits(config: DataConfig) -> DataConfig:
    """`config` with the validation and test files that a folder holds under their usual names.

    A folder with `train` beside `val` or `test` (subfolders, table files, IDX pairs) becomes three lists of
    files; every other config is returned as it is.
    """
    if len(config.files) != 1 or config.validation_files or config.test_files:
        return config
    folder = Path(config.files[0]).expanduser()
    found = _parts(folder) if folder.is_dir() else {}
    if "train" not in found or len(found) == 1:
        return config
    given = {
        "files": found["train"],
        "validation_files": found.get("validation", ()),
        "test_files": found.get("test", ()),
    }
    return config.model_copy(update=given)


def _parts(folder: Path) -> dict[str, tuple[str, ...]]:
    """split → files, for the entries of `folder` that are named after a split."""
    parts: dict[str, list[str]] = {}
    for path in _visible(folder):
        split = _split_named(path)
        if split:
            parts.setdefault(split, []).append(str(path))
    return {split: tuple(files) for split, files in parts.items()}


def _split_named(path: Path) -> str | None:
    """The split after which a folder, a table (also train-00000-of-00002.parquet) or IDX images are named."""
    stem = path.name.lower().split(".")[0]
    if _is_idx(path):
        stem = stem.split("-")[0].replace("t10k", "test") if "labels" not in stem else ""
    elif path.is_file() and plain_suffix(path) not in TABLE_SUFFIXES:
        return None
    return SPLIT_NAMES.get(re.sub(r"-\d+(-of-\d+)?$", "", stem))


def _source(path: Path) -> Source:
    if _is_idx(path):
        images, labels = idx.pair(path)
        return Source(str(images), "idx", images, labels)
    return Source(str(path), format_of(path), path)


def _standard_input() -> Source:
    source = Source(STANDARD_INPUT, "csv")
    head = source.open().peek(1)  # type: ignore[attr-defined]
    refuse_foreign(STANDARD_INPUT, head)
    return Source(STANDARD_INPUT, format_of_text(head))


def _sources_in(folder: Path) -> list[Source]:
    """IDX pairs, else tables, else images, else texts."""
    entries = _visible(folder)
    pairs = [path for path in entries if _is_idx(path) and "labels" not in path.name]
    tables = [path for path in entries if path.is_file() and plain_suffix(path) in TABLE_SUFFIXES]
    if pairs or tables:
        return [_source(path) for path in pairs or tables]
    if files_below(folder, IMAGE_SUFFIXES):
        return [Source(str(folder), "images", folder)]
    if files_below(folder, text_suffixes(folder)):
        return [Source(str(folder), "texts", folder)]
    raise DanluError("data.empty_folder", folder=str(folder))


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _is_idx(path: Path) -> bool:
    return "ubyte" in path.name.lower() or plain_suffix(path) == ".idx"


def _matches(pattern: str) -> list[Source]:
    path = Path(pattern).expanduser()
    root = Path(path.anchor) if path.is_absolute() else Path()
    found = sorted(root.glob(str(path.relative_to(path.anchor))))
    files = [p for p in found if p.is_file() and not p.name.startswith(".")]
    if not files:
        raise DanluError("data.no_match", pattern=pattern)
    return [_source(p) for p in files]


def _no_such_file(path: Path) -> DanluError:
    if not path.parent.is_dir():
        return DanluError("data.no_such_folder", file=str(path), folder=str(path.parent))
    names = [p.name for p in _visible(path.parent)]
    near = difflib.get_close_matches(path.name, names, n=3, cutoff=0.5) or names[:5]
    return DanluError(
        "data.no_such_file", file=str(path), folder=str(path.parent.resolve()), nearest=", ".join(near) or "–"
    )
