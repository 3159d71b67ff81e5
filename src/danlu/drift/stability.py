"""Stability: whether counts of today could be drawn from where those of the reference were. Knows no signal.

PSI of two samples of one distribution is, nearly, chi-square over K - 1 degrees times (1/N + 1/M), K the bins, N and M
the rows (Yurdakul 2018, "Statistical properties of population stability index"): few rows have a large PSI by chance
alone. So a PSI counts only beyond what chance reaches.
"""

import math
from statistics import NormalDist

import numpy as np

from danlu.drift.signals import Counts

HALF = 0.5  # a row that every bin is given beside its own (Jeffreys), so that an empty one has a logarithm


def psi(reference: Counts, today: Counts) -> float:
    """Population stability index: sum of (q - p) ln(q / p) over the bins that hold any row; 0 without rows."""
    held = (reference + today) > 0
    if not reference.sum() or not today.sum():
        return 0.0
    p, q = _shares(reference[held]), _shares(today[held])
    return float(((q - p) * np.log(q / p)).sum())


def chance(reference: Counts, today: Counts, alarm: float) -> float:
    """The PSI that samples of one distribution pass with probability `alarm`; infinite without rows."""
    rows, others, degrees = int(reference.sum()), int(today.sum()), int(((reference + today) > 0).sum()) - 1
    if not rows or not others:
        return math.inf
    from scipy.special import chdtri

    return float(chdtri(degrees, alarm)) * (1 / rows + 1 / others) if degrees else 0.0


def normal(beyond: float) -> float:
    """What a standard normal number passes with probability `beyond`."""
    return NormalDist().inv_cdf(1 - beyond)


def share_rises(before: int, of: int, now: int, rows: int, beyond: float) -> bool:
    """Whether `now` of `rows` is a larger share than `before` of `of`, more than chance makes it."""
    common = (before + now) / (of + rows)
    spread = math.sqrt(common * (1 - common) * ((1 / of if of else 0.0) + 1 / rows))
    return now / rows - (before / of if of else 0.0) > normal(beyond) * spread


def _shares(counts: Counts) -> np.ndarray:
    return (counts + HALF) / (counts.sum() + HALF * len(counts))
