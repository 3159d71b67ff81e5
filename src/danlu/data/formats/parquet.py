"""Parquet, read in batches by polars."""

from collections.abc import Iterator

import polars as pl

from danlu.data.formats.table import Ask, Source, Table, numbered, seekable
from danlu.errors import DanluError

BATCH = 65_536  # rows


def tables(source: Source, ask: Ask) -> Iterator[Table]:
    """The rows of a Parquet file in parts."""
    try:
        yield from batches(pl.scan_parquet(seekable(source), glob=False))
    except pl.exceptions.ComputeError as error:
        raise DanluError("data.damaged_file", file=source.name, why=str(error).splitlines()[0]) from None


def batches(scan: pl.LazyFrame) -> Iterator[Table]:
    """The rows of a scan in parts, in order; one part without rows where there are none."""
    rows = 0
    for frame in scan.collect_batches(chunk_size=BATCH, maintain_order=True):
        if frame.height or not rows:
            yield Table(numbered(frame, rows), frame.height)
        rows += frame.height
