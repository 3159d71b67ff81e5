"""The split's promises: nothing on two sides, nothing lost in silence, shares kept, past before future."""

from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from danlu.data.examples import ROW, Column, Examples, Origin, SourceFile
from danlu.data.split import Split, drop_duplicates, folds, labelled, split, without_overlap
from danlu.errors import DanluError
from danlu.recipe import SplitConfig
from danlu.words import Note

WHY = Note("split.random")
KINDS = {"x": "number", "a": "category", "y": "category", "group": "ignore", "when": "ignore"}


def examples_of(columns: dict, **kinds: str) -> Examples:
    frame = pl.DataFrame(columns)
    frame = frame.with_columns(pl.Series(ROW, np.arange(frame.height), dtype=pl.UInt32))
    described = {c: Column(c, (KINDS | kinds)[c], WHY) for c in columns}
    file = SourceFile("train.csv", "csv", "", 0, frame.height)
    return Examples(frame, described, Origin((file,)))


def table(rows: int, distinct: int, classes: int = 2, groups: int = 16, seed: int = 0) -> Examples:
    """Rows of at most `distinct` different inputs; equal inputs may be of two groups."""
    rng = np.random.default_rng(seed)
    content = rng.integers(0, distinct, rows)
    group = content % groups // 2 * 2 + rng.integers(0, 2, rows)
    return examples_of(
        {
            "x": content * 0.5,
            "a": [f"a{c % 7}" for c in content],
            "y": [f"class {c}" for c in rng.integers(0, classes, rows)],
            "group": group,
            "when": group * 5 + rng.integers(0, 12, rows),
        }
    )


def sides(parts: Split) -> list[np.ndarray]:
    return [parts.train, parts.validation, parts.test]


def shares(parts: Split) -> list[float]:
    sizes = np.array([len(side) for side in sides(parts)])
    return (sizes / sizes.sum()).tolist()


def on_two_sides(values: pl.Series | pl.DataFrame, parts: Split) -> set:
    """Values that occur on more than one side."""
    seen = [set(pl.DataFrame(values)[side].rows()) for side in sides(parts)]
    return (seen[0] & seen[1]) | (seen[0] & seen[2]) | (seen[1] & seen[2])


tables = st.builds(
    table,
    rows=st.integers(150, 400),
    distinct=st.integers(60, 2000),
    classes=st.integers(1, 12),
    groups=st.integers(16, 40),
    seed=st.integers(0, 2**31),
)
varied = st.builds(table, st.integers(150, 400), st.integers(400, 2000), seed=st.integers(0, 2**31))
seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=30, deadline=None)
random_configs = st.builds(
    SplitConfig,
    validation=st.sampled_from([0.0, 0.1, 0.25]),
    test=st.sampled_from([0.0, 0.1, 0.3]),
    stratify=st.booleans(),
    by=st.sampled_from([None, "group"]),
)


@few
@given(tables, random_configs, seeds)
def test_every_row_is_on_exactly_one_side(examples: Examples, config: SplitConfig, seed: int):
    parts = split(examples, ["y"], config, seed, "y")
    assert np.array_equal(np.sort(np.concatenate(sides(parts))), np.arange(len(examples)))


@few
@given(tables, random_configs, seeds)
def test_no_side_is_empty_that_was_asked_for(examples: Examples, config: SplitConfig, seed: int):
    parts = split(examples, ["y"], config, seed, "y")
    asked = [True, config.validation > 0, config.test > 0]
    assert [len(side) > 0 for side in sides(parts)] == asked


@few
@given(tables, random_configs, st.sampled_from([None, "when"]), seeds)
def test_equal_inputs_never_stand_on_two_sides(examples: Examples, config: SplitConfig, time: str | None, seed: int):
    config = config.model_copy(update={"time": time, "by": None} if time else {})
    parts = split(examples, ["y"], config, seed, "y")
    assert on_two_sides(examples.frame.select("x", "a"), parts) == set()


@few
@given(tables, seeds)
def test_a_group_never_stands_on_two_sides(examples: Examples, seed: int):
    parts = split(examples, ["y"], SplitConfig(by="group"), seed, "y")
    assert on_two_sides(examples.frame["group"], parts) == set()


