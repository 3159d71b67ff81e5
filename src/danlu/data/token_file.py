"""Tokens of large corpora: written once, stretch by stretch, into the cache folder, and mapped from there.

Of a killed writing what is whole is taken up again. Knows nothing of how texts become tokens.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from danlu.data.values import offsets_of

EVERY = 16  # stretches between two notes of how much is whole
_TOKENS, _RECORDS, _WHOLE = "tokens", "records", "whole.json"
_FIELDS = 4  # int64 of a record: a document, and of a stretch of it tokens, bytes, bytes that no token stands for


@dataclass(frozen=True)
class Stretch:
    """The tokens of a stretch of text, and of each document in it its number, tokens, bytes, bytes untold: (n, 4)."""

    tokens: npt.NDArray[np.int32]
    records: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Mapped:
    """Tokens (total,) that lie on the disk, and of each of D documents where it begins and its bytes."""

    tokens: npt.NDArray[np.uint16] | npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    bytes: npt.NDArray[np.int64]
    unwritten: npt.NDArray[np.int64]


def write(folder: Path, stretches: Callable[[int], Iterator[Stretch]], documents: int, vocabulary: int) -> None:
    """Write the stretches, of which `stretches(n)` gives all from number n on, into the folder."""
    dtype = _dtype(vocabulary)
    whole = folder / _WHOLE
    done = json.loads(whole.read_text()) if whole.exists() else {"stretches": 0, _TOKENS: 0, _RECORDS: 0}
    with _from(folder / _TOKENS, done[_TOKENS]) as tokens, _from(folder / _RECORDS, done[_RECORDS]) as records:
        for count, stretch in enumerate(stretches(done["stretches"]), done["stretches"] + 1):
            tokens.write(stretch.tokens.astype(dtype).tobytes())
            records.write(stretch.records.astype(np.int64).tobytes())
            if count % EVERY == 0:
                tokens.flush()
                records.flush()
                _replace(whole, json.dumps({"stretches": count, _TOKENS: tokens.tell(), _RECORDS: records.tell()}))
    _summed(folder, documents)
    (folder / _RECORDS).unlink()
    whole.unlink(missing_ok=True)


def opened(folder: Path, vocabulary: int) -> Mapped:
    """What was written, mapped copy-on-write, as torch takes no memory that cannot be written."""
    tokens = np.memmap(folder / _TOKENS, _dtype(vocabulary), "c")
    offsets, size, unwritten = (np.load(folder / f"{name}.npy", "c") for name in ("offsets", "bytes", "unwritten"))
    return Mapped(tokens, offsets, size, unwritten)


def sums_of(records: npt.NDArray[np.int64], documents: int) -> npt.NDArray[np.int64]:
    """(3, D): tokens, bytes and bytes untold of each document."""
    sums = np.zeros((_FIELDS - 1, documents), np.int64)
    for column, of in enumerate(sums, 1):
        np.add.at(of, records[:, 0], records[:, column])
    return sums


def _dtype(vocabulary: int) -> type[np.uint16] | type[np.int32]:
    return np.uint16 if vocabulary <= 1 << 16 else np.int32


def _from(path: Path, size: int) -> BinaryIO:
    """The file, cut to `size` bytes, to be written on."""
    file = path.open("r+b" if path.exists() else "w+b")
    file.truncate(size)
    file.seek(size)
    return file


def _replace(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}")
    partial.write_text(text)
    partial.replace(path)


def _summed(folder: Path, documents: int) -> None:
    """Where each document begins, its bytes, and those that no token stands for."""
    size = (folder / _RECORDS).stat().st_size
    records = np.memmap(folder / _RECORDS, np.int64, "r").reshape(-1, _FIELDS) if size else np.empty((0, _FIELDS), int)
    lengths, written, unwritten = sums_of(records, documents)
    for name, values in (("offsets", offsets_of(lengths)), ("bytes", written), ("unwritten", unwritten)):
        np.save(folder / f"{name}.npy", values)
