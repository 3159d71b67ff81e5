"""Sources become one frame with its Origin: parts stacked, dtypes made plain, files hashed. Knows nothing of kinds."""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from danlu.data.examples import ROW, BadRow, Origin, SourceFile
from danlu.data.formats import FORMATS
from danlu.data.formats.folders import IMAGE_SUFFIXES, files_below, image_path_flags, text_suffixes
from danlu.data.formats.table import Ask, Source, Table, refused_if_unreadable
from danlu.data.sources import sources_of
from danlu.errors import DanluError
from danlu.events import Progress
from danlu.words import Note

Digest = tuple[str, int]  # sha256, bytes


@dataclass(frozen=True)
class _Read:
    """All rows of one source, and the digests of its files."""

    source: Source
    tables: list[Table]
    digests: list[Digest]

    @property
    def rows(self) -> int:
        """Rows met, bad ones included."""
        return sum(table.rows for table in self.tables)


def gathered_rows(names: Sequence[str], ask: Ask, progress: Progress | None) -> tuple[pl.DataFrame, Origin]:
    """All rows of the named sources, ROW counting over them. Raises DanluError where their columns differ."""
    sources = [source for name in names for source in sources_of(name)]
    reads = _all_read(sources, ask, progress)
    mixed = _mixed_columns(reads)
    if mixed and any(source.format in ("csv", "tsv") for source in sources):
        # Numbers or dates at first and texts later: the first must be kept as they are written.
        reads = _all_read(sources, replace(ask, as_text=ask.as_text | mixed), progress)
    _check_same_columns(reads)
    files: list[SourceFile] = []
    bad: list[BadRow] = []
    frames, start = [], 0
    for read in reads:
        frames += [_placed(table.frame, read.source, start) for table in read.tables]
        files += _source_files(read)
        bad += _shifted([b for table in read.tables for b in table.bad], start)
        start += read.rows
    notes = tuple(note for read in reads for table in read.tables for note in table.notes)
    return _stacked(frames), Origin(tuple(files), tuple(bad), notes)


def parts(sources: Sequence[Source], ask: Ask) -> Iterator[tuple[pl.DataFrame, Origin]]:
    """The rows of the sources part by part, ROW counting over all; each Origin has the part's bad rows only."""
    done: list[SourceFile] = []
    start = 0
    for source in sources:
        file = SourceFile(source.name, source.format, "", 0, 0)
        for table in tables_of(source, ask):
            file = replace(file, rows=file.rows + table.rows, encoding=table.encoding, delimiter=table.delimiter)
            origin = Origin((*done, file), tuple(_shifted(table.bad, start)), table.notes)
            yield _placed(table.frame, source, start), origin
        done.append(file)
        start += file.rows


def tables_of(source: Source, ask: Ask) -> Iterator[Table]:
    """The parts of a source. Raises DanluError where its compressed bytes break off."""
    with refused_if_unreadable(source.name):
        yield from FORMATS[source.format].tables(source, ask)


def _shifted(bad: Sequence[BadRow], start: int) -> list[BadRow]:
    """Bad rows of a source whose first row has the position `start`."""
    return [replace(b, row=b.row + start) for b in bad]


def _all_read(sources: Sequence[Source], ask: Ask, progress: Progress | None) -> list[_Read]:
    """Every source read; files are hashed in a thread beside, so that a second core is not idle."""
    with ThreadPoolExecutor(1) as pool:
        hashed: list[Future[list[Digest]]] = [pool.submit(digests, source) for source in sources]
        tables = [_tables_told(source, ask, progress) for source in sources]
        return [_Read(s, t, h.result()) for s, t, h in zip(sources, tables, hashed, strict=True)]


def _tables_told(source: Source, ask: Ask, progress: Progress | None) -> list[Table]:
    tables, rows = [], 0
    for table in tables_of(source, ask):
        tables.append(table)
        rows += table.rows
        if progress:
            progress(Note("data.reading", file=source.name), rows, 0)
    return tables


def _source_files(read: _Read) -> Iterator[SourceFile]:
    """The files of a source; those read along with the first one, such as labels, count no rows of their own."""
    last = read.tables[-1] if read.tables else None
    encoding, delimiter = (last.encoding, last.delimiter) if last else (None, None)
    names = [read.source.name, *map(str, read.source.companions)]
    for i, (name, (sha256, size)) in enumerate(zip(names, read.digests, strict=True)):
        yield SourceFile(name, read.source.format, sha256, size, 0 if i else read.rows, encoding, delimiter)


def digests(source: Source) -> list[Digest]:
    """sha256 and size of each file of a source; of a folder, over the names and contents of all its files."""
    if source.path is None:
        return [("", 0)]
    first = _folder_digest(source) if source.path.is_dir() else _file_digest(source.path)
    return [first, *(_file_digest(path) for path in source.companions)]


