"""NPZ: arrays of NumPy under the usual names, features beside targets."""

import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import polars as pl

from danlu.data.formats.memory import frame_of_array, is_feature_shape
from danlu.data.formats.table import Ask, Source, Table, seekable, whole
from danlu.errors import DanluError
from danlu.words import Note

_FEATURES = ("x", "images", "image", "data", "features", "inputs", "x_train", "train_images")
_TARGETS = ("y", "labels", "label", "target", "targets", "y_train", "train_labels")


def tables(source: Source, ask: Ask) -> Iterator[Table]:
    """Features as columns x0, x1 …, images or sequences; a target as `label`; other arrays under their own names."""
    try:
        with np.load(seekable(source), allow_pickle=False) as archive:
            arrays = {name: _plain_array(archive, name, source) for name in archive.files}
    except (ValueError, zipfile.BadZipFile) as error:
        raise DanluError("data.damaged_file", file=source.name, why=str(error).splitlines()[0]) from None
    features = next((name for name in arrays if name.lower() in _FEATURES), None)
    if features is None or not is_feature_shape(arrays[features]):
        raise DanluError("data.npz_names", file=source.name, names=", ".join(arrays))
    frame = frame_of_array(arrays.pop(features))
    for name, array in arrays.items():
        if array.shape != (frame.height,):
            shape = str(array.shape)
            raise DanluError("data.npz_extra", file=source.name, name=name, shape=shape, rows=frame.height)
        frame = frame.with_columns(pl.Series("label" if name.lower() in _TARGETS else name, array))
    return whole(frame)


def _plain_array(archive: Mapping[str, Any], name: str, source: Source) -> np.ndarray:
    """An array of the archive; raises DanluError where it holds objects, which only pickle could read, or is none."""
    try:
        array = archive[name]
    except ValueError as error:
        if "Object arrays" not in str(error):
            raise
        raise DanluError("data.npz_objects", file=source.name, name=name) from None
    if not isinstance(array, np.ndarray):
        raise DanluError("data.foreign", file=source.name, what=Note("data.foreign.zip"))
    return array
