"""What is inferred of columns, target and task: as a careful reader of the file would say it, with the
reason."""

from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest

import danlu
from danlu.data.cast import DATE_FORMATS, dates, expected
from danlu.data.examples import Column
from danlu.data.kinds import infer_columns, infer_target, infer_task
from danlu.data.read import examples_of
from danlu.errors import DanluError
from danlu.recipe import DataConfig, with_overrides
from danlu.words import Note

RNG = np.random.default_rng(0)
N = 200
FILLER = {"filler": RNG.normal(size=N), "width": RNG.normal(size=N)}
WORDS_EN = [
    "the",
    "film",
    "was",
    "good",
    "bad",
    "long",
    "short",
    "actors",
    "story",
    "music",
    "and",
    "very",
    "not",
    "really",
    "boring",
]
WORDS_ZH = "这部电影很好看不演员故事音乐非常无聊推荐大家一起去看看导演真的"


def prose(words: Any, count: int, joint: str) -> list[str]:
    return [joint.join(RNG.choice(list(words), count)) + joint + str(i) for i in range(N)]


def cycle(*values: Any) -> list[Any]:
    return [values[i % len(values)] for i in range(N)]


CASES: list[tuple[str, list[Any], str, str]] = [
    ("height", RNG.normal(size=N).tolist(), "number", "data.kind.number"),
    ("count", RNG.integers(0, 90, N).tolist(), "number", "data.kind.whole"),
    (
        "as_text",
        [str(i) if i % 7 else "NA" for i in RNG.integers(0, 999, N)],
        "number",
        "data.kind.number_plain",
    ),
    ("thousands", [f"{i * 977 + 1000:,}" for i in range(N)], "number", "data.kind.number_written"),
    ("percent", [f"{i / 3:.1f} %" for i in range(N)], "number", "data.kind.number_written"),
    ("price", [f"¥{i * 31.5 + 2:,.2f}" for i in range(N)], "number", "data.kind.number_written"),
    ("comma", [f"{i},5" for i in range(N)], "number", "data.kind.number_written"),
    ("preis", [f"{i + 1}.{i + 100},25 €" for i in range(N)], "number", "data.kind.number_written"),
    ("betrag", [f"{i + 1}.{i + 100},50 EUR" for i in range(N)], "number", "data.kind.number_written"),
    ("gewicht", [f"{i % 3},{i + 100}" for i in range(N)], "number", "data.kind.number_written"),
    ("anteil", [f"{i},5 %" for i in range(N)], "number", "data.kind.number_written"),
    ("prix", [f"{i + 1}\u202f{i + 100},5\u00a0€" for i in range(N)], "number", "data.kind.number_written"),
    ("franken", [f"{i + 1}'{i + 100}.5" for i in range(N)], "number", "data.kind.number_written"),
    ("formula", ["#DIV/0!", *(f"{i}.5" for i in range(N - 1))], "number", "data.kind.number_plain"),
    ("kurz", [f"31.12.{(85 + i % 30) % 100:02}" for i in range(N)], "date", "data.kind.date"),
    ("us", [f"{i % 12 + 1}/{i % 28 + 1}/2024 {i % 12 + 1}:05 PM" for i in range(N)], "date", "data.kind.date"),
    ("member", cycle("yes", "no", "no"), "boolean", "data.kind.boolean"),
    ("会员", cycle("是", "否"), "boolean", "data.kind.boolean"),
    ("flag", cycle(True, False, None), "boolean", "data.kind.boolean_dtype"),
    ("iso", [f"2024-0{i % 9 + 1}-{i % 28 + 1:02}" for i in range(N)], "date", "data.kind.date"),
    (
        "time",
        [f"2024-03-{i % 28 + 1:02} {i % 24:02}:{i % 60:02}:00" for i in range(N)],
        "date",
        "data.kind.date",
    ),
    ("zone", [f"2024-03-{i % 28 + 1:02}T10:00:00+08:00" for i in range(N)], "date", "data.kind.date"),
    ("日期", [f"2024年{i % 12 + 1}月{i % 28 + 1}日" for i in range(N)], "date", "data.kind.date"),
    ("date", [f"202403{i % 28 + 1:02}" for i in range(N)], "date", "data.kind.date"),
    ("city", cycle("Berlin", "Paris", "Rome", None), "category", "data.kind.category"),
    ("城市", cycle("北京", "上海", "缺失"), "category", "data.kind.category"),
    ("zip", [f"0{i % 40:04}" for i in range(N)], "category", "data.kind.category"),
    ("garage", cycle("有", "无"), "category", "data.kind.verbatim"),
    ("strand", cycle("+", "-"), "category", "data.kind.verbatim"),
    ("user_id", cycle(7, 3, 99, 12), "category", "data.kind.id_repeated"),
    ("review", prose(WORDS_EN, 9, " "), "text", "data.kind.text"),
    ("评论", prose(WORDS_ZH, 15, ""), "text", "data.kind.text"),
    ("tokens", [["a", "b"]] * (N - 1) + [["c"]], "text", "data.kind.text_list"),
    ("path", [f"img/{i}.JPG" for i in range(N)], "image", "data.kind.image_path"),
    ("signal", [[1.0, 2.0, float(i)] for i in range(N)], "sequence", "data.kind.sequence_list"),
    ("written", [f"[1, 2.5, {i}]" for i in range(N)], "sequence", "data.kind.sequence_written"),
    ("id", RNG.permutation(9 * N)[:N].tolist(), "ignore", "data.kind.id_named"),
    ("Unnamed: 0", list(range(N)), "ignore", "data.kind.id_named"),
    ("编号", [f"A{i}" for i in range(N)], "ignore", "data.kind.id_named"),
    ("row_order", RNG.permutation(N).tolist(), "ignore", "data.kind.id_consecutive"),
    ("ticket", [f"T{i * 31}" for i in range(N)], "ignore", "data.kind.id_text"),
    ("always", ["same"] * N, "ignore", "data.kind.constant"),
    ("zero", [0] * N, "ignore", "data.kind.constant"),
    ("nothing", [None] * N, "ignore", "data.kind.empty"),
]