@few
@given(st.integers(100, 300), seeds)
def test_a_group_never_stands_on_two_sides_of_a_split_by_time(rows: int, seed: int):
    when = np.random.default_rng(seed).integers(0, 60, rows)
    examples = examples_of({"x": np.arange(rows), "y": ["a"] * rows, "group": when // 2, "when": when})
    parts = split(examples, ["y"], SplitConfig(by="group", time="when"), seed, None)
    assert on_two_sides(examples.frame["group"], parts) == set()
    assert when[parts.train].max() < when[parts.validation].min()
    assert when[parts.validation].max() < when[parts.test].min()


@few
@given(st.integers(50, 1000), st.integers(1, 5), seeds)
def test_shares_are_kept_in_every_class(rows: int, classes: int, seed: int):
    examples = table(rows, distinct=10**9, classes=classes, seed=seed)
    parts = split(examples, ["y"], SplitConfig(), seed, "y")
    sizes = [len(side) for side in sides(parts)]
    assert np.allclose(sizes, np.array([0.8, 0.1, 0.1]) * rows, atol=4)
    total = examples.frame["y"].value_counts()
    for name, count in total.rows():
        held = [(examples.frame["y"][side] == name).sum() for side in sides(parts)]
        if count >= 3:
            assert np.allclose(held, np.array([0.8, 0.1, 0.1]) * count, atol=2)


@few
@given(st.integers(0, 100))
def test_shares_of_rows_are_kept_where_groups_are_uneven(seed: int):
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(200), rng.integers(1, 40, 200))
    examples = examples_of({"x": rng.normal(size=len(group)), "y": ["a"] * len(group), "group": group})
    parts = split(examples, ["y"], SplitConfig(by="group"), seed, None)
    assert shares(parts) == pytest.approx([0.8, 0.1, 0.1], abs=0.01)


@few
@given(tables, random_configs, seeds)
def test_the_same_seed_gives_the_same_split(examples: Examples, config: SplitConfig, seed: int):
    one, other = (split(examples, ["y"], config, seed, "y") for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(sides(one), sides(other), strict=True))


def test_another_seed_gives_another_split():
    examples = table(200, 10**9)
    tests = {tuple(split(examples, ["y"], SplitConfig(), seed, "y").test) for seed in range(5)}
    assert len(tests) == 5


def test_the_split_of_a_seed_never_changes_between_versions():
    examples = examples_of({"x": np.arange(20.0), "y": ["a", "b"] * 10})
    parts = split(examples, ["y"], SplitConfig(), 0, "y")
    assert [side.tolist() for side in sides(parts)[1:]] == [[1, 18], [14, 15]]


def test_a_class_with_too_few_rows_goes_to_train_and_is_named():
    examples = examples_of({"x": np.arange(102.0), "y": ["a"] * 60 + ["b"] * 40 + ["rare"] * 2})
    for seed in range(20):
        parts = split(examples, ["y"], SplitConfig(), seed, "y")
        assert {100, 101} <= set(parts.train)
        assert any("rare" in str(note) for note in parts.notes)


def test_classes_that_are_mostly_rare_still_give_all_shares():
    examples = examples_of({"x": np.arange(200.0), "y": [f"{i // 2}" for i in range(200)]})
    parts = split(examples, ["y"], SplitConfig(), 0, "y")
    assert shares(parts) == pytest.approx([0.8, 0.1, 0.1], abs=0.02)


def test_rows_without_a_group_are_each_their_own():
    examples = examples_of({"x": np.arange(100.0), "y": ["a"] * 100, "group": [None] * 90 + ["g"] * 10})
    parts = split(examples, ["y"], SplitConfig(by="group"), 0, None)
    assert shares(parts) == pytest.approx([0.8, 0.1, 0.1], abs=0.02)


def test_groups_and_duplicates_hold_together_over_many_steps():
    chain = {"x": np.arange(100) // 2 * 1.0, "y": ["a"] * 100, "group": (np.arange(100) + 1) // 2}
    loose = {"x": np.arange(200.0) + 1000, "y": ["a"] * 200, "group": np.arange(200) + 1000}
    examples = examples_of({name: np.concatenate([chain[name], loose[name]]) for name in chain})
    parts = split(examples, ["y"], SplitConfig(by="group"), 3, None)
    assert sum(np.isin(np.arange(100), side).any() for side in sides(parts)) == 1


@few
@given(varied, seeds)
def test_train_is_older_than_validation_and_validation_older_than_test(examples: Examples, seed: int):
    parts = split(examples, ["y"], SplitConfig(time="when"), seed, "y")
    when = examples.frame["when"].to_numpy()
    assert when[parts.train].max() < when[parts.validation].min()
    assert when[parts.validation].max() < when[parts.test].min()


@few
@given(varied)
def test_rows_left_out_of_a_split_by_time_are_those_with_an_equal_on_a_later_side(examples: Examples):
    parts = split(examples, ["y"], SplitConfig(time="when"), 0, None)
    out = np.setdiff1d(np.arange(len(examples)), np.concatenate(sides(parts)))
    inputs = examples.frame.select("x", "a")
    later = set(inputs[np.concatenate(sides(parts)[1:])].rows())
    assert all(row in later for row in inputs[out].rows())
    assert [n.fields["count"] for n in parts.notes if n.key == "split.left_out"] == ([len(out)] if len(out) else [])


def test_a_split_by_dates_keeps_the_shares():
    when = [datetime(2024, 1, 1) + timedelta(hours=i * 7 % 1000) for i in range(1000)]
    examples = examples_of({"x": np.arange(1000.0), "y": ["a"] * 1000, "when": when}, when="date")
    parts = split(examples, ["y"], SplitConfig(time="when"), 0, None)
    assert shares(parts) == [0.8, 0.1, 0.1]
    assert min(when[i] for i in parts.test) > max(when[i] for i in parts.validation)


@pytest.mark.parametrize("by", [None, "group"])
@few
@given(tables, st.integers(2, 6), seeds)
def test_every_row_is_the_test_of_exactly_one_fold(by: str | None, examples: Examples, k: int, seed: int):
    parts = list(folds(examples, ["y"], SplitConfig(by=by), k, seed, "y"))
    assert np.array_equal(np.sort(np.concatenate([p.test for p in parts])), np.arange(len(examples)))
    for part in parts:
        assert np.array_equal(np.sort(np.concatenate(sides(part))), np.arange(len(examples)))
        assert on_two_sides(examples.frame.select("x", "a"), part) == set()
        assert min(map(len, sides(part))) > 0


def test_folds_keep_the_share_of_each_class():
    examples = examples_of({"x": np.arange(300.0), "y": ["a"] * 200 + ["b"] * 100})
    for part in folds(examples, ["y"], SplitConfig(), 5, 0, "y"):
        assert [(part.test < 200).sum(), (part.test >= 200).sum()] == [40, 20]
        assert shares(part) == pytest.approx([0.8 * 8 / 9, 0.8 / 9, 0.2], abs=0.01)


@few
@given(varied, st.integers(2, 5))
def test_folds_by_time_train_on_the_past_only(examples: Examples, k: int):
    when = examples.frame["when"].to_numpy()
    parts = list(folds(examples, ["y"], SplitConfig(time="when"), k, 0, None))
    assert len(parts) == k
    for part in parts:
        assert when[part.train].max() < when[part.validation].min()
        assert when[part.validation].max() < when[part.test].min()
    assert all(when[a.test].max() < when[b.test].min() for a, b in pairwise(parts))


def test_leave_one_out_is_as_many_folds_as_rows():
    examples = examples_of({"x": np.arange(150.0), "y": ["a"] * 150})
    assert [len(p.test) for p in folds(examples, ["y"], SplitConfig(), 150, 0, None)] == [1] * 150


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (SplitConfig(by="grup"), r'data\.split\.by names the column "grup".*Nearest: group'),
        (SplitConfig(time="wen"), r'data\.split\.time names the column "wen".*Nearest: when'),
        (SplitConfig(time="a"), r'"a", which is of kind category and cannot be put in order'),
        (SplitConfig(validation=0.5, test=0.5), r"validation=0.5 and data\.split\.test=0.5 leave no rows"),
    ],
)
def test_a_setting_that_cannot_be_kept_is_refused(config: SplitConfig, message: str):
    with pytest.raises(DanluError, match=message):
        split(table(100, 100), ["y"], config, 0, "y")


