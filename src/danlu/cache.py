"""The cache folder: what danlu keeps between runs and can make again. Knows nothing of what lies in it."""

import errno
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from danlu.errors import DanluError

LARGEST = 32 << 30  # bytes of all kept entries: beyond it those go that were used longest ago
_IN_USE_S = 24 * 3600.0  # an entry used since may be mapped by another process
_POLL_S = 0.1
_MARK = ".used"  # its time is when the entry was last used


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


def kept(kind: str, key: str, fill: Callable[[Path], None], wait: Callable[[], None] = lambda: None) -> Path:
    """The folder of the entry `key`, which `fill` fills where it is not there yet: it is whole, or not there.

    What a killed `fill` left is given to the next one. Another process that fills the same entry is waited for, and
    `wait` called meanwhile. Without a writable cache folder entries lie in `runs/.cache` below the working directory.
    DanluError where the disk is full.
    """
    folder = _writable_folder() / kind / key
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _alone(folder.with_name(f"{key}.lock"), wait):
        if not folder.is_dir():
            partial = folder.with_name(f"{key}.partial")
            with _room(partial):
                partial.mkdir(exist_ok=True)
                fill(partial)
                (partial / _MARK).touch()
                _synced(partial)
                partial.rename(folder)
            _forget_oldest(folder.parents[1])
    (folder / _MARK).touch()
    return folder


def _writable_folder() -> Path:
    folder = cache_folder()
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    return folder if nearest.is_dir() and os.access(nearest, os.W_OK) else Path("runs", ".cache").absolute()


@contextmanager
def _alone(path: Path, wait: Callable[[], None]) -> Iterator[None]:
    """While no other process has the lock; it falls with the process that holds it."""
    if sys.platform == "win32":  # no lock that waits: the last one to finish is the one that counts
        yield
        return
    import fcntl

    with path.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                wait()
                time.sleep(_POLL_S)
        yield


@contextmanager
def _room(folder: Path) -> Iterator[None]:
    """DanluError where the disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DanluError("corpus.cache_full", folder=str(folder)) from None


def _synced(folder: Path) -> None:
    """Files that are on the disk, so that a machine that breaks down leaves no entry of which the name alone is."""
    for path in folder.iterdir():
        with path.open("rb+") as file:
            os.fsync(file.fileno())


def _forget_oldest(root: Path) -> None:
    """Delete entries, those used longest ago first, until the others are within LARGEST; none in use today."""
    entries = sorted((path for path in root.glob("*/*") if path.is_dir()), key=_used)
    sizes = [sum(file.stat().st_size for file in entry.iterdir()) for entry in entries]
    excess = sum(sizes) - LARGEST
    for entry, size in zip(entries, sizes, strict=True):
        if excess > 0 and time.time() - _used(entry) > _IN_USE_S:
            shutil.rmtree(entry)
            excess -= size


def _used(entry: Path) -> float:
    mark = entry / _MARK
    return (mark if mark.exists() else entry).stat().st_mtime
