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

from danlu.words import Note, language

SHOWN = ("torch", "numpy", "polars", "pydantic", "scikit-learn", "tokenizers", "safetensors")
MATMUL_SIZE = 768
LITTLE_DISK = 2e9  # bytes; a run with its checkpoints wants about so much room
LITTLE_MEMORY = 2e9


@dataclass(frozen=True)
class Fact:
    """One line of the examination."""

    name: Note
    value: str


def facts() -> Iterator[Fact]:
    """What there is: versions, processor, memory, disk, accelerators, speed, language."""
    versions = ", ".join(f"{name} {found}" for name in SHOWN if (found := _version(name)))
    yield Fact(Note("doctor.danlu"), f"{_version('danlu')} · Python {platform.python_version()} · {platform.platform()}")
    yield Fact(Note("doctor.packages"), versions)
    yield Fact(Note("doctor.torch"), _torch_build())
    yield Fact(Note("doctor.processor"), str(_processor()))
    yield Fact(Note("doctor.memory"), str(_memory()))
    yield Fact(Note("doctor.disk"), str(Note("doctor.disk_free", free=_gigabytes(_disk_free()), folder=os.getcwd())))
    yield Fact(Note("doctor.accelerators"), ", ".join(_accelerators()) or str(Note("doctor.none")))
    yield Fact(Note("doctor.speed"), str(_speed()))
    yield Fact(Note("doctor.language"), f"{language()} · {sys.stdout.encoding}")


def advice() -> Iterator[Note]:
    """What is missing or in the way, and what to do."""
    if missing := _missing():
        yield Note("doctor.missing", packages=", ".join(missing), install=" ".join(missing))
    if _threads_wanted() < _cores_here() and "OMP_NUM_THREADS" in os.environ:
        yield Note("doctor.few_threads", threads=_threads_wanted(), cores=_cores_here())
    if _disk_free() < LITTLE_DISK:
        yield Note("doctor.little_disk", free=_gigabytes(_disk_free()), folder=os.getcwd())
    if (memory := memory_bytes()) and memory < LITTLE_MEMORY:
        yield Note("doctor.little_memory", memory=_gigabytes(memory))
    if "utf" not in (sys.stdout.encoding or "").lower():
        yield Note("doctor.encoding", encoding=str(sys.stdout.encoding))
    if language() == "zh" and _has_chinese_font() is False:
        yield Note("doctor.no_font")
    if torch.version.cuda and not torch.cuda.is_available():
        yield Note("doctor.no_driver", cuda=torch.version.cuda)


def memory_bytes() -> int | None:
    """Memory that this process may use: the machine's, or the container's where that is less; None if unknown."""
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return None
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = Path("/sys/fs/cgroup/memory.max")
    held = limit.read_text().strip() if limit.is_file() else "max"
    return machine if held == "max" else min(machine, int(held))


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _missing() -> list[str]:
    """Packages that danlu requires and that are not installed."""
    required = [r for r in metadata.requires("danlu") or [] if "extra ==" not in r]
    names = [re.match(r"[\w.-]+", requirement) for requirement in required]
    return [m.group() for m in names if m and _version(m.group()) is None]


def _torch_build() -> str:
    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPU"
    return f"{torch.__version__} · {build} · {torch.backends.cpu.get_cpu_capability()}"


def _processor() -> Note:
    return Note(
        "doctor.cores", cores=_cores_here(), all=os.cpu_count() or 1, threads=_threads_wanted(), kind=platform.machine()
    )


def _cores_here() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _threads_wanted() -> int:
    return torch.get_num_threads()


def _memory() -> Note:
    total = memory_bytes()
    return Note("doctor.memory_total", total=_gigabytes(total)) if total else Note("doctor.unknown")


def _gigabytes(count: float) -> str:
    return f"{count / 1e9:.1f} GB"


def _disk_free() -> int:
    return shutil.disk_usage(Path.cwd()).free


def _accelerators() -> list[str]:
    found = [
        f"cuda:{i} {torch.cuda.get_device_name(i)} ({_gigabytes(torch.cuda.get_device_properties(i).total_memory)})"
        for i in range(torch.cuda.device_count())
    ]
    if torch.backends.mps.is_available():
        found.append("mps")
    return found


def _speed() -> Note:
    """float32 and bfloat16 side by side: a processor without bfloat16 units shows it here."""
    fast, half = (_gigaflops(dtype) for dtype in (torch.float32, torch.bfloat16))
    verdict = Note("doctor.bf16_faster" if half > 1.2 * fast else "doctor.bf16_slower")
    return Note("doctor.flops", float32=f"{fast:.0f}", bfloat16=f"{half:.0f}", verdict=verdict)


def _gigaflops(dtype: torch.dtype) -> float:
    """Billions of operations per second of a square matrix product; the best of five."""
    matrix = torch.ones(MATMUL_SIZE, MATMUL_SIZE, dtype=dtype)
    best_s = float("inf")
    for _ in range(5):
        begun = time.perf_counter()
        matrix @ matrix
        best_s = min(best_s, time.perf_counter() - begun)
    return 2 * MATMUL_SIZE**3 / best_s / 1e9


def _has_chinese_font() -> bool | None:
    """Whether fontconfig knows a font with Chinese characters; None where it cannot be asked."""
    program = shutil.which("fc-list")
    if program is None:
        return None
    listed = subprocess.run([program, ":lang=zh", "family"], capture_output=True, text=True, check=False)
    return bool(listed.stdout.strip())
