"""`hf://datasets/...`: files on the Hugging Face hub, read by polars."""

from collections.abc import Iterator

import polars as pl

from danlu.data.formats.parquet import batches
from danlu.data.formats.table import Ask, Source, Table
from danlu.errors import DanluError

PREFIX = "hf://"
_SCANS = {"csv": pl.scan_csv, "tsv": pl.scan_csv, "jsonl": pl.scan_ndjson, "ndjson": pl.scan_ndjson}


def tables(source: Source, ask: Ask) -> Iterator[Table]:
    """The rows of the files that the address names; without a suffix, of all Parquet files below it."""
    address = source.name
    suffix = (
        address.rsplit("/", 1)[-1].rpartition(".")[2].lower() if "." in address.rsplit("/", 1)[-1] else ""
    )
    try:
        if suffix in _SCANS:
            separator = {"separator": "\t"} if suffix == "tsv" else {}
            yield from batches(_SCANS[suffix](address, **separator))
        else:
            yield from batches(pl.scan_parquet(address if suffix else f"{address.rstrip('/')}/**/*.parquet"))
    except (pl.exceptions.ComputeError, OSError) as error:
        raise DanluError("data.hub", address=address, why=str(error).splitlines()[0]) from None
