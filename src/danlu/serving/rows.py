"""Rows of a request, as JSON has them, become columns of the dtypes that reading expects. Knows no model.

What a cell becomes hangs on the cell alone, so that an answer never hangs on the requests beside it.
"""

import base64
import binascii
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from danlu.data.examples import Column
from danlu.errors import DanluError
from danlu.serving.config import ServeConfig
from danlu.words import Note

IMAGE_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")  # none of which starts another program
_SHOWN = 60  # characters of a cell that an error shows
_TYPES: Mapping[type, pl.DataType] = {
    str: pl.String(),
    float: pl.Float64(),
    bool: pl.Boolean(),
    bytes: pl.Binary(),
    datetime: pl.Datetime("us"),
}
_OF_NOTHING: Mapping[str, pl.DataType] = {  # the dtype of a column without a value
    "number": pl.Float64(),
    "boolean": pl.Boolean(),
    "image": pl.Binary(),
    "sequence": pl.List(pl.Float32()),
}


@dataclass(frozen=True)
class Table:
    """Columns of equally many values, each with its dtype; tables of one `schema` can be answered together."""

    columns: Mapping[str, list[Any]]
    schema: tuple[tuple[str, pl.DataType], ...]
    height: int

    def piece(self, first: int, end: int) -> "Table":
        """These rows."""
        cut = {name: values[first:end] for name, values in self.columns.items()}
        return Table(cut, self.schema, end - first)


def frame_of_tables(tables: Sequence[Table]) -> pl.DataFrame:
    """The rows of tables of one schema, one behind the other."""
    return pl.DataFrame(
        [
            pl.Series(name, [value for table in tables for value in table.columns[name]], dtype=dtype)
            for name, dtype in tables[0].schema
        ]
    )


def table_of_rows(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, Column], config: ServeConfig) -> Table:
    """The cells of `columns` in the rows; others are left out.

    Raises DanluError where there are too many rows, a row lacks a column, or a cell cannot be of its kind.
    """
    if len(rows) > config.max_rows:
        raise DanluError("serve.too_many_rows", rows=len(rows), most=config.max_rows)
    for number, row in enumerate(rows, 1):
        missing = [name for name in columns if name not in row]
        if missing:
            raise DanluError("serve.missing_columns", row=number, columns=", ".join(missing))
    read = {
        name: [_cell(row[name], at, column, config) for at, row in enumerate(rows)] for name, column in columns.items()
    }
    found = {name: _of_one_type(read[name], columns[name]) for name in columns}
    return Table(
        {name: values for name, (values, _) in found.items()},
        tuple((name, dtype) for name, (_, dtype) in found.items()),
        len(rows),
    )


def unknown_keys(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, Column]) -> list[str]:
    """Keys of the rows that are no column of the run, in order."""
    return list(dict.fromkeys(key for row in rows for key in row if key not in columns))


def _cell(value: Any, row: int, column: Column, config: ServeConfig) -> Any:
    """The cell as str, float, bool, bytes, datetime or list; None where it is missing."""
    if value is None:
        return None
    try:
        return _READERS[column.kind](value, column, config)
    except _UnfitError as unfit:
        why = unfit.note
    except (OverflowError, binascii.Error):
        why = Note(f"serve.expects_{column.kind}")
    raise DanluError("serve.bad_cell", row=row + 1, column=column.name, expected=why, found=_shown(value, column))


def _shown(value: Any, column: Column) -> str:
    """The beginning of a cell; of an image only what it is."""
    if column.kind == "image":
        return type(value).__name__
    return repr(value)[:_SHOWN]


class _UnfitError(Exception):
    def __init__(self, note: Note) -> None:
        self.note = note
        super().__init__(note.key)


def _expected(kind: str) -> _UnfitError:
    return _UnfitError(Note(f"serve.expects_{kind}"))


def _number(value: Any, column: Column, config: ServeConfig) -> float | str:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _expected("number")
    if isinstance(value, str):
        return value
    if not math.isfinite(value):
        raise _expected("number")
    return float(value)


def _boolean(value: Any, column: Column, config: ServeConfig) -> bool | str:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float | str):
        return _plain(value)
    raise _expected("boolean")


