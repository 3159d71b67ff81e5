"""Which rows are equal: numbers that are the same exactly where the contents are. Knows nothing of splits."""

from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from danlu.data.examples import Examples
from danlu.data.kept import contents, is_kept
from danlu.data.values import as_texts

Labels = npt.NDArray[np.int32]  # of rows: those with equal labels belong together


def input_names(examples: Examples, targets: Sequence[str]) -> list[str]:
    """The columns that a model may look at, in file order."""
    columns = [c for c in examples.columns.values() if c.kind not in ("ignore", "labels", "entities", "answers")]
    return [column.name for column in columns if column.name not in targets]


def first_equal(examples: Examples, names: Sequence[str]) -> Labels:
    """(rows,): for each row the position of the first row that equals it in the columns `names`."""
    first = np.arange(len(examples), dtype=np.int32)
    if not names:
        return first
    hashes = row_hashes(examples, names)
    ordered = hashes.sort()  # and not is_duplicated(), which takes five times as long
    shared = ordered.filter(ordered == ordered.shift())
    repeated = np.flatnonzero(hashes.is_in(shared.implode()).to_numpy())
    _, leader, group = np.unique(hashes.to_numpy()[repeated], return_index=True, return_inverse=True)
    first[repeated] = repeated[leader[group]]
    return first


def codes(series: pl.Series) -> Labels:
    """(rows,): the place of each value among the sorted distinct values, -1 where missing."""
    texts = as_texts(series)
    values = pl.Enum(texts.drop_nulls().unique().sort())
    return texts.cast(values).to_physical().cast(pl.Int32).fill_null(-1).to_numpy()


def row_hashes(examples: Examples, names: Sequence[str]) -> pl.Series:
    """(rows,) UInt64 of the contents of the columns `names`; an image's content is its file's, not its path, and a
    kept text's is what it refers to.

    Two of 10 million different rows share a hash with a probability of 3 in a million (n² / 2⁶⁵).
    """
    frame = examples.frame.select(names)
    frame = frame.with_columns(contents(frame[name]).alias(name) for name in names if is_kept(frame[name]))
    in_files = [n for n in names if examples.columns[n].kind == "image" and frame.schema[n] == pl.String]
    return frame.with_columns(file_contents(frame[name]) for name in in_files).hash_rows()


def file_contents(paths: pl.Series) -> pl.Series:
    """A text for each path, the same for files with the same bytes; only files of the same size are read.

    A file that cannot be read has its path.
    """
    distinct = paths.drop_nulls().unique().to_list()
    sizes = pl.Series([_size(path) for path in distinct], dtype=pl.Int64)
    shared = (sizes.is_duplicated() & (sizes >= 0)).to_list()
    contents = [_digest(path) if read else path for path, read in zip(distinct, shared, strict=True)]
    return paths.replace_strict(distinct, contents, return_dtype=pl.String)


def _size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except OSError:  # whoever decodes it will name the row
        return -1


def _digest(path: str) -> str:
    return blake2b(Path(path).read_bytes(), digest_size=16).hexdigest()