def test_a_missing_time_is_named_by_row():
    examples = examples_of({"x": [1.0, 2.0, 3.0, 4.0], "y": ["a"] * 4, "when": [1, 2, None, None]})
    with pytest.raises(DanluError, match=r'train\.csv row 3, column "when": no time.*2 such row'):
        split(examples, ["y"], SplitConfig(time="when"), 0, None)


@pytest.mark.parametrize(
    ("config", "found"),
    [
        (SplitConfig(), "2 different row"),
        (SplitConfig(by="group"), "1 group"),
        (SplitConfig(time="when"), "2 diff"),
    ],
)
def test_too_few_rows_groups_or_times_are_counted_in_the_refusal(config: SplitConfig, found: str):
    columns = {"x": [1.0, 1.0, 2.0, 2.0], "y": ["a"] * 4, "group": [1] * 4, "when": [1, 1, 1, 2]}
    with pytest.raises(DanluError, match=f"the data have {found}"):
        split(examples_of(columns), ["y"], config, 0, None)


def test_rows_without_a_target_are_dropped_and_counted():
    examples = examples_of({"x": [1.0, 2.0, 3.0], "y": ["a", None, "b"]})
    rest, note = labelled(examples, ["y"])
    assert rest.frame["x"].to_list() == [1.0, 3.0]
    assert (note.fields["count"], note.fields["place"]) == (1, "train.csv row 2")
    assert labelled(rest, ["y"]) == (rest, None)


