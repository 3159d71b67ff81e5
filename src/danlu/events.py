"""What a long job tells its caller while it runs. Knows nothing of terminals or notebooks."""

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Literal, TypeVar

from danlu.words import Note

# Told by slow helpers (reading, hashing, decoding): what is being done, how much is done, of how much (0: unknown).
Progress = Callable[[Note, int, int], None]
T = TypeVar("T")


@dataclass(frozen=True)
class Told:
    """A sentence for the user: what was inferred, found, chosen or measured, and why."""

    note: Note
    level: Literal["info", "warning", "result"] = "info"


@dataclass(frozen=True)
class Doing:
    """Progress of a part without a loss: reading, encoding, evaluating. `total` 0 is unknown."""

    note: Note
    done: int
    total: int


@dataclass(frozen=True)
class Trained:
    """One line of training progress. `metric` is the newest validation value, None before the first."""

    fraction: float  # of the planned run, 0 … 1
    step: int
    epoch: float
    loss: float
    metric_name: str
    metric: float | None
    best: float | None
    rows_per_s: float
    remaining_s: float
    tokens_per_s: float | None = None  # of a task that tells each token of full rows


Event = Told | Doing | Trained


class _StoppedError(Exception):
    """Ends work whose result nobody waits for."""


def during(work: Callable[[Progress], T]) -> Generator[Event, None, T]:
    """The result of `work`, which runs beside; what it tells of its progress is yielded meanwhile.

    Once the generator is closed or interrupted, the work ends where it next tells of its progress.
    """
    told: SimpleQueue[Doing | None] = SimpleQueue()
    stopped = False

    def tell(note: Note, done: int, total: int) -> None:
        if stopped:
            raise _StoppedError
        told.put(Doing(note, done, total))

    with ThreadPoolExecutor(1) as worker:
        future = worker.submit(work, tell)
        future.add_done_callback(lambda _: told.put(None))
        try:
            while (event := told.get()) is not None:
                yield event
        finally:
            stopped = True
        return future.result()


def result_of(events: Generator[Event, None, T]) -> T:
    """What the work comes to, whatever it tells meanwhile."""
    while True:
        try:
            next(events)
        except StopIteration as end:
            return end.value


def beyond(progress: Progress | None, before: int) -> Progress | None:
    """`progress` of a piece as that of a whole of unknown length, of which so many were done `before`."""
    if progress is None:
        return None
    return lambda note, done, total: progress(note, before + done, 0)
