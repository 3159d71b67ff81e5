"""The table of formats, and which of them a file or folder is in."""

from collections.abc import Mapping
from pathlib import Path

from danlu.data.formats import (
    arrow,
    conll,
    delimited,
    excel,
    folders,
    hub,
    idx,
    json_file,
    json_lines,
    lines,
    npz,
    parquet,
    samples,
)
from danlu.data.formats.encoding import detected_encoding
from danlu.data.formats.foreign import refuse_foreign
from danlu.data.formats.table import Format, opened, refused_if_unreadable
from danlu.errors import DanluError

FORMATS: Mapping[str, Format] = {
    "csv": Format(delimited.tables, (".csv",)),
    "tsv": Format(delimited.tables, (".tsv", ".tab")),
    "json": Format(json_file.tables, (".json",)),
    "jsonl": Format(json_lines.tables, (".jsonl", ".ndjson")),
    "parquet": Format(parquet.tables, (".parquet", ".pq"), b"PAR1"),
    "arrow": Format(arrow.tables, (".arrow", ".feather", ".ipc", ".arrows"), arrow.MAGIC),
    "excel": Format(excel.tables, (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")),
    "conll": Format(conll.tables, conll.SUFFIXES),
    "idx": Format(idx.tables, (".idx", ".idx3-ubyte", ".idx1-ubyte"), b"\0\0\x08"),
    "npz": Format(npz.tables, (".npz",)),
    "image": Format(folders.single_image, folders.IMAGE_SUFFIXES),
    "images": Format(folders.image_tables),
    "texts": Format(folders.text_tables),
    "lines": Format(lines.tables),
    "sample": Format(samples.tables),
    "hub": Format(hub.tables),
}

TABLES = ("csv", "tsv", "json", "jsonl", "parquet", "arrow", "excel", "conll")
TABLE_SUFFIXES = tuple(suffix for name in TABLES for suffix in FORMATS[name].suffixes)


def format_of(path: Path) -> str:
    """The format of a file: by how it begins where that is certain, by its suffix, else by what its text looks like."""
    with refused_if_unreadable(str(path)), opened(path) as stream:
        head = stream.read(1 << 16)
    for name, form in FORMATS.items():
        if form.magic and head.startswith(form.magic):
            return name
    suffix = plain_suffix(path)
    by_suffix = next((name for name, form in FORMATS.items() if suffix in form.suffixes), None)
    refuse_foreign(str(path), head, by_suffix)
    if by_suffix:
        return by_suffix
    if b"\0" in head and not detected_encoding(head).startswith("utf-16"):
        raise DanluError("data.unknown_format", file=str(path), formats=", ".join(TABLE_SUFFIXES))
    if suffix in folders.SOURCE_SUFFIXES:
        return "lines"
    return format_of_text(head, is_prose=suffix in folders.TEXT_SUFFIXES)


def format_of_text(head: bytes, is_prose: bool = False) -> str:
    """The format of a text by how it begins: JSON, JSON Lines, CSV or, for prose without tabs, lines."""
    text = head.decode(detected_encoding(head), errors="ignore").lstrip("\ufeff \r\n\t")
    if text.startswith("["):
        return "json"
    if text.startswith("{"):
        return "jsonl"
    if not is_prose:
        return "csv"
    complete = text.splitlines()[:-1] or text.splitlines()
    return "tsv" if complete and all("\t" in line for line in complete if line) else "lines"


def plain_suffix(path: Path) -> str:
    """The suffix in small letters, that of compression left out."""
    return Path(path.name.lower().removesuffix(".gz")).suffix