def _file_digest(path: Path) -> Digest:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest(), path.stat().st_size


def _folder_digest(source: Source) -> Digest:
    assert source.path is not None
    total, size = hashlib.sha256(), 0
    suffixes = IMAGE_SUFFIXES if source.format == "images" else text_suffixes(source.path)
    for path in files_below(source.path, suffixes):
        sha256, length = _file_digest(path)
        total.update(f"{path.relative_to(source.path).as_posix()}\0{sha256}\n".encode())
        size += length
    return total.hexdigest(), size


def plain(frame: pl.DataFrame) -> pl.DataFrame:
    """`frame` with the few dtypes that kinds are made of, missing numbers as null; nested records become columns."""
    while records := [s.name for s in frame if isinstance(s.dtype, pl.Struct) and not _is_image(s.dtype)]:
        frame = frame.unnest(records, separator=".")
    frame = frame.with_columns(s.cast(dtype) for s in frame if (dtype := _plain_dtype(s)) != s.dtype)
    floats = frame.lazy().select(pl.selectors.float().is_nan().any()).collect()
    return frame.with_columns(pl.col(name).fill_nan(None) for name in floats.columns if floats[name][0])


def _is_image(dtype: pl.Struct) -> bool:
    """Whether records are {bytes, path}, as Hugging Face datasets keep images."""
    return any(field.name == "bytes" and field.dtype == pl.Binary for field in dtype.fields)


def _plain_dtype(series: pl.Series) -> pl.DataType:
    dtype = series.dtype
    if series.name == ROW or not dtype.is_numeric():
        return pl.String() if dtype in (pl.Categorical, pl.Enum, pl.Null) else dtype
    is_huge = dtype in (pl.UInt64, pl.Int128, pl.UInt128) and (series.max() or 0) >= 2**63  # type: ignore[operator]
    return pl.Int64() if dtype.is_integer() and not is_huge else pl.Float64()


def _placed(frame: pl.DataFrame, source: Source, start: int) -> pl.DataFrame:
    """`frame` made plain, ROW counting from `start`, and image paths relative to the table seen from where we are."""
    frame = plain(frame).with_columns(pl.col(ROW) + start)
    if source.path is None or source.path.is_dir() or source.format == "image":
        return frame
    folder = pl.lit(f"{source.path.parent}/")
    paths = (pl.col(s.name) for s in frame if s.dtype == pl.String and _holds_image_paths(s))
    return frame.with_columns(
        pl.when(path.str.starts_with("/")).then(path).otherwise(folder + path.str.strip_chars()) for path in paths
    )


def _holds_image_paths(series: pl.Series) -> bool:
    shown = series.head(100).drop_nulls()
    return len(shown) > 0 and bool(image_path_flags(shown).all())


def _mixed_columns(reads: Sequence[_Read]) -> frozenset[str]:
    """Columns that are numbers or dates in some parts and texts in others."""
    texts, others = set(), set()
    for table in (table for read in reads for table in read.tables):
        for name, dtype in table.frame.schema.items():
            if dtype == pl.String:
                texts.add(name)
            elif dtype.is_numeric() or dtype.is_temporal():
                others.add(name)
    return frozenset(texts & others)


def _check_same_columns(reads: Sequence[_Read]) -> None:
    """Raises DanluError where a source has other columns than the first."""
    first, *others = (
        (read.source.name, list(dict.fromkeys(c for t in read.tables for c in t.frame.columns))) for read in reads
    )
    for name, columns in others:
        lacking = [c for c in first[1] if c not in columns]
        extra = [c for c in columns if c not in first[1]]
        if lacking or extra:
            raise DanluError(
                "data.different_columns",
                file=name,
                first=first[0],
                lacking=", ".join(lacking) or "–",
                extra=", ".join(extra) or "–",
            )


def _stacked(frames: list[pl.DataFrame]) -> pl.DataFrame:
    """One frame of all rows; where parts differ in a column's dtype, the one that holds both."""
    dtypes: dict[str, set[pl.DataType]] = {}
    for frame in frames:
        for name, dtype in frame.schema.items():
            dtypes.setdefault(name, set()).add(dtype)
    as_text = {name for name, found in dtypes.items() if len(found) > 1 and pl.String in found}
    for name in as_text:
        if nested := [str(dtype) for dtype in dtypes[name] if dtype.is_nested()]:
            raise DanluError("data.mixed_types", column=name, found=", ".join(nested))
    if as_text:
        frames = [frame.with_columns(pl.col(as_text & set(frame.columns)).cast(pl.String)) for frame in frames]
    return pl.concat(frames, how="diagonal_relaxed")
