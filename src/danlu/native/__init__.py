"""Loops in C for a processor: compiled once per machine, where a compiler is at hand. Knows nothing of what they do.

What is compiled lies in the cache folder under a name of its source, compiler and processor. Without a compiler, on
Windows, or with DANLU_NATIVE=0, there is none, and what would use it takes PyTorch's operations instead.
"""

import ctypes
import functools
import hashlib
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from danlu import cache
from danlu.errors import DanluError

ALWAYS = ("-O3", "-std=gnu11", "-shared", "-fPIC", "-fno-math-errno", "-fno-trapping-math", "-ffinite-math-only")
FOR_THIS_MACHINE = {  # beginning of the architecture's name → what lets the compiler use all that the processor can do
    "x86": ("-march=native", "-mprefer-vector-width=512"),
    "amd64": ("-march=native", "-mprefer-vector-width=512"),
    "a": ("-mcpu=native",),  # arm64, aarch64
}
COMPILERS = ("cc", "gcc", "clang")
LONGEST_S = 60
COMMON = Path(__file__).with_name("common.h")
KIND = "native"  # of the cache's entries


@functools.cache
def library(name: str) -> ctypes.CDLL | None:
    """The functions of `native/NAME.c`; None where they cannot be had."""
    if sys.platform == "win32" or os.environ.get("DANLU_NATIVE") == "0":
        return None
    source, command = Path(__file__).with_name(f"{name}.c"), compiler()
    if command is None:
        return None
    try:
        texts = [source.read_text(encoding="utf-8"), COMMON.read_text(encoding="utf-8"), *_circumstances(command)]
        key = hashlib.sha256("\0".join(texts).encode()).hexdigest()[:32]
        with _folder(key, lambda folder: _compile(command, source, folder / f"{name}.so")) as folder:
            return ctypes.CDLL(str(folder / f"{name}.so"))
    except (OSError, subprocess.SubprocessError, DanluError):  # DanluError: the disk is full
        return None


def compiler() -> str | None:
    """The C compiler: that of CC, else the first of COMPILERS that is there."""
    return next((found for name in (os.environ.get("CC"), *COMPILERS) if name and (found := shutil.which(name))), None)


def threads() -> int:
    """How many threads a loop may take: torch's number where loops share its threads, else one."""
    return torch.get_num_threads() if _torch_threads() else 1


@contextmanager
def _folder(key: str, fill: Callable[[Path], None]) -> Iterator[Path]:
    """The folder of what was compiled: in the user's cache folder, or gone once the file is loaded."""
    if _safe(cache.cache_folder()) and _safe(cache.cache_folder() / KIND):
        yield cache.kept(KIND, key, fill)
        return
    with tempfile.TemporaryDirectory(prefix="danlu-") as folder:
        fill(Path(folder))
        yield Path(folder)


def _safe(folder: Path) -> bool:
    """Whether the folder is there now and can be written to, and not by everybody: what lies in it will be run."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = folder.stat()
    except OSError:
        return False
    return os.access(folder, os.W_OK) and found.st_uid == os.getuid() and not found.st_mode & stat.S_IWOTH


def _compile(command: str, source: Path, target: Path) -> None:
    """Raises SubprocessError or OSError where no set of options gives what can be loaded."""
    last: Exception | None = None
    for options in _options():
        try:
            subprocess.run(
                [command, *ALWAYS, *options, str(source), "-o", str(target), "-lm", *_linked(options)],
                check=True, capture_output=True, timeout=LONGEST_S,
            )  # fmt: skip
            ctypes.CDLL(str(target))  # clang compiles -fopenmp for functions that GNU's library has not
            return
        except (OSError, subprocess.SubprocessError) as error:
            last = error
    assert last is not None
    raise last


def _options() -> Iterator[tuple[str, ...]]:
    """The best first."""
    machine = os.uname().machine.lower()
    here = next((flags for begin, flags in FOR_THIS_MACHINE.items() if machine.startswith(begin)), ())
    if _torch_threads():
        yield (*here, "-fopenmp")
    yield (*here, "-fopenmp-simd")
    yield ("-fopenmp-simd",)
    yield ()


def _linked(options: tuple[str, ...]) -> tuple[str, ...]:
    """Torch's own library of threads: a second one would fight with it for the cores."""
    found = _torch_threads()
    return ("-nodefaultlibs", "-lc", str(found)) if found and "-fopenmp" in options else ()


@functools.cache
def _torch_threads() -> Path | None:
    """GNU's OpenMP as it comes with torch."""
    return next(iter(sorted(Path(torch.__file__).with_name("lib").glob("libgomp*.so*"))), None)


def _circumstances(command: str) -> Iterator[str]:
    """What a compiled file holds for: another processor may not know its instructions."""
    yield from (*ALWAYS, *COMPILERS, str(_torch_threads()))
    yield subprocess.run([command, "--version"], capture_output=True, text=True, timeout=LONGEST_S, check=False).stdout
    yield " ".join(os.uname()[4:])
    known = Path("/proc/cpuinfo")
    if known.exists():
        lines = known.read_text(encoding="utf-8", errors="replace").splitlines()
        yield from sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))})
