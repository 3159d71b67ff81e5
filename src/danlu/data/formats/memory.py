"""Python objects as frames: arrays, DataFrames, records, texts, Pillow images."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from danlu.data.formats.records import frame_of_columns, frame_of_records, series_of
from danlu.errors import DanluError


def frame_of(rows: Any, names: Sequence[str] | None = None, only: str | None = None) -> pl.DataFrame:
    """The rows of a polars or pandas DataFrame, list of dicts, dict of lists, list of texts, NumPy array,
    Pillow images, or of one dict, text or image.

    `names` are those of the columns of a table without names, `only` is that of bare texts, images or sequences.
    Raises DanluError for any other object.
    """
    if isinstance(rows, pl.DataFrame | pl.LazyFrame):
        return rows.lazy().collect()
    if isinstance(rows, np.ndarray):
        return frame_of_array(rows, only, names)
    if isinstance(rows, Mapping):
        return _frame_of_mapping(rows)
    if isinstance(rows, str) or _is_image(rows):
        return _frame_of_list([rows], names, only)
    if hasattr(rows, "to_dict") and hasattr(rows, "columns"):  # pandas, which need not be installed
        return pl.DataFrame([_pandas_series(str(name), rows[name]) for name in rows.columns])
    if isinstance(rows, Sequence) and len(rows):
        return _frame_of_list(list(rows), names, only)
    raise DanluError("data.unknown_rows", found=type(rows).__name__)


def frame_of_array(array: np.ndarray, name: str | None = None, names: Sequence[str] | None = None) -> pl.DataFrame:
    """Columns x0, x1 … of (rows, features); `image` of (rows, height, width[, channels]) uint8; `sequence` of (rows,
    time, channels) floats."""
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim == 2:
        columns = list(names) if names is not None else [f"x{i}" for i in range(array.shape[1])]
        if len(columns) != array.shape[1]:
            raise DanluError("data.array_width", found=array.shape[1], expected=len(columns))
        if array.dtype == object:
            return frame_of_columns({c: array[:, i].tolist() for i, c in enumerate(columns)})
        return pl.DataFrame({c: np.ascontiguousarray(array[:, i]) for i, c in enumerate(columns)})
    if not is_feature_shape(array):
        raise DanluError("data.array_shape", shape=str(array.shape), dtype=str(array.dtype))
    is_image = array.dtype == np.uint8
    name = name or ("image" if is_image else "sequence")
    return pl.DataFrame([pl.Series(name, np.ascontiguousarray(array if is_image else array.astype(np.float32)))])


def is_feature_shape(array: np.ndarray) -> bool:
    """Whether the array is a table, images (uint8) or sequences (other numbers)."""
    if array.dtype == np.uint8:
        return 1 <= array.ndim <= 4
    return 1 <= array.ndim <= 3


def _frame_of_mapping(rows: Mapping[str, Any]) -> pl.DataFrame:
    """A dict of equally long columns, or one record."""
    values = list(rows.values())
    if values and all(isinstance(v, list | tuple | np.ndarray | pl.Series) for v in values):
        if len({len(v) for v in values}) == 1:
            return frame_of_columns({k: list(v) for k, v in rows.items()})
        raise DanluError("data.unequal_columns", lengths=", ".join(f"{k}: {len(v)}" for k, v in rows.items()))
    return frame_of_records([rows])


def _frame_of_list(rows: list[Any], names: Sequence[str] | None, only: str | None) -> pl.DataFrame:
    if all(isinstance(row, Mapping) for row in rows):
        return frame_of_records(rows)
    if all(isinstance(row, str) for row in rows):
        return pl.DataFrame({only or "text": rows})
    if all(_is_image(row) for row in rows):
        return pl.DataFrame({only or "image": [_png(row) for row in rows]})
    if all(isinstance(row, list | tuple | np.ndarray | int | float) for row in rows):
        return frame_of_array(np.asarray(rows), only, names)
    raise DanluError("data.unknown_rows", found=f"list of {type(rows[0]).__name__}")


def _is_image(value: Any) -> bool:
    return hasattr(value, "getbands") and hasattr(value, "save")  # a Pillow image, without importing Pillow


def _png(image: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG", compress_level=0)
    return stream.getvalue()


def _pandas_series(name: str, series: Any) -> pl.Series:
    """A pandas column, null where a value is missing."""
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "biufM":
        return pl.Series(name, series.to_numpy(), nan_to_null=True)
    return series_of(name, series.astype(object).where(series.notna(), None).tolist())
