"""Excel workbooks: the first sheet that holds anything."""

from collections.abc import Iterator

import polars as pl

from danlu.data.formats.table import Ask, Source, Table, seekable, whole
from danlu.errors import DanluError


def tables(source: Source, ask: Ask) -> Iterator[Table]:
    """The rows of an .xlsx, .xls or .ods file."""
    import fastexcel

    content = seekable(source)
    try:
        sheets = pl.read_excel(content, sheet_id=0, infer_schema_length=None, raise_if_empty=False)
    except (fastexcel.FastExcelError, pl.exceptions.ComputeError) as error:
        raise DanluError("data.damaged_file", file=source.name, why=str(error).splitlines()[0]) from None
    filled = [frame for frame in sheets.values() if frame.height]
    if not filled:
        raise DanluError("data.empty_file", file=source.name)
    return whole(filled[0])
