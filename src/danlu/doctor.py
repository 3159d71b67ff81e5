"""Doctor: what this machine has, what is missing, and what to do about it. Changes nothing."""

import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import torch

from danlu.training.machine import memory_bytes, processor
from danlu.training.plan import cores
from danlu.words import Note, language

SHOWN = ("torch", "numpy", "polars", "pydantic", "scikit-learn", "tokenizers", "safetensors")
MATRIX_SIZE = 768
LITTLE_DISK = 2e9  # bytes; a run with its checkpoints wants about so much room
LITTLE_MEMORY = 2e9


@dataclass(frozen=True)
class Fact:
    """One line of the examination."""

    name: Note
    value: Note | str


def facts() -> Iterator[Fact]:
    """What there is: versions, processor, memory, disk, accelerators, speed, language."""
    system = f"{_version('danlu')} · Python {platform.python_version()} · {platform.platform()}"
    yield Fact(Note("doctor.danlu"), system)
    yield Fact(Note("doctor.packages"), ", ".join(f"{name} {_version(name)}" for name in SHOWN))
    yield Fact(Note("doctor.torch"), f"{torch.__version__} · {torch.backends.cpu.get_cpu_capability()}")
    yield Fact(Note("doctor.processor"), _processor())
    yield Fact(Note("doctor.memory"), _gigabytes(memory_bytes()))
    yield Fact(Note("doctor.disk"), Note("doctor.disk_free", free=_gigabytes(_disk_free()), folder=str(Path.cwd())))
    yield Fact(Note("doctor.accelerators"), ", ".join(_accelerators()) or Note("doctor.none"))
    yield Fact(Note("doctor.speed"), _speed())
    yield Fact(Note("doctor.language"), f"{language()} · {sys.stdout.encoding}")


def advice() -> Iterator[Note]:
    """What is missing or in the way, and what to do."""
    if missing := _missing():
        yield Note("doctor.missing", packages=", ".join(missing), install=" ".join(missing))
    if torch.get_num_threads() < cores() and "OMP_NUM_THREADS" in os.environ:
        yield Note("doctor.few_threads", threads=torch.get_num_threads(), cores=cores())
    if _disk_free() < LITTLE_DISK:
        yield Note("doctor.little_disk", free=_gigabytes(_disk_free()), folder=str(Path.cwd()))
    if 0 < memory_bytes() < LITTLE_MEMORY:
        yield Note("doctor.little_memory", memory=_gigabytes(memory_bytes()))
    if "utf" not in sys.stdout.encoding.lower():
        yield Note("doctor.encoding", encoding=sys.stdout.encoding)
    if language() == "zh" and _lacks_chinese_font():
        yield Note("doctor.no_font")
    if torch.version.cuda and not torch.cuda.is_available():
        yield Note("doctor.no_driver", cuda=torch.version.cuda)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "–"


def _missing() -> list[str]:
    """Packages that danlu requires and that are not installed."""
    required = [r for r in metadata.requires("danlu") or [] if "extra ==" not in r]
    names = [re.split(r"[^\w.-]", requirement)[0] for requirement in required]
    return [name for name in names if _version(name) == "–"]


def _processor() -> Note:
    threads = torch.get_num_threads()
    return Note("doctor.cores", name=processor(), cores=cores(), all=os.cpu_count() or 1, threads=threads)


def _gigabytes(count: float) -> str:
    return f"{count / 1e9:.1f} GB"


def _disk_free() -> int:
    return shutil.disk_usage(Path.cwd()).free


def _accelerators() -> list[str]:
    cuda = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    found = [f"cuda:{i} {device.name} ({_gigabytes(device.total_memory)})" for i, device in enumerate(cuda)]
    return [*found, "mps"] if torch.backends.mps.is_available() else found


def _speed() -> Note:
    """float32 and bfloat16 side by side: a processor without bfloat16 units shows it here."""
    full, half = _gigaflops(torch.float32), _gigaflops(torch.bfloat16)
    verdict = Note("doctor.bf16_faster" if half > 1.2 * full else "doctor.bf16_slower")
    return Note("doctor.flops", float32=round(full), bfloat16=round(half), verdict=verdict)


def _gigaflops(dtype: torch.dtype) -> float:
    """Billions of operations per second of a square matrix product; the best of five."""
    matrix = torch.ones(MATRIX_SIZE, MATRIX_SIZE, dtype=dtype)
    best_s = float("inf")
    for _ in range(5):
        begun = time.perf_counter()
        torch.mm(matrix, matrix)
        best_s = min(best_s, time.perf_counter() - begun)
    return 2 * MATRIX_SIZE**3 / best_s / 1e9


def _lacks_chinese_font() -> bool:
    """Whether fontconfig is there and knows no font with Chinese characters."""
    program = shutil.which("fc-list")
    if program is None:
        return False
    listed = subprocess.run([program, ":lang=zh", "family"], capture_output=True, text=True, check=False)
    return not listed.stdout.strip()
