"""Records of Python (dicts, lists) as a frame. Knows nothing of files."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl


def frame_of_records(records: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """One row per record; a key that a record lacks is null; nested records become `outer.inner` columns."""
    flat = [_flat(record) for record in records]
    names = list(dict.fromkeys(key for record in flat for key in record))
    return pl.DataFrame([series_of(name, [record.get(name) for record in flat]) for name in names])


def frame_of_columns(columns: Mapping[str, Sequence[Any]]) -> pl.DataFrame:
    """One column per key."""
    return pl.DataFrame([series_of(name, list(values)) for name, values in columns.items()])


def series_of(name: str, values: list[Any]) -> pl.Series:
    """The values as numbers, texts or lists where they are all alike; else each as text."""
    try:
        return pl.Series(name, values)
    except (TypeError, pl.exceptions.PolarsError):
        pass
    if all(v is None or isinstance(v, int | float) for v in values):
        return pl.Series(name, values, dtype=pl.Float64, strict=False)
    return pl.Series(name, [_as_text(v) for v in values], dtype=pl.String)


def _as_text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _flat(record: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in record.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