def _category(value: Any, column: Column, config: ServeConfig) -> str:
    if isinstance(value, bool | int | float | str):
        return _short(_plain(value), config)
    raise _expected("category")


def _text(value: Any, column: Column, config: ServeConfig) -> str:
    if isinstance(value, list) and all(isinstance(word, str) for word in value):
        value = " ".join(value)
    if isinstance(value, bool | int | float | str):
        return _short(_plain(value), config)
    raise _expected("text")


def _plain(value: bool | float | str) -> str:
    """As the text of a cell has it: "true", "3" for 3.0."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return value if isinstance(value, str) else str(value)


def _short(text: str, config: ServeConfig) -> str:
    if len(text) > config.max_characters:
        raise _UnfitError(Note("serve.expects_short", most=config.max_characters))
    return text.encode("utf-8", "replace").decode() if not text.isascii() else text  # halves of surrogate pairs


def _date(value: Any, column: Column, config: ServeConfig) -> datetime | str:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise _expected("date")
    if column.format is not None or isinstance(value, int):
        return str(value)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return value
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def _image(value: Any, column: Column, config: ServeConfig) -> bytes:
    encoded = value if isinstance(value, bytes) else _decoded(value)
    _refuse_unfit_image(encoded, config)
    return encoded


def _decoded(value: Any) -> bytes:
    """Of base64, also as a data URL."""
    if not isinstance(value, str):
        raise _expected("image")
    head, comma, rest = value.partition(",")
    bare = rest if comma and head.startswith("data:") else value
    if not bare.isascii():
        raise _expected("image")
    return base64.b64decode("".join(bare.split()), validate=True)


def _refuse_unfit_image(encoded: bytes, config: ServeConfig) -> None:
    """By its header alone, before anything is decoded."""
    from PIL import Image

    from danlu.data.image_check import DAMAGED

    try:
        with Image.open(io.BytesIO(encoded), formats=IMAGE_FORMATS) as picture:
            pixels = picture.width * picture.height
    except Image.DecompressionBombError:
        raise _UnfitError(Note("serve.expects_small", most=f"{config.max_pixels:,}")) from None
    except DAMAGED:
        raise _expected("image") from None
    if pixels > config.max_pixels:
        raise _UnfitError(Note("serve.expects_small", most=f"{config.max_pixels:,}"))


def _sequence(value: Any, column: Column, config: ServeConfig) -> list[Any]:
    if not isinstance(value, list) or not value or len(value) > config.max_characters:
        raise _expected("sequence")
    widths = {len(step) if isinstance(step, list) else 0 for step in value}
    flat = [number for step in value for number in (step if isinstance(step, list) else [step])]
    if len(widths) > 1 or not all(map(_is_step, flat)) or not flat:
        raise _expected("sequence")
    return value


def _is_step(value: Any) -> bool:
    """Whether it is a number, or missing."""
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e38)


def _of_one_type(values: list[Any], column: Column) -> tuple[list[Any], pl.DataType]:
    """The values and their dtype: texts where they are of several types."""
    present = [value for value in values if value is not None]
    types = set(map(type, present))
    if not types:
        return values, _OF_NOTHING.get(column.kind, pl.String())
    if types == {list}:
        return values, _sequences_type(present, column)
    if len(types) == 1:
        return values, _TYPES[types.pop()]
    return [None if value is None else _written(value) for value in values], pl.String()


def _written(value: Any) -> str:
    return value.isoformat(" ") if isinstance(value, datetime) else _plain(value)


def _sequences_type(present: list[list[Any]], column: Column) -> pl.DataType:
    """List(Float32), or List(Array(Float32, channels)); DanluError where rows differ in their channels."""
    widths = {len(value[0]) if isinstance(value[0], list) else 0 for value in present}
    if len(widths) > 1:
        raise DanluError("serve.unequal_channels", column=column.name)
    width = widths.pop()
    return pl.List(pl.Array(pl.Float32(), width) if width else pl.Float32())


_READERS: Mapping[str, Callable[[Any, Column, ServeConfig], Any]] = {
    "number": _number,
    "boolean": _boolean,
    "category": _category,
    "text": _text,
    "date": _date,
    "image": _image,
    "sequence": _sequence,
}