@pytest.mark.parametrize(("name", "values", "kind", "reason"), CASES, ids=[c[0] for c in CASES])
def test_kind_of_a_column_is_what_a_reader_would_say(name: str, values: list[Any], kind: str, reason: str) -> None:
    column = infer_columns(pl.DataFrame(FILLER | {name: values}), DataConfig(target="filler"))[name]
    assert (column.kind, column.reason.key) == (kind, reason)
    assert column.reason.text("zh") != column.reason.text("en")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("thousands", [1000.0, 1977.0]),
        ("percent", [0.0, 0.3]),
        ("price", [2.0, 33.5]),
        ("comma", [0.5, 1.5]),
        ("preis", [1100.25, 2101.25]),
        ("betrag", [1100.5, 2101.5]),
        ("gewicht", [0.1, 1.101]),
        ("anteil", [0.5, 1.5]),
        ("prix", [1100.5, 2101.5]),
        ("franken", [1100.5, 2101.5]),
        ("formula", [None, 0.5]),
        ("member", [True, False]),
        ("garage", ["有", "无"]),
        ("城市", ["北京", "上海", None]),
        ("written", [[1.0, 2.5, 0.0]]),
        ("tokens", ["a b"]),
    ],
)
def test_cells_are_read_as_their_column_is_written(name: str, expected: list[Any]) -> None:
    values = next(values for case, values, _, _ in CASES if case == name)
    examples = examples_of(pl.DataFrame(FILLER | {name: values}), DataConfig(target="filler"))
    assert examples.frame[name].to_list()[: len(expected)] == expected
    again = examples_of({name: values[:1]}, DataConfig(), examples.columns)
    assert again.frame[name].to_list() == expected[:1]


def test_a_number_is_asked_for_as_its_column_writes_it() -> None:
    comma = examples_of({"a": [f"{i},5" for i in range(40)], "y": cycle("a", "b")[:40]}, DataConfig())
    with pytest.raises(DanluError, match=r'expected a number written like 1\.234,5, got "90\.5"'):
        examples_of({"a": ["90.5"]}, DataConfig(), comma.columns)


