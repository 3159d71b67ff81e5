"""What the checks promise to find, what they must not cry about, and that they name the rows."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from danlu.data.checks import Finding, check
from danlu.data.examples import ROW, BadRow, Column, Examples, Origin, SourceFile
from danlu.data.kinds import infer_columns
from danlu.data.split import split
from danlu.recipe import DataConfig, SplitConfig
from danlu.words import Note

ROWS = 2000


def examples_of(columns: dict, kinds: dict[str, str], bad_rows: tuple[BadRow, ...] = ()) -> Examples:
    frame = pl.DataFrame(columns)
    rows = pl.Series(ROW, np.arange(frame.height), dtype=pl.UInt32)
    described = {name: Column(name, kind, Note("data.kind.set", kind=kind)) for name, kind in kinds.items()}
    origin = Origin((SourceFile("train.csv", "csv", "", 0, frame.height),), bad_rows)
    return Examples(frame.with_columns(rows), described, origin)


def clean(rows: int = ROWS, **columns: tuple) -> Examples:
    """Two numbers and two even classes that have nothing to do with each other, and `columns` beside them."""
    rng = np.random.default_rng(0)
    values = {"x": rng.normal(size=rows), "z": rng.normal(size=rows), "y": rng.permutation(["no", "yes"] * (rows // 2))}
    kinds = {"x": "number", "z": "number", "y": "category"}
    values |= {name: column for name, (column, _) in columns.items()}
    kinds |= {name: kind for name, (_, kind) in columns.items()}
    return examples_of(values, kinds)


def found(examples: Examples, *targets: str, classification: bool = True) -> dict[str, Finding]:
    """Findings by the key of their sentence (the last of each)."""
    return {f.note.key.removeprefix("checks."): f for f in check(examples, targets or ("y",), classification)}


def binary() -> np.ndarray:
    return (clean().frame["y"] == "yes").to_numpy()


def test_clean_data_have_no_findings():
    assert check(clean(), ["y"], True) == []
    assert check(clean(), ["z"], False) == []


@pytest.mark.parametrize("classification", [True, False])
def test_each_of_several_targets_is_checked_as_its_own_kind(classification: bool):
    price = np.random.default_rng(1).normal(size=ROWS)
    examples = clean(price=(price, "number"), tax=(price * 3 + 1, "number"), code=(binary() * 2.0, "number"))
    findings = [f.note for f in check(examples, ["y", "price"], classification)]
    told = {(note.fields["column"], note.fields["target"]): note.fields["metric"].key for note in findings}
    assert told == {("tax", "price"): "checks.r2", ("code", "y"): "checks.accuracy"}  # and no class sizes of `price`


def test_missing_values_are_counted_and_named_by_row():
    column = [None if i in (3, 70) else float(i % 97) for i in range(ROWS)]
    finding = found(clean(a=(column, "number")))["missing"]
    assert (finding.count, finding.columns, finding.level) == (2, ("a",), "info")
    assert finding.rows == ("train.csv row 4", "train.csv row 71")


def test_a_column_that_is_mostly_missing_is_a_warning():
    column = [None if i % 3 else str(i % 7) for i in range(ROWS)]
    assert found(clean(a=(column, "category")))["missing"].level == "warning"


def test_gaps_in_many_columns_are_told_in_few_sentences():
    rng = np.random.default_rng(1)
    gaps = {f"c{i}": ([None, *rng.normal(size=ROWS - 1)], "number") for i in range(30)}
    findings = [f for f in check(clean(**gaps), ["y"], True) if f.note.key.startswith("checks.missing")]
    assert len(findings) == 11
    assert {name for f in findings for name in f.columns} == set(gaps)
    assert sum(f.count for f in findings) == 30


def test_duplicates_and_conflicts_are_told_apart():
    base = clean(100)
    doubled = base.frame[[*range(100), 0, 0, 1]].with_columns(
        y=pl.Series([*base.frame["y"], *base.frame["y"][[0, 0]], "other"]),
        **{ROW: pl.Series(np.arange(103), dtype=pl.UInt32)},
    )
    findings = found(Examples(doubled, base.columns, Origin((SourceFile("a.csv", "csv", "", 0, 103),))))
    duplicates, conflicts = findings["duplicates"], findings["conflicts"]
    assert (duplicates.count, duplicates.rows) == (2, ("a.csv row 101", "a.csv row 102"))
    assert (conflicts.count, conflicts.rows) == (2, ("a.csv row 2", "a.csv row 103"))
    assert conflicts.level == "warning"


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (binary() * 2.0 + 1, "number"),
        (np.where(binary(), np.random.default_rng(2).normal(5, 1, ROWS), -np.arange(ROWS)), "number"),
        (np.where(binary(), "paid", "open"), "category"),
        (binary(), "boolean"),
        ([0.3 if yes else None for yes in binary()], "number"),
    ],
    ids=["number", "threshold", "category", "boolean", "missing exactly where no"],
)
def test_a_column_that_tells_the_class_is_a_leak(column: object, kind: str):
    leak = found(clean(a=(column, kind)))["leak"]
    assert (leak.columns, leak.level) == (("a",), "warning")
    assert "data.columns.a=ignore" in str(leak.note)


def lognormal(sigma: float) -> np.ndarray:
    return np.exp(np.random.default_rng(3).normal(0, sigma, ROWS))


@pytest.mark.parametrize(
    ("column", "target"),
    [
        (lognormal(3) * 7.1 + 2, lognormal(3)),
        (np.log(lognormal(1)), lognormal(1)),
        (lognormal(0.3) + np.random.default_rng(4).normal(0, 0.02, ROWS), lognormal(0.3)),
        (np.arange(ROWS) % 50, np.sin(np.arange(ROWS) % 50)),
    ],
    ids=["line, long tail", "curve, long tail", "line with noise", "table"],
)
def test_a_column_that_tells_the_number_is_a_leak(column: np.ndarray, target: np.ndarray):
    examples = clean(a=(column, "number"), price=(target, "number"))
    assert found(examples, "price", classification=False)["leak"].columns == ("a",)


def test_a_good_column_is_no_leak():
    rng = np.random.default_rng(5)
    wrong = rng.random(ROWS) < 0.04
    assert "leak" not in found(clean(a=(np.where(binary() ^ wrong, "open", "paid"), "category")))
    noisy = clean(a=(lognormal(0.3) + rng.normal(0, 0.06, ROWS), "number"), price=(lognormal(0.3), "number"))
    assert "leak" not in found(noisy, "price", classification=False)


def test_a_rare_class_alone_makes_no_leak():
    rng = np.random.default_rng(6)
    rare = np.where(rng.random(ROWS) < 0.01, "rare", "often")
    assert "leak" not in found(clean(y=(rare, "category")))


def test_a_name_that_differs_in_every_row_is_no_leak_even_where_rows_are_repeated():
    base = clean(400, a=([f"name {i}" for i in range(400)], "category"))
    frame = base.frame[np.tile(np.arange(400), 5)]
    assert "leak" not in found(Examples(frame, base.columns, base.origin))


def test_a_single_input_is_never_a_leak():
    x = np.arange(ROWS) * 1.0
    examples = examples_of({"x": x, "y": 3 * x + 2}, {"x": "number", "y": "number"})
    assert "leak" not in found(examples, classification=False)


def test_leaks_are_judged_by_training_rows_alone():
    examples = clean(a=(binary() * 1.0, "number"))
    parts = split(examples, ["y"], SplitConfig(), 0, "y")
    column = examples.frame["a"].to_numpy(writable=True)
    held_out = np.concatenate([parts.validation, parts.test])
    column[held_out] = 1 - column[held_out]
    changed = Examples(examples.frame.with_columns(a=column), examples.columns, examples.origin)
    leak = next(f for f in check(changed, ["y"], True, parts) if f.note.key == "checks.leak")
    assert leak.note.fields["score"] == "1.0000"


def test_a_date_that_tells_the_target_calls_for_a_split_by_time():
    when = pl.datetime_range(pl.datetime(2020, 1, 1), pl.datetime(2026, 1, 1), "1d", eager=True)[:ROWS]
    wave = np.sin(np.arange(ROWS) / 50)
    examples = clean(when=(when, "date"), price=(wave, "number"))
    assert "data.split.time=when" in str(found(examples, "price", classification=False)["leak"].note)
    parts = split(examples, ["price"], SplitConfig(time="when"), 0, None)
    assert all(f.note.key != "checks.leak" for f in check(examples, ["price"], False, parts))


def test_classes_with_few_rows_are_named():
    classes = ["a"] * 1000 + ["b"] * 993 + ["c"] * 4 + ["d"] * 3
    rare = found(clean(y=(classes, "category")))["rare_classes"]
    assert rare.count == 7
    assert rare.note.fields["classes"] == "c (4), d (3)"


def test_unequal_classes_are_told_with_their_shares():
    even = ["a"] * 900 + ["b"] * 700 + ["c"] * 400
    uneven = ["a"] * 1400 + ["b"] * 400 + ["c"] * 200
    lopsided = ["a"] * 1900 + ["b"] * 100
    assert not found(clean(y=(even, "category")))
    assert found(clean(y=(uneven, "category")))["imbalance"].note.fields["shares"] == "a 70 %, b 20 %, c 10 %"
    assert found(clean(y=(lopsided, "category")))["lopsided"].level == "warning"


def test_several_labels_at_once_are_counted_each():
    labels = [["a", "b"] if i % 2 else ["a"] if i % 20 else ["a", "c"] for i in range(ROWS)]
    findings = found(clean(tags=(labels, "labels")), "tags")
    assert findings["imbalance"].note.fields["shares"].startswith("a 6")


def test_columns_that_are_ignored_for_what_they_hold_are_told():
    examples = clean()
    column = Column("z", "ignore", Note("data.kind.constant", value="7"))
    examples = Examples(examples.frame, {**examples.columns, "z": column}, examples.origin)
    unused = found(examples)["unused"]
    assert unused.columns == ("z",)
    assert 'always "7"' in str(unused.note)


def test_a_nearly_constant_column_names_the_rows_that_differ():
    column = ["same"] * ROWS
    column[10] = column[1990] = "other"
    finding = found(clean(a=(column, "category")))["nearly_constant"]
    assert (finding.count, finding.rows) == (2, ("train.csv row 11", "train.csv row 1991"))


def test_a_code_among_numbers_is_an_outlier_and_a_long_tail_is_not():
    column = np.random.default_rng(7).integers(18, 80, ROWS)
    column[5] = 99999
    outlier = found(clean(a=(column, "number")))["outliers"]
    assert (outlier.rows, outlier.note.fields["value"]) == (("train.csv row 6",), 99999)
    assert "99999 in train.csv row 6" in outlier.note.text("en")
    assert "outliers" not in found(clean(a=(lognormal(3), "number")))


@pytest.mark.parametrize(
    ("kind", "cells"),
    [
        ("numbers", [f"{i}" for i in range(30, 90)]),
        ("numbers", [f"1.0{i},50 €" for i in range(30, 90)]),
        ("dates", [f"{day}.{month}.1999" for day in range(1, 29) for month in (3, 11)]),
    ],
)
def test_words_that_make_a_column_of_numbers_or_dates_one_of_words_are_named(kind: str, cells: list[str]):
    column = (cells * ROWS)[:ROWS]
    for row in range(4, ROWS, 20):
        column[row] = "n.v."
    examples = clean(a=(column, "category"))
    inferred = infer_columns(examples.frame, DataConfig(target="y"))["a"]
    finding = found(replace(examples, columns={**examples.columns, "a": inferred}))["words_among"]
    assert (finding.count, finding.rows[0], finding.level) == (100, "train.csv row 5", "warning")
    assert finding.note.fields["kinds"].key == f"checks.{kind}"
    assert 'data.missing=["n.v."]' in finding.note.text("en")


def test_few_codes_and_mixed_names_are_no_numbers_among_words():
    codes = ["0", "1", "2", "3+"] * (ROWS // 4)
    tickets = [f"A/{i}" if i % 5 == 0 else str(i) for i in range(ROWS)]
    examples = clean(a=(codes, "category"), b=(tickets, "category"))
    inferred = infer_columns(examples.frame, DataConfig(target="y"))
    assert "words_among" not in found(replace(examples, columns=inferred))


def test_empty_and_very_long_texts_are_named():
    column = [f"text {i}" for i in range(ROWS)]
    column[1], column[2] = " \n", "long " * 5000
    findings = found(clean(a=(column, "text")))
    assert findings["empty_texts"].rows == ("train.csv row 2",)
    assert findings["long_texts"].rows == ("train.csv row 3",)


def test_empty_sequences_are_named():
    column = pl.Series([[float(i)] for i in range(ROWS - 1)] + [[]], dtype=pl.List(pl.Float32))
    assert found(clean(a=(column, "sequence")))["empty_sequences"].rows == (f"train.csv row {ROWS}",)


def test_rows_that_could_not_be_read_are_named():
    reason = Note("data.image.missing")
    examples = clean()
    origin = Origin(examples.origin.files, (BadRow(7, reason), BadRow(9, reason)))
    finding = found(Examples(examples.frame, examples.columns, origin))["bad_rows"]
    assert (finding.count, finding.rows) == (2, ("train.csv row 8", "train.csv row 10"))
    assert "there is no image" in str(finding.note)


def test_findings_of_every_kind_of_column_are_read_back_as_written():
    columns = {
        "pixels": (pl.Series(np.zeros((ROWS, 2, 2), np.uint8)), "image"),
        "steps": (pl.Series([[]] * ROWS, dtype=pl.List(pl.Float32)), "sequence"),
        "day": (pl.datetime_range(pl.datetime(2020, 1, 1), pl.datetime(2026, 1, 1), "1d", eager=True)[:ROWS], "date"),
        "flag": ([True] * (ROWS - 1) + [False], "boolean"),
        "tags": ([["a"]] * ROWS, "labels"),
        "remark": ([""] * ROWS, "text"),
    }
    findings = check(clean(**columns), ["y"], True)
    assert {f.columns[0] for f in findings if f.columns} == {"steps", "flag", "remark"}
    assert [Finding.from_json(f.to_json()) for f in findings] == findings


def test_warnings_come_first_and_progress_is_told():
    told = []
    column = [None] * 1500 + ["b"] * 500
    findings = check(
        clean(a=(column, "category"), b=([None, *["c", "d"] * 999, "c"], "category")),
        ["y"],
        True,
        progress=lambda note, done, total: told.append((done, total)),
    )
    assert [f.level for f in findings] == ["warning", "info"]
    assert told == [(i, told[0][1]) for i in range(told[0][1])]


def test_a_target_that_never_changes_makes_no_leak():
    examples = clean(price=(np.ones(ROWS), "number"))
    assert "leak" not in found(examples, "price", classification=False)
