"""Every row of FORMATS gives the same little table, whatever it is written in."""

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from danlu.data.examples import ROW
from danlu.data.formats import FORMATS
from danlu.data.read import read, stream
from danlu.recipe import DataConfig

TABLE = pl.DataFrame(
    {
        "age": [31, 25, None, 47],
        "height": [1.75, 1.6, 1.82, None],
        "city": ["北京", "Köln", "北京", "Köln"],
        "remark": ['says "good", twice', "two\nlines, here", "a, b; c|d", None],
        "member": [True, False, True, True],
    }
)
CONFIG = DataConfig(columns={"remark": "text", "city": "category", "member": "boolean"})


def _csv(separator: str) -> Callable[[Path], None]:
    return lambda path: TABLE.write_csv(path, separator=separator)


def _json(path: Path) -> None:
    path.write_text(json.dumps(TABLE.to_dicts(), ensure_ascii=False), encoding="utf-8")


def _stream(path: Path) -> None:
    TABLE.write_ipc_stream(path)


# format → (suffix, writer) pairs; every table format of FORMATS must be here
WRITERS: dict[str, list[tuple[str, Callable[[Path], None]]]] = {
    "csv": [
        (".csv", _csv(",")),
        (".csv", _csv(";")),
        (".csv", _csv("|")),
        (".csv", _csv("\t")),
        ("", _csv(",")),
    ],
    "tsv": [(".tsv", _csv("\t"))],
    "json": [(".json", _json)],
    "jsonl": [
        (".jsonl", lambda path: TABLE.write_ndjson(path)),
        (".json", lambda path: TABLE.write_ndjson(path)),
    ],
    "parquet": [
        (".parquet", lambda path: TABLE.write_parquet(path)),
        (".bin", lambda path: TABLE.write_parquet(path)),
    ],
    "arrow": [(".arrow", lambda path: TABLE.write_ipc(path)), (".feather", _stream)],
    "excel": [(".xlsx", lambda path: TABLE.write_excel(path))],
}
OTHER_FORMATS = {"conll", "idx", "npz", "image", "images", "texts", "lines", "sample", "hub"}
CASES = [(name, suffix, write) for name, cases in WRITERS.items() for suffix, write in cases]


def test_every_format_is_tried() -> None:
    assert set(FORMATS) == set(WRITERS) | OTHER_FORMATS


@pytest.mark.parametrize("gzipped", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize(("name", "suffix", "write"), CASES)
def test_every_table_format_gives_the_same_frame(
    name: str, suffix: str, write: Callable[[Path], None], gzipped: bool, tmp_path: Path
) -> None:
    path = tmp_path / f"table{suffix}"
    write(path)
    if gzipped:
        packed = path.with_name(path.name + ".gz")
        packed.write_bytes(gzip.compress(path.read_bytes()))
        path = packed
    examples = read(CONFIG, [str(path)])
    assert examples.frame.drop(ROW).equals(TABLE)
    assert examples.frame[ROW].to_list() == [0, 1, 2, 3]
    assert not examples.origin.bad_rows
    assert [c.kind for c in examples.columns.values()] == ["number", "number", "category", "text", "boolean"]
    pieces = pl.concat(piece.frame for piece in stream(str(path), CONFIG, examples.columns, rows=3))
    assert pieces.equals(examples.frame)


@pytest.mark.parametrize("separator", [",", ";", "|", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "utf-16-be"])
def test_every_encoding_and_delimiter_gives_the_same_frame(
    encoding: str, newline: str, separator: str, tmp_path: Path
) -> None:
    table = pl.DataFrame({"n": [1, 2, 3], "city": ["北京", "上海", "北京"], "remark": ["好，很好", 'a "b"', "一\n二"]})
    text = table.write_csv(separator=separator, line_terminator=newline)
    path = tmp_path / "table.csv"
    path.write_bytes(text.encode(encoding))
    config = DataConfig(columns={"city": "category", "remark": "text", "n": "number"})
    assert read(config, [str(path)]).frame.drop(ROW).equals(table)


def test_latin_1_and_windows_text_are_read(tmp_path: Path) -> None:
    for encoding, word in (("latin-1", "Köln, é à ü"), ("cp1252", "price “5 €”, é")):
        path = tmp_path / "table.csv"
        path.write_bytes(f'word,n\n"{word}",1\n"plain",2\n'.encode(encoding))
        config = DataConfig(columns={"word": "text"})
        examples = read(config, [str(path)])
        assert examples.frame["word"].to_list() == [word, "plain"]
        assert examples.origin.files[0].encoding == encoding


def test_idx_pair_is_read_from_either_file_and_from_the_folder(tmp_path: Path) -> None:
    images = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)
    labels = np.array([0, 1, 2, 1, 0], dtype=np.uint8)
    pixels, classes = tmp_path / "train-images-idx3-ubyte.gz", tmp_path / "train-labels-idx1-ubyte"
    pixels.write_bytes(gzip.compress(b"\0\0\x08\x03" + np.array(images.shape, ">i4").tobytes() + images.tobytes()))
    classes.write_bytes(b"\0\0\x08\x01" + np.array([5], ">i4").tobytes() + labels.tobytes())
    for given in (pixels, classes, tmp_path):
        examples = read(DataConfig(), [str(given)])
        assert np.array_equal(examples.frame["image"].to_numpy(), images)
        assert examples.frame["label"].to_list() == ["0", "1", "2", "1", "0"]
        assert [file.rows for file in examples.origin.files] == [5, 0]


