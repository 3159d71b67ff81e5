"""Verdict: the counts of today beside those of the reference → what moved, and by how much. Knows no request."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from danlu.drift.signals import KNOWN, Counts, Signal
from danlu.drift.stability import chance, normal, psi, share_rises
from danlu.words import Language, Note

LEAST_ROWS = 200  # of a window, below which nothing is said to have moved
LEAST_REFERENCE = 50  # rows of the reference
SLIGHT, MOVED = 0.1, 0.25  # of PSI, as credit scoring has it
SHARE = 0.02  # by which values that are missing, or were never seen, must have risen
MEAN = 0.05  # by which confidence must have fallen, or unknown tokens risen
ALARM = 0.001  # how likely chance alone says of any column that it moved

Status = Literal["few", "stable", "slight", "moved"]
Pair = tuple[float | None, float | None]  # of the reference, today


@dataclass(frozen=True)
class Finding:
    """One signal today; `noise` is the PSI that chance alone reaches, `why` says what moved."""

    signal: Signal
    status: Status
    rows: int
    psi: float
    noise: float
    missing: Pair
    unseen: Pair
    mean: Pair
    why: tuple[Note, ...]

    def to_json(self, lang: Language) -> dict[str, Any]:
        """As it is told: shares and means as [reference, today], null where there is none."""
        return {
            "column": self.signal.column,
            "of": self.signal.of,
            "measure": self.signal.measure,
            "status": self.status,
            "rows": self.rows,
            "psi": _number(self.psi),
            "noise": _number(self.noise),
            "missing": [_number(share) for share in self.missing],
            "unseen": [_number(share) for share in self.unseen],
            "mean": [_number(value) for value in self.mean],
            "why": [note.text(lang) for note in self.why],
        }


def findings(
    signals: Sequence[Signal], counts: Sequence[Counts], means: Sequence[float], names: Mapping[str, Sequence[str]]
) -> list[Finding]:
    """What moved of each signal; names: column or target → its values, in the order of the bins."""
    alarm = ALARM / (4 * max(1, len(signals)))  # four things are asked of each
    return [
        _finding(signal, today, mean, alarm, names.get(signal.column, ()))
        for signal, today, mean in zip(signals, counts, means, strict=True)
    ]


def overall(found: Sequence[Finding]) -> Status:
    """The worst of all; few where no signal has rows enough."""
    return max((each.status for each in found), key=("few", "stable", "slight", "moved").index, default="few")


def _finding(signal: Signal, today: Counts, mean: float, alarm: float, names: Sequence[str]) -> Finding:
    reference = np.array(signal.counts, np.int64)
    measured = signal.edges is not None
    found = Finding(
        signal=signal,
        status="few",
        rows=int(today.sum()),
        psi=psi(reference, today),
        noise=chance(reference, today, alarm),
        missing=(_share(reference, [signal.missing]), _share(today, [signal.missing])),
        unseen=(_share(reference, signal.unseen), _share(today, signal.unseen)),
        mean=(signal.mean, mean) if measured and reference.sum() else (None, mean) if measured else (None, None),
        why=(),
    )
    if found.rows < LEAST_ROWS or 0 < reference.sum() < LEAST_REFERENCE:
        return found
    why = tuple(_reasons(found, reference, today, alarm, names))
    slight = found.psi >= SLIGHT and found.psi > found.noise
    status: Status = "moved" if why else "slight" if slight else "stable"
    return replace(found, status=status, why=why)


def _reasons(found: Finding, reference: Counts, today: Counts, alarm: float, names: Sequence[str]) -> Iterator[Note]:
    signal = found.signal
    if found.psi >= MOVED and found.psi > found.noise:
        yield Note("drift.psi")
        yield from _largest(signal, reference, today, names)
    for key, bins, (before, now) in (
        (_unseen(signal), signal.unseen, found.unseen),
        ("drift.missing", (signal.missing,), found.missing),
    ):
        rows = _rows(reference, bins), int(reference.sum()), _rows(today, bins), found.rows
        if (now or 0.0) - (before or 0.0) >= SHARE and share_rises(*rows, alarm):
            yield Note(key, before="–" if before is None else f"{before:.1%}", now=f"{now:.1%}")
    yield from _mean_reason(found, reference, alarm)


def _mean_reason(found: Finding, reference: Counts, alarm: float) -> Iterator[Note]:
    """Of what is worse one way: confidence that fell, unknown tokens that became more."""
    before, now = found.mean
    way = {"confidence": -1, "unknown": 1, "prompt_unknown": 1}.get(found.signal.measure)
    if way is None or before is None or now is None or math.isnan(now):
        return
    spread = found.signal.deviation * math.sqrt(1 / max(1, int(reference.sum())) + 1 / found.rows)
    if way * (now - before) >= MEAN and way * (now - before) > normal(alarm) * spread:
        key = "drift.confidence" if way < 0 else "drift.unknown"
        yield Note(key, before=f"{before:.1%}", now=f"{now:.1%}")


def _largest(signal: Signal, reference: Counts, today: Counts, names: Sequence[str]) -> Iterator[Note]:
    """The value whose share changed most."""
    if signal.edges is not None:
        return
    before, now = reference / reference.sum(), today / today.sum()
    most = int(abs(now - before).argmax())
    if KNOWN <= most < len(today) - 1 and most - KNOWN < len(names):
        value = names[most - KNOWN]
        yield Note("drift.value", value=value[:60], before=f"{before[most]:.1%}", now=f"{now[most]:.1%}")


def _unseen(signal: Signal) -> str:
    """What is said of what the reference did not have."""
    if signal.measure == "prompt_tokens":
        return "drift.beyond_view"
    return "drift.outside" if signal.edges is not None else "drift.unseen"


def _rows(counts: Counts, bins: Sequence[int]) -> int:
    return int(counts[list(bins)].sum())


def _share(counts: Counts, bins: Sequence[int]) -> float | None:
    return _rows(counts, bins) / int(counts.sum()) if counts.sum() else None


def _number(value: float | None) -> float | None:
    return round(value, 6) if value is not None and math.isfinite(value) else None