def test_years_of_two_digits_are_those_of_a_century_and_keep_their_order() -> None:
    examples = examples_of({"d": ["31.12.99", "01.01.03"] * 10, "y": [1.5, 2] * 10}, DataConfig())
    assert examples.frame["d"].dt.year().to_list()[:2] == [1999, 2003]


@pytest.mark.parametrize(
    "cells",
    [
        [f"{i % 3 + 1}.{i % 9 + 1}.{i % 10}" for i in range(N)],
        [f"{i % 3 + 1}.{i % 9 + 1}.{i % 14}" for i in range(N)],
        [f"{i % 9 + 1}-{i % 7 + 1}-{i % 5 + 1}" for i in range(N)],
    ],
    ids=["versions", "longer versions", "sections"],
)
def test_versions_and_numbers_of_sections_are_no_dates(cells: list[str]) -> None:
    assert infer_columns(pl.DataFrame({"a": cells}), DataConfig())["a"].kind != "date"


@pytest.mark.parametrize("mark", ["-", "/", "."])
def test_short_years_stand_where_there_are_few_of_them(mark: str) -> None:
    days = [date(2022 + i % 3, i % 12 + 1, i % 28 + 1) for i in range(N)]
    for form in (f"%y{mark}%m{mark}%d", f"%d{mark}%m{mark}%y"):
        frame = pl.DataFrame({"a": [day.strftime(form) for day in days]})
        column = infer_columns(frame, DataConfig())["a"]
        assert column.format == form
        assert dates(frame["a"], form).dt.date().to_list() == days


def test_dates_that_all_the_world_writes_alike_fit_whatever_the_column_is_written_as() -> None:
    german = examples_of({"d": ["03.04.2024", "25.12.2024"] * 10, "y": [1.5, 2] * 10}, DataConfig())
    later = examples_of({"d": ["2024-04-03", "2024-04-03T10:30", "03.04.2024", None]}, DataConfig(), german.columns)
    assert later.frame["d"].dt.strftime("%d.%m. %H").to_list() == ["03.04. 00", "03.04. 10", "03.04. 00", None]
    with pytest.raises(DanluError, match=r"expected a date written as 25\.03\.2024, got"):
        examples_of({"d": ["04/13/2024"]}, DataConfig(), german.columns)


@pytest.mark.parametrize("form", DATE_FORMATS)
def test_a_date_is_asked_for_by_an_example_of_how_it_is_written(form: str) -> None:
    example = expected(Column("d", "date", Note("data.kind.empty"), form)).fields["example"]
    assert "%" not in example
    assert dates(pl.Series([example]), form).dt.date().to_list() == [date(2024, 3, 25)]


def test_afternoons_are_told_from_mornings() -> None:
    examples = examples_of({"d": ["3/15/2024 2:05 PM", "3/15/2024 2:05 AM"] * 10, "y": [1.5, 2] * 10}, DataConfig())
    assert examples.frame["d"].dt.hour().to_list()[:2] == [14, 2]


def test_zones_become_utc() -> None:
    examples = examples_of(
        {"when": ["2024-03-01T02:00:00+08:00", "2024-03-01T02:00:00Z"] * 20, "y": [1.5, 2] * 20}, DataConfig()
    )
    assert examples.frame["when"].dt.strftime("%d %H").to_list()[:2] == ["29 18", "01 02"]


def test_days_and_months_are_told_apart_by_the_values() -> None:
    european = examples_of({"d": ["03/04/2024", "25/12/2024"] * 10, "y": [1.5, 2] * 10}, DataConfig())
    american = examples_of({"d": ["03/04/2024", "12/25/2024"] * 10, "y": [1.5, 2] * 10}, DataConfig())
    assert european.frame["d"].dt.month()[0] == 4
    assert american.frame["d"].dt.month()[0] == 3


