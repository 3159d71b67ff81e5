"""scikit-learn's embedded data under `sample:NAME`."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from danlu.data.formats.memory import frame_of_array
from danlu.data.formats.table import Ask, Source, Table, whole
from danlu.errors import DanluError

PREFIX = "sample:"
# name → the column to predict
TARGETS = {
    "digits": "digit",
    "iris": "species",
    "wine": "cultivar",
    "breast_cancer": "diagnosis",
    "diabetes": "progression",
}


def tables(source: Source, ask: Ask) -> Iterator[Table]:
    """The rows of a sample; raises DanluError where there is none of that name."""
    name = source.name.removeprefix(PREFIX)
    if name not in TARGETS:
        raise DanluError("data.no_such_sample", name=name, names=", ".join(TARGETS))
    return whole(_frame(name, TARGETS[name]))


def _frame(name: str, target: str) -> pl.DataFrame:
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")()
    if name == "digits":  # 0 … 16 in the source
        frame = frame_of_array((bunch.images * 255 / 16).round().astype(np.uint8))
    else:
        names = [n.replace(" (cm)", "").replace(" ", "_") for n in bunch.feature_names]
        frame = frame_of_array(bunch.data, names=names)
    return frame.with_columns(pl.Series(target, _answers(bunch)))


def _answers(bunch: Any) -> np.ndarray:
    """Names of the classes where they have names, else the values themselves."""
    names = getattr(bunch, "target_names", None)
    if names is None or not np.issubdtype(np.asarray(names).dtype, np.str_):
        return bunch.target
    return np.asarray(names)[bunch.target]
