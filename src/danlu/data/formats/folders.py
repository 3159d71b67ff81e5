"""Folders with one subfolder per class: images as paths, texts as their content. Hidden files are not seen."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl

from danlu.data.examples import ROW
from danlu.data.formats.encoding import detected_encoding
from danlu.data.formats.lines import documents_in
from danlu.data.formats.table import Ask, Source, Table, numbered, opened, without_damaged

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")
TEXT_SUFFIXES = (".txt",)
SOURCE_SUFFIXES = (  # read as text where a folder holds no .txt
    *(".md", ".rst", ".tex", ".py", ".js", ".ts", ".c", ".h", ".cpp", ".hpp", ".java", ".go", ".rs", ".rb", ".sh"),
)
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
BATCH = 8192  # files
_LONG_TEXTS = 64  # files at a time, where all of them are too much for memory


def image_tables(source: Source, ask: Ask) -> Iterator[Table]:
    """The images of a folder: `image` (path) and, where there are subfolders, `label` (the subfolder's name)."""
    return _tables(source, IMAGE_SUFFIXES, "image", str)


def text_tables(source: Source, ask: Ask) -> Iterator[Table]:
    """The texts of a folder: `text` and, where there are subfolders, `label`."""
    assert source.path is not None
    batch = _LONG_TEXTS if ask.in_pieces else BATCH
    found = _tables(source, text_suffixes(source.path), "text", lambda path: _content(path, ask.encoding), batch)
    return _taken_apart(found, ask.documents) if ask.documents else found


def text_suffixes(folder: Path) -> tuple[str, ...]:
    """How the names of a folder's texts end: .txt, or else as those of notes and of programs do."""
    return TEXT_SUFFIXES if files_below(folder, TEXT_SUFFIXES) else SOURCE_SUFFIXES


def is_labelled(folder: Path) -> bool:
    """Whether the texts of a folder lie in subfolders."""
    return any(_label(path, folder) is not None for path in files_below(folder, text_suffixes(folder)))


def single_image(source: Source, ask: Ask) -> Iterator[Table]:
    """One image file as one row."""
    yield Table(numbered(pl.DataFrame({"image": [str(source.path)]})), 1)


def files_below(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """Files with one of `suffixes` anywhere below `folder`, sorted, none of them hidden."""
    found = (p for p in folder.rglob("*") if p.suffix.lower() in suffixes and p.is_file())
    return sorted(p for p in found if not any(part.startswith(".") for part in p.relative_to(folder).parts))


def image_path_flags(cells: pl.Series) -> pl.Series:
    """Whether each text ends like the name of an image file."""
    endings = "|".join(suffix.removeprefix(".") for suffix in IMAGE_SUFFIXES)
    return cells.str.contains(rf"(?i)\.({endings})\s*$")


def _tables(
    source: Source, suffixes: tuple[str, ...], column: str, value: Callable[[Path], str], batch: int = BATCH
) -> Iterator[Table]:
    assert source.path is not None
    files = files_below(source.path, suffixes)
    labels = [_label(path, source.path) for path in files]
    labelled = any(label is not None for label in labels)
    for start in range(0, len(files), batch):
        part = slice(start, start + batch)
        frame = pl.DataFrame({column: [value(path) for path in files[part]]})
        if labelled:
            frame = frame.with_columns(pl.Series("label", labels[part], dtype=pl.String))
        yield without_damaged(Table(numbered(frame, start), frame.height), source)


def _taken_apart(found: Iterator[Table], unit: str) -> Iterator[Table]:
    """The tables with a row per document instead of one per file."""
    start = 0
    for table in found:
        texts = pl.col("text").map_elements(lambda text: documents_in(text, unit), return_dtype=pl.List(pl.String))
        frame = table.frame.drop(ROW).with_columns(texts).explode("text").drop_nulls("text")
        yield replace(table, frame=numbered(frame, start), rows=frame.height)
        start += frame.height


def _label(path: Path, root: Path) -> str | None:
    """The first folder below `root`, the names of splits passed over; None for a file that lies in no folder."""
    folders = path.relative_to(root).parts[:-1]
    if folders and folders[0].lower() in SPLIT_NAMES:
        folders = folders[1:]
    return folders[0] if folders else None


def _content(path: Path, encoding: str | None) -> str:
    with opened(path) as stream:
        raw = stream.read()
    return raw.decode(encoding or detected_encoding(raw), errors="replace").strip()
