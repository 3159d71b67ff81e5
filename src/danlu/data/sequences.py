"""Numeric sequences as tensors. Fitted on the training rows; knows nothing of other inputs."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from danlu.data.store import Ragged
from danlu.data.tally import Rows
from danlu.data.values import Lengths, first_of_each, offsets_of
from danlu.errors import DanluError
from danlu.words import Note

MAX_STEPS = 4096

Steps = npt.NDArray[np.float64]  # (total, channels)


@dataclass(frozen=True)
class Sequences:
    """The sequence columns, joined as channels, and the statistics of each channel in training.

    `gaps`: channels with missing steps in training; each has an indicator behind the channels.
    """

    columns: tuple[str, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    gaps: tuple[int, ...]
    max_steps: int

    @property
    def channels(self) -> int:
        """Channels of the tensor: those of the columns and the indicators."""
        return len(self.mean) + len(self.gaps)

    def encode(self, frame: pl.DataFrame, rows: Rows) -> Ragged:
        """Standardised steps, 0 where missing, cut at `max_steps`.

        Raises DanluError where channels are not those of training, or a row's columns differ in length.
        """
        steps, lengths = _joined(frame, self.columns, rows)
        if steps.shape[1] != len(self.mean):
            raise DanluError(
                "codec.other_channels",
                column=", ".join(self.columns),
                got=steps.shape[1],
                wanted=len(self.mean),
            )
        rows.count("codec.sequence_cut", self.columns[0], lengths > self.max_steps)
        steps, lengths = first_of_each(steps, lengths, self.max_steps)
        missing = np.isnan(steps)
        self._count_gaps(missing, lengths, rows)
        values = np.where(missing, 0.0, (steps - self.mean) / self.scale)
        values = np.concatenate([values, missing[:, list(self.gaps)]], axis=1).astype(np.float32)
        return Ragged(torch.from_numpy(values), torch.from_numpy(offsets_of(lengths)))

    def _count_gaps(self, missing: np.ndarray, lengths: Lengths, rows: Rows) -> None:
        without = [i for i in range(len(self.mean)) if i not in self.gaps]
        new = np.repeat(np.arange(len(lengths)), lengths)[missing[:, without].any(axis=1)]
        rows.count("codec.missing_new", self.columns[0], np.bincount(new, minlength=len(lengths)) > 0)


def fit_sequences(frame: pl.DataFrame, columns: tuple[str, ...], rows: Rows) -> tuple[Sequences, list[Note]]:
    """Mean and deviation of each channel over the known steps of the training rows."""
    steps, lengths = _joined(frame, columns, rows)
    max_steps = min(int(lengths.max()), MAX_STEPS)
    steps, _ = first_of_each(steps, lengths, max_steps)
    known = ~np.isnan(steps)
    if not known.any():
        raise DanluError("codec.empty_sequences", column=", ".join(columns))
    channels = [steps[known[:, i], i] for i in range(steps.shape[1])]
    mean = tuple(float(values.mean()) if len(values) else 0.0 for values in channels)
    scale = tuple(float(values.std()) or 1.0 if len(values) else 1.0 for values in channels)
    gaps = tuple(int(i) for i in np.flatnonzero(~known.all(axis=0)))
    sequences = Sequences(columns, mean, scale, gaps, max_steps)
    name = ", ".join(columns)
    return sequences, [
        Note(
            "codec.sequences",
            column=name,
            channels=len(mean),
            shortest=int(lengths.min()),
            longest=int(lengths.max()),
        )
    ]


def _joined(frame: pl.DataFrame, columns: tuple[str, ...], rows: Rows) -> tuple[Steps, Lengths]:
    """The columns side by side as channels: (total, channels), and the length of each row."""
    parts = [_steps(frame[name], name) for name in columns]
    lengths = parts[0][1]
    for name, (_, other) in zip(columns[1:], parts[1:], strict=True):
        if (lengths != other).any():
            place = rows.first(lengths != other)
            raise DanluError("codec.unequal_sequences", place=place, column=name, other=columns[0])
    return np.concatenate([steps for steps, _ in parts], axis=1), lengths


def _steps(series: pl.Series, name: str) -> tuple[Steps, Lengths]:
    if not isinstance(series.dtype, pl.List):
        raise DanluError("codec.wrong_type", column=name, wanted=Note("codec.kind_sequence"), got=str(series.dtype))
    lengths = series.list.len().fill_null(0).cast(pl.Int64).to_numpy()
    inner = series.dtype.inner
    width = inner.size if isinstance(inner, pl.Array) else 1
    if not lengths.any():
        return np.empty((0, width)), lengths
    steps = series.filter(series.list.len() > 0).explode().to_numpy().astype(np.float64)
    steps = steps.reshape(-1, width)
    return np.where(np.isfinite(steps), steps, np.nan), lengths
