"""Examples → train, validation, test. Knows nothing of tensors, nor of what the columns mean to a model.

Rows that must stay together (equal inputs, equal values of `split.by`) form a group, and groups are divided.
"""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

from danlu.data.content import Labels, codes, first_equal, input_names
from danlu.data.examples import ROW, Examples
from danlu.data.kept import contents, is_kept
from danlu.data.values import Floats, Mask, as_texts, natural_order
from danlu.errors import DanluError
from danlu.recipe import SplitConfig
from danlu.words import Note

NAMED = 10  # classes that a note names; the rest are counted

Positions = npt.NDArray[np.int64]
Sides = npt.NDArray[np.int16]  # of rows or of groups
TRAIN, VALIDATION, TEST, LEFT_OUT = 0, 1, 2, -1


@dataclass(frozen=True)
class Split:
    """Positions into the examples' frame, ascending; `time` is the column by which they were cut, if any."""

    train: Positions
    validation: Positions
    test: Positions
    notes: tuple[Note, ...] = ()
    time: str | None = None


@dataclass(frozen=True)
class Rows:
    """What a split looks at, for each row: its group, its class (0 if not stratified) and its time."""

    group: Labels
    stratum: Labels
    time: Labels | None

    def take(self, positions: Positions) -> "Rows":
        """The rows at `positions`."""
        time = None if self.time is None else dense(self.time[positions])
        return Rows(dense(self.group[positions]), self.stratum[positions], time)

    def __len__(self) -> int:
        return len(self.group)


def split(examples: Examples, targets: Sequence[str], config: SplitConfig, seed: int, stratify_on: str | None) -> Split:
    """The rows divided by the shares of `config`; equal inputs never stand on two sides.

    Without `config.time` the split is random, in each class of the column `stratify_on` by the same shares,
    and every row is on one side. With it the newest rows are the test, and a row whose equal (or whose group)
    stands on a later side is left out. Raises DanluError for unknown columns, missing times, and where there
    are too few rows or groups for all sides.
    """
    stratify_on = stratify_on if config.stratify and not config.time else None
    rows = _rows(examples, targets, config, stratify_on)
    shares = _shares(config)
    sides = _divided(rows, shares, config, np.random.default_rng(seed))
    notes = [_how(config, stratify_on), *_left_out(sides)]
    if stratify_on:
        notes += _missing_classes(examples.frame[stratify_on], sides, shares)
    return _split_of(sides, notes, config)


def folds(
    examples: Examples,
    targets: Sequence[str],
    config: SplitConfig,
    k: int,
    seed: int,
    stratify_on: str | None,
) -> Iterator[Split]:
    """`k` splits in which every row is in the test once; validation is carved from the rest as by `split`.

    With `config.time` there are `k` + 1 spans of time; each but the first is the test of all before it.
    """
    stratify_on = stratify_on if config.stratify and not config.time else None
    rows = _rows(examples, targets, config, stratify_on)
    rng = np.random.default_rng(seed)
    inner = _shares(config.model_copy(update={"validation": config.validation / (1 - config.test), "test": 0.0}))
    number = _fold_numbers(rows, k, config, rng)
    for fold in range(k):
        rest = np.flatnonzero(number < fold if config.time else number != fold)
        sides = np.full(len(rows), LEFT_OUT, np.int16)
        sides[number == fold] = TEST
        sides[rest] = _divided(rows.take(rest), inner, config, rng)
        if config.time:
            sides = _apart(sides, rows.group)
        yield _split_of(sides, _left_out(sides[number <= fold]), config)


