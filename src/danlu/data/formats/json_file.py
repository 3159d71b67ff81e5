"""JSON: a list of records, a dict of columns, or either of them under "data"; also SQuAD's articles of questions."""

import json
from collections.abc import Iterator
from typing import Any

import polars as pl

from danlu.data.formats import json_lines, squad
from danlu.data.formats.encoding import detected_encoding
from danlu.data.formats.records import frame_of_columns, frame_of_records
from danlu.data.formats.table import Ask, Source, Table, numbered
from danlu.errors import DanluError


def tables(source: Source, ask: Ask) -> Iterator[Table]:
    """The rows of a JSON file; JSON Lines under the name of JSON are read too."""
    with source.open() as stream:
        raw = stream.read()
    encoding = ask.encoding or detected_encoding(raw)
    try:
        content = json.loads(raw.decode(encoding))
    except UnicodeDecodeError as error:
        raise DanluError("data.not_decodable", file=source.name, encoding=encoding, byte=error.start) from None
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" and source.path is not None:
            yield from json_lines.tables(source, ask)
            return
        raise DanluError("data.not_json", file=source.name, line=error.lineno, why=error.msg) from None
    frame = _frame(content, source)
    yield Table(numbered(frame), frame.height, (), encoding)


def _frame(content: Any, source: Source) -> pl.DataFrame:
    if squad.is_squad(content):
        return squad.questions(content, source.name)
    if isinstance(content, dict) and isinstance(content.get("data"), list | dict):
        content = content["data"]
    if isinstance(content, list) and content and all(isinstance(record, dict) for record in content):
        return frame_of_records(content)
    columns = content.values() if isinstance(content, dict) else ()
    if columns and all(isinstance(c, list) for c in columns) and len({len(c) for c in columns}) == 1:
        return frame_of_columns(content)
    raise DanluError("data.json_shape", file=source.name)
