"""One cell of a row as something to look at. Knows nothing of predictions."""

import base64
import io
import math
from datetime import date, datetime
from typing import Any

import numpy as np
import polars as pl
from PIL import Image, UnidentifiedImageError

from danlu.recipe import ColumnKind

LONGEST_TEXT = 500
LONGEST_SIDE = 128
STEPS, CHANNELS = 96, 4  # of a sequence that are shown

Preview = dict[str, Any]  # name; kind: "text", "value", "image" or "sequence"; and its content


def previews(row: dict[str, Any], kinds: dict[str, ColumnKind]) -> list[Preview]:
    """Each cell of a row: {name, kind: text | value, text}, {…, kind: image, png} or {…, kind: sequence, channels}."""
    return [{"name": name, **_preview(cell, kinds[name])} for name, cell in row.items() if name in kinds]


def picture(cell: Any) -> Image.Image:
    """The image in a cell: a path, the bytes of a file, or pixels (H, W) or (H, W, C) of 0 … 255.

    Raises OSError (UnidentifiedImageError among them) where a file is gone or is no image.
    """
    if isinstance(cell, str):
        return _loaded(Image.open(cell))
    if isinstance(cell, bytes):
        return _loaded(Image.open(io.BytesIO(cell)))
    pixels = np.asarray(cell.to_list() if isinstance(cell, pl.Series) else cell, dtype=np.uint8)
    return Image.fromarray(pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels)


def _loaded(image: Image.Image) -> Image.Image:
    return image.convert("RGB" if image.mode not in ("L", "RGB") else image.mode)


def _preview(cell: Any, kind: ColumnKind) -> Preview:
    if cell is None:
        return {"kind": "value", "text": None}
    if kind == "image":
        return _image(cell)
    if kind == "sequence":
        return {"kind": "sequence", "channels": _channels(cell)}
    if kind == "text":
        text = str(cell)
        return {"kind": "text", "text": text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + " …"}
    return {"kind": "value", "text": _value(cell)}


def _image(cell: Any) -> Preview:
    try:
        image = picture(cell)
    except (OSError, UnidentifiedImageError):
        return {"kind": "value", "text": cell if isinstance(cell, str) else None}
    size = image.size
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return {
        "kind": "image",
        "width": size[0],
        "height": size[1],
        "png": base64.b64encode(file.getvalue()).decode(),
    }


def _channels(cell: Any) -> list[list[float | None]]:
    """Up to CHANNELS lists of up to STEPS values, evenly taken."""
    steps = np.asarray(cell.to_list() if isinstance(cell, pl.Series) else cell, dtype=np.float64)
    steps = steps.reshape(len(steps), -1)[:, :CHANNELS]
    taken = steps[np.linspace(0, len(steps) - 1, min(STEPS, len(steps))).astype(int)] if len(steps) else steps
    return [[_finite(v) for v in channel] for channel in taken.T]


def _finite(value: float) -> float | None:
    return float(f"{value:.4g}") if math.isfinite(value) else None


def _value(cell: Any) -> str:
    if isinstance(cell, float):
        return f"{cell:.6g}"
    if isinstance(cell, datetime | date):
        return cell.isoformat(sep=" ") if isinstance(cell, datetime) else cell.isoformat()
    return str(cell)[:LONGEST_TEXT]
