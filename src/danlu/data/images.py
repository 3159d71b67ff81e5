"""Images as pixels: files, bytes or arrays become uint8 tensors of one size. Fitted on the training rows."""

import io
import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from PIL import ExifTags, Image, ImageOps
from torch import Tensor

from danlu.data.image_check import DAMAGED
from danlu.data.store import Dense, Feed
from danlu.data.tally import Rows
from danlu.errors import DanluError
from danlu.events import Progress
from danlu.recipe import ImageConfig
from danlu.words import Note

Pixels = npt.NDArray[np.uint8]

_LONGEST_SIDE = 224  # of the size that is chosen
_SAMPLE = 500  # training images that are looked at
_CHUNK = 256  # images between two signs of progress
_SHARE_OF_MEMORY = 0.25  # beyond it, files are decoded for each batch
_UNREADABLE = (*DAMAGED, Image.DecompressionBombError)
_SIXTEEN_BITS = ("I", "I;16", "I;16L", "I;16B", "I;16N")
_GREY = ("1", "L", "LA", *_SIXTEEN_BITS)


@dataclass(frozen=True)
class Images:
    """The image column, the size and channels of its tensor, and the mean and deviation of training pixels.

    An image of other proportions is scaled to fit inside and padded with the mean colour: nothing is cut off.
    """

    column: str
    height: int
    width: int
    channels: int
    mean: tuple[float, ...]  # per channel, 0 … 255
    std: tuple[float, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        return self.channels, self.height, self.width

    def preprocessor(self) -> dict[str, Any]:
        """The same as transformers' preprocessor_config.json says it, but for the padding of other proportions."""
        return {
            "image_processor_type": "ViTImageProcessor",
            "do_resize": True,
            "size": {"height": self.height, "width": self.width},
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_normalize": True,
            "image_mean": [value / 255 for value in self.mean],
            "image_std": [value / 255 for value in self.std],
        }

    def encode(self, frame: pl.DataFrame, rows: Rows, progress: Progress | None = None) -> Feed:
        """(N, C, H, W) uint8 in memory, or decoded batch by batch where memory would not hold it.

        Raises DanluError where a row has no image or one that cannot be read.
        """
        series = _checked(frame[self.column], self.column, rows)
        if isinstance(series.dtype, pl.Array) and _array_shape(series.dtype) == self.shape:
            return Dense(_channels_first(series.to_numpy(writable=True)))
        files = ImageFiles(self, series, rows)
        if len(series) * math.prod(self.shape) > _SHARE_OF_MEMORY * _memory_bytes():
            return files
        return Dense(_decoded(files, progress))

    def pixels(self, image: Image.Image) -> Tensor:
        """(C, H, W) uint8 of an image of any size and mode."""
        plain = _plain(image, self.channels)
        if plain.size != (self.width, self.height):
            colour = tuple(round(value) for value in self.mean)
            plain = ImageOps.pad(plain, (self.width, self.height), color=colour if self.channels > 1 else colour[0])
        return _channels_first(np.array(plain)[None])[0]


@dataclass(frozen=True)
class ImageFiles:
    """A feed that decodes the images of a batch when it is taken, in threads."""

    images: Images
    sources: pl.Series
    rows: Rows

    def __len__(self) -> int:
        return len(self.sources)

    def take(self, name: str, index: Tensor) -> dict[str, Tensor]:
        """{name: (B, C, H, W) uint8}."""
        return {name: torch.stack(list(self._pool.map(self._pixels, index.tolist())))}

    def _pixels(self, row: int) -> Tensor:
        longest = max(self.images.height, self.images.width)
        return self.images.pixels(opened(self.sources[row], self.images.column, self.rows.place(row), longest))

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(min(8, os.cpu_count() or 1))


def fit_images(frame: pl.DataFrame, column: str, config: ImageConfig, rows: Rows) -> tuple[Images, list[Note]]:
    """Size, channels and statistics of a sample of the training images; what the recipe says goes first."""
    series = _checked(frame[column], column, rows)
    sample = np.unique(np.linspace(0, len(series) - 1, _SAMPLE).astype(int)).tolist()
    sizes = [_upright_size(series[row], column, rows.place(row)) for row in sample]
    images = [_thumbnail(opened(series[row], column, rows.place(row), _LONGEST_SIDE)) for row in sample]
    height, width = _size(config.size, sizes)
    channels = config.channels or (1 if np.mean([_is_grey(image) for image in images]) > 0.99 else 3)
    pixels = np.stack([np.asarray(_plain(image, channels).resize((width, height))) for image in images])
    pixels = pixels.reshape(-1, channels).astype(np.float64)
    mean = tuple(float(value) for value in pixels.mean(axis=0))
    std = tuple(max(float(value), 1.0) for value in pixels.std(axis=0))
    small, large = min(sizes, key=math.prod), max(sizes, key=math.prod)
    note = Note(
        "codec.images",
        column=column,
        size=f"{height}×{width}",
        channels=channels,
        smallest=f"{small[0]}×{small[1]}",
        largest=f"{large[0]}×{large[1]}",
    )
    return Images(column, height, width, channels, mean, std), [note]


def opened(source: Any, column: str, place: str, longest: int) -> Image.Image:
    """The image of a path, an encoded file or an array, upright; a JPEG no finer than `longest` needs.

    Raises DanluError where it cannot be read.
    """
    try:
        image = _open(source)
        image.draft(image.mode, (longest, longest))
        return ImageOps.exif_transpose(image)
    except _UNREADABLE as error:
        raise _unreadable(source, column, place, error) from None


def _upright_size(source: Any, column: str, place: str) -> tuple[int, int]:
    """Height and width, without decoding."""
    try:
        with _open(source) as image:
            sideways = image.getexif().get(ExifTags.Base.Orientation, 1) >= 5
            return image.size if sideways else (image.height, image.width)
    except _UNREADABLE as error:
        raise _unreadable(source, column, place, error) from None


def _open(source: Any) -> Image.Image:
    if isinstance(source, pl.Series):
        pixels = source.to_numpy()
        return Image.fromarray(pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels)
    return Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)


