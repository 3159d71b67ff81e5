"""Excel workbooks: the sheet asked for, else the first that holds rows."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import polars as pl

from danlu.data.formats.table import Ask, Source, Table, seekable, whole
from danlu.errors import DanluError
from danlu.words import Note


def tables(source: Source, ask: Ask) -> Iterator[Table]:
    """The rows of an .xlsx, .xls or .ods file."""
    import fastexcel

    content = seekable(source)
    try:
        sheets = pl.read_excel(content, sheet_id=0, infer_schema_length=None, raise_if_empty=False)
    except (fastexcel.FastExcelError, pl.exceptions.ComputeError) as error:
        raise DanluError("data.damaged_file", file=source.name, why=str(error).splitlines()[0]) from None
    filled = {name: frame for name, frame in sheets.items() if frame.height}
    if not filled:
        raise DanluError("data.empty_file", file=source.name)
    chosen = ask.sheet or next(iter(filled))
    if chosen not in filled:
        raise DanluError("data.no_such_sheet", file=source.name, sheet=chosen, names=_listed(filled))
    others = _listed(name for name in filled if name != chosen)
    told = Note("data.sheet", file=source.name, sheet=chosen, others=others)
    for table in whole(filled[chosen]):
        yield replace(table, notes=(told,) if others and not ask.sheet else ())


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
