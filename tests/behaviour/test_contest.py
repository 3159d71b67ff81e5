"""Benchmarks: ratios are those of rounds, unequal quality is told, and tables replace what stood there before."""

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def contest(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.setattr(sys, "argv", ["benchmarks/quick.py", "--rounds", "3", "--write"])
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    import contest

    return contest


def runs(*speeds, quality=0.9):
    return [{"speed": speed, "quality": quality} for speed in speeds]


def test_a_ratio_is_the_median_of_those_within_rounds(contest):
    """Where the machine slows down for a round, it does so for both."""
    head, _, ours, theirs = contest.table({"danlu": runs(100, 10, 120), "other": runs(50, 5, 40)}, "rows/s", "accuracy")
    assert head == "| `benchmarks/quick.py --rounds 3` | rows/s | danlu is … times as fast | accuracy |"
    assert ours == "| danlu | 100 | 1 | 0.9000 |"
    assert theirs == "| other | 40 | 2.00 (2.00–3.00) | 0.9000 |"


def test_a_contestant_of_other_quality_is_named(contest):
    results = {
        "danlu": runs(1),
        "near": runs(1, quality=0.91),
        "far": runs(1, quality=0.8),
        "none": runs(1, quality=float("nan")),
    }
    same, told = contest.compared(results, "accuracy", 0.02)
    assert not same
    assert "far by 0.1000" in told
    assert "none" in told
    assert "near" not in told
    assert contest.compared({"danlu": runs(1), "near": runs(1, quality=0.91)}, "accuracy", 0.02)[0]


def test_a_table_takes_the_place_of_the_one_before(contest, tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text("# Figures\n\n<!-- quick -->\nold\n<!-- end of quick -->\n\nwords\n", encoding="utf-8")
    monkeypatch.setattr(contest, "DOCUMENT", page)
    contest.report(["new \\1", "rows"], write=True)
    contest.report(["other"], write=True, name="quick part")
    wanted = "# Figures\n\n<!-- quick -->\nnew \\1\nrows\n<!-- end of quick -->\n\nwords\n"
    assert page.read_text(encoding="utf-8") == f"{wanted}\n<!-- quick part -->\nother\n<!-- end of quick part -->\n"
    contest.report(["unwritten"], write=False)
    assert "unwritten" not in page.read_text(encoding="utf-8")


def test_every_benchmark_is_a_row_of_the_page_and_of_make(contest):
    text = contest.DOCUMENT.read_text(encoding="utf-8").partition("## Figures")[0]
    names = {path.stem for path in BENCHMARKS.glob("*.py")} - {"contest", "behind_litserve"}
    made = (BENCHMARKS.parent / "Makefile").read_text(encoding="utf-8").partition("BENCHES := ")[2].splitlines()[0]
    assert {*made.split()} == names
    assert not [name for name in names if f"{name}.py`" not in text]
