"""CSV: what was written is what is read, and a row at fault is named, never guessed."""

import csv
import io
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from danlu.data.examples import ROW
from danlu.data.formats import delimited
from danlu.data.formats.table import Ask, Source
from danlu.data.read import read
from danlu.errors import DanluError
from danlu.recipe import DataConfig

TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], include_characters='\n",;\t'), max_size=12
)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=64)
ROWS = st.lists(st.tuples(TEXTS, st.integers(-(2**62), 2**62), NUMBERS), min_size=1, max_size=40)


def written(path: Path, text: str) -> list[str]:
    path.write_text(text, encoding="utf-8", newline="")
    return [str(path)]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, delimiter=st.sampled_from(",;\t|"), block=st.sampled_from([7, 64, 1 << 20]))
def test_written_rows_come_back(rows: list[tuple[str, int, float]], delimiter: str, block: int, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
        writer.writerow(["text", "whole", "real"])
        writer.writerows((text, whole, repr(real)) for text, whole, real in rows)
    ask = Ask(delimiter=delimiter, as_text=frozenset(["text"]), block=block)
    frame = pl.concat([t.frame for t in delimited.tables(Source(str(path), "csv", path), ask)], how="vertical_relaxed")
    assert frame[ROW].to_list() == list(range(len(rows)))
    assert frame["text"].to_list() == [text or None for text, _, _ in rows]
    assert frame["whole"].cast(pl.Float64).to_list() == [float(whole) for _, whole, _ in rows]
    assert frame["real"].cast(pl.Float64).to_list() == [real for _, _, real in rows]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.lists(st.sampled_from(["1", "x", 'q "q"', "a,b", "c\nd", ""]), min_size=1, max_size=4), min_size=3)
)
def test_ragged_rows_are_those_that_the_csv_module_finds(rows: list[list[str]], tmp_path: Path) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([["a", "b", "c"], *rows])
    path = tmp_path / "table.csv"
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    ask = Ask(delimiter=",", as_text=frozenset("abc"))
    tables = list(delimited.tables(Source(str(path), "csv", path), ask))
    met = [row for row in csv.reader(io.StringIO(text.getvalue())) if row][1:]
    assert sum(table.rows for table in tables) == len(met)
    assert [b.row for t in tables for b in t.bad] == [i for i, row in enumerate(met) if len(row) != 3]
    sound = [tuple(cell or None for cell in row) for row in met if len(row) == 3]
    assert [row for t in tables for row in t.frame.drop(ROW).rows()] == sound


def test_ragged_rows_are_left_out_and_named(tmp_path: Path) -> None:
    lines = [f"{i},{i / 2},word{i % 3}" for i in range(300)]
    lines[40] = "40,20.0,word1,more"
    lines[199] = "199,99.5"
    examples = read(DataConfig(), written(tmp_path / "train.csv", "\n".join(["a,b,c", *lines])))
    assert len(examples) == 298
    assert [b.row for b in examples.origin.bad_rows] == [40, 199]
    reasons = [b.reason.text("en") for b in examples.origin.bad_rows]
    assert reasons[0].startswith(f"{tmp_path}/train.csv row 41: 4 cells, expected 3.")
    assert reasons[1].startswith(f"{tmp_path}/train.csv row 200: 2 cells, expected 3.")
    assert examples.frame.filter(pl.col(ROW) == 41)["a"].to_list() == [41]
    assert examples.origin.place(41) == f"{tmp_path}/train.csv row 42"


def test_short_rows_are_found_where_the_last_cells_may_be_empty(tmp_path: Path) -> None:
    lines = ["1,2,", '3,"4,",', "5,6,x", "7", '8,"a\nb",y'] * 30
    config = DataConfig(max_bad_rows=0.5, columns={"b": "text"})
    examples = read(config, written(tmp_path / "t.csv", "\n".join(["a,b,c", *lines])))
    assert len(examples) == 120
    assert [b.row for b in examples.origin.bad_rows] == list(range(3, 150, 5))


def test_too_many_bad_rows_stop_the_read_and_the_first_are_named(tmp_path: Path) -> None:
    files = written(tmp_path / "t.csv", "a,b\n" + "1,2\n" * 50 + "3\n" + "1,2\n" * 10)
    with pytest.raises(DanluError, match=r"1 of 61 rows .* allows 1 %.*t\.csv row 51: 1 cells, expected 2") as error:
        read(DataConfig(), files)
    assert error.value.key == "data.too_many_bad_rows"


def test_cell_that_is_no_number_is_named_with_row_and_column(tmp_path: Path) -> None:
    cells = [str(i % 90 + 0.5) for i in range(400)]
    cells[40] = "unknown"
    cells[41] = "NA"
    files = written(tmp_path / "train.csv", "age,city\n" + "".join(f"{c},x{i % 4}\n" for i, c in enumerate(cells)))
    examples = read(DataConfig(), files)
    assert examples.columns["age"].kind == "number"
    assert examples.frame["age"].null_count() == 1
    assert examples.origin.bad_rows[0].reason.text("en") == (
        f'{tmp_path}/train.csv row 41, column "age": expected a number, got "unknown". '
        "If it means a missing value, list it under data.missing."
    )
    listed = read(DataConfig(missing=("unknown",)), files)
    assert (len(listed), listed.frame["age"].null_count(), listed.origin.bad_rows) == (400, 2, ())