def test_a_target_that_is_no_number_counts_as_missing():
    examples = examples_of({"a": ["p", "q", "r"], "x": [1.0, float("nan"), None]})
    assert labelled(examples, ["x"])[0].frame["a"].to_list() == ["p"]
    with pytest.raises(DanluError, match="nothing to learn from"):
        labelled(examples.take([1, 2]), ["x"])


def test_dropping_duplicates_keeps_the_first_and_all_that_differ_in_the_target():
    examples = examples_of({"x": [1.0, 1.0, 2.0, 1.0, 2.0], "y": ["a", "a", "b", "c", "b"], "when": range(5)})
    rest, note = drop_duplicates(examples, ["y"])
    assert rest.frame[ROW].to_list() == [0, 2, 3]
    assert (note.fields["count"], note.fields["conflicting"]) == (2, 1)
    assert drop_duplicates(rest, ["y"]) == (rest, None)


def test_training_rows_that_stand_in_the_test_file_are_left_out():
    train = examples_of({"x": [1, 2, 3, 4], "a": ["p", "q", "r", None], "y": ["a", "b", "a", "b"]})
    test = examples_of({"x": [2.0, 3.0, 4.0], "a": ["q", "x", None], "y": ["other", "a", "b"]})
    rest, note = without_overlap(train, test, ["y"])
    assert rest.frame["x"].to_list() == [1, 3]
    assert (note.fields["count"], note.fields["place"]) == (2, "train.csv row 2")
    assert without_overlap(rest, test, ["y"]) == (rest, None)


def equal_pairs() -> dict[str, tuple[pl.Series, str]]:
    pixels = np.arange(3 * 4, dtype=np.uint8).reshape(3, 2, 2)
    steps = [[[1.0, 2.0], [3.0, 4.0]], [[1.0, 2.0]], [[1.0, 2.0], [4.0, 3.0]]]
    return {
        "number": (pl.Series([1.5, float("nan"), None]), "number"),
        "text": (pl.Series(["ab", "a b", None]), "text"),
        "pixels": (pl.Series(pixels), "image"),
        "bytes": (pl.Series([b"a", b"b", b"ab"]), "image"),
        "sequence": (pl.Series([[1.0, 2.0], [2.0, 1.0], []], dtype=pl.List(pl.Float32)), "sequence"),
        "channels": (pl.Series(steps, dtype=pl.List(pl.Array(pl.Float32, 2))), "sequence"),
        "date": (pl.Series([datetime(2024, 1, 1), datetime(2024, 1, 2), None]), "date"),
    }


@pytest.mark.parametrize("kind", equal_pairs())
def test_equal_contents_of_every_kind_are_found(kind: str):
    values, column_kind = equal_pairs()[kind]
    twice = pl.concat([values, values]).alias("x")
    examples = examples_of({"x": twice, "y": ["a", "b"] * 3}, x=column_kind)
    for seed in range(10):
        parts = split(examples, ["y"], SplitConfig(), seed, None)
        assert all(len(side) == 2 and side[0] + 3 == side[1] for side in sides(parts))


def test_images_in_files_are_compared_by_their_bytes(tmp_path: Path):
    contents = [b"one", b"two", b"longer", b"one"]
    paths = [str(tmp_path / f"{i}.png") for i in range(4)]
    for path, content in zip(paths, contents, strict=True):
        Path(path).write_bytes(content)
    examples = examples_of({"x": [*paths, str(tmp_path / "missing.png")], "y": ["a"] * 5}, x="image")
    rest, _ = drop_duplicates(examples, ["y"])
    assert rest.frame[ROW].to_list() == [0, 1, 2, 4]


def test_a_split_by_time_that_leaves_nothing_to_train_on_is_refused():
    examples = examples_of({"x": np.arange(9.0), "y": ["a"] * 9, "group": [1, 2, 3] * 3, "when": range(9)})
    with pytest.raises(DanluError, match="no row is left on an earlier side"):
        split(examples, ["y"], SplitConfig(by="group", time="when", test=0.3, validation=0.3), 0, None)