@pytest.mark.parametrize(
    ("features", "kinds"),
    [
        (np.arange(24.0).reshape(12, 2) ** 1.5, {"x0": "number", "x1": "number"}),
        (np.zeros((12, 5, 4), np.uint8), {"image": "image"}),
        (np.zeros((12, 5, 4, 3), np.uint8), {"image": "image"}),
        (np.zeros((12, 5, 4), np.float32), {"sequence": "sequence"}),
    ],
)
def test_npz_features_are_told_by_their_shape(features: np.ndarray, kinds: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, X=features, y=np.arange(12) % 3)
    examples = read(DataConfig(), [str(path)])
    assert {c.name: c.kind for c in examples.columns.values()} == kinds | {"label": "category"}
    if "sequence" in kinds:
        assert examples.frame.schema["sequence"] == pl.List(pl.Array(pl.Float32, 4))
    elif "image" in kinds:
        assert np.array_equal(examples.frame["image"].to_numpy(), features)


def test_folder_of_images_is_labelled_by_subfolder_and_hidden_files_are_not_seen(tmp_path: Path) -> None:
    for name in ("cat/1.png", "dog/a/2.jpg", "dog/.hidden.png", ".cache/3.png", "cat/notes.md"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".md":
            path.write_text("no image")
        else:
            Image.new("L", (4, 3)).save(path)
    examples = read(DataConfig(), [str(tmp_path)])
    assert examples.frame["label"].to_list() == ["cat", "dog"]
    assert examples.frame["image"].to_list() == [str(tmp_path / "cat/1.png"), str(tmp_path / "dog/a/2.jpg")]
    assert [p.frame["label"][0] for p in stream(str(tmp_path), DataConfig(), examples.columns, rows=1)] == [
        "cat",
        "dog",
    ]


def test_single_image_is_one_row(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    Image.new("RGB", (4, 3)).save(path)
    examples = read(DataConfig(), [str(path)])
    assert examples.frame["image"].to_list() == [str(path)]


def test_folder_of_texts_is_labelled_by_subfolder(tmp_path: Path) -> None:
    for name, raw in (("pos/1.txt", "很好看".encode("gb18030")), ("neg/1.txt", b"bad film")):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(raw)
    config = DataConfig(columns={"text": "text"})
    assert read(config, [str(tmp_path)]).frame.select("text", "label").rows() == [
        ("bad film", "neg"),
        ("很好看", "pos"),
    ]


def test_plain_text_is_one_row_per_line(tmp_path: Path) -> None:
    path = tmp_path / "new.txt"
    path.write_text("first film, good\n\nsecond film\n", encoding="utf-8")
    assert read(DataConfig(columns={"text": "text"}), [str(path)]).frame["text"].to_list() == [
        "first film, good",
        "second film",
    ]


@pytest.mark.parametrize(
    ("name", "rows", "target", "kind"),
    [
        ("digits", 1797, "digit", "category"),
        ("iris", 150, "species", "category"),
        ("wine", 178, "cultivar", "category"),
        ("breast_cancer", 569, "diagnosis", "category"),
        ("diabetes", 442, "progression", "number"),
    ],
)
def test_samples_come_with_their_target(name: str, rows: int, target: str, kind: str) -> None:
    config = DataConfig(files=(f"sample:{name}",))
    examples = read(config)
    assert (len(examples), examples.columns[target].kind) == (rows, kind)
    assert "ignore" not in {c.kind for c in examples.columns.values()}


def test_address_on_the_hub_is_scanned_by_polars(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def scan(address: str) -> pl.LazyFrame:
        asked.append(address)
        return TABLE.lazy()

    monkeypatch.setattr(pl, "scan_parquet", scan)
    assert len(read(CONFIG, ["hf://datasets/someone/reviews"])) == 4
    assert len(read(CONFIG, ["hf://datasets/someone/reviews/data/train-0.parquet"])) == 4
    assert asked == [
        "hf://datasets/someone/reviews/**/*.parquet",
        "hf://datasets/someone/reviews/data/train-0.parquet",
    ]


def test_standard_input_is_read_as_csv_or_json_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    for text in (TABLE.write_csv(), TABLE.write_ndjson()):
        stdin = io.TextIOWrapper(io.BufferedReader(io.BytesIO(text.encode())))  # type: ignore[arg-type]
        monkeypatch.setattr("sys.stdin", stdin)
        examples = read(CONFIG, ["-"])
        assert examples.frame.drop(ROW).equals(TABLE)
