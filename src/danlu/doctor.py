"""Doctor: what this machine has, what is missing, and what to do about it. Changes nothing; speeds are kept."""

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path

import torch

from danlu import native
from danlu.training.machine import memory_bytes, processor
from danlu.training.measure import known_speeds
from danlu.training.plan import cores
from danlu.training.speeds import strengths, told
from danlu.words import Note, language

SHOWN = ("torch", "numpy", "polars", "pydantic", "scikit-learn", "tokenizers", "safetensors")
NVIDIA = "0x10de"  # among the makers of PCI devices
LITTLE_DISK = 2e9  # bytes; a run with its checkpoints wants about so much room
LITTLE_MEMORY = 2e9


@dataclass(frozen=True)
class Fact:
    """One line of the examination."""

    name: Note
    value: Note | str


def facts(measure: bool = False) -> Iterator[Fact]:
    """What there is: versions, processor, memory, disk, accelerators, speed (measured anew if `measure`), language."""
    system = f"{_version('danlu')} · Python {platform.python_version()} · {platform.platform()}"
    yield Fact(Note("doctor.danlu"), system)
    yield Fact(Note("doctor.packages"), ", ".join(f"{name} {_version(name)}" for name in SHOWN))
    yield Fact(Note("doctor.torch"), f"{torch.__version__} · {torch.backends.cpu.get_cpu_capability()}")
    yield Fact(Note("doctor.processor"), _processor())
    yield Fact(Note("doctor.memory"), _gigabytes(memory_bytes()))
    yield Fact(Note("doctor.disk"), Note("doctor.disk_free", free=_gigabytes(_disk_free()), folder=str(Path.cwd())))
    yield Fact(Note("doctor.accelerators"), ", ".join(_accelerators()) or Note("doctor.none"))
    yield Fact(Note("doctor.speed"), _speed(measure))
    yield Fact(Note("doctor.native"), _native())
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
    if torch.version.cuda and not torch.cuda.is_available() and _nvidia_card():
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


def _speed(again: bool) -> Note:
    """float32 and bfloat16 side by side, as runs take them into account."""
    speeds = known_speeds(again)
    half = strengths(speeds).half
    return Note(
        "doctor.speeds",
        speeds=told(speeds),
        verdict=Note("doctor.bf16_faster" if half else "doctor.bf16_slower"),
        when=datetime.fromtimestamp(speeds.measured_at).isoformat(" ", "minutes"),
        how=Note("doctor.measured_busy" if speeds.busy else "doctor.measured_quiet"),
    )


def _native() -> Note:
    found = native.compiler()
    if found is None:
        return Note("doctor.no_compiler")
    return Note("doctor.native_works" if native.library("decoder") else "doctor.native_fails", compiler=found)


def _nvidia_card() -> bool:
    """Whether the system shows a graphics card of NVIDIA, with or without its driver."""
    if Path("/proc/driver/nvidia").exists() or any(Path("/dev").glob("nvidia[0-9]*")):
        return True
    vendors = Path("/sys/bus/pci/devices").glob("*/vendor")
    return any(vendor.read_text().strip() == NVIDIA and _shows_images(vendor.parent) for vendor in vendors)


def _shows_images(device: Path) -> bool:
    """Whether a PCI device is of the class of displays: 0x03...."""
    return (device / "class").read_text().startswith("0x03")


def _lacks_chinese_font() -> bool:
    """Whether fontconfig is there and knows no font with Chinese characters."""
    program = shutil.which("fc-list")
    if program is None:
        return False
    listed = subprocess.run([program, ":lang=zh", "family"], capture_output=True, text=True, check=False)
    return not listed.stdout.strip()
