"""The cache folder: what danlu keeps between runs and can make again. Knows nothing of what lies in it."""

import os
import sys
from pathlib import Path


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
