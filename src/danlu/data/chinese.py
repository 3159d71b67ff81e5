"""Words of texts that are written without spaces: pairs of ideographs that keep together. Learned, not listed.

Two ideographs keep together where they stand side by side far more often than chance would have it (pointwise mutual
information: Church and Hanks 1990; for Chinese words Sproat and Shih 1990).
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from danlu.data.values import IDEOGRAPH_RANGES, Codes, code_points

TIMES = 5  # that a pair must occur
INFORMATION = 3.5  # nats: 33 times as often as chance
MOST = 30_000  # pairs that are kept, the commonest
LONGEST = 4  # ideographs of a word

_SHIFT = 21  # bits of a code point

Flags = npt.NDArray[np.bool_]


def ideographs(codes: Codes) -> Flags:
    """(N,): which of the characters are ideographs."""
    return np.any([(codes >= low) & (codes <= high) for low, high in IDEOGRAPH_RANGES], axis=0)


def learned_pairs(texts: Iterable[str]) -> tuple[str, ...]:
    """Pairs of ideographs that keep together in the texts, in the order of their code points."""
    singles, pairs = np.zeros(1 << _SHIFT, np.int64), dict[int, int]()
    for text in texts:
        codes = code_points(text)
        inside = ideographs(codes)
        singles += np.bincount(codes[inside], minlength=1 << _SHIFT)
        found, counts = np.unique(_keys(codes)[inside[1:] & inside[:-1]], return_counts=True)
        for key, count in zip(found.tolist(), counts.tolist(), strict=True):
            pairs[key] = pairs.get(key, 0) + count
    common = np.array(sorted(key for key, count in pairs.items() if count >= TIMES), np.int64)
    counts = np.array([pairs[key] for key in common.tolist()], np.int64)
    chance = singles[common >> _SHIFT] * singles[common & (2**_SHIFT - 1)] / max(int(singles.sum()), 1)
    together = np.flatnonzero(np.log(counts / chance) >= INFORMATION)
    kept = np.sort(together[np.argsort(-counts[together], kind="stable")[:MOST]])
    return tuple(chr(key >> _SHIFT) + chr(key & (2**_SHIFT - 1)) for key in common[kept].tolist())


def goes_on(codes: Codes, pairs: npt.NDArray[np.int64]) -> Flags:
    """(N,): which characters go on with the word of the one before them; `pairs`: sorted, as of `pair_keys`."""
    if not len(pairs) or len(codes) < 2:
        return np.zeros(len(codes), bool)
    keys = _keys(codes)
    joined = np.append(False, pairs[np.minimum(np.searchsorted(pairs, keys), len(pairs) - 1)] == keys)
    place = np.arange(len(codes))
    begin = np.maximum.accumulate(np.where(joined, 0, place))
    return joined & ((place - begin) % LONGEST != 0)


def pair_keys(pairs: Iterable[str]) -> npt.NDArray[np.int64]:
    """A number for each pair, sorted."""
    return np.sort(np.array([_keys(code_points(pair))[0] for pair in pairs], np.int64))


def _keys(codes: Codes) -> npt.NDArray[np.int64]:
    """(N - 1,): a number for each two characters that stand side by side."""
    return (codes[:-1].astype(np.int64) << _SHIFT) | codes[1:]
