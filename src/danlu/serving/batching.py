"""Requests in flight become batches: what waits while a batch is answered is the next one. Knows no model.

A lone request never waits for others, and a request of many rows lets the others between its pieces.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeAlias, TypeVar

from danlu.errors import DanluError

Answer = TypeVar("Answer")
Given = TypeVar("Given")


class Watch(Protocol):
    """Is told what a batcher does."""

    def batch(self, rows: int, seconds: float) -> None:
        """A batch of so many rows was answered."""
        ...

    def waiting(self, requests: int) -> None:
        """So many requests have rows that wait."""
        ...


@dataclass(frozen=True)
class Piece(Generic[Given]):
    """Rows `first` to `end` of what a request gives."""

    given: Given
    first: int
    end: int


Outcome: TypeAlias = Answer | DanluError  # of a row
Work: TypeAlias = Callable[[Sequence[Piece[Given]]], Sequence[Sequence[Outcome[Answer]]]]


@dataclass(eq=False)
class _Request(Generic[Given, Answer]):
    """A request's rows, of which those from `first` on wait."""

    given: Given
    rows: int
    future: "asyncio.Future[list[Answer]]"
    first: int = 0
    answers: list[Answer] = field(default_factory=list)

    def settle(self, outcomes: Sequence[Outcome[Answer]]) -> None:
        """Take the outcomes of the next rows; the first error ends the request."""
        if self.future.done():
            return
        for outcome in outcomes:
            if isinstance(outcome, DanluError):
                self.future.set_exception(outcome)
                return
            self.answers.append(outcome)
        if len(self.answers) == self.rows:
            self.future.set_result(self.answers)


class Batcher(Generic[Given, Answer]):
    """Answers rows in batches of at most `max_batch`, on a thread of its own.

    `work`: pieces of requests → for each of them an outcome per row. At most `max_queue` requests wait; more are
    refused with DanluError.
    """

    def __init__(self, work: Work[Given, Answer], max_batch: int, max_queue: int, watch: Watch) -> None:
        self._work, self._max_batch, self._max_queue, self._watch = work, max_batch, max_queue, watch
        self._waiting: deque[_Request[Given, Answer]] = deque()
        self._thread = ThreadPoolExecutor(1, "batch")
        self._running: asyncio.Task[None] | None = None
        self._rows_per_s = 100.0  # until it is known

    async def answers(self, given: Given, rows: int) -> list[Answer]:
        """The answer of each row; raises DanluError where a row has none, or too many requests wait."""
        if not rows:
            return []
        if len(self._waiting) >= self._max_queue:
            raise DanluError("serve.busy", waiting=len(self._waiting), seconds=self._seconds_to_empty())
        request: _Request[Given, Answer] = _Request(given, rows, asyncio.get_running_loop().create_future())
        self._waiting.append(request)
        self._watch.waiting(len(self._waiting))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await request.future

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _seconds_to_empty(self) -> int:
        rows = sum(request.rows - request.first for request in self._waiting)
        return max(1, math.ceil(rows / self._rows_per_s))

    async def _run(self) -> None:
        """Answer batches until nothing waits."""
        loop = asyncio.get_running_loop()
        while batch := self._next_batch():
            self._watch.waiting(len(self._waiting))
            began = time.perf_counter()
            computing = loop.run_in_executor(self._thread, self._work, [piece for _, piece in batch])
            await asyncio.wait([computing])
            seconds = time.perf_counter() - began
            rows = sum(piece.end - piece.first for _, piece in batch)
            self._rows_per_s = 0.8 * self._rows_per_s + 0.2 * rows / max(seconds, 1e-6)
            self._watch.batch(rows, seconds)
            _settle(batch, computing)
        self._running = None

    def _next_batch(self) -> list[tuple[_Request[Given, Answer], Piece[Given]]]:
        """Rows of as many requests as fit, those that came first first; what does not fit stands behind the others."""
        batch = []
        room = self._max_batch
        while self._waiting and room:
            request = self._waiting.popleft()
            if request.future.done():  # whoever asked has gone
                continue
            end = min(request.rows, request.first + room)
            batch.append((request, Piece(request.given, request.first, end)))
            room -= end - request.first
            request.first = end
            if end < request.rows:
                self._waiting.append(request)
        return batch


def _settle(
    batch: "Sequence[tuple[_Request[Given, Answer], Piece[Given]]]",
    computed: "asyncio.Future[Sequence[Sequence[Outcome[Answer]]]]",
) -> None:
    error = computed.exception()
    if error is not None:
        for request, _ in batch:
            if not request.future.done():
                request.future.set_exception(error)
        return
    for (request, _), outcomes in zip(batch, computed.result(), strict=True):
        request.settle(outcomes)
