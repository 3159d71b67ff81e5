"""`hf://datasets/...`: files on the Hugging Face hub, read by polars."""

from collections.abc import Iterator

import polars as pl

from danlu.data.formats.parquet import batches
from danlu.data.formats.table import Ask, Source, Table
from danlu.errors import DanluError

PREFIX = "hf://"


def tables(source: Source, ask: Ask) -> Iterator[Table]:
    """The rows of the files that the address names; without a suffix, of all Parquet files below it."""
    try:
        yield from batches(_scan(source.name))
    except (pl.exceptions.ComputeError, OSError) as error:
        raise DanluError("data.hub", address=source.name, why=str(error).splitlines()[0]) from None


def _scan(address: str) -> pl.LazyFrame:
    suffix = address.rsplit("/", 1)[-1].rpartition(".")[2].lower()
    if suffix in ("csv", "tsv"):
        return pl.scan_csv(address, separator="\t" if suffix == "tsv" else ",")
    if suffix in ("jsonl", "ndjson"):
        return pl.scan_ndjson(address)
    return pl.scan_parquet(address if suffix == "parquet" else f"{address.rstrip('/')}/**/*.parquet")
