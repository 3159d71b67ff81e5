"""A few rows as bytes and back, so that a run can be tried after its data has moved. Knows nothing of runs."""

import io
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from danlu.data.examples import ROW, Column, Examples

LONGEST = 4000  # characters of a text that are kept


def sample_bytes(rows: Examples, names: list[str]) -> bytes:
    """These columns of the rows, as Parquet: long texts cut, images by their bytes and not by their place."""
    frame = rows.frame.select(names)
    for name in names:
        if rows.columns[name].kind == "image" and frame[name].dtype == pl.String:
            files = [Path(path).read_bytes() for path in frame[name]]
            frame = frame.with_columns(pl.Series(name, files, dtype=pl.Binary))
        elif frame[name].dtype == pl.String:
            frame = frame.with_columns(pl.col(name).str.slice(0, LONGEST))
    written = io.BytesIO()
    frame.write_parquet(written)
    return written.getvalue()


def sample_of(content: bytes, columns: Mapping[str, Column]) -> Examples:
    """The rows that `sample_bytes` wrote."""
    frame = pl.read_parquet(io.BytesIO(content)).with_row_index(ROW)
    return Examples(frame, {name: columns[name] for name in frame.columns if name != ROW})