def labelled(examples: Examples, targets: Sequence[str]) -> tuple[Examples, Note | None]:
    """The rows in which no target is missing, and a note if others were dropped.

    Raises DanluError where no row is left, or a target has no column.
    """
    lacking = [name for name in targets if name not in examples.frame.columns]
    if lacking:
        raise DanluError("codec.missing_columns", columns=", ".join(lacking), found=", ".join(examples.columns))
    known = pl.lit(True)
    for name in targets:
        known &= pl.col(name).is_not_null()
        if examples.frame.schema[name].is_float():
            known &= pl.col(name).is_not_nan()
    mask = examples.frame.select(known.alias("known")).to_series()
    if not mask.any():
        raise DanluError("split.no_labels", columns=", ".join(targets))
    if mask.all():
        return examples, None
    first = examples.origin.place(examples.frame[ROW][int(mask.arg_min() or 0)])
    note = Note("split.unlabelled", count=int((~mask).sum()), columns=", ".join(targets), place=first)
    return replace(examples, frame=examples.frame.filter(mask)), note


def drop_duplicates(examples: Examples, targets: Sequence[str]) -> tuple[Examples, Note | None]:
    """The first of each set of rows with equal inputs and targets, and a note if others were dropped.

    Rows with equal inputs and different targets all stay, and the note counts them.
    """
    inputs = input_names(examples, targets)
    first = first_equal(examples, [*inputs, *targets])
    kept = np.flatnonzero(first == np.arange(len(first)))
    if len(kept) == len(examples):
        return examples, None
    rest = examples.take(kept)
    conflicting = int((np.bincount(first_equal(rest, inputs)) - 1).clip(0).sum())
    return rest, Note("split.dropped", count=len(examples) - len(kept), conflicting=conflicting)


def without_overlap(train: Examples, other: Examples, targets: Sequence[str]) -> tuple[Examples, Note | None]:
    """`train` without the rows whose inputs stand in `other` too, and a note if there were any."""
    names = [name for name in input_names(train, targets) if name in other.frame.columns]
    frames = [_comparable(examples.frame.select(names)) for examples in (train, other)]
    both = replace(train, frame=pl.concat(frames, how="vertical_relaxed", rechunk=False))
    first = first_equal(both, names)
    overlapping = np.isin(first[: len(train)], first[len(train) :])
    if not overlapping.any():
        return train, None
    place = train.origin.place(train.frame[ROW][int(overlapping.argmax())])
    rest = train.take(np.flatnonzero(~overlapping))
    return rest, Note("split.overlap", count=int(overlapping.sum()), place=place)