def test_a_kind_that_the_recipe_sets_is_kept_and_cells_against_it_are_named(tmp_path: Path) -> None:
    files = written(tmp_path / "t.csv", "a,b,c\n" + "1,x,2\n1,x,two\n" * 100 + "one,y,2\n")
    bad = read(DataConfig(columns={"a": "number"}), files).origin.bad_rows
    assert [b.row for b in bad] == [200]
    with pytest.raises(DanluError, match='column "c": expected a number, got "two"'):
        read(DataConfig(columns={"c": "number"}), files)


def test_a_column_without_one_value_of_its_set_kind_is_refused_as_such(tmp_path: Path) -> None:
    files = written(tmp_path / "t.csv", "a,b\n" + "1,x\n" * 200)
    with pytest.raises(DanluError, match='"b": a number is asked for, and not one value is that; the first is "x"'):
        read(DataConfig(columns={"b": "number"}), files)


def test_numbers_that_turn_out_to_be_codes_late_in_the_file_keep_how_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = [f"{i % 7}.10,{i % 5}" for i in range(3000)] + [f"v{i % 9},{i % 5}" for i in range(900)]
    path.write_text("\n".join(["code,n", *rows]))
    examples = read(DataConfig(), [str(path)])
    assert examples.columns["code"].kind == "category"
    assert examples.frame["code"][0] == "0.10"


def test_header_is_missed_where_there_is_none(tmp_path: Path) -> None:
    rows = "5.1,3.5,setosa\n4.9,3.0,setosa\n6.0,2.2,versicolor\n"
    assert read(DataConfig(), written(tmp_path / "a.csv", rows)).frame.columns[:3] == [
        "column_1",
        "column_2",
        "column_3",
    ]
    years = read(DataConfig(), written(tmp_path / "b.csv", "land,2019,2020\nA,1,2\nB,3,4\n"))
    assert list(years.columns) == ["land", "2019", "2020"]
    labels = read(DataConfig(), written(tmp_path / "c.csv", "pos\tgood film\nneg\tbad film\npos\tnice\npos\tok then\n"))
    assert (len(labels), list(labels.columns)) == (4, ["column_1", "column_2"])


def test_repeated_and_empty_names_become_unique(tmp_path: Path) -> None:
    examples = read(DataConfig(), written(tmp_path / "a.csv", "a,a,,b \nx,1,2,3\ny,4,5,6\n"))
    assert list(examples.columns) == ["a", "a_2", "column_3", "b"]


def test_quotes_that_are_plain_characters_do_not_swallow_rows(tmp_path: Path) -> None:
    rows = ['5" pipe\t1', 'he said "yes" to it\t0', '"quoted start, no end\t1', "plain words here\t0"] * 40
    examples = read(DataConfig(), written(tmp_path / "t.tsv", "text\tlabel\n" + "\n".join(rows)))
    assert len(examples) == 160
    assert examples.frame["text"][2] == '"quoted start, no end'


def test_a_stray_quote_in_a_quoted_file_costs_its_row_at_most(tmp_path: Path) -> None:
    rows = [f'{i},"word, number {i}"' for i in range(500)]
    rows[250] = '250,5" pipe'
    examples = read(DataConfig(columns={"text": "text"}), written(tmp_path / "t.csv", "n,text\n" + "\n".join(rows)))
    assert len(examples) >= 499
    assert examples.frame["text"][-1] == "word, number 499"


def test_bytes_that_are_no_utf8_are_named_by_row(tmp_path: Path) -> None:
    lines = [f"很好看的电影{i},{i % 2}".encode() for i in range(300)]
    lines[7] = b"\xe5\xbe broken,1"
    path = tmp_path / "t.csv"
    path.write_bytes(b"text,label\n" + b"\n".join(lines))
    examples = read(DataConfig(), [str(path)])
    assert [b.row for b in examples.origin.bad_rows] == [7]
    assert "UTF-8" in examples.origin.bad_rows[0].reason.text("en")


def test_encoding_that_shows_late_in_the_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = [f"{i},plain text here" for i in range(120_000)] + ["7,北京上海"] * 3
    path.write_bytes("\n".join(["n,text", *rows]).encode("gb18030"))
    examples = read(DataConfig(columns={"text": "category"}), [str(path)])
    assert path.stat().st_size > 2 << 20
    assert examples.frame["text"][-1] == "北京上海"
    assert examples.origin.files[0].encoding == "gb18030"


@pytest.mark.parametrize(
    ("config", "raw", "key"),
    [
        (DataConfig(encoding="utf-8"), "名,n\n张,1\n".encode("gb18030"), "data.not_decodable"),
        (DataConfig(encoding="utf8x"), b"a,b\n1,2\n", "data.unknown_encoding"),
        (DataConfig(), b"", "data.empty_file"),
        (DataConfig(), b"a,b\n", "data.no_rows"),
        (DataConfig(), bytes(range(256)) * 20, "data.unknown_format"),
        (DataConfig(columns={"aeg": "number"}), b"age,b\n1,2\n", "data.no_such_column"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_reason(
    config: DataConfig, raw: bytes, key: str, tmp_path: Path
) -> None:
    path = tmp_path / "t.dat"
    path.write_bytes(raw)
    with pytest.raises(DanluError) as error:
        read(config, [str(path)])
    assert error.value.key == key


def test_the_hash_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    import hashlib

    files = written(tmp_path / "t.csv", "a,b\n1,2\n")
    file = read(DataConfig(), files).origin.files[0]
    assert file.sha256 == hashlib.sha256(b"a,b\n1,2\n").hexdigest()
    assert (file.bytes, file.rows, file.delimiter, file.encoding) == (8, 1, ",", "utf-8")
