"""What is wrong with the data: findings, counted and named by row. Changes nothing."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from danlu.data.cast import values
from danlu.data.columns import written_format
from danlu.data.content import Labels, first_equal, input_names
from danlu.data.examples import ROW, Column, Examples
from danlu.data.kept import is_kept
from danlu.data.leaks import leaks
from danlu.data.split import NAMED, Split, listed
from danlu.data.values import as_texts
from danlu.events import Progress
from danlu.words import Note

MOSTLY_MISSING = 0.5  # from here on a column says more about who filled it in than about the row
NEARLY_CONSTANT = 0.995  # beyond it a column differs in so few rows that little can be learned from them
RARE_CLASS = 10  # with fewer rows a class has about one in the test, whose figure then is 0 or 1
UNEQUAL = 3  # times the rows of the smallest class: from here on the shares are worth knowing
LOPSIDED = 0.9  # share of the largest class beyond which always answering it looks accurate
FAR_OUT = 50  # spreads (of the middle half) from the median: no measured quantity, rather a slip or a code like 99999
FEW = 0.001  # share of the rows: more of them that far out are the nature of the column
LONG_TEXT = 20_000  # bytes, 4,000 tokens or more: longer than what a text model here reads at once
MOSTLY_WRITTEN = 0.8  # share of numbers or dates from which words beside them look like gaps
WORDS_BETWEEN = 5  # different ones at most: more are values of their own
SEVERAL = 20  # different numbers or dates at least: fewer, such as 1, 2 and 3+, are classes
SAMPLE = 100_000  # rows from which a quantile or a commonest value is estimated before rows are counted

Level = Literal["info", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """Something that was found in the data; `count` rows have it, `rows` names the first of them."""

    note: Note
    level: Level = "info"
    columns: tuple[str, ...] = ()
    count: int = 0
    rows: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """All fields; `Finding.from_json` reads them back."""
        return {
            "note": self.note.to_json(),
            "level": self.level,
            "columns": list(self.columns),
            "count": self.count,
            "rows": list(self.rows),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Finding":
        """The finding that `to_json` wrote."""
        note = Note.from_json(data["note"])
        return cls(note, data["level"], tuple(data["columns"]), data["count"], tuple(data["rows"]))


def check(
    examples: Examples,
    targets: Sequence[str],
    classification: bool,
    split: Split | None = None,
    progress: Progress | None = None,
) -> list[Finding]:
    """What is worth knowing of the rows before a model is trained on them, warnings first.

    All rows are counted; what tells the target is judged by the training rows of `split` alone.
    """
    view = View(examples, tuple(targets), classification, split)
    findings = []
    for done, findings_of in enumerate(CHECKS):
        if progress:
            progress(Note("checks.checking"), done, len(CHECKS))
        findings += list(findings_of(view))
    return sorted(findings, key=lambda finding: _ORDER.index(finding.level))


_ORDER: tuple[Level, ...] = ("error", "warning", "info")


@dataclass(frozen=True)
class View:
    """The rows that are checked, and what several checks need of them."""

    examples: Examples
    targets: tuple[str, ...]
    classification: bool
    split: Split | None

    @cached_property
    def inputs(self) -> list[str]:
        """The columns that a model may look at."""
        return input_names(self.examples, self.targets)

    @cached_property
    def first(self) -> Labels:
        """(rows,): for each row the position of the first row with equal inputs."""
        return first_equal(self.examples, self.inputs)

    def in_classes(self, target: str) -> bool:
        """Whether the answers of a target are classes: as the task says or, of one of several, as its kind says."""
        if len(self.targets) == 1:
            return self.classification
        return self.examples.columns[target].kind not in ("number", "date")

    def column(self, name: str) -> pl.Series:
        """The values of a column."""
        return self.examples.frame[name]

    def of_kind(self, *kinds: str) -> list[str]:
        """Names of the inputs of these kinds."""
        return [name for name in self.inputs if self.examples.columns[name].kind in kinds]

    def some(self, name: str) -> pl.Series:
        """The values of a column in at most SAMPLE rows, evenly spaced."""
        return self.column(name).gather_every(max(1, len(self.examples) // SAMPLE))

    def percent(self, count: int) -> str:
        """What share of the rows `count` is."""
        return _percent(count / len(self.examples))

    def finding(self, note: Note, level: Level, mask: pl.Series, *columns: str) -> Finding:
        """A finding in the rows where `mask` is true."""
        first = mask.arg_true().head(NAMED)
        return Finding(note, level, columns, int(mask.sum()), self.places(first.to_numpy()))

    def places(self, positions: npt.NDArray[Any]) -> tuple[str, ...]:
        """File and row of the first of these positions."""
        rows = self.examples.frame[ROW].gather(positions[:NAMED])
        return tuple(self.examples.origin.place(row) for row in rows)


def bad_rows(view: View) -> Iterator[Finding]:
    """Rows that could not be read."""
    bad = view.examples.origin.bad_rows
    if bad:
        places = tuple(view.examples.origin.place(row.row) for row in bad[:NAMED])
        note = Note("checks.bad_rows", count=len(bad), reason=bad[0].reason)
        yield Finding(note, "warning", (), len(bad), places)


def missing_values(view: View) -> Iterator[Finding]:
    """Inputs with gaps: each of those with most, the others together."""
    counts = view.examples.frame.select(view.inputs).null_count()
    gaps = [(name, counts[name][0]) for name in counts.columns if counts[name][0]]
    gaps.sort(key=lambda gap: -gap[1])
    for name, count in gaps[:NAMED]:
        share = count / len(view.examples)
        note = Note("checks.missing", column=name, count=count, percent=view.percent(count))
        level: Level = "warning" if share >= MOSTLY_MISSING else "info"
        yield view.finding(note, level, view.column(name).is_null(), name)
    if gaps[NAMED:]:
        total = sum(count for _, count in gaps[NAMED:])
        note = Note("checks.missing_elsewhere", columns=len(gaps) - NAMED, count=total)
        yield Finding(note, "info", tuple(name for name, _ in gaps[NAMED:]), total)


def words_among_numbers(view: View) -> Iterator[Finding]:
    """Columns read as words, for a few of them among numbers or dates."""
    for name, column in view.examples.columns.items():
        if column.reason.key in _READ_AS_WORDS and view.column(name).dtype == pl.String:
            counts = view.some(name).drop_nulls().value_counts().sort("count", name, descending=[True, False])
            for kind in ("number", "date"):
                if found := _words_between(counts, kind):
                    share, words = found
                    kinds = {"kind": kind, "kinds": Note(f"checks.{kind}s")}
                    missing = "[" + ", ".join(f'"{word}"' for word in words) + "]"
                    fields = {"column": name, "percent": _percent(share), "missing": missing, **kinds}
                    mask = view.column(name).is_in(words).fill_null(False)
                    yield view.finding(Note("checks.words_among", **fields), "warning", mask, name)
                    break  # 20240305 is a number as well as a date


_READ_AS_WORDS = ("data.kind.category", "data.kind.target_classes", "data.kind.id_text")


def _words_between(counts: pl.DataFrame, kind: Literal["number", "date"]) -> tuple[float, list[str]] | None:
    """The share of the cells that are of the kind, and the few words that are not; None where there are no such."""
    cells = counts.to_series(0)
    if len(cells) <= SEVERAL:
        return None
    column = Column(cells.name, kind, Note("data.kind.set", kind=kind), written_format(cells, kind, ()))
    fits = values(cells, column).is_not_null()
    share = float(np.average(fits, weights=counts["count"]))
    words = cells.filter(~fits).to_list()
    if share < MOSTLY_WRITTEN or fits.sum() < SEVERAL or not 0 < len(words) <= WORDS_BETWEEN:
        return None
    return share, words


def duplicates(view: View) -> Iterator[Finding]:
    """Rows that repeat another: with the same target, and with a different one."""
    sizes = np.bincount(view.first, minlength=len(view.examples))
    shared = np.flatnonzero(sizes[view.first] > 1)
    group = view.first[shared]
    first = first_equal(view.examples.take(shared), [*view.inputs, *view.targets])
    is_first = first == np.arange(len(shared))
    variants = np.bincount(group[is_first], minlength=len(view.examples))
    repeats, conflicts = shared[~is_first], shared[variants[group] > 1]
    if len(repeats):
        note = Note("checks.duplicates", count=len(repeats), percent=view.percent(len(repeats)))
        yield Finding(note, "info", (), len(repeats), view.places(repeats))
    if len(conflicts):
        level: Level = "warning" if any(map(view.in_classes, view.targets)) else "info"
        targets, percent = ", ".join(view.targets), view.percent(len(conflicts))
        note = Note("checks.conflicts", count=len(conflicts), percent=percent, targets=targets)
        yield Finding(note, level, view.targets, len(conflicts), view.places(conflicts))


def unused_columns(view: View) -> Iterator[Finding]:
    """Columns that are no input because of what they hold: constant, an identifier, empty."""
    for column in view.examples.columns.values():
        if column.kind == "ignore" and column.reason.key != "data.kind.set":
            note = Note("checks.unused", column=column.name, reason=column.reason)
            yield Finding(note, "info", (column.name,))


def nearly_constant_columns(view: View) -> Iterator[Finding]:
    """Inputs that have the same value in nearly all rows."""
    for name in view.of_kind("number", "boolean", "category", "date"):
        some = view.some(name).drop_nulls()
        if some.is_empty():
            continue
        value = some.mode().sort()[0]
        if (some == value).mean() < NEARLY_CONSTANT:
            continue
        different = view.column(name).ne_missing(value)
        share = 1 - different.sum() / len(view.examples)
        if share >= NEARLY_CONSTANT:
            note = Note("checks.nearly_constant", column=name, value=str(value), percent=_percent(share))
            yield view.finding(note, "info", different, name)


def leaking_columns(view: View) -> Iterator[Finding]:
    """Inputs that predict a target almost alone."""
    if len(view.inputs) < 2:
        return
    train = np.arange(len(view.examples)) if view.split is None else view.split.train
    distinct = train[view.first[train] == train]
    rows = view.examples.take(np.random.default_rng(0).permutation(distinct)[:SAMPLE])
    for target in view.targets:
        if view.examples.columns[target].kind == "labels":
            continue
        for name, score in leaks(rows, target, view.inputs, view.in_classes(target)).items():
            if view.split is None or view.split.time != name:  # else rows near in time are kept apart already
                yield _leak(view, target, name, score, len(rows))


def _leak(view: View, target: str, name: str, score: float, rows: int) -> Finding:
    metric = Note("checks.accuracy" if view.in_classes(target) else "checks.r2")
    is_date = view.examples.columns[name].kind == "date"
    advice = Note("checks.leak_date" if is_date else "checks.leak_column", column=name)
    fields = {"column": name, "target": target, "score": f"{score:.4f}", "rows": rows}
    return Finding(Note("checks.leak", metric=metric, advice=advice, **fields), "warning", (name,))


def class_sizes(view: View) -> Iterator[Finding]:
    """Classes of few rows, and classes of very unequal size."""
    for target in filter(view.in_classes, view.targets):
        counts = _counts(view.column(target))
        rare = counts.filter(pl.col("count") < RARE_CLASS)
        if len(rare):
            classes = listed([f"{name} ({count})" for name, count in rare.rows()])
            note = Note("checks.rare_classes", target=target, count=len(rare), limit=RARE_CLASS, classes=classes)
            yield Finding(note, "warning", (target,), int(rare["count"].sum()))
        if len(counts) > 1 and counts["count"][0] >= UNEQUAL * counts["count"][-1]:
            yield _imbalance(target, counts)


def _counts(series: pl.Series) -> pl.DataFrame:
    """class and count, the largest first; of several labels at once, each is counted."""
    labels = series.explode() if series.dtype == pl.List else series
    counts = labels.drop_nulls().value_counts()
    columns = [as_texts(counts.to_series(0)).alias("class"), counts["count"]]
    return pl.DataFrame(columns).sort("count", "class", descending=[True, False])


def _imbalance(target: str, counts: pl.DataFrame) -> Finding:
    shares = [(name, count / counts["count"].sum()) for name, count in counts.rows()]
    named = listed([f"{name} {_percent(share)} %" for name, share in shares])
    (largest, share), *_ = shares
    if share < LOPSIDED:
        return Finding(Note("checks.imbalance", target=target, shares=named), "info", (target,))
    percent = _percent(share)
    note = Note("checks.lopsided", target=target, shares=named, largest=largest, percent=percent)
    return Finding(note, "warning", (target,))


def texts(view: View) -> Iterator[Finding]:
    """Texts that hold nothing, and texts that are too long to be read at once."""
    for name in view.of_kind("text"):
        column = view.column(name)
        if is_kept(column):  # documents, of which those without text are left out already
            continue
        empty = column.str.strip_chars().str.len_bytes() == 0
        if empty.any():
            note = Note("checks.empty_texts", column=name, count=int(empty.sum()))
            yield view.finding(note, "info", empty, name)
        long = column.str.len_bytes() > LONG_TEXT
        if long.any() and view.targets:  # without a target a text is read in full, whatever its length
            note = Note("checks.long_texts", column=name, count=int(long.sum()), limit=LONG_TEXT)
            yield view.finding(note, "info", long, name)


def empty_sequences(view: View) -> Iterator[Finding]:
    """Sequences without a step."""
    for name in view.of_kind("sequence"):
        empty = view.column(name).list.len() == 0
        if empty.any():
            note = Note("checks.empty_sequences", column=name, count=int(empty.sum()))
            yield view.finding(note, "warning", empty, name)


def outliers(view: View) -> Iterator[Finding]:
    """Numbers, of inputs or targets, so far from the others that they look like slips or codes."""
    targets = [name for name in view.targets if view.examples.columns[name].kind == "number"]
    for name in (*view.of_kind("number"), *targets):
        column, some = view.column(name), view.some(name).drop_nulls()
        if some.is_empty():
            continue
        low, median, high = np.quantile(some, (0.25, 0.5, 0.75)).tolist()
        far = ((column - median).abs() > FAR_OUT * (high - low)).fill_null(False)
        if low < high and 0 < far.sum() <= max(1, FEW * len(column)):
            first = far.arg_max()
            fields = {"value": column[first], "median": median, "place": view.places(np.array([first]))[0]}
            note = Note("checks.outliers", column=name, count=int(far.sum()), **fields)
            yield view.finding(note, "warning", far, name)


Check = Callable[[View], Iterator[Finding]]
CHECKS: tuple[Check, ...] = (
    bad_rows,
    duplicates,
    leaking_columns,
    missing_values,
    words_among_numbers,
    class_sizes,
    outliers,
    texts,
    empty_sequences,
    nearly_constant_columns,
    unused_columns,
)


def _percent(share: float) -> str:
    """Up to two digits after the point, never "0" or "100" for what is not."""
    if share in (0, 1):
        return f"{100 * share:.0f}"
    return f"{min(max(100 * share, 0.01), 99.99):.3g}"