def _comparable(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with the content of kept texts in place of what refers to them."""
    return frame.with_columns(contents(column).alias(column.name) for column in frame if is_kept(column))


def _rows(examples: Examples, targets: Sequence[str], config: SplitConfig, stratify_on: str | None) -> Rows:
    group = dense(first_equal(examples, input_names(examples, targets)))
    if config.by:
        _known_column(examples, "by", config.by)
        group = _joined(group, codes(examples.frame[config.by]))
    stratum = codes(examples.frame[stratify_on]) if stratify_on else np.zeros(len(group), np.int32)
    time = _times(examples, config.time) if config.time else None
    return Rows(group, stratum, time)


def _known_column(examples: Examples, setting: str, column: str) -> None:
    if column in examples.columns:
        return
    near = difflib.get_close_matches(column, examples.columns, n=3, cutoff=0.5) or list(examples.columns)
    raise DanluError("split.no_column", setting=setting, column=column, nearest=", ".join(near[:NAMED]))


def _joined(group: Labels, value: Labels) -> Labels:
    """Groups that share a value (-1 is none), over any number of steps, made one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    groups, has_value = int(group.max()) + 1, value >= 0
    nodes = groups + int(value.max()) + 1
    links = group[has_value], groups + value[has_value]
    graph = coo_array((np.ones(len(links[0]), np.int8), links), shape=(nodes, nodes))
    return connected_components(graph, directed=False)[1][group]


def dense(labels: Labels) -> Labels:
    """The same groups, numbered 0, 1, 2, … without gaps."""
    used = np.bincount(labels) > 0
    return (used.cumsum(dtype=np.int32) - 1)[labels]


def _times(examples: Examples, column: str) -> Labels:
    """The rank of each row's time, from 0, equal times sharing one."""
    _known_column(examples, "time", column)
    times = examples.frame[column]
    if not (times.dtype.is_temporal() or times.dtype.is_numeric()):
        raise DanluError("split.no_times", column=column, kind=examples.columns[column].kind)
    if times.dtype.is_float():
        times = times.fill_nan(None)
    missing = times.is_null()
    if missing.any():
        place = examples.origin.place(examples.frame[ROW][int(missing.arg_max() or 0)])
        raise DanluError("split.missing_time", column=column, count=int(missing.sum()), place=place)
    return (times.rank("dense") - 1).cast(pl.Int32).to_numpy()


def _shares(config: SplitConfig) -> Floats:
    train = 1 - config.validation - config.test
    if train <= 1e-9:
        raise DanluError("split.no_train", validation=config.validation, test=config.test)
    return np.array([train, config.validation, config.test])


def _divided(rows: Rows, shares: Floats, config: SplitConfig, rng: np.random.Generator) -> Sides:
    """The side of each row."""
    _require(rows, int((shares > 0).sum()), config)
    if rows.time is not None:
        return _apart(_spans(rows.time, shares), rows.group)
    return _drawn(rows, shares, rng, rare_to_train=True)


def _fold_numbers(rows: Rows, k: int, config: SplitConfig, rng: np.random.Generator) -> Sides:
    """The fold in which each row is the test; by time, LEFT_OUT for the oldest span, which is none's."""
    if rows.time is not None:
        _require(rows, k + 1, config)
        return _spans(rows.time, np.full(k + 1, 1 / (k + 1))) + np.int16(LEFT_OUT)
    _require(rows, k, config)
    return _drawn(rows, np.full(k, 1 / k), rng, rare_to_train=False)


def _require(rows: Rows, sides: int, config: SplitConfig) -> None:
    units = int((rows.group if rows.time is None else rows.time).max(initial=-1)) + 1
    if units < sides:
        kind = "split.times" if config.time else "split.groups" if config.by else "split.rows"
        what = Note(kind, column=config.time or config.by)
        raise DanluError("split.too_few", found=units, needed=sides, what=what, rows=len(rows))


def _spans(time: Labels, shares: Floats) -> Sides:
    """Each row's span of time, oldest first, cut as near to the shares as equal times allow."""
    wanted = np.flatnonzero(shares)
    goals = shares[wanted].cumsum()[:-1] * len(time)
    ends = np.bincount(time).cumsum()  # rows up to each time
    span = np.full(len(ends), wanted[0], np.int16)
    cut = 0
    for i, goal in enumerate(goals):
        nearest = int(np.abs(ends - goal).argmin()) + 1
        cut = min(max(nearest, cut + 1), len(ends) - (len(goals) - i))
        span[cut:] = wanted[i + 1]
    return span[time]


def _apart(sides: Sides, group: Labels) -> Sides:
    """The sides with those rows left out whose group reaches a later side."""
    latest = np.full(int(group.max()) + 1, LEFT_OUT, np.int16)
    np.maximum.at(latest, group, sides)
    kept = np.where(sides == latest[group], sides, np.int16(LEFT_OUT))
    if len(np.setdiff1d(sides, kept)):
        raise DanluError("split.nothing_left")
    return kept


def _drawn(rows: Rows, shares: Floats, rng: np.random.Generator, rare_to_train: bool) -> Sides:
    """A random side for each row, the same for a whole group."""
    sizes = np.bincount(rows.group).astype(np.int32)
    stratum = np.empty(len(sizes), np.int32)
    stratum[rows.group[::-1]] = rows.stratum[::-1]  # a group counts as its first row's class
    drawn = np.arange(len(sizes))
    if rare_to_train:
        drawn = np.flatnonzero(~_too_rare(stratum, int((shares > 0).sum())))
    side = np.zeros(len(sizes), np.int16)
    side[drawn] = _allotted(sizes[drawn], stratum[drawn], shares, rng)
    _fill_empty(side, sizes, shares)
    return side[rows.group]


def _too_rare(stratum: Labels, sides: int) -> Mask:
    """Groups of classes that have too few to be on all sides; none, if those are most of the groups."""
    rare: Mask = np.bincount(stratum)[stratum] < sides
    return rare if rare.mean() <= 0.5 else np.zeros_like(rare)


def _allotted(sizes: Labels, stratum: Labels, shares: Floats, rng: np.random.Generator) -> Sides:
    """A side for each group so that every stratum is divided by the shares, counted in rows.

    The largest groups come first: what they cannot divide evenly is carried on to the small ones.
    """
    order = rng.permutation(len(sizes))
    kind = (sizes.max() - sizes) * (stratum.max(initial=0) + np.int64(1)) + stratum
    kind = kind.astype(np.min_scalar_type(int(kind.max())))[order]  # 16 bits and less are sorted by radix
    by_kind = kind.argsort(kind="stable")
    order, kind = order[by_kind], kind[by_kind]
    cuts = [0, *(np.flatnonzero(np.diff(kind)) + 1).tolist(), len(order)]
    side = np.empty(len(sizes), np.int16)
    owed = np.zeros(len(shares))  # rows that each side is short of its share so far
    for first, last in pairwise(cuts):
        size = int(sizes[order[first]])
        owed += shares * size * (last - first)
        seats = _seats(owed / size, last - first)
        owed -= seats * size
        side[order[first:last]] = np.repeat(np.arange(len(shares)), seats)
    return side


def _seats(wanted: Floats, count: int) -> Positions:
    """Whole numbers that add up to `count`, as near to `wanted` as can be (largest remainder)."""
    wanted = wanted.clip(min=0)
    wanted *= count / wanted.sum()
    seats = wanted.astype(np.int64)
    seats[np.argsort(seats - wanted, kind="stable")[: count - seats.sum()]] += 1
    return seats


def _fill_empty(side: Sides, sizes: Labels, shares: Floats) -> None:
    """Give each side that should have rows but has none the smallest group of the side with most groups."""
    for empty in np.setdiff1d(np.flatnonzero(shares), side):
        giver = np.flatnonzero(side == np.bincount(side).argmax())
        side[giver[sizes[giver].argmin()]] = empty


def _split_of(sides: Sides, notes: list[Note], config: SplitConfig) -> Split:
    train, validation, test = (np.flatnonzero(sides == side) for side in (TRAIN, VALIDATION, TEST))
    return Split(train, validation, test, tuple(notes), config.time)


def _how(config: SplitConfig, stratify_on: str | None) -> Note:
    if config.time:
        return Note("split.by_time", column=config.time)
    kind = Note("split.stratified", column=stratify_on) if stratify_on else Note("split.random")
    return Note("split.by_group", column=config.by, kind=kind) if config.by else kind


def _left_out(sides: Sides) -> list[Note]:
    count = int((sides == LEFT_OUT).sum())
    return [Note("split.left_out", count=count)] if count else []


def _missing_classes(classes: pl.Series, sides: Sides, shares: Floats) -> list[Note]:
    """A note that names the classes without rows on some side."""
    seen = pl.DataFrame({"class": classes, "side": sides}).group_by("class").agg(pl.col("side").n_unique())
    rare = as_texts(seen.filter(pl.col("side") < (shares > 0).sum())["class"])
    if rare.is_empty():
        return []
    names = natural_order(rare.to_list())
    return [Note("split.rare_classes", column=classes.name, count=len(names), classes=listed(names))]


def listed(names: Sequence[str]) -> str:
    """The first names, and "…" where there are more."""
    return ", ".join(names[:NAMED]) + (" …" if len(names) > NAMED else "")
