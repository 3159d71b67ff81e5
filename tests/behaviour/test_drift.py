"""Drift: what moved is found, what chance alone does is not, and nothing of any row is kept."""

import dataclasses
import json

import numpy as np
import polars as pl
import pytest
from scipy import stats

import danlu
from danlu.drift import verdict
from danlu.drift.reference import Reference
from danlu.drift.signals import Key, Values, edges_of, fitted
from danlu.drift.stability import chance, psi, share_rises
from danlu.drift.verdict import Finding, findings
from danlu.drift.window import BLOCKS, Window
from danlu.words import sentences

CITIES = np.array([0, 1, 2, 3, 4, 5, 6, 7])  # unseen, missing, five values, the rest


def columns(rng: np.random.Generator, rows: int) -> dict[Key, Values]:
    """Fifty columns: normal, heavy-tailed, counts with ties, with gaps, many rare values, one common value."""
    found = {}
    rare = 1 / np.arange(1, 201) ** 1.1
    for number in range(50):
        kind = number % 6
        if kind < 4:
            drawn = (rng.normal(size=rows), rng.lognormal(0, 2, rows), rng.poisson(0.3, rows), rng.normal(size=rows))
            values = drawn[kind].astype(np.float64)
            values[rng.random(rows) < (0.03 if kind == 3 else 0)] = np.nan
            found[Key("input", f"column {number}", "value")] = Values(values)
        else:
            places = (
                rng.choice(200, rows, p=rare / rare.sum()) if kind == 4 else rng.choice(3, rows, p=(0.9, 0.09, 0.01))
            )
            places = np.where(places > 150, 0, np.minimum(2 + places, 32))
            found[Key("input", f"column {number}", "category")] = Values(places, 33)
    return found


def told(reference: dict[Key, Values], today: dict[Key, Values]) -> list[Finding]:
    """What moved between rows of two times."""
    signals = [fitted(key, values) for key, values in reference.items()]
    window = Window(signals)
    window.add(today, max(len(values.values) for values in today.values()))
    counts, means, _, _ = window.newest()
    return findings(signals, counts, means, {})


def moved(found: list[Finding]) -> dict[str, set[str]]:
    """Column → why it moved."""
    return {each.signal.column: {note.key for note in each.why} for each in found if each.status == "moved"}


def test_psi_is_the_symmetric_divergence_of_the_shares() -> None:
    rng = np.random.default_rng(0)
    p, q = rng.dirichlet(np.ones(8)), rng.dirichlet(np.ones(8))
    counts = [np.round(shares * 1e12).astype(np.int64) for shares in (p, q)]
    assert psi(*counts) == pytest.approx(stats.entropy(p, q) + stats.entropy(q, p), rel=1e-6)


def test_psi_is_finite_where_bins_are_empty_and_zero_where_nothing_differs() -> None:
    one, other = np.array([0, 100, 0]), np.array([0, 0, 100])
    assert 1 < psi(one, other) < 20
    assert psi(one, one) == 0.0
    assert psi(one, np.zeros(3, np.int64)) == 0.0
    assert psi(one * 7, one) == pytest.approx(0.0)


@pytest.mark.parametrize(("reference", "today"), [(300, 300), (2000, 500), (500, 10_000)])
def test_chance_passes_its_bound_as_often_as_it_says(reference: int, today: int) -> None:
    rng, shares = np.random.default_rng(1), np.full(10, 0.1)
    drawn = [(rng.multinomial(reference, shares), rng.multinomial(today, shares)) for _ in range(4000)]
    beyond = np.mean([psi(one, other) > chance(one, other, 0.05) for one, other in drawn])
    assert 0.03 < beyond < 0.07


@pytest.mark.parametrize("reference", [60, 500])
@pytest.mark.parametrize("today", [200, 500, 5000])
def test_rows_of_the_same_kind_raise_no_alarm_in_fifty_columns(reference: int, today: int) -> None:
    for seed in range(6):
        rng = np.random.default_rng(seed)
        found = told(columns(rng, reference), columns(rng, today))
        assert {each.status for each in found} == {"stable"}


