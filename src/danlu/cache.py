"""The cache folder: what danlu keeps between runs and can make again. Knows nothing of what lies in it."""

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any


def cache_folder() -> Path:
    """`danlu` in the user's cache folder, which XDG_CACHE_HOME names; it need not exist, nor be writable."""
    if named := os.environ.get("XDG_CACHE_HOME"):
        return Path(named) / "danlu"
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "danlu"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "danlu" / "cache"
    return home / ".cache" / "danlu"


def kept_json(name: str) -> Any:
    """What `keep_json` kept under that name; None where there is nothing, or nothing whole."""
    try:
        return json.loads((cache_folder() / name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def keep_json(name: str, value: Any) -> None:
    """Keep a small value, whole or not at all; where the folder cannot be written, it is not kept."""
    path = cache_folder() / name
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps(value, indent=1), encoding="utf-8")
        beside.replace(path)