@pytest.mark.parametrize("name", ["label", "target", "class", "Class", "y", "标签", "目标", "类别"])
def test_target_is_found_by_a_name_that_leaves_no_doubt(name: str) -> None:
    examples = examples_of(pl.DataFrame(FILLER | {name: cycle("a", "b")}), DataConfig())
    target, why = infer_target(examples.columns, examples.frame, DataConfig())
    assert (target, why.key) == ((name,), "data.target.by_name")


def test_target_in_doubt_is_asked_for_and_a_wrong_name_is_answered_with_the_nearest() -> None:
    for frame in ({"a": [1, 2], "price": [3, 4]}, {"label": [1, 2], "target": [3, 4]}):
        examples = examples_of(frame, DataConfig())
        with pytest.raises(DanluError, match="--target") as error:
            infer_target(examples.columns, examples.frame, DataConfig())
        assert all(name in str(error.value) for name in frame)
    with pytest.raises(DanluError, match=r'no column "prise"\. Nearest: price'):
        infer_target(
            examples_of({"a": [1], "price": [3]}, DataConfig()).columns,
            pl.DataFrame(),
            DataConfig(target="prise"),
        )


@pytest.mark.parametrize(
    ("values", "kind", "task", "reason"),
    [
        (cycle("a", "b", "c"), "category", "tabular-classification", "data.task.classification"),
        (cycle("yes", "no"), "category", "tabular-classification", "data.task.classification"),
        (cycle(True, False), "boolean", "tabular-classification", "data.task.classification"),
        (cycle(0, 1), "category", "tabular-classification", "data.task.classification"),
        (cycle(0.0, 1.0, float("nan")), "category", "tabular-classification", "data.task.classification"),
        (cycle(1, 2, 3, 4, 5), "category", "tabular-classification", "data.task.ambiguous"),
        (cycle("1", "2", "3"), "category", "tabular-classification", "data.task.ambiguous"),
        (RNG.normal(size=N).tolist(), "number", "tabular-regression", "data.task.regression"),
        (list(range(N)), "number", "tabular-regression", "data.task.regression"),
        ([f"{i * 1000:,}" for i in range(N)], "number", "tabular-regression", "data.task.regression"),
        ([["a"], ["a", "b"]] * (N // 2), "labels", "tabular-classification", "data.task.classification"),
        (["same"] * N, "category", "tabular-classification", "data.task.classification"),
    ],
)
def test_task_follows_the_target(values: list[Any], kind: str, task: str, reason: str) -> None:
    examples = examples_of(pl.DataFrame(FILLER | {"outcome": values}, strict=False), DataConfig(target="outcome"))
    assert examples.columns["outcome"].kind == kind
    found, note = infer_task(examples.columns, ("outcome",), examples.frame)
    assert (found, note.key) == (task, reason)


def test_an_ambiguous_rating_says_how_to_choose_the_other_and_obeys() -> None:
    frame = pl.DataFrame(FILLER | {"rating": cycle(1, 2, 3, 4, 5)})
    config = DataConfig(target="rating")
    examples = examples_of(frame, config)
    _, note = infer_task(examples.columns, ("rating",), examples.frame)
    assert "task=tabular-regression" in note.text("en")
    chosen = examples_of(frame, config, task="tabular-regression")
    assert chosen.columns["rating"].kind == "number"
    assert infer_task(chosen.columns, ("rating",), chosen.frame)[0] == "tabular-regression"
    amounts = examples_of(pl.DataFrame(FILLER | {"rating": list(range(N))}), config, task="tabular-classification")
    assert amounts.columns["rating"].kind == "category"


@pytest.mark.parametrize(
    ("inputs", "modality"),
    [
        ({"review": prose(WORDS_EN, 9, " ")}, "text"),
        ({"review": prose(WORDS_EN, 9, " "), "age": RNG.normal(size=N)}, "tabular"),
        ({"photo": np.zeros((N, 4, 4), np.uint8)}, "image"),
        ({"signal": [[1.0, 2.0]] * N}, "sequence"),
    ],
)
def test_task_follows_the_inputs(inputs: dict[str, Any], modality: str) -> None:
    examples = examples_of(pl.DataFrame(inputs | {"label": cycle("a", "b")}), DataConfig())
    assert infer_task(examples.columns, ("label",), examples.frame)[0] == f"{modality}-classification"


def test_the_only_input_is_kept_though_it_looks_like_an_identifier() -> None:
    line = examples_of({"x": list(range(100)), "y": [3 * i + 2 for i in range(100)]}, DataConfig())
    assert line.columns["x"].kind == "number"
    names = examples_of({"name": [f"Anna{i}" for i in range(100)], "label": ["f", "m"] * 50}, DataConfig())
    assert names.columns["name"].kind == "text"


def test_what_the_recipe_sets_is_not_inferred() -> None:
    frame = pl.DataFrame(FILLER | {"level": cycle(1, 2, 3), "tags": cycle("a|b", "b", "c|a")})
    config = DataConfig(columns={"level": "category", "tags": "labels"}, target="tags")
    examples = examples_of(frame, config)
    assert examples.columns["level"].reason.key == "data.kind.set"
    assert examples.frame["level"].to_list()[:3] == ["1", "2", "3"]
    assert examples.frame["tags"].to_list()[:2] == [["a", "b"], ["b"]]


@pytest.mark.parametrize("turns", [("role", "content"), ("from", "value")])
@pytest.mark.parametrize("config", [DataConfig(), DataConfig(target="talk"), DataConfig(columns={"talk": "text"})])
def test_conversations_are_refused_with_what_to_do_and_not_learned_as_classes(
    turns: tuple[str, str], config: DataConfig
) -> None:
    talk = [
        [dict(zip(turns, said, strict=True)) for said in (("user", f"What is {i}?"), ("bot", "!"))] for i in range(9)
    ]
    with pytest.raises(DanluError, match="--task text-generation"):
        infer_columns(pl.DataFrame({"talk": talk}), config)
    beside = infer_columns(
        pl.DataFrame({"talk": talk, "length": [1.5] * 8 + [2], "y": cycle("a", "b")[:9]}), DataConfig()
    )
    assert beside["talk"].kind == "ignore"


def test_answers_of_which_none_comes_again_are_no_classes_unless_they_are_called_so() -> None:
    rows = {"x": RNG.normal(size=N), "written": [f"answer {i}" for i in range(N - 5)] + ["the same"] * 5}
    examples = examples_of(rows, DataConfig(target="written"))
    with pytest.raises(DanluError, match="196 different values in 200 rows"):
        infer_task(examples.columns, ["written"], examples.frame)
    with pytest.raises(DanluError, match="196 different values in 200 rows"):
        danlu.train(rows, target="written")
    few = examples_of({"x": [1.0, 2.0, 3.0], "y": ["a", "b", "c"]}, DataConfig())
    assert infer_task(few.columns, ["y"], few.frame)[0] == "tabular-classification"


def test_a_column_whose_name_holds_dots_is_set_by_its_name() -> None:
    laid = with_overrides({"data": {"target": "y"}}, ["data.columns.chosen.value=ignore", "data.columns={a: text}"])
    assert laid == {"data": {"target": "y", "columns": {"a": "text"}}}
    assert with_overrides({}, ["data.columns.chosen.value=ignore"])["data"]["columns"] == {"chosen.value": "ignore"}


@pytest.mark.parametrize("kind", ["ignore", "date", "text", "image", "sequence"])
def test_a_target_of_a_kind_that_is_no_answer_is_refused(kind: Any) -> None:
    frame = pl.DataFrame({"x": RNG.normal(size=N), "day": [f"2024-03-{i % 28 + 1:02}" for i in range(N)]})
    config = DataConfig(target="day", columns={"day": kind})
    with pytest.raises(DanluError, match='"day" is the target'):
        infer_target(infer_columns(frame, config), frame, config)
    named, by_name = frame.rename({"day": "label"}), DataConfig(columns={"label": kind})
    with pytest.raises(DanluError, match='"label" is the target'):
        infer_target(infer_columns(named, by_name), named, by_name)
