"""Answers in a file can be matched with the rows that were asked, whose cells come back as they were written."""

from pathlib import Path

import polars as pl
import pytest

import danlu
from danlu.cli import app

DAYS = [f"{1 + i % 28:02}.{1 + i % 12:02}.2024" for i in range(60)]
ROWS = {
    "day": DAYS,
    "paid": ["yes" if i % 3 else "no" for i in range(60)],
    "share": [f"{i} %" for i in range(60)],
    "size": [str(i / 4) for i in range(60)],
    "kind": ["low" if i < 30 else "high" for i in range(60)],
}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    pl.DataFrame(ROWS).write_csv(folder / "rows.csv")
    settings = {"train__steps": 2, "evaluate__bootstrap": 0, "evaluate__baseline": False, "data__max_bad_rows": 0.5}
    return danlu.train(
        folder / "rows.csv", target="kind", model="mlp", out=folder / "run", quiet=True, **settings
    ).folder


@pytest.fixture
def asked(tmp_path) -> Path:
    """Four rows, of which the second and third cannot be read."""
    rows = {name: values[:4] for name, values in ROWS.items() if name != "kind"} | {"size": ["1.5", "big", "", "2"]}
    rows["day"] = [*DAYS[:2], "soon", DAYS[3]]
    pl.DataFrame(rows).write_csv(tmp_path / "new.csv")
    return tmp_path / "new.csv"


def answered(run: Path, asked: Path, *options: str) -> pl.DataFrame:
    out = asked.with_name("answers.csv")
    app(["predict", str(run), str(asked), "--out", str(out), *options], standalone_mode=False)
    return pl.read_csv(out, infer_schema=False)


def test_the_number_of_a_row_tells_which_have_no_prediction(run, asked, capsys):
    told = answered(run, asked, "--row-numbers")
    assert told.columns[0] == "row"
    assert told["row"].to_list() == ["1", "4"]
    assert "--row-numbers" in capsys.readouterr().err
    assert "row" not in answered(run, asked).columns


def test_rows_beyond_the_first_piece_are_numbered_on(run, tmp_path):
    pl.DataFrame(ROWS).write_csv(tmp_path / "new.csv")
    predictor = danlu.load(run)
    pieces = predictor.predict_stream(str(tmp_path / "new.csv"), 25, row_numbers=True)
    assert pl.concat(pieces)["row"].to_list() == list(range(1, 61))


def test_dates_booleans_and_decorated_numbers_come_back_as_they_were_written(run, asked):
    told, given = answered(run, asked), pl.read_csv(asked, infer_schema=False)
    assert told.select("day", "paid", "share").equals(given[[0, 3]].select("day", "paid", "share"))


def test_a_text_is_numbered_too(run, capsys):
    row = '{"day": "01.02.2024", "paid": "no", "share": "3 %", "size": 2}'
    app(["predict", str(run), "--row", row, "--row-numbers"], standalone_mode=False)
    assert capsys.readouterr().out.startswith("row,prediction")
