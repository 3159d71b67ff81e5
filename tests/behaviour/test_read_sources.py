"""Files, folders, globs, given splits, images at fault, streams and sequences."""

import bz2
import gzip
import io
import json
import pickle
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import xlsxwriter
from PIL import Image

from danlu.data.examples import ROW, Column
from danlu.data.read import examples_of, given_splits, read, stream
from danlu.errors import DanluError
from danlu.recipe import DataConfig, LongSequences
from danlu.words import Note

SHARED = Path(__file__).parents[3] / "shared" / "data"
FASHION = Path("/usr/share/datasets/fashion-mnist")
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data folder is not here")


def image(path: Path, size: tuple[int, int] = (8, 6)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).integers(0, 255, (*size, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    return path


def table(path: Path, rows: int, start: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(
        {"x": [i + 0.5 for i in range(start, start + rows)], "label": ["ab"[i % 2] for i in range(rows)]}
    ).write_csv(path)
    return path


def test_several_files_and_globs_are_numbered_through(tmp_path: Path) -> None:
    table(tmp_path / "part-1.csv", 5)
    table(tmp_path / "part-2.csv", 7, start=5)
    for files in (
        [str(tmp_path / "part-*.csv")],
        [str(tmp_path / "part-1.csv"), str(tmp_path / "part-2.csv")],
        [str(tmp_path)],
    ):
        examples = read(DataConfig(), files)
        assert examples.frame[ROW].to_list() == list(range(12))
        assert examples.frame["x"].to_list() == [i + 0.5 for i in range(12)]
        assert examples.origin.place(6) == f"{tmp_path}/part-2.csv row 2"


def test_files_with_other_columns_are_refused(tmp_path: Path) -> None:
    table(tmp_path / "a.csv", 3)
    (tmp_path / "b.csv").write_text("x,labl\n1,a\n")
    with pytest.raises(DanluError, match=r"b\.csv: other columns than .*a\.csv\. Lacking: label\. Extra: labl"):
        read(DataConfig(), [str(tmp_path / "a.csv"), str(tmp_path / "b.csv")])


def test_a_column_that_is_text_in_one_file_is_text_in_all(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("code,n\n" + "1.50,1\n" * 30)
    (tmp_path / "b.csv").write_text("code,n\n" + "v2,2\n" * 30)
    examples = read(DataConfig(), [str(tmp_path / "*.csv")])
    assert examples.frame["code"].unique().sort().to_list() == ["1.50", "v2"]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("reviws.csv", "data.no_such_file"),
        ("nowhere/a.csv", "data.no_such_folder"),
        ("*.tsv", "data.no_match"),
    ],
)
def test_missing_files_are_named_with_the_nearest(name: str, key: str, tmp_path: Path) -> None:
    table(tmp_path / "reviews.csv", 3)
    with pytest.raises(DanluError) as error:
        read(DataConfig(), [str(tmp_path / name)])
    assert error.value.key == key
    assert key != "data.no_such_file" or "reviews.csv" in str(error.value)


def test_folder_with_split_names_gives_the_splits(tmp_path: Path) -> None:
    for split, count in (("train", 3), ("val", 2), ("test", 1)):
        for i in range(count):
            image(tmp_path / "photos" / split / "cat" / f"{i}.png")
    config = given_splits(DataConfig(files=(str(tmp_path / "photos"),)))
    assert [len(read(config, f)) for f in (config.files, config.validation_files, config.test_files)] == [
        3,
        2,
        1,
    ]
    assert set(read(DataConfig(), [str(tmp_path / "photos")]).frame["label"]) == {"cat"}
    table(tmp_path / "tables/train.csv", 4)
    table(tmp_path / "tables/test.csv", 2)
    config = given_splits(DataConfig(files=(str(tmp_path / "tables"),)))
    assert (config.files, config.test_files) == (
        (f"{tmp_path}/tables/train.csv",),
        (f"{tmp_path}/tables/test.csv",),
    )
    for name in ("train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001"):
        path = tmp_path / f"shards/{name}.parquet"
        path.parent.mkdir(exist_ok=True)
        pl.DataFrame({"x": [1.5], "label": ["a"]}).write_parquet(path)
    config = given_splits(DataConfig(files=(str(tmp_path / "shards"),)))
    assert (len(config.files), len(config.test_files)) == (2, 1)
    plain = DataConfig(files=(str(table(tmp_path / "plain/a.csv", 3).parent),))
    assert given_splits(plain) == plain


@pytest.mark.skipif(not FASHION.is_dir(), reason="Debian's dataset-fashion-mnist is not installed")
def test_fashion_mnist_is_read_with_its_official_test() -> None:
    config = given_splits(DataConfig(files=(str(FASHION),)))
    test = read(config, config.test_files)
    assert len(test) == 10_000
    assert test.frame["label"].value_counts()["count"].unique().to_list() == [1000]
    assert [Path(f).name for f in config.files] == ["train-images-idx3-ubyte.gz"]


def test_unreadable_images_are_left_out_and_named(tmp_path: Path) -> None:
    for i in range(200):
        image(tmp_path / "photos" / "ab"[i % 2] / f"{i:03}.png")
    whole = (tmp_path / "photos/a/000.png").read_bytes()
    (tmp_path / "photos/a/000.png").write_bytes(whole[:60])
    (tmp_path / "photos/b/001.png").write_bytes(b"no image at all")
    told: list[tuple[int, int]] = []
    examples = read(
        DataConfig(),
        [str(tmp_path / "photos")],
        progress=lambda note, done, total: told.append((done, total)),
    )
    assert len(examples) == 198
    reasons = [b.reason.text("en") for b in examples.origin.bad_rows]
    assert "a/000.png" in reasons[0]
    assert "damaged or cut short" in reasons[0]
    assert "b/001.png: not an image" in reasons[1]
    assert (0, 200) in told


def test_decompression_bombs_are_refused_unopened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("danlu.data.image_check.MAX_PIXELS", 30)
    path = image(tmp_path / "big.png")
    with pytest.raises(DanluError, match="6 × 8 pixels are too many"):
        read(DataConfig(), [str(path)])


def test_image_paths_in_a_table_are_relative_to_the_table(tmp_path: Path) -> None:
    image(tmp_path / "data/pictures/1.png")
    absolute = image(tmp_path / "elsewhere/2.JPG")
    (tmp_path / "data/list.csv").write_text(f"file,label\npictures/1.png,a\n{absolute},b\n")
    examples = read(DataConfig(), [str(tmp_path / "data/list.csv")])
    assert examples.columns["file"].kind == "image"
    assert examples.frame["file"].to_list() == [f"{tmp_path}/data/pictures/1.png", str(absolute)]
    (tmp_path / "data/list.csv").write_text("file,label\npictures/7.png,a\n")
    with pytest.raises(DanluError, match=r'list\.csv row 1, column "file": .*pictures/7\.png: no such file'):
        read(DataConfig(), [str(tmp_path / "data/list.csv")])


def test_json_has_three_layouts(tmp_path: Path) -> None:
    records = [{"x": 1.5, "tags": ["a", "b"], "who": {"age": 3}}, {"x": 2, "tags": [], "who": {"age": 4}}]
    columns = {"x": [1.5, 2], "tags": [["a", "b"], []], "who.age": [3, 4]}
    for content in (records, columns, {"data": records}, {"data": columns}):
        path = tmp_path / "t.json"
        path.write_text(json.dumps(content))
        examples = read(DataConfig(target="tags"), [str(path)])
        assert examples.frame["x"].to_list() == [1.5, 2.0]
        assert examples.frame["who.age"].to_list() == [3, 4]
        assert examples.columns["tags"].kind == "labels"
    path.write_text('{"a": [1, 2], "b": [1]}')
    with pytest.raises(DanluError, match="expected a list of records"):
        read(DataConfig(), [str(path)])
    path.write_text('[{"a": 1},]')
    with pytest.raises(DanluError, match=r"t\.json line 1: not valid JSON"):
        read(DataConfig(), [str(path)])


def test_json_lines_that_are_no_records_are_named(tmp_path: Path) -> None:
    lines = [json.dumps({"text": f"word {i}", "n": i}) for i in range(300)]
    lines[9] = '{"text": "cut of'
    lines[20] = json.dumps({"text": "more", "n": 1, "late": True})
    path = tmp_path / "t.jsonl"
    path.write_text("\n".join(lines) + "\n\n")
    examples = read(DataConfig(), [str(path)])
    assert [b.row for b in examples.origin.bad_rows] == [9]
    assert 'row 10: not a JSON record: {"text": "cut of' in examples.origin.bad_rows[0].reason.text("en")
    assert examples.frame.filter(pl.col("late"))[ROW].to_list() == [20]


def test_truncated_gzip_and_parquet_are_refused(tmp_path: Path) -> None:
    whole = gzip.compress(b"a,b\n" + b"1,2\n" * 5000)
    (tmp_path / "t.csv.gz").write_bytes(whole[: len(whole) // 2])
    pl.DataFrame({"a": [1, 2]}).write_parquet(tmp_path / "t.parquet")
    (tmp_path / "t.parquet").write_bytes((tmp_path / "t.parquet").read_bytes()[:60])
    for name in ("t.csv.gz", "t.parquet"):
        with pytest.raises(DanluError) as error:
            read(DataConfig(), [str(tmp_path / name)])
        assert error.value.key == "data.damaged_file"


def test_the_sheet_that_is_read_is_said_or_chosen(tmp_path: Path) -> None:
    path, first, second = tmp_path / "two.xlsx", pl.DataFrame({"a": [1, 2]}), pl.DataFrame({"b": [3, 4, 5]})
    with xlsxwriter.Workbook(path) as book:
        for name, frame in (("May", first), ("June", second)):
            frame.write_excel(book, worksheet=name)
    examples = read(DataConfig(), [str(path)])
    assert len(examples) == 2
    (note,) = examples.origin.notes
    assert (note.fields["sheet"], note.fields["others"]) == ("May", '"June"')
    chosen = read(DataConfig(sheet="June"), [str(path)])
    assert (len(chosen), chosen.origin.notes) == (3, ())
    with pytest.raises(DanluError) as error:
        read(DataConfig(sheet="July"), [str(path)])
    assert error.value.key == "data.no_such_sheet"
    assert error.value.note.fields["names"] == '"May", "June"'
    with pytest.raises(DanluError) as error:
        read(DataConfig(sheet="June"), [str(table(tmp_path / "rows.csv", 3))])
    assert error.value.key == "data.sheet_without_workbook"


def _tarred() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("rows.csv"), io.BytesIO(b""))
    return packed.getvalue()


def _zipped() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("rows.csv", "a,b\n1,2\n")
    return stream.getvalue()


FOREIGN = {
    "pickle": pickle.dumps({"a": [1, 2]}),
    "pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "zip": _zipped(),
    "packed": bz2.compress(b"a,b\n1,2\n"),
    "tar": _tarred(),
    "program": Path(sys.executable).resolve().read_bytes()[:4096],
}


@pytest.mark.parametrize("suffix", [".csv", "", ".json"])
@pytest.mark.parametrize("kind", FOREIGN)
def test_what_is_no_table_is_refused_by_its_name(kind: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"rows{suffix}"
    path.write_bytes(FOREIGN[kind])
    with pytest.raises(DanluError) as error:
        read(DataConfig(), [str(path)])
    assert (error.value.key, error.value.note.fields["what"].key) == ("data.foreign", f"data.foreign.{kind}")


def test_what_begins_like_a_signature_is_still_a_table(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes("€;n\n5 €;1\n7 €;2\n".encode("cp1252"))
    assert read(DataConfig(delimiter=";", encoding="cp1252"), [str(path)]).frame.columns[0] == "€"
    path.write_bytes(b"MZ,PK\n1,2\n3,4\n")
    assert read(DataConfig(), [str(path)]).frame.columns[:2] == ["MZ", "PK"]


def test_arrays_of_objects_are_refused_for_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "rows.npz"
    np.savez(path, x=np.zeros((2, 3)), y=np.array(["a", None], dtype=object))
    with pytest.raises(DanluError) as error:
        read(DataConfig(), [str(path)])
    assert (error.value.key, error.value.note.fields["name"]) == ("data.npz_objects", "y")
    path.write_bytes(_zipped())
    with pytest.raises(DanluError) as error:
        read(DataConfig(), [str(path)])
    assert error.value.key == "data.foreign"


def test_stream_gives_what_read_gives_in_pieces(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {"n": range(5000), "word": [f"w{i % 7}" for i in range(5000)], "label": [i % 2 for i in range(5000)]}
    )
    columns = {
        name: Column(name, kind, Note("data.kind.whole")) for name, kind in (("n", "number"), ("word", "category"))
    }
    frame.write_csv(tmp_path / "t.csv")
    frame.write_ndjson(tmp_path / "t.jsonl")
    frame.write_parquet(tmp_path / "t.parquet")
    frame.write_ipc(tmp_path / "t.arrow")
    for suffix in ("csv", "jsonl", "parquet", "arrow"):
        pieces = list(stream(str(tmp_path / f"t.{suffix}"), DataConfig(), columns, rows=1000))
        assert all(len(piece) <= 1000 for piece in pieces)
        joined = pl.concat(piece.frame for piece in pieces)
        assert joined.drop(ROW).equals(frame)
        assert joined[ROW].to_list() == list(range(5000))
        assert pieces[-1].columns["label"].kind == "ignore"
        assert pieces[-1].origin.place(4999) == f"{tmp_path}/t.{suffix} row 5000"


def test_stream_needs_no_more_memory_for_a_longer_file(tmp_path: Path) -> None:
    import tracemalloc

    columns = {"n": Column("n", "number", Note("data.kind.whole"))}
    peaks = []
    for rows in (200_000, 1_000_000):
        path = tmp_path / f"{rows}.csv"
        path.write_bytes(b"n,word\n" + b"12345.25,some words of a row\n" * rows)
        tracemalloc.start()  # polars' own buffers are not traced: those of Python, which hold the blocks, are
        assert sum(len(piece) for piece in stream(str(path), DataConfig(), columns)) == rows
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


def test_stream_stops_at_too_many_bad_rows_and_names_rows_across_blocks(tmp_path: Path) -> None:
    columns = {"n": Column("n", "number", Note("data.kind.whole"))}
    path = tmp_path / "t.csv"
    path.write_text("n\n" + "1\n" * 600_000 + "x\n" + "1\n" * 100)
    pieces = list(stream(str(path), DataConfig(), columns))
    assert [b.row for piece in pieces for b in piece.origin.bad_rows] == [600_000]
    path.write_text("n\n" + "1\n" * 15_000 + "x\n" * 15_000)
    with pytest.raises(DanluError, match=r't\.csv row 15001, column "n": expected a number, got "x"'):
        list(stream(str(path), DataConfig(), columns))


def test_long_format_becomes_one_sequence_per_id(tmp_path: Path) -> None:
    steps = pl.DataFrame(
        [
            {"who": f"p{i}", "t": t, "a": float(i + t / 10), "b": float(-t), "label": "xy"[i % 2]}
            for i in range(6)
            for t in range(3 + i)
        ]
    )
    shuffled = steps.sample(fraction=1, shuffle=True, seed=1)
    shuffled.write_csv(tmp_path / "t.csv")
    config = DataConfig(sequences=LongSequences(id="who", time="t"))
    examples = read(config, [str(tmp_path / "t.csv")])
    assert len(examples) == 6
    assert examples.columns["sequence"].channels == ("a", "b")
    assert examples.frame.schema["sequence"] == pl.List(pl.Array(pl.Float32, 2))
    for row in examples.frame.iter_rows(named=True):
        i = int(row["who"][1:])
        assert np.allclose(row["sequence"], [[i + t / 10, -t] for t in range(3 + i)])
        assert row["label"] == "xy"[i % 2]
        assert shuffled["who"][row[ROW]] == row["who"]
    again = examples_of(shuffled.filter(pl.col("who") == "p3").drop("label"), config, examples.columns)
    assert np.allclose(again.frame["sequence"][0].to_list(), [[3 + t / 10, -t] for t in range(6)])
    with pytest.raises(DanluError, match='no column "b"'):
        examples_of(steps.drop("b"), config, examples.columns)


def test_steps_are_sorted_by_date_as_the_training_wrote_it(tmp_path: Path) -> None:
    days = ["25/01/2024", "03/02/2024", "01/02/2024"]
    rows = [f"{who},{day},{i}.5,{'xy'[who % 2]}" for who in range(4) for i, day in enumerate(days)]
    (tmp_path / "t.csv").write_text("\n".join(["who,day,a,label", *rows]))
    config = DataConfig(sequences=LongSequences(id="who", time="day"))
    examples = read(config, [str(tmp_path / "t.csv")])
    assert examples.frame["sequence"].to_list() == [[0.5, 2.5, 1.5]] * 4
    again = examples_of({"who": [1, 1], "day": ["02/03/2024", "01/04/2024"], "a": [1.0, 2.0]}, config, examples.columns)
    assert again.frame["sequence"].to_list() == [[1.0, 2.0]]
    (tmp_path / "t.csv").write_text("who,day,a\n1,early,1\n1,late,2\n")
    with pytest.raises(DanluError, match='"day" is neither numbers nor dates'):
        read(config, [str(tmp_path / "t.csv")])


def test_steps_without_id_time_or_number_are_left_out_and_named(tmp_path: Path) -> None:
    config = DataConfig(sequences=LongSequences(id="who", time="t"), max_bad_rows=0.5)
    rows = [{"who": i // 10, "t": i % 10, "a": i + 0.5} for i in range(100)]
    examples = examples_of(rows, config)
    rows[3]["who"] = rows[17]["t"] = None
    rows[25]["a"] = float("inf")
    bad = examples_of(rows, config, examples.columns)
    assert [b.row for b in bad.origin.bad_rows] == [3, 17, 25]
    assert bad.frame["sequence"].list.len().to_list() == [9, 9, 9, *[10] * 7]


def test_keys_that_records_lack_are_missing_values_in_every_piece_of_a_stream(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    full, short = json.dumps({"n": 1.5, "word": "a"}), json.dumps({"n": 2.5})
    path.write_text("\n".join([full] * 10 + [short] * 400_000))
    columns = {
        name: Column(name, kind, Note("data.kind.whole")) for name, kind in (("n", "number"), ("word", "category"))
    }
    pieces = list(stream(str(path), DataConfig(), columns))
    assert sum(len(piece) for piece in pieces) == 400_010
    assert all("word" in piece.columns for piece in pieces)


def test_bytes_that_are_no_text_are_named_in_every_text_format(tmp_path: Path) -> None:
    texts = [f"很好看的电影 {i}".encode() for i in range(300)]
    texts[5] = ("很好看的电影" * 10).encode() + b"\xe5 broken"
    (tmp_path / "t.jsonl").write_bytes(b"\n".join(b'{"text": "' + text + b'"}' for text in texts))
    (tmp_path / "t.txt").write_bytes(b"\n".join(texts))
    (tmp_path / "texts").mkdir()
    for i, text in enumerate(texts):
        (tmp_path / "texts" / f"{i:03}.txt").write_bytes(text)
    for name in ("t.jsonl", "t.txt", "texts"):
        examples = read(DataConfig(columns={"text": "text"}), [str(tmp_path / name)])
        assert [b.row for b in examples.origin.bad_rows] == [5]


def test_arrays_that_belong_to_no_row_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "mnist.npz", x_train=np.zeros((5, 2)), y_train=np.arange(5), x_test=np.zeros((3, 2)))
    with pytest.raises(DanluError, match=r'the array "x_test" of shape \(3, 2\) is no column of 5 rows'):
        read(DataConfig(), [str(tmp_path / "mnist.npz")])


def test_columns_of_the_training_rule_later_files(tmp_path: Path) -> None:
    train = tmp_path / "train.csv"
    days = [f"{d}/{m}/2024" for m in (1, 2) for d in range(1, 29)]
    train.write_text("day,code,n,label\n" + "".join(f"{d},{i % 9:03},{i},{'ab'[i % 2]}\n" for i, d in enumerate(days)))
    config = DataConfig(target="label")
    examples = read(config, [str(train)])
    assert [c.kind for c in examples.columns.values()] == ["date", "category", "ignore", "category"]
    later = tmp_path / "new.csv"
    later.write_text("day,code,extra\n3/4/2024,7,z\n")
    new = read(config, [str(later)], examples.columns)
    assert new.frame["day"].dt.strftime("%d %b").to_list() == ["03 Apr"]
    assert new.frame["code"].to_list() == ["7"]
    assert [c.kind for c in new.columns.values()] == ["date", "category", "ignore"]
    later.write_text("day,code\n3 April,7\n")
    with pytest.raises(DanluError, match='row 1, column "day": expected a date written as 25/03/2024, got "3 April"'):
        read(config, [str(later)], examples.columns)


@needs_shared
@pytest.mark.parametrize(
    ("name", "rows", "kinds"),
    [
        ("forecasting/ETTh1.csv", 17_420, ["date"] + 7 * ["number"]),
        ("summarization/csl_dev.tsv", 1000, ["ignore", "text", "text"]),
        ("translation-en-zh/cmn.txt", 22_075, ["text", "text", "ignore"]),
        ("chat/alpaca_zh_demo.json", 1000, ["text", "text", "text"]),
        ("lm-zh/songci.jsonl.gz", 21_050, ["category", "category", "text"]),
    ],
)
def test_real_files_are_read_whole(name: str, rows: int, kinds: list[str]) -> None:
    examples = read(DataConfig(), [str(SHARED / name)])
    assert (len(examples), [c.kind for c in examples.columns.values()]) == (rows, kinds)
    assert not examples.origin.bad_rows