def test_what_moved_is_found_and_nothing_else() -> None:
    rng = np.random.default_rng(7)
    reference, today = columns(rng, 600), columns(rng, 600)

    def change(number: int, values: np.ndarray) -> None:
        key = next(key for key in today if key.column == f"column {number}")
        today[key] = dataclasses.replace(today[key], values=values)

    def of(number: int) -> np.ndarray:
        return next(values.values for key, values in today.items() if key.column == f"column {number}").copy()

    hidden, unknown = of(15), of(16)
    hidden[:200] = np.nan
    unknown[unknown == 2] = 0
    change(0, of(0) + 1.0)  # a shift
    change(6, of(6) * 25.4)  # another unit
    change(2, np.full(600, 0.0))  # a sensor that says nothing any more
    change(15, hidden)
    change(16, unknown)
    found = moved(told(reference, today))
    assert found.keys() == {f"column {number}" for number in (0, 6, 2, 15, 16)}
    assert "drift.psi" in found["column 0"]
    assert "drift.outside" in found["column 6"]
    assert "drift.missing" in found["column 15"]
    assert "drift.unseen" in found["column 16"]


def test_few_rows_say_nothing() -> None:
    key = Key("input", "a", "value")
    few, many = Values(np.zeros(verdict.LEAST_ROWS - 1)), Values(np.arange(5000.0))
    assert [each.status for each in told({key: many}, {key: few})] == ["few"]
    assert [each.status for each in told({key: Values(np.zeros(10))}, {key: many})] == ["few"]
    assert [each.status for each in told({key: many}, {key: Values(np.zeros(verdict.LEAST_ROWS))})] == ["moved"]


@pytest.mark.parametrize(
    ("measure", "before", "now", "worse"),
    [
        ("confidence", 0.9, 0.8, "drift.confidence"),
        ("confidence", 0.8, 0.9, None),
        ("unknown", 0.1, 0.3, "drift.unknown"),
    ],
)
def test_confidence_that_falls_is_told_and_what_is_better_is_not(
    measure: str, before: float, now: float, worse: str | None
) -> None:
    rng = np.random.default_rng(0)
    key = Key("prediction", "label", measure)  # type: ignore[arg-type]
    drawn = [Values(rng.normal(mean, 0.05, 1000).clip(0, 1)) for mean in (before, now)]
    why = moved(told({key: drawn[0]}, {key: drawn[1]}))["label"]
    assert {each for each in why if each not in ("drift.psi", "drift.outside")} == ({worse} if worse else set())


def test_a_rare_value_that_comes_once_is_no_alarm_but_many_are() -> None:
    assert not share_rises(0, 1000, 1, 500, 1e-5)
    assert share_rises(0, 1000, 25, 500, 1e-5)
    assert not share_rises(50, 1000, 25, 500, 1e-5)


@pytest.mark.parametrize(
    "values",
    [
        np.zeros(100),
        np.array([0.0] * 95 + [1, 2, 3, 4, 5]),
        np.array([-1.0] * 5 + [0.0] * 95),
        np.repeat(np.arange(3.0), 50),
        np.random.default_rng(0).normal(size=1000).round(1),
        np.array([1e300, -1e300] * 50),
        0.25 + 1e-9 * np.random.default_rng(0).normal(size=100),
    ],
)
def test_no_value_lies_on_an_edge_and_none_of_the_reference_outside(values: np.ndarray) -> None:
    signal = fitted(Key("input", "a", "value"), Values(values))
    assert not set(signal.edges or ()) & set(values)
    assert list(signal.edges or ()) == sorted(set(signal.edges or ()))
    assert len(signal.counts) <= 35
    assert sum(signal.counts) == len(values)
    assert sum(signal.counts[each] for each in (*signal.unseen, signal.missing)) == 0
    assert np.isfinite(signal.mean)


def test_a_value_that_fills_a_bin_has_one_of_its_own() -> None:
    signal = fitted(Key("input", "a", "value"), Values(np.array([-1.0] * 5 + [0.0] * 95 + [1.0] * 5)))
    assert [count for count in signal.counts if count] == [5, 95, 5]


def test_quantile_bins_hold_equally_many_where_all_values_differ() -> None:
    signal = fitted(Key("input", "a", "value"), Values(np.random.default_rng(0).permutation(1000.0 * np.arange(1000))))
    assert [count for count in signal.counts if count] == [100] * 10


def test_gaps_and_infinite_numbers_are_missing() -> None:
    signal = fitted(Key("input", "a", "value"), Values(np.array([np.nan, np.inf, -np.inf, *np.arange(97.0)])))
    assert signal.counts[signal.missing] == 3
    assert signal.mean == pytest.approx(np.arange(97).mean())
    assert edges_of(np.array([])) == ()


