"""Output: a stream of frames becomes one table file, in constant memory. Knows nothing of models."""

import json
import sys
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl
from polars.io.plugins import register_io_source

from danlu.errors import DanluError
from danlu.layout import cells, columns, cut
from danlu.words import say

Target = Path | BinaryIO

PREVIEW_ROWS = 20
LONGEST_CELL = 40  # terminal cells
BETWEEN_LABELS = "|"  # the mark by which `danlu.data` divides a cell of several labels


def _csv(frames: pl.LazyFrame, to: Target) -> None:
    _flat(frames).sink_csv(to)


def _tsv(frames: pl.LazyFrame, to: Target) -> None:
    _flat(frames).sink_csv(to, separator="\t")


WRITERS: dict[str, Callable[[pl.LazyFrame, Target], Any]] = {
    ".csv": _csv,
    ".tsv": _tsv,
    ".jsonl": lambda frames, to: _without_bytes(frames).sink_ndjson(to),
    ".parquet": lambda frames, to: frames.sink_parquet(to),
    ".arrow": lambda frames, to: frames.sink_ipc(to),
}


def writable(file: str | Path) -> Path:
    """The path of an output file; raises DanluError for an unknown format or a folder that is not there."""
    path = Path(file)
    if path.suffix.lower() not in WRITERS:
        raise DanluError("output.unknown_format", file=str(path), known=", ".join(WRITERS))
    if not path.parent.is_dir():
        raise DanluError("output.no_folder", file=str(path), folder=str(path.parent))
    return path


def write_file(frames: Iterator[pl.DataFrame], file: Path) -> None:
    """Write frames of equal columns to a `writable` file, which is whole or absent.

    Raises DanluError where the disk is full.
    """
    partial = file.with_name(f".{file.name}.partial")
    try:
        WRITERS[file.suffix.lower()](_lazy(frames), partial)
        partial.replace(file)
    except OSError as error:  # of polars, which keeps the system's number in the text alone
        if "os error 28" not in str(error):
            raise
        raise DanluError("output.disk_full", file=str(file)) from None
    finally:
        partial.unlink(missing_ok=True)


def write_standard_output(frames: Iterator[pl.DataFrame]) -> None:
    """Write frames of equal columns to standard output, as CSV, each as soon as it comes."""
    for position, frame in enumerate(frames):
        text = _flat(frame.lazy()).collect().write_csv(include_header=position == 0)
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()


def preview(frames: Iterator[pl.DataFrame], width: int) -> list[str]:
    """The first rows and columns that fit a terminal of `width` cells; a single row as a list of its columns."""
    first = next(frames)
    more_rows = first.height > PREVIEW_ROWS or next(frames, None) is not None
    longest = LONGEST_CELL if first.height > 1 or more_rows else max(LONGEST_CELL, width)
    cells_by_column = {
        name: [name, *(_cell(value, longest) for value in values)]
        for name, values in first.head(PREVIEW_ROWS).to_dict(as_series=False).items()
    }
    if first.height == 1 and not more_rows:
        return columns(list(cells_by_column.values()))
    shown = _fitting(cells_by_column, width)
    more_columns = len(cells_by_column) - len(shown)
    lines = columns(list(zip(*shown, strict=True)))
    if more_rows or more_columns:
        lines.append(say("output.more", rows=min(first.height, PREVIEW_ROWS), columns=len(shown)))
    return lines


def _fitting(cells_by_column: dict[str, list[str]], width: int) -> list[list[str]]:
    """The leading columns that fit beside each other; at least one."""
    shown: list[list[str]] = []
    for column in cells_by_column.values():
        if shown and max(map(cells, columns(list(zip(*shown, column, strict=True))))) > width:
            break
        shown.append(column)
    return shown


def _cell(value: Any, longest: int = LONGEST_CELL) -> str:
    """A value on one short line."""
    return cut(" ".join(_spoken(value).split()), longest)


def _spoken(value: Any) -> str:
    """A value as text; of a list of records, such as entities, the values of each."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "; ".join(" ".join(map(_spoken, record.values())) for record in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _lazy(frames: Iterator[pl.DataFrame]) -> pl.LazyFrame:
    """The frames as one lazy frame, of which polars takes a piece at a time."""
    first = next(frames)
    return register_io_source(lambda *_: chain([first], frames), schema=first.schema)


def _flat(frames: pl.LazyFrame) -> pl.LazyFrame:
    """Lists as a cell of text: labels joined, others written as JSON; vectors as a column per number."""
    dtypes = _without_bytes(frames).collect_schema()
    labels = [name for name, dtype in dtypes.items() if dtype == pl.List(pl.String)]
    vectors = {name: dtype.size for name, dtype in dtypes.items() if isinstance(dtype, pl.Array)}
    lists = [name for name, dtype in dtypes.items() if dtype.is_nested() and name not in (*labels, *vectors)]
    return (
        _without_bytes(frames)
        .with_columns(
            *(
                pl.col(name).arr.get(place).alias(f"{name}_{place}")
                for name, size in vectors.items()
                for place in range(size)
            ),
            *(pl.col(name).list.join(BETWEEN_LABELS) for name in labels),
            *(pl.col(name).map_batches(_as_json, return_dtype=pl.String) for name in lists),
        )
        .drop(vectors)
    )


def _without_bytes(frames: pl.LazyFrame) -> pl.LazyFrame:
    """Encoded images, which are no text, as the number of their bytes."""
    binary = [name for name, dtype in frames.collect_schema().items() if dtype == pl.Binary]
    return frames.with_columns(pl.format("{} bytes", pl.col(name).bin.size()).alias(name) for name in binary)


def _as_json(values: pl.Series) -> pl.Series:
    texts = [None if value is None else json.dumps(value, ensure_ascii=False) for value in values.to_list()]
    return pl.Series(values.name, texts, dtype=pl.String)