def _unreadable(source: Any, column: str, place: str, error: Exception) -> DanluError:
    file = source if isinstance(source, str) else column
    return DanluError("codec.image_unreadable", place=place, column=column, file=file, why=str(error))


def _thumbnail(image: Image.Image) -> Image.Image:
    image.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    return image


def _plain(image: Image.Image, channels: int) -> Image.Image:
    """Mode L or RGB: 16 bits become 8, what is transparent becomes white."""
    if image.mode in _SIXTEEN_BITS:
        image = Image.fromarray((np.asarray(image).astype(np.int64) // 257).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("L" if channels == 1 else "RGB")


def _is_grey(image: Image.Image) -> bool:
    if image.mode in _GREY:
        return True
    pixels = np.asarray(_plain(image, 3)).astype(int)
    return bool((pixels.max(axis=2) - pixels.min(axis=2)).max() <= 8)  # JPEG does not keep grey exactly


def _size(asked: int | tuple[int, int] | None, sizes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Height and width: as asked, else the median, made smaller where its longer side is above the limit."""
    if asked is not None:
        return (asked, asked) if isinstance(asked, int) else asked
    height, width = np.median(sizes, axis=0)
    smaller = min(1.0, _LONGEST_SIDE / max(height, width))
    return max(1, round(height * smaller)), max(1, round(width * smaller))


def _checked(series: pl.Series, column: str, rows: Rows) -> pl.Series:
    dtype = series.dtype
    if not (dtype in (pl.String, pl.Binary) or (isinstance(dtype, pl.Array) and len(dtype.shape) in (2, 3))):
        raise DanluError("codec.wrong_type", column=column, wanted=Note("codec.kind_image"), got=str(dtype))
    missing = series.is_null().to_numpy()
    if missing.any():
        raise DanluError("codec.image_missing", place=rows.first(missing), column=column)
    return series


def _array_shape(dtype: pl.Array) -> tuple[int, ...]:
    """(channels, height, width)."""
    height, width, *channels = dtype.shape
    return (*(channels or [1]), height, width)


def _channels_first(pixels: Pixels) -> Tensor:
    """(N, H, W) or (N, H, W, C) → (N, C, H, W)."""
    if pixels.ndim == 3:
        return torch.from_numpy(pixels[:, None])
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))


def _decoded(files: ImageFiles, progress: Progress | None) -> Tensor:
    pixels = torch.empty((len(files), *files.images.shape), dtype=torch.uint8)
    for start in range(0, len(files), _CHUNK):
        index = torch.arange(start, min(start + _CHUNK, len(files)))
        pixels[index] = files.take("image", index)["image"]
        if progress:
            progress(Note("codec.decoding_images"), int(index[-1]) + 1, len(files))
    return pixels


def _memory_bytes() -> int:
    if not hasattr(os, "sysconf"):  # Windows
        return 8 << 30
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
