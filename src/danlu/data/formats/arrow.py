"""Arrow IPC (also named Feather): the file format in batches, the stream format at once."""

from collections.abc import Iterator

import polars as pl

from danlu.data.formats.parquet import batches
from danlu.data.formats.table import Ask, Source, Table, seekable, whole
from danlu.errors import DanluError

MAGIC = b"ARROW1"


def tables(source: Source, ask: Ask) -> Iterator[Table]:
    """The rows of an Arrow or Feather file in parts."""
    with source.open() as stream:
        is_file = stream.read(len(MAGIC)) == MAGIC
    content = seekable(source)
    try:
        yield from batches(pl.scan_ipc(content)) if is_file else whole(pl.read_ipc_stream(content))
    except pl.exceptions.ComputeError as error:
        raise DanluError("data.damaged_file", file=source.name, why=str(error).splitlines()[0]) from None