def test_the_window_counts_the_newest_rows_in_memory_that_does_not_grow() -> None:
    key, rng = Key("input", "a", "value"), np.random.default_rng(0)
    window = Window([fitted(key, Values(rng.normal(size=500)))], rows=1000)
    drawn = [rng.normal(number / 50, 1, 7) for number in range(1000)]
    sizes = set()
    for number, values in enumerate(drawn):
        window.add({key: Values(values)}, len(values))
        if number > 500:
            sizes.add(sum(block.counts.nbytes + block.sums.nbytes for block in window._blocks))
    (counts,), (mean,), rows, _ = window.newest()
    newest = np.concatenate(drawn)[-rows:]
    assert 1000 <= rows <= 1000 + 2 * 1000 / BLOCKS
    assert counts.tolist() == window.signals[0].counted(Values(newest)).tolist()
    assert mean == pytest.approx(newest.mean())
    assert len(sizes) == 1


def test_each_of_the_sentences_of_drift_is_chinese_in_chinese() -> None:
    said = {key: texts for key, texts in sentences().items() if key.startswith("drift.")}
    assert len(said) > 40
    assert not [key for key, (english, _) in said.items() if any("\u4e00" <= c <= "\u9fff" for c in english)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> danlu.Run:
    """A run over a table of every kind of column, some of them empty."""
    rng = np.random.default_rng(0)
    rows = 400
    texts = [" ".join(rng.choice(["warm", "dull", "long", "film"], 5)) for _ in range(rows)]
    frame = pl.DataFrame(
        {
            "size": [None if i % 9 == 4 else size for i, size in enumerate(rng.normal(50, 9, rows).tolist())],
            "city": rng.choice(["Rome", "Oslo", "Lima"], rows),
            "seen": pl.Series([f"2024-{1 + i % 12:02}-{1 + i % 28:02}" for i in range(rows)]),
            "lift": rng.random(rows) < 0.3,
            "text": texts,
            "secret": [f"only-{i % 40}" for i in range(rows)],
            "label": rng.choice(["yes", "no"], rows),
        }
    )
    model = {"family": "mlp", "width": 8}
    folder = tmp_path_factory.mktemp("drift") / "run"
    columns = {"text": "text", "secret": "category", "size": "number"}
    return danlu.train(
        frame, target="label", model=model, out=folder, quiet=True, train__epochs=None, train__steps=3,
        evaluate__baseline=False, evaluate__bootstrap=0, data__columns=columns,
    )  # fmt: skip


def test_a_run_keeps_counts_and_nothing_of_the_rows(run: danlu.Run) -> None:
    content = json.loads((run.folder / "drift.json").read_text())
    reference = Reference.from_json(content)
    assert reference.of in ("test", "held_out")
    assert {signal.column for signal in reference.signals} >= {"text", "label"}
    assert all(sum(signal.counts) == reference.rows for signal in reference.signals)
    texts = set(strings(content))
    assert texts <= {"test", "held_out", "input", "prediction", *(signal.column for signal in reference.signals)} | {
        signal.measure for signal in reference.signals
    }


def strings(content: object) -> list[str]:
    """All texts in values, however deep."""
    if isinstance(content, dict):
        return [text for value in content.values() for text in strings(value)]
    if isinstance(content, list):
        return [text for value in content for text in strings(value)]
    return [content] if isinstance(content, str) else []


def test_a_run_whose_reference_was_altered_says_so(run: danlu.Run) -> None:
    content = json.loads((run.folder / "drift.json").read_text())
    with pytest.raises(ValueError, match="edges"):
        Reference.from_json(content | {"signals": [content["signals"][0] | {"edges": "none"}]})


def test_the_signal_of_a_reference_is_what_json_says(run: danlu.Run) -> None:
    content = json.loads((run.folder / "drift.json").read_text())
    assert json.loads(json.dumps(Reference.from_json(content).to_json())) == content


def test_an_empty_measure_is_no_error(run: danlu.Run) -> None:
    reference = Reference.from_json(json.loads((run.folder / "drift.json").read_text()))
    window = Window(reference.signals)
    counts, means, rows, _ = window.newest()
    assert rows == 0
    assert {each.status for each in findings(reference.signals, counts, means, {})} == {"few"}
    assert {type(each.to_json("zh")["psi"]) for each in findings(reference.signals, counts, means, {})} == {float}
