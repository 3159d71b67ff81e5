"""IDX, the format of MNIST: a file of images beside a file of labels."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from danlu.data.formats.memory import frame_of_array
from danlu.data.formats.table import Ask, Source, Table, opened, whole
from danlu.errors import DanluError

_DTYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def tables(source: Source, ask: Ask) -> Iterator[Table]:
    """`image` of the images file, and `label` where a labels file lies beside it."""
    assert source.path is not None
    frame = frame_of_array(idx_array(source.path), "image")
    for path in source.companions:
        labels = idx_array(path)
        if len(labels) != frame.height:
            raise DanluError("data.idx_pair", file=source.name, images=frame.height, labels=len(labels))
        frame = frame.with_columns(pl.Series("label", labels.astype(np.int64)))
    return whole(frame)


def idx_array(path: Path) -> np.ndarray:
    """The array of an IDX file: two zero bytes, dtype, number of dimensions, big-endian lengths, data.

    Source: yann.lecun.com/exdb/mnist.
    """
    with opened(path) as stream:
        raw = stream.read()
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] not in _DTYPES:
        raise DanluError("data.damaged_file", file=str(path), why="not an IDX file")
    ndim = raw[3]
    shape = np.frombuffer(raw, ">i4", ndim, 4)
    dtype = np.dtype(_DTYPES[raw[2]])
    expected = 4 + 4 * ndim + int(shape.prod()) * dtype.itemsize
    if len(raw) != expected:
        raise DanluError("data.idx_length", file=str(path), expected=expected, found=len(raw))
    array = np.frombuffer(raw, dtype, offset=4 + 4 * ndim).reshape(shape)
    return array.astype(dtype.newbyteorder("="))


def pair(path: Path) -> tuple[Path, tuple[Path, ...]]:
    """(images, (labels,)) of either of the two files; () where there is no labels file."""
    if "labels" in path.name:
        images = _sibling(path, "labels", "images")
        return (images, (path,)) if images else (path, ())
    labels = _sibling(path, "images", "labels")
    return path, (labels,) if labels else ()


def _sibling(path: Path, word: str, other: str) -> Path | None:
    """train-images-idx3-ubyte → train-labels-idx1-ubyte, gzipped or not."""
    pattern = re.sub(r"idx\d", "idx?", path.name.replace(word, other)).removesuffix(".gz")
    return next((p for p in sorted(path.parent.glob(f"{pattern}*"))), None)
