"""Memory that a step gives back stays with the process for the next one, for as long as a run takes.

glibc returns large blocks to the system at once, and the system clears each page again when it is next asked for. A
step of a language model of 12 million weights, 4,096 tokens, spent 8 to 19 % of its time so; its peak is the same.
"""

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# mallopt(3): parameters, and what they begin as
TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3
BEGINNING = {TRIM_THRESHOLD: 128 << 10, TOP_PAD: 0, MMAP_THRESHOLD: 128 << 10}
KEPT = {TRIM_THRESHOLD: 2**31 - 1, TOP_PAD: 64 << 20, MMAP_THRESHOLD: 32 << 20}  # the last: the most it can be


_in_force = [BEGINNING]  # of the blocks that have begun, the last of which counts


@contextmanager
def kept_memory() -> Iterator[None]:
    """Freed memory is kept; afterwards it is given back. Does nothing where the C library is not glibc."""
    with _settings(dict(KEPT)):
        yield


@contextmanager
def returned_memory() -> Iterator[None]:
    """Freed large blocks go back to the system at once: for long work on blocks of ever other sizes.

    Left to itself glibc soon puts them into its heap, which they tear into holes: 0.2 MB and more are lost for each MB
    of text that passes through. Does nothing where the C library is not glibc.
    """
    with _settings(dict(BEGINNING)):  # a threshold that is set no longer grows by itself
        yield


@contextmanager
def uncollected() -> Iterator[None]:
    """No search for garbage in cycles: for imports, which leave none; of those of `danlu serve` it is a sixth."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def _settings(values: dict[int, int]) -> Iterator[None]:
    """These hold within the block, behind it those of the block around it; what is free then is given back."""
    library = _glibc()
    if library is None:
        yield
        return
    if len(_in_force) == 1:  # what reading and tokenizing left would be kept too
        library.malloc_trim(0)
    _in_force.append(values)
    _set(library, values)
    try:
        yield
    finally:
        _in_force[:] = [each for each in _in_force if each is not values]  # blocks of other threads may end before
        _set(library, _in_force[-1])
        library.malloc_trim(0)


def _set(library: Any, values: dict[int, int]) -> None:
    for parameter, value in values.items():
        library.mallopt(parameter, value)


def _glibc() -> Any:
    """The C library of this process where it is glibc, else None."""
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None
