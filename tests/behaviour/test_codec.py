"""What the codec promises: fitted on training rows alone, written whole, and no wrong answer in silence."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from danlu.data.codec import Codec
from danlu.data.examples import ROW, Column, Examples, Origin, SourceFile
from danlu.data.tally import Tally
from danlu.data.targets import UNKNOWN_CLASS, Target, fit_target
from danlu.errors import DanluError
from danlu.recipe import ColumnKind, DataConfig
from danlu.words import Note

ALL = ("numbers", "missing", "categories", "tokens", "terms", "image", "sequence")
KINDS: dict[str, ColumnKind] = {
    "size": "number",
    "open": "boolean",
    "colour": "category",
    "day": "date",
    "review": "text",
    "picture": "image",
    "pulse": "sequence",
    "tags": "labels",
    "answer": "category",
}
WORDS = ["good", "bad", "fine", "film", "movie", "plot", "poor", "great", "awful", "nice"]


def examples_of(frame: pl.DataFrame, kinds: dict[str, ColumnKind] = KINDS) -> Examples:
    columns = {name: Column(name, kinds[name], Note("codec.encoding_texts")) for name in frame.columns}
    origin = Origin((SourceFile("rows.csv", "csv", "", 0, frame.height),))
    return Examples(frame.with_row_index(ROW), columns, origin)


def frame_of(rows: int, seed: int = 0) -> pl.DataFrame:
    """Rows with a column of every kind; `size` has gaps."""
    rng = np.random.default_rng(seed)
    sizes = rng.normal(10, 3, rows)
    return pl.DataFrame(
        {
            "size": pl.Series([None if s > 13 else s for s in sizes], dtype=pl.Float64),
            "open": rng.random(rows) < 0.5,
            "colour": rng.choice(["red", "green", "blue"], rows, p=[0.6, 0.3, 0.1]),
            "day": [datetime(2024, 1, 1) + timedelta(hours=int(h)) for h in rng.integers(0, 9000, rows)],
            "review": [" ".join(rng.choice(WORDS, 6)) for _ in range(rows)],
            "picture": pl.Series(rng.integers(0, 256, (rows, 8, 8)).astype(np.uint8), dtype=pl.Array(pl.UInt8, (8, 8))),
            "pulse": pl.Series(
                [rng.normal(5, 2, n).tolist() for n in rng.integers(1, 9, rows)], dtype=pl.List(pl.Float32)
            ),
            "tags": [["a", "b"][: n + 1] for n in rng.integers(0, 2, rows)],
            "answer": rng.choice(["no", "yes"], rows),
        }
    )


def fit(examples: Examples, target: str = "answer", goal: Any = "classification", **rest: Any) -> Codec:
    return Codec.fit(examples, [target], goal, {"table": ALL}, "table", DataConfig(), **rest)


def table(rows: int = 200, **changes: Any) -> Examples:
    """`size` and `colour` with `answer`, some columns changed."""
    frame = frame_of(rows).select("size", "colour", "answer").with_columns(**changes)
    return examples_of(frame)


def refusal(call: Callable[[], object]) -> DanluError:
    with pytest.raises(DanluError) as caught:
        call()
    assert caught.value.note.text("en")
    assert caught.value.note.text("zh")
    return caught.value


@pytest.fixture(scope="module")
def fitted() -> tuple[Codec, Examples]:
    examples = examples_of(frame_of(200))
    return fit(examples), examples


def test_batch_has_the_names_types_and_shapes_that_shapes_declares(fitted: tuple[Codec, Examples]) -> None:
    codec, examples = fitted
    store = codec.encode(examples)
    batch = store.batch(torch.tensor([3, 50, 7]))
    shapes, inputs = codec.shapes, batch.inputs

    assert inputs["numbers"].shape == (3, shapes.numbers)
    assert inputs["missing"].shape == (3, shapes.missing) == (3, 1)
    assert inputs["categories"].shape == (3, len(shapes.categories))
    assert (store.feeds["categories"].take("c", torch.arange(200))["c"] < torch.tensor(shapes.categories)).all()
    assert inputs["tokens"].dtype == torch.int64
    assert inputs["tokens"].max() < shapes.tokens
    assert inputs["terms"].max() < shapes.terms
    assert inputs["terms_weight"].dtype == torch.float32
    assert inputs["image"].shape[1:] == shapes.image == (1, 8, 8)
    assert inputs["image"].dtype == torch.uint8
    assert inputs["sequence"].shape[2] == shapes.sequence == 1
    assert batch.targets["answer"].dtype == torch.int64
    assert shapes.heads == {"answer": 2}
    assert batch.rows.tolist() == [3, 50, 7]


def test_codec_written_to_json_and_read_again_is_the_same_codec(fitted: tuple[Codec, Examples]) -> None:
    codec, examples = fitted
    written = json.loads(json.dumps(codec.to_json()))
    again = Codec.from_json(written, codec.tokenizer_json)

    assert written == codec.to_json()
    assert again == codec
    first, second = codec.encode(examples), again.encode(examples)
    index = torch.arange(len(examples))
    for name, tensor in first.batch(index).inputs.items():
        assert torch.equal(tensor, second.batch(index).inputs[name]), name


def test_what_is_fitted_depends_on_the_training_rows_alone(fitted: tuple[Codec, Examples]) -> None:
    codec, examples = fitted
    before = codec.to_json()
    other = frame_of(100, seed=1).with_columns(size=pl.lit(1e6), colour=pl.lit("violet"), review=pl.lit("zzz"))
    codec.encode(examples_of(other))

    assert codec.to_json() == before
    assert fit(examples).to_json() == before
    assert fit(examples_of(frame_of(200, seed=1))).to_json() != before


def test_numbers_are_standardised_as_in_the_closed_form() -> None:
    examples = table(size=pl.Series(np.random.default_rng(0).normal(4, 2, 200)))
    raw = examples.frame["size"].to_numpy()
    plain = fit(examples, robust=False).encode(examples).feeds["numbers"].take("x", torch.arange(200))["x"]
    robust = fit(examples).encode(examples).feeds["numbers"].take("x", torch.arange(200))["x"]
    low, middle, high = np.quantile(raw, [0.25, 0.5, 0.75])
    scaled = (raw - middle) / (high - low)

    np.testing.assert_allclose(plain[:, 0], (raw - raw.mean()) / raw.std(), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(robust[:, 0], scaled / np.sqrt(1 + (scaled / 3) ** 2), rtol=1e-6, atol=1e-6)


def test_large_whole_numbers_keep_their_differences() -> None:
    """Around 2⁴⁰ float32 steps are 65,536 wide: the centre is subtracted before."""
    examples = table(size=pl.Series(2**40 + np.arange(200)))
    encoded = fit(examples, robust=False).encode(examples).feeds["numbers"].take("x", torch.arange(200))["x"]

    assert len(encoded.unique()) == 200


def test_missing_number_is_the_average_with_an_indicator(fitted: tuple[Codec, Examples]) -> None:
    codec, examples = fitted
    inputs = codec.encode(examples).batch(torch.arange(200)).inputs
    gaps = torch.from_numpy(examples.frame["size"].is_null().to_numpy())
    assert codec.numbers is not None
    size = [feature.column for feature in codec.numbers.features].index("size")

    assert gaps.any()
    assert torch.equal(inputs["missing"][:, 0] == 1, gaps)
    assert (inputs["numbers"][gaps, size] == 0).all()


def test_date_gives_time_and_only_the_cycles_that_vary() -> None:
    midnights = pl.Series([datetime(2024, 3, 1 + i % 14) for i in range(200)])
    codec = fit(examples_of(frame_of(200).select("day", "answer").with_columns(day=midnights)))
    assert codec.numbers is not None

    assert [feature.name for feature in codec.numbers.features] == [
        "day time",
        "day weekday sin",
        "day weekday cos",
    ]


def test_unseen_and_missing_categories_have_their_own_index_and_are_counted() -> None:
    codec = fit(table())
    colours = ["blue", "red", "violet", None, "green"]
    tally = Tally()
    rows = table(5, colour=pl.Series(colours), size=pl.lit(1.0))
    encoded = codec.encode(rows, tally=tally).feeds["categories"].take("c", torch.arange(5))["c"]

    assert codec.categories[0].values == ("red", "green", "blue")
    assert encoded[:, 0].tolist() == [4, 2, 0, 1, 3]
    told = {note.key: note.fields for note in tally.notes()}
    assert told["codec.unseen_category"] == {"column": "colour", "count": 1, "place": "rows.csv row 3"}
    assert told["codec.missing_new"] == {"column": "colour", "count": 1, "place": "rows.csv row 4"}


def test_tally_adds_up_over_pieces_and_names_the_first_row() -> None:
    codec, tally = fit(table()), Tally()
    rows = table(6, colour=pl.Series(["red", "violet", "red", "pink", "pink", "red"]))
    for piece in ([0, 1, 2], [3, 4, 5]):
        codec.encode(rows.take(piece), tally=tally)

    assert [note.fields for note in tally.notes() if note.key == "codec.unseen_category"] == [
        {"column": "colour", "count": 3, "place": "rows.csv row 2"}
    ]


def test_values_seen_once_train_the_index_of_values_never_seen() -> None:
    colours = ["red"] * 100 + ["green"] * 99 + ["once"]
    codec = fit(table(colour=pl.Series(colours)))
    encoded = codec.encode(table(colour=pl.Series(colours))).feeds["categories"].take("c", torch.arange(200))["c"]

    assert codec.categories[0].values == ("red", "green")
    assert encoded[-1, 0] == 0


def test_columns_that_tell_nothing_are_left_out_with_the_reason() -> None:
    examples = examples_of(
        frame_of(200)
        .select("size", "colour", "open", "review", "answer")
        .with_columns(open=pl.lit(True), colour=pl.Series([f"id{i}" for i in range(200)]))
    )
    codec = Codec.fit(
        examples, ["answer"], "classification", {"table": ("numbers", "categories")}, "table", DataConfig()
    )
    reasons = {note.fields["column"]: note.key for note in codec.unused}

    assert list(codec.inputs) == ["size"]
    assert reasons == {"open": "codec.constant", "colour": "codec.all_differ", "review": "codec.unread"}
    assert codec.shapes.missing == 0


def test_missing_columns_are_refused_by_name_and_further_ones_ignored() -> None:
    codec, rows = fit(table()), table(10)
    error = refusal(lambda: codec.encode(replace(rows, frame=rows.frame.drop("size", "answer"))))
    assert error.note.fields["columns"] == "size, answer"

    without_targets = codec.encode(replace(rows, frame=rows.frame.drop("answer")), with_targets=False)
    more = replace(rows, frame=rows.frame.with_columns(more=pl.lit("x")))
    assert without_targets.targets == {}
    assert torch.equal(
        codec.encode(more).batch(torch.arange(10)).inputs["numbers"],
        without_targets.batch(torch.arange(10)).inputs["numbers"],
    )


def test_a_text_where_a_number_belongs_is_refused_with_its_row() -> None:
    codec = fit(table())
    error = refusal(lambda: codec.encode(table(3, size=pl.Series(["1.5", "much", None]))))

    assert error.key == "codec.wrong_value"
    assert error.note.text("en").startswith('rows.csv row 2, column "size": expected a number, got "much".')


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("size", pl.Series([[1.0]] * 3)),
        ("colour", pl.Series([["red"]] * 3)),
        ("day", pl.Series([1, 2, 3])),
        ("review", pl.Series([b"x"] * 3)),
        ("picture", pl.Series([1, 2, 3])),
        ("pulse", pl.Series([1.0, 2.0, 3.0])),
    ],
)
def test_columns_of_another_type_are_refused(fitted: tuple[Codec, Examples], column: str, values: pl.Series) -> None:
    rows = examples_of(frame_of(3).with_columns(values.alias(column)))
    error = refusal(lambda: fitted[0].encode(rows))

    assert (error.key, error.note.fields["column"]) == ("codec.wrong_type", column)


def test_numbers_and_dates_written_as_texts_mean_the_same() -> None:
    frame = frame_of(100).select("size", "day", "open", "answer")
    codec = fit(examples_of(frame))
    texts = frame.with_columns(
        pl.col("size").cast(pl.String),
        pl.col("day").dt.to_string("%Y-%m-%d %H:%M:%S"),
        pl.col("open").cast(pl.String),
    )
    as_typed, as_texts = (codec.encode(examples_of(f)).batch(torch.arange(100)).inputs for f in (frame, texts))

    assert torch.equal(as_typed["numbers"], as_texts["numbers"])


def test_infinite_numbers_are_taken_as_missing_and_told() -> None:
    codec, tally = fit(table()), Tally()
    rows = table(3, size=pl.Series([1.0, float("inf"), 2.0]))
    inputs = codec.encode(rows, tally=tally).batch(torch.arange(3)).inputs

    assert inputs["missing"][:, 0].tolist() == [0, 1, 0]
    assert inputs["numbers"].isfinite().all()
    assert ("codec.not_finite", 1) in [(note.key, note.fields["count"]) for note in tally.notes()]


def test_no_rows_encode_to_no_rows(fitted: tuple[Codec, Examples]) -> None:
    codec, examples = fitted
    store = codec.encode(examples.take([]), with_targets=False)

    assert len(store) == 0
    assert {len(feed) for feed in store.feeds.values()} == {0}


def test_nothing_to_learn_from_is_refused() -> None:
    examples = table(size=pl.lit(1.0), colour=pl.lit("red"))

    assert refusal(lambda: fit(examples)).key == "codec.no_inputs"


def test_classes_are_in_natural_order_and_shown_as_people_write_them() -> None:
    assert fit_target(pl.Series([10.0, 2.0, 9.0, 2.5]), "y", "classification").classes == (
        "2",
        "2.5",
        "9",
        "10",
    )
    assert fit_target(pl.Series([True, False]), "y", "classification").classes == ("false", "true")
    assert fit_target(pl.Series(["x10", "x9", "b"]), "y", "classification").classes == ("b", "x9", "x10")


def test_classes_never_trained_are_counted_and_marked_unknown() -> None:
    codec, tally = fit(table()), Tally()
    rows = table(3, answer=pl.Series(["no", "perhaps", "yes"]))

    assert codec.encode(rows, tally=tally).targets["answer"].tolist() == [0, UNKNOWN_CLASS, 1]
    assert [n.fields["place"] for n in tally.notes() if n.key == "codec.unseen_class"] == ["rows.csv row 2"]


def test_several_labels_at_once_are_a_row_of_zeros_and_ones() -> None:
    examples = examples_of(frame_of(50).select("size", "tags"))
    codec, tally = fit(examples, "tags"), Tally()
    rows = examples_of(frame_of(3).select("size").with_columns(tags=pl.Series([["b", "a"], [], ["c", "a"]])))

    assert codec.targets["tags"].kind == "labels"
    assert codec.encode(rows, tally=tally).targets["tags"].tolist() == [[1, 1], [0, 0], [1, 0]]
    assert [n.fields["count"] for n in tally.notes() if n.key == "codec.unseen_class"] == [1]


def test_number_target_is_standardised_with_the_training_mean_and_scale() -> None:
    examples = table(answer=pl.Series(np.random.default_rng(0).normal(100, 7, 200)))
    codec = fit(examples, goal="regression")
    target, raw = codec.targets["answer"], examples.frame["answer"].to_numpy()
    encoded = codec.encode(examples).targets["answer"]

    assert (target.kind, target.size) == ("number", 1)
    np.testing.assert_allclose(encoded * target.scale + target.mean, raw, rtol=1e-5)
    assert abs(float(encoded.mean())) < 1e-5
    assert Target.from_json(json.loads(json.dumps(target.to_json()))) == target


@pytest.mark.parametrize(
    ("values", "goal", "key"),
    [
        (["yes", None, "no"], "classification", "codec.target_missing"),
        ([1.0, float("nan"), 2.0], "regression", "codec.target_missing"),
        (["yes", "yes", "yes"], "classification", "codec.too_few_classes"),
        (["a", "b", "c"], "regression", "codec.target_not_number"),
        ([datetime(2024, 1, 1)] * 3, "regression", "codec.target_not_number"),
    ],
)
def test_targets_that_do_not_fit_are_refused(values: list[Any], goal: str, key: str) -> None:
    assert refusal(lambda: fit(table(3, answer=pl.Series(values)), goal=goal)).key == key


def test_target_that_is_no_number_at_evaluation_is_refused_with_its_row() -> None:
    codec = fit(table(answer=pl.Series(np.arange(200.0))), goal="regression")
    error = refusal(lambda: codec.encode(table(3, answer=pl.Series(["1", "2", "many"]))))

    assert (error.key, error.note.fields["place"]) == ("codec.wrong_value", "rows.csv row 3")


def test_sequences_are_standardised_per_channel_with_gaps_as_a_signal() -> None:
    steps = [[[1.0, 10.0], [None, 20.0]], [[3.0, 30.0]], [[5.0, 40.0], [3.0, 50.0], [3.0, 0.0]]] * 20
    pulses = pl.Series("pulse", steps, dtype=pl.List(pl.Array(pl.Float32, 2)))
    examples = examples_of(pl.DataFrame({"pulse": pulses, "answer": ["no", "yes", "no"] * 20}))
    codec = fit(examples)
    inputs = codec.encode(examples).batch(torch.tensor([0, 1])).inputs
    known = np.array([1, 3, 5, 3, 3])

    assert codec.shapes.sequence == 3
    assert inputs["sequence_length"].tolist() == [2, 1]
    np.testing.assert_allclose(inputs["sequence"][0, :, 0], [(1 - known.mean()) / known.std(), 0], rtol=1e-6)
    assert inputs["sequence"][:, :, 2].tolist() == [[0, 1], [0, 0]]


def test_sequence_columns_of_equal_length_are_channels_and_others_refused() -> None:
    kinds: dict[str, ColumnKind] = {"a": "sequence", "b": "sequence", "answer": "category"}
    frame = pl.DataFrame({"a": [[1.0, 2.0], [3.0]] * 5, "b": [[0.0, 5.0], [1.0]] * 5, "answer": ["no", "yes"] * 5})
    codec = fit(examples_of(frame, kinds))
    uneven = examples_of(frame.with_columns(b=pl.Series([[1.0, 2.0], [1.0, 2.0]] * 5)), kinds)

    assert codec.shapes.sequence == 2
    assert refusal(lambda: codec.encode(uneven)).note.fields["place"] == "rows.csv row 2"
