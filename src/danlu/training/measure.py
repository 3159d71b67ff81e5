"""Measure: the processor's speeds, found in a fraction of a second and kept in the cache folder."""

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from pydantic import ValidationError

from danlu.cache import keep_json, kept_json
from danlu.training.machine import float32_by, processor
from danlu.training.plan import allowed_threads, cores
from danlu.training.speeds import Rate, Speeds, Strengths, strengths

SIZES = (1024, 512, 256, 128)  # of square matrices: the largest whose products are short
SHORT_S = 0.001  # within which another program seldom gets its turn
BUDGET_S = 0.05  # for the tries of one setting; the best of them counts
LEAST_TRIES = 3
MORE = 1.1  # times the speed of fewer threads, for more to be useful
BUSY = 0.9  # share of the processor that the best try had, below which others had it too
FLOPS_PER_THREAD = 3e8  # of a step on another device than the processor, which only prepares its batches
TENSOR_CORES = (7, 0)  # the first capability of NVIDIA's that has them
BUSY_BELIEVED_S = 3600.0
BELIEVED_S = 30 * 86400.0
EXACT = 1e-5  # relative error that float32 stays below and half precision does not


Work = Callable[[], object]


@dataclass(frozen=True)
class Clock:
    """Seconds that passed, and seconds that this process had a core, all of its threads together."""

    wall: Callable[[], float] = time.perf_counter
    processor: Callable[[], float] = time.process_time


class Try(NamedTuple):
    """Seconds that a work took, and the share of its threads' time that the process had a core."""

    took: float
    share: float


class Best(NamedTuple):
    """The speed of the best tries, and the least of their shares."""

    rate: Rate
    share: float


def strengths_on(device: str) -> Strengths:
    """What pays on the device: of a processor by its measured speeds, of others by what their maker says they have."""
    if device == "cpu":
        return strengths(known_speeds())
    return Strengths(
        half=_half_of_cuda(device) if device.startswith("cuda") else None,
        float32_by="torch",
        threads=cores(),
        flops_per_thread=FLOPS_PER_THREAD,
    )


def _half_of_cuda(device: str) -> Literal["bfloat16", "float16"] | None:
    """The half precision for which the card has tensor cores."""
    if torch.cuda.is_bf16_supported(including_emulation=False):
        return "bfloat16"
    return "float16" if torch.cuda.get_device_capability(device) >= TENSOR_CORES else None


def half_pays() -> bool:
    """Whether the processor's products are so much faster in bfloat16 that predictions are worth its rounding."""
    return strengths_on("cpu").half == "bfloat16"


def known_speeds(
    again: bool = False, *, now: Callable[[], float] = time.time, measure: Callable[[], Speeds] | None = None
) -> Speeds:
    """The machine's speeds as they were kept; measured where none are, where they are too old, or `again`.

    What was measured on a busy machine is believed for an hour only; the better of it and the next counts. Where the
    cache folder cannot be written, they are measured in each process.
    """
    measure = measure or (lambda: measured(now()))
    kept = _kept()
    if kept and not again and 0 <= now() - kept.measured_at < (BUSY_BELIEVED_S if kept.busy else BELIEVED_S):
        return kept
    found = measure()
    if kept and kept.busy and not again:
        found = found.better_of(kept)
    keep_json(_name(), {"machine": _machine(), "speeds": found.model_dump()})
    return found


def measured(at: float, clock: Clock | None = None) -> Speeds:
    """The speeds, by trying; `at`: seconds since 1970."""
    clock = clock or Clock()
    by_threads: dict[int, Best] = {}
    for threads in _numbers(allowed_threads()):
        with _threads(threads):
            by_threads[threads] = best_of(*products(torch.float32), clock, threads)
    useful = useful_threads({threads: best.rate for threads, best in by_threads.items()})
    with _threads(useful):
        half = best_of(*products(torch.bfloat16), clock, useful)
        with float32_by("onednn"):
            other = best_of(*products(torch.float32), clock, useful) if _exact() else Best(0.0, 1.0)
    tries = (by_threads[1], by_threads[useful], half, other)
    return Speeds(
        float32=by_threads[useful].rate,
        onednn=other.rate,
        bfloat16=half.rate,
        one_thread=by_threads[1].rate,
        threads=useful,
        measured_at=at,
        busy=min(best.share for best in tries) < BUSY,
    )


def best_of(works: Sequence[Work], flops: float, clock: Clock, threads: int) -> Best:
    """The speed of the works one after another, each at its fastest of the tries that fit into the budget.

    There are at least three tries. Each work is short enough to be done before another program has its turn.
    """
    for work in works:
        work()
    best, tries, begun = [Try(math.inf, 1.0)] * len(works), 0, clock.wall()
    while tries < LEAST_TRIES or clock.wall() - begun < BUDGET_S:
        best = [min(before, _try(work, clock, threads)) for before, work in zip(best, works, strict=True)]
        tries += 1
    return Best(flops / sum(each.took for each in best), min(each.share for each in best))


def _try(work: Work, clock: Clock, threads: int) -> Try:
    before, had_before = clock.wall(), clock.processor()
    work()
    took, had = max(clock.wall() - before, 1e-9), clock.processor() - had_before
    return Try(took, had / took / threads)


def useful_threads(rates: dict[int, Rate]) -> int:
    """The number of threads beyond which more bring less than a tenth."""
    numbers = sorted(rates)
    useful = numbers[0]
    for threads in numbers[1:]:
        if rates[threads] < MORE * rates[useful]:
            break
        useful = threads
    return useful


def products(dtype: torch.dtype) -> tuple[list[Work], float]:
    """The three products that a linear layer makes in a step, and their floating-point operations."""
    small = _seconds(dtype, SIZES[-1])
    size = next((size for size in SIZES if small * (size / SIZES[-1]) ** 3 < SHORT_S), SIZES[-1])
    return _three(dtype, size), 6.0 * size**3


def _three(dtype: torch.dtype, size: int) -> list[Work]:
    x, w, g = (torch.ones(size, size, dtype=dtype) for _ in range(3))
    return [lambda: x @ w.t(), lambda: g @ w, lambda: g.t() @ x]


def _seconds(dtype: torch.dtype, size: int) -> float:
    """Of one product, the least of three."""
    work, *_ = _three(dtype, size)
    work()
    return min(_try(work, Clock(), 1) for _ in range(LEAST_TRIES)).took


def _exact() -> bool:
    """Whether products are as exact as float32 can be."""
    generator = torch.Generator().manual_seed(0)
    x, w = torch.randn(2, SIZES[-1], SIZES[-1], generator=generator)
    true = x.double() @ w.double()
    return float(((x @ w) - true).abs().max() / true.abs().max()) < EXACT


def _numbers(most: int) -> list[int]:
    """1, 2, 4 … and the most."""
    return sorted({2**power for power in range(most.bit_length())} | {most})


@contextmanager
def _threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _machine() -> dict[str, str | int]:
    """What the speeds hang on."""
    return {
        "processor": processor(),
        "cores": cores(),
        "threads": allowed_threads(),
        "torch": torch.__version__,
    }


def _name() -> str:
    """Of the file that keeps them."""
    return f"machine/{hashlib.sha256(json.dumps(_machine()).encode()).hexdigest()[:16]}.json"


def _kept() -> Speeds | None:
    """None where there are none, or what is there makes no sense."""
    kept = kept_json(_name())
    try:
        return Speeds.model_validate(kept["speeds"]) if isinstance(kept, dict) else None
    except (KeyError, ValidationError):
        return None
