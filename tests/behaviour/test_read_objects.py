"""Python objects are read like files: DataFrames, records, arrays, texts, images."""

import io
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from danlu.data.examples import Column
from danlu.data.read import examples_of, frame_of
from danlu.errors import DanluError
from danlu.recipe import DataConfig
from danlu.words import Note

ROWS = [{"age": 31.5, "city": "北京"}, {"age": None, "city": "Köln"}]
FRAME = pl.DataFrame(ROWS)


def column(name: str, kind: Any) -> Column:
    return Column(name, kind, Note("data.kind.set", kind=kind))


@pytest.mark.parametrize(
    "rows",
    [FRAME, FRAME.lazy(), ROWS, {"age": [31.5, None], "city": ["北京", "Köln"]}],
    ids=["polars", "lazy", "records", "columns"],
)
def test_tables_in_memory_are_one_frame(rows: Any) -> None:
    assert frame_of(rows).equals(FRAME)


def test_pandas_keeps_missing_values_apart_from_text() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {
            "age": [31.5, None],
            "city": ["北京", "Köln"],
            3: [1, 2],
            "d": pandas.to_datetime(["2024-01-02", None]),
        }
    )
    given = frame_of(frame)
    assert given.select("age", "city").equals(FRAME)
    assert given["3"].to_list() == [1, 2]
    assert given.schema["d"].is_temporal()
    assert given["d"].null_count() == 1


def test_one_record_one_text_one_image_are_one_row() -> None:
    assert frame_of({"age": 3, "city": "A"}).rows() == [(3, "A")]
    assert frame_of("nice film").rows() == [("nice film",)]
    assert len(frame_of(Image.new("L", (3, 2)))) == 1


def test_images_come_back_to_the_pixel() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (5, 4, 3), dtype=np.uint8)
    frame = frame_of([Image.fromarray(pixels)] * 2)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(frame["image"][1]))), pixels)
    stacked = frame_of(np.stack([pixels] * 3))
    assert np.array_equal(stacked["image"].to_numpy()[2], pixels)


def test_arrays_and_lists_take_the_names_of_the_training() -> None:
    columns = {"skip": column("skip", "ignore"), "b": column("b", "number"), "a": column("a", "number")}
    columns["label"] = column("label", "category")
    config = DataConfig(target="label")
    examples = examples_of(np.array([[0.0, 1.0, 2.0], [0.0, 3.0, 4.0]]), config, columns)
    assert examples.frame.select("b", "a").rows() == [(1.0, 2.0), (3.0, 4.0)]
    with pytest.raises(DanluError, match="2 columns was passed; 3 are expected"):
        examples_of(np.zeros((2, 2)), config, columns)
    reviews = {"skip": columns["skip"], "review": column("review", "text"), "label": columns["label"]}
    assert examples_of(["good", "bad"], config, reviews).frame["review"].to_list() == ["good", "bad"]


def test_values_of_mixed_types_are_texts_and_whole_floats_are_written_as_whole() -> None:
    assert frame_of([{"a": 1}, {"a": "x"}, {"b": [1, 2]}])["a"].to_list() == ["1", "x", None]
    labels = examples_of({"label": [1.0, 2.0, float("nan")]}, DataConfig(), {"label": column("label", "category")})
    assert labels.frame["label"].to_list() == ["1", "2", None]


def test_infinite_numbers_are_refused_by_row_and_column() -> None:
    with pytest.raises(DanluError, match='the given rows row 2, column "a": expected a number, got "inf"'):
        examples_of({"a": [1.0, float("inf"), float("nan")], "b": [1.0, 2.0, 4.0]}, DataConfig())


@pytest.mark.parametrize(
    ("rows", "key"),
    [
        (3.5, "data.unknown_rows"),
        ([object()], "data.unknown_rows"),
        ({"a": [1, 2], "b": [1]}, "data.unequal_columns"),
        (np.zeros((2, 3, 4, 5), np.float32), "data.array_shape"),
    ],
)
def test_what_holds_no_rows_is_refused(rows: Any, key: str) -> None:
    with pytest.raises(DanluError) as error:
        examples_of(rows, DataConfig())
    assert error.value.key == key
