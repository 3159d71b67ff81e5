"""The machine: which device, what a step costs, and threads and random state set for the time of a run."""

import importlib.util
import os
import platform
import shutil
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import nn

from danlu.cache import cache_folder
from danlu.data.store import Store
from danlu.errors import DanluError
from danlu.memory import kept_memory
from danlu.training.operations import flops
from danlu.training.plan import Plan, cores

PACKAGES = ("danlu", "torch", "numpy", "polars", "safetensors", "tokenizers", "scikit-learn", "Pillow")


def device_of(wanted: str) -> str:
    """`auto` is the first CUDA device, else Apple's, else the processor; raises DanluError where it is not there."""
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    kind, _, number = wanted.partition(":")
    there = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if int(number or 0) >= there.get(kind, 0):
        raise DanluError("train.no_device", wanted=wanted, there=", ".join(k for k, n in there.items() if n))
    return wanted


@torch.no_grad()
def step_flops_per_row(model: nn.Module, store: Store) -> float:
    """Floating-point operations of a step per row, counted on a small batch; backward costs twice the forward."""
    rows = min(len(store), 8)
    batch = store.batch(torch.arange(rows))
    model.eval()
    return 3 * flops(lambda: model(batch.inputs)) / rows


def compiler_for(device: str) -> str:
    """What torch compiles with for the device and does not find, "" where all is there; its work goes to the cache."""
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache_folder() / "compiled"))
    card = device.startswith("cuda")
    if card and not importlib.util.find_spec("triton"):
        return "triton"
    names = (os.environ.get("CC"), "gcc", "clang") if card else (os.environ.get("CXX"), "g++", "clang++", "c++")
    if not any(name and shutil.which(name) for name in names):
        return "gcc" if card else "g++"  # triton compiles in C what starts its programs
    return "" if Path(sysconfig.get_path("include"), "Python.h").is_file() else "Python.h"


def place_model(model: nn.Module, plan: Plan) -> None:
    """Move the model to the plan's device; convolutions with channels last where tensor cores want them so."""
    model.to(plan.device)
    if wants_channels_last(plan):
        cast("Any", model).to(memory_format=torch.channels_last)  # of tensors with four dimensions


def wants_channels_last(plan: Plan) -> bool:
    """Whether images are best laid out pixel by pixel: by cuDNN in half precision; oneDNN has a layout of its own."""
    return plan.device.startswith("cuda") and plan.precision in ("bfloat16", "float16")


@contextmanager
def tf32(plan: Plan) -> Iterator[None]:
    """Products and convolutions of float32 in tensor cores, with 10 bits behind the comma, where the plan allows it.

    Beside a half precision they may always be so: what is left in float32 there are small parts.
    """
    backends = cast("Any", torch.backends)  # whose parts are made at run time
    settings = (backends.cuda.matmul, backends.cudnn.conv)
    before = [each.fp32_precision for each in settings]
    for each in settings:
        each.fp32_precision = "ieee" if plan.precision == "float32" else "tf32"
    try:
        yield
    finally:
        for each, value in zip(settings, before, strict=True):
            each.fp32_precision = value


@contextmanager
def set_for(plan: Plan) -> Iterator[None]:
    """Threads, library and memory of a run; afterwards they and torch's random state are as before."""
    before = torch.get_num_threads()
    state = torch.get_rng_state()
    torch.set_num_threads(plan.threads)
    try:
        with float32_by(plan.float32_by), tf32(plan), kept_memory():
            yield
    finally:
        torch.set_num_threads(before)
        torch.set_rng_state(state)


@contextmanager
def float32_by(library: Literal["torch", "onednn"]) -> Iterator[None]:
    """Products of float32 matrices through `onednn`, or through what torch takes by itself (`torch`).

    torch has no switch for the library. It passes such products to oneDNN once that may round their factors to
    bfloat16, of which oneDNN makes no use where the processor has no matrix units (AMX); it is measured before that
    its products are exact.
    """
    settings = cast("Any", torch.backends).mkldnn.matmul
    before = settings.fp32_precision
    if library == "onednn":
        settings.fp32_precision = "bf16"
    try:
        yield
    finally:
        settings.fp32_precision = before


@contextmanager
def halting() -> Iterator[Callable[[], bool]]:
    """() → whether Ctrl-C or a polite kill has come; the second one interrupts as usual.

    Python takes signals in the main thread only; elsewhere nothing is changed and the answer is always no.
    """
    import signal
    import threading

    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return

    def handle(number: int, frame: Any) -> None:
        asked.append(number)
        for which, old in before.items():
            signal.signal(which, old)

    before = {which: signal.getsignal(which) for which in (signal.SIGINT, signal.SIGTERM)}
    for which in before:
        signal.signal(which, handle)
    try:
        yield lambda: bool(asked)
    finally:
        for which, old in before.items():
            signal.signal(which, old)


def environment() -> dict[str, Any]:
    """Versions and machine, for environment.json."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": processor(),
        "cores": cores(),
        "memory_bytes": memory_bytes(),
        "cuda": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "versions": {name: version(name) for name in PACKAGES},
    }


def memory_bytes() -> int:
    """Physical memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0


def peak_memory_bytes() -> int:
    """Largest resident size of this process so far."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def processor() -> str:
    """The processor's name."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
