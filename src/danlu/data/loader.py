"""Which rows make which batch: a function of (seed, epoch, position). Knows nothing of what the tensors mean.

As it depends on nothing else, a resumed run goes on with exactly the batch that it would have seen, and the
number of processes does not change what is learned.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from danlu.data.store import Batch, Dense, Store
from danlu.errors import DanluError
from danlu.events import Progress
from danlu.words import Note

GATHER_BYTES = 1 << 20  # of dense rows are copied at a time, then cut without copying: it stays in cache
WINDOW = 200  # batches of a token budget within which rows are sorted by length; of 50, padding is twice as much
LENGTH_BITS = 5  # rows whose lengths agree in the leading bits, so within 1/16, count as equally long

BATCH_TOKENS = 512  # that take about as long as the start of another batch


@dataclass(frozen=True)
class Loader:
    """Batches of a store: `batch_size` rows each, or as many as fit into `batch_tokens` (rows × longest row).

    Rows of unequal length are batched with rows of similar length: those of all rows, or of a token budget those of a
    window, into which rows are drawn anew each epoch. Every epoch has the same number of batches; a last one that is
    not full is kept. Raises DanluError where one row exceeds `batch_tokens`, or where rows have no length that could be
    counted.
    """

    store: Store
    batch_size: int | None
    batch_tokens: int | None
    seed: int
    shuffle: bool = True

    @cached_property
    def steps_per_epoch(self) -> int:
        """Number of batches in which every row occurs once."""
        return len(self._cuts) - 1

    def batches(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of `epoch` from number `start` on."""
        if self.steps_per_epoch == 1:
            yield from [self._whole][start:]
        elif self._lengths is None and is_dense(self.store):
            yield from self._dense_batches(self._row_order(epoch), start)
        else:
            order = self._row_order(epoch)
            store = self.store.shifted(_drawn(self.seed, epoch, stream=2)) if self.shuffle else self.store
            for first, last in self._spans(epoch)[start:]:
                yield store.batch(order[first:last])

    def padding_share(self) -> float:
        """Share of the positions in the batches of epoch 0 that are padding."""
        if self._lengths is None:
            return 0.0
        lengths = self._lengths[self._row_order(0)]
        padded = sum((last - first) * int(lengths[first:last].max()) for first, last in self._spans(0))
        return 1.0 - int(lengths.sum()) / padded

    @cached_property
    def _lengths(self) -> Tensor | None:
        lengths = self.store.lengths
        return None if lengths is None else lengths.clamp(min=1)  # an empty row is padded to one position

    @cached_property
    def _rounded_lengths(self) -> Tensor | None:
        return None if self._lengths is None else rounded_up(self._lengths)

    @cached_property
    def _whole(self) -> Batch:
        return whole(self.store) if is_dense(self.store) else self.store.batch(torch.arange(len(self.store)))

    @cached_property
    def _cuts(self) -> list[int]:
        """Where each batch begins, and where the last one ends, in the order of rows of any epoch."""
        rows = len(self.store)
        if self.batch_size is not None:
            return [*range(0, rows, self.batch_size), rows]
        cuts = [0]
        for window in self._windows(self._longest_first):
            cuts += [cuts[-1] + cut for cut in _budget_cuts(window, self._budget)[1:]]
        return cuts

    def _row_order(self, epoch: int) -> Tensor:
        """All rows, shuffled; where they are unequal, the longest of each window first and only equals shuffled."""
        rows = len(self.store)
        order = epoch_order(rows, self.seed, epoch) if self.shuffle else torch.arange(rows)
        if self._rounded_lengths is None:
            return order
        order = order[self._rounded_lengths[order].argsort(descending=True, stable=True)]
        return order if self.batch_tokens is None else torch.cat(self._windows(order))

    @property
    def _budget(self) -> int:
        assert self.batch_tokens is not None
        return self.batch_tokens

    @cached_property
    def _longest_first(self) -> Tensor:
        """(N,) rounded lengths, the same in the order of any epoch."""
        if self._rounded_lengths is None:
            raise DanluError("train.no_tokens")
        return self._rounded_lengths.sort(descending=True).values

    def _windows(self, sorted_rows: Tensor) -> list[Tensor]:
        """What is sorted by length, (N,), dealt to windows one by one: each has rows of all lengths, and as long ones.

        So the lengths in a window, and with them its cuts, are those of every epoch; which rows it holds of each length
        is not.
        """
        batches = int(self._longest_first.sum()) / self._budget
        count = max(1, round(batches / WINDOW))
        return [sorted_rows[first::count] for first in range(count)]

    def _spans(self, epoch: int) -> list[tuple[int, int]]:
        """First and last position of every batch, in the order in which `epoch` takes them."""
        spans = list(zip(self._cuts, self._cuts[1:], strict=False))
        if self._lengths is None or not self.shuffle:
            return spans
        return [spans[i] for i in _permutation(len(spans), self.seed, epoch, stream=1).tolist()]

    def _dense_batches(self, order: Tensor, start: int) -> Iterator[Batch]:
        """Batches cut from larger gathers: one copy of many rows costs less than many copies of few.

        A gather begins at the same batches wherever `start` is, because a kernel's last bit may depend on
        where in memory its input begins.
        """
        assert self.batch_size is not None
        per_gather = max(1, GATHER_BYTES // (row_bytes(self.store) * self.batch_size))
        skipped = start % per_gather
        for index in order[(start - skipped) * self.batch_size :].split(per_gather * self.batch_size):
            yield from slices(self.store.batch(index), self.batch_size, skipped)
            skipped = 0


def epoch_order(rows: int, seed: int, epoch: int) -> Tensor:
    """(rows,) int64: a permutation of the rows that depends on nothing but its arguments."""
    return _permutation(rows, seed, epoch, stream=0)


def evaluation_batches(
    store: Store, batch_size: int, progress: Progress | None = None
) -> Iterator[tuple[Tensor, Batch]]:
    """(positions in the store (B,) int64, batch) of all rows, in order, or the longest first.

    `progress` is told how many rows are done whenever the next batch is asked for.
    """
    done = 0
    for index, batch in _all_batches(store, batch_size):
        yield index, batch
        done += len(index)
        if progress:
            progress(Note("flow.evaluating"), done, len(store))


def _all_batches(store: Store, batch_size: int) -> Iterator[tuple[Tensor, Batch]]:
    """As `evaluation_batches`."""
    rows = len(store)
    if is_dense(store):
        for first, batch in zip(range(0, rows, batch_size), slices(whole(store), batch_size), strict=False):
            yield torch.arange(first, min(first + batch_size, rows)), batch
        return
    lengths = store.lengths
    order = torch.arange(rows) if lengths is None else lengths.argsort(descending=True, stable=True)
    for first in range(0, rows, batch_size):
        for index in _alike(order[first : first + batch_size], lengths):
            yield index, store.batch(index)


def _alike(index: Tensor, lengths: Tensor | None) -> list[Tensor]:
    """The rows, longest first, in stretches: cut where a length halves and a batch more costs less than the padding."""
    if lengths is None:
        return [index]
    own, cuts, longest = lengths[index].tolist(), [0], int(lengths[index[0]])
    for place, length in enumerate(own):
        if 2 * length <= longest and (longest - length) * (len(own) - place) > BATCH_TOKENS:
            cuts, longest = [*cuts, place], length
    return [index[begin:end] for begin, end in pairwise([*cuts, len(own)])]


def is_dense(store: Store) -> bool:
    """Whether every input has the same shape in every row."""
    return all(isinstance(feed, Dense) for feed in store.feeds.values())


def whole(store: Store) -> Batch:
    """All rows of a dense store as one batch, without copying."""
    inputs = {name: feed.values for name, feed in store.feeds.items() if isinstance(feed, Dense)}
    return Batch(inputs, dict(store.targets), store.rows)


def row_bytes(store: Store) -> int:
    """Bytes of one row of a dense store."""
    batch = whole(store)
    tensors = [*batch.inputs.values(), *batch.targets.values(), batch.rows]
    return sum(tensor[0].nbytes for tensor in tensors)


def slices(batch: Batch, size: int, skipped: int = 0) -> Iterator[Batch]:
    """The batch cut into batches of `size` rows without copying, the first `skipped` of them left out."""
    inputs = [tensor.split(size) for tensor in batch.inputs.values()]
    targets = [tensor.split(size) for tensor in batch.targets.values()]
    for i, rows in enumerate(batch.rows.split(size)):
        if i >= skipped:
            yield Batch(
                {name: parts[i] for name, parts in zip(batch.inputs, inputs, strict=True)},
                {name: parts[i] for name, parts in zip(batch.targets, targets, strict=True)},
                rows,
            )


def rounded_up(lengths: Tensor) -> Tensor:
    """(N,) int64 lengths with all but the LENGTH_BITS leading bits rounded up, but never above the longest.

    Sorted by these, many rows tie and can be shuffled among each other, while the sorted values, and so the
    cuts between batches, are the same in every epoch.
    """
    bits = torch.frexp(lengths.double()).exponent.long()
    shift = (bits - LENGTH_BITS).clamp(min=0)
    up = ((lengths + (1 << shift) - 1) >> shift) << shift
    return up.clamp(max=int(lengths.max())) if len(lengths) else up


def _budget_cuts(lengths: Tensor, budget: int) -> list[int]:
    """Cuts of descending `lengths` so that rows × longest ≤ `budget` in every batch."""
    longest_first = lengths.tolist()
    if longest_first and longest_first[0] > budget:
        raise DanluError("loader.row_over_budget", longest=longest_first[0], batch_tokens=budget)
    cuts = [0]
    while cuts[-1] < len(longest_first):
        cuts.append(min(cuts[-1] + budget // longest_first[cuts[-1]], len(longest_first)))
    return cuts


def _permutation(count: int, seed: int, epoch: int, stream: int) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(_drawn(seed, epoch, stream)))


def _drawn(seed: int, epoch: int, stream: int) -> int:
    """A random 64-bit number that depends on nothing but its arguments."""
    return int(np.random.SeedSequence((seed, epoch, stream)).generate_state(1, np.uint64)[0])
