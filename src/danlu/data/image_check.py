"""Which images cannot be decoded, and why. Knows nothing of pixels' use."""

import io
import struct
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import polars as pl

from danlu.events import Progress
from danlu.words import Note

MAX_PIXELS = 1 << 27  # 134 million: a larger picture is taken for a decompression bomb
DAMAGED = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)  # what Pillow's plug-ins raise
THREADS = 4
_EVERY = 256  # images between two words of progress


def unreadable(images: pl.Series, progress: Progress | None = None) -> Iterator[tuple[int, Note]]:
    """(position, reason) of each image (path or encoded bytes) that is missing, damaged, truncated or too large."""
    note = Note("data.checking_images")
    with ThreadPoolExecutor(THREADS) as pool:
        for position, reason in enumerate(pool.map(_fault, images)):
            if progress and position % _EVERY == 0:
                progress(note, position, len(images))
            if reason is not None:
                yield position, reason


def _fault(image: str | bytes | None) -> Note | None:
    from PIL import Image, UnidentifiedImageError

    if image is None:
        return Note("data.image.missing")
    try:
        with Image.open(image if isinstance(image, str) else io.BytesIO(image)) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                return Note("data.image.too_large", width=picture.width, height=picture.height)
            picture.load()
    except FileNotFoundError:
        return Note("data.image.no_file")
    except Image.DecompressionBombError:
        return Note("data.image.bomb")
    except UnidentifiedImageError:
        return Note("data.image.unknown")
    except DAMAGED as error:
        return Note("data.image.damaged", why=" ".join(str(error).split())[:80])
    return None
