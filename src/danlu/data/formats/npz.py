"""NPZ: arrays of NumPy under the usual names, features beside targets."""

import zipfile
from collections.abc import Iterator

import numpy as np
import polars as pl

from danlu.data.formats.memory import frame_of_array, is_feature_shape
from danlu.data.formats.table import Ask, Source, Table, seekable, whole
from danlu.errors import DanluError

_FEATURES = ("x", "images", "image", "data", "features", "inputs", "x_train", "train_images")
_TARGETS = ("y", "labels", "label", "target", "targets", "y_train", "train_labels")


def tables(source: Source, ask: Ask) -> Iterator[Table]:
    """Features as columns x0, x1 …, images or sequences; a target as `label`; other arrays under their own names."""
    try:
        with np.load(seekable(source), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (ValueError, zipfile.BadZipFile) as error:  # objects, which would need pickle, are refused
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
