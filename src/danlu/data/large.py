"""Corpora that are too large for memory: documents in a file of the cache folder, and examples that refer to them.

Text is written there once, as it was read: the same files with the same settings are found again by their hashes.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from danlu.cache import kept
from danlu.data.documents import document_column
from danlu.data.examples import ROW, BadRow, Column, Examples, Origin, SourceFile
from danlu.data.formats.table import GZIP_MAGIC, Source
from danlu.data.gather import Digest, digests
from danlu.data.kept import content_of, joined_content, references
from danlu.data.read import in_pieces
from danlu.data.sources import sources_of
from danlu.errors import DanluError
from danlu.events import Progress
from danlu.memory import returned_memory
from danlu.recipe import DataConfig
from danlu.words import Note

LARGE = 32 << 20  # bytes of files: of less, texts and tokens are held in memory
_UNPACKED = 4  # times its size is what a gzipped text holds, about
_SETTINGS = ("columns", "missing", "delimiter", "encoding", "sheet", "documents", "sequences", "max_bad_rows")
_MB = 1 << 20
_FORMAT = 1  # of what is written here


def are_large(config: DataConfig) -> bool:
    """Whether the files hold so much that their texts are better kept on the disk."""
    sources = [source for name in config.files for source in sources_of(name)]
    return sum(_size(source.path) for source in sources if source.path) >= LARGE


def kept_documents(
    config: DataConfig,
    files: Sequence[str] | None = None,
    columns: Mapping[str, Column] | None = None,
    progress: Progress | None = None,
    task: str | None = None,
) -> Examples:
    """The documents of `files` (of `config.files` where None) as references, and the columns that divide them.

    Arguments and errors as of `danlu.data.read.read`; documents without text are left out.
    """
    sources = [source for name in (config.files if files is None else files) for source in sources_of(name)]
    if progress:
        progress(Note("corpus.keeping"), 0, 0)
    found = [digests(source) for source in sources]

    def fill(folder: Path) -> None:
        total = sum(size for each in found for _, size in each)
        with returned_memory():
            _Writer(folder, config, progress, total).write(sources, columns, task)

    def wait() -> None:
        if progress:
            progress(Note("corpus.waiting"), 0, 0)

    return _opened(kept("texts", _key(config, sources, found, columns, task), fill, wait), sources, found)


@dataclass
class _Writer:
    """Writes texts one behind the other, and what is known of each."""

    folder: Path
    config: DataConfig
    progress: Progress | None
    total: int  # bytes of the files
    at: int = 0  # bytes of text written
    parts: list[pl.DataFrame] = field(default_factory=list)
    bad: dict[int, BadRow] = field(default_factory=dict)

    def write(self, sources: Sequence[Source], columns: Mapping[str, Column] | None, task: str | None) -> None:
        """All documents of the sources."""
        name, taken, origin = "", dict[str, Column](), Origin()
        with (self.folder / "text").open("wb") as file:
            for examples in in_pieces(sources, self.config, columns, task):
                origin = examples.origin
                self.bad |= {row.row: row for row in origin.bad_rows}
                if not taken and len(examples):
                    name = document_column(examples)
                    taken = {column: examples.columns[column] for column in self._dividing(examples, name)}
                if len(examples):
                    file.write(self._described(examples.frame, name, [*taken]))
                if self.progress:
                    done = min(self.at, self.total)
                    self.progress(Note("corpus.keeping"), done // _MB, max(self.total // _MB, 1))
        rows = self._rows()
        if rows.is_empty():
            raise DanluError("corpus.empty", column=name or "text")
        rows.write_ipc(self.folder / "rows.arrow", compression="uncompressed")
        about = {
            "column": name,
            "columns": [column.to_json() for column in taken.values()],
            "files": [vars(file) for file in origin.files],
            "bad_rows": [{"row": row.row, "reason": row.reason.to_json()} for row in self.bad.values()],
        }
        (self.folder / "about.json").write_text(json.dumps(about), encoding="utf-8")

    def _dividing(self, examples: Examples, name: str) -> list[str]:
        """The columns that are needed: documents, and by what they are divided."""
        wanted = (name, self.config.split.by, self.config.split.time)
        return [column for column in examples.columns if column in wanted]

    def _described(self, frame: pl.DataFrame, name: str, columns: Sequence[str]) -> bytes:
        """The bytes of a part's texts; where they are to lie and what they are is remembered."""
        texts = frame[name].cast(pl.String).fill_null("")
        written = "".join(texts.to_list()).encode()
        size = texts.str.len_bytes().cast(pl.UInt64)
        self.parts.append(
            frame.select(ROW, *(column for column in columns if column != name)).with_columns(
                (size.cum_sum() - size + self.at).alias("start"),
                size.alias("bytes"),
                texts.str.len_chars().cast(pl.UInt64).alias("characters"),
                content_of(texts).alias("content"),
                (~texts.str.contains(r"\S")).alias("blank"),
            )
        )
        self.at += len(written)
        return written

    def _rows(self) -> pl.DataFrame:
        """A row per document that holds text and was read in full; those that came in parts are joined."""
        if not self.parts:
            return pl.DataFrame()
        rows = pl.concat(self.parts, how="diagonal_relaxed")
        if rows[ROW].n_unique() < rows.height:
            first = pl.exclude("bytes", "characters", "content", "blank").first()
            rows = rows.group_by(ROW, maintain_order=True).agg(
                first, pl.col("bytes", "characters").sum(), pl.col("content"), pl.col("blank").all()
            )
            content = pl.Series("content", [joined_content(parts.to_list()) for parts in rows["content"]], pl.UInt64)
            rows = rows.with_columns(content)
        return rows.filter(~pl.col("blank") & ~pl.col(ROW).is_in(list(self.bad))).drop("blank")


def _opened(folder: Path, sources: Sequence[Source], found: Sequence[Sequence[Digest]]) -> Examples:
    """The examples that were written there; files are called as they are now."""
    about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    rows = pl.read_ipc(folder / "rows.arrow")
    columns = {column.name: column for column in map(Column.from_json, about["columns"])}
    text = references(about["column"], rows, folder / "text")
    frame = rows.drop("start", "bytes", "characters", "content").with_columns(text).select(*columns, ROW)
    files = [
        SourceFile(**{**file, "path": source.name, "sha256": sha256, "bytes": size})
        for file, source, ((sha256, size), *_) in zip(about["files"], sources, found, strict=True)
    ]
    bad = [BadRow(row["row"], Note.from_json(row["reason"])) for row in about["bad_rows"]]
    return Examples(frame, columns, Origin(tuple(files), tuple(bad)))


def _key(
    config: DataConfig,
    sources: Sequence[Source],
    found: Sequence[Sequence[Digest]],
    columns: Mapping[str, Column] | None,
    task: str | None,
) -> str:
    """What files and settings make of the text; of a library that hashes contents, its version."""
    known: dict[str, Any] = {
        "format": (_FORMAT, pl.__version__),
        "files": [(source.format, digest) for source, digest in zip(sources, found, strict=True)],
        "settings": config.model_dump(mode="json", include=set(_SETTINGS)),
        "divided": (config.split.by, config.split.time),
        "columns": [column.to_json() for column in (columns or {}).values()],
        "task": task,
    }
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:32]


def _size(path: Path) -> int:
    """Bytes of a file, or of the files of a folder, as they are when unpacked."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    with path.open("rb") as file:
        gzipped = file.read(2) == GZIP_MAGIC
    return path.stat().st_size * (_UNPACKED if gzipped else 1)
