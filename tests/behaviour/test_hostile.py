"""What users give by mistake or by malice: it is refused with a sentence that teaches, or handled; nothing is left
behind."""

import datetime
import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import danlu
from danlu import models
from danlu.data.store import Shapes
from danlu.errors import DanluError
from danlu.output import write_file
from danlu.recipe import Recipe
from danlu.run import Run
from danlu.training.plan import threads_for
from danlu.training.speeds import Strengths

QUICK = {"quiet": True, "train__steps": 3, "evaluate__bootstrap": 0, "evaluate__baseline": False}


def table(rows=60, seed=0, **columns):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, rows))
    usual = {"a": a, "b": b, "label": ["yes" if v > 0 else "no" for v in a + b]}
    return {name: list(values) for name, values in (usual | columns).items()}


def refusal(data, out, **settings):
    with pytest.raises(DanluError) as error:
        danlu.train(data, out=out, **{"target": "label", **QUICK, **settings})
    assert not out.exists(), "the folder is free for the next attempt"
    return error.value


@pytest.mark.parametrize(
    ("key", "data", "settings"),
    [
        ("codec.too_few_classes", table(label=["yes"] * 60), {}),
        ("codec.target_constant", table(b=[1.5] * 60), {"target": "b"}),
        ("codec.no_columns", {"label": ["yes", "no"] * 30}, {}),
        ("codec.no_columns", {"a": [1] * 60, "label": ["yes", "no"] * 30}, {}),
        ("codec.target_too_large", table(b=[1e300 * i for i in range(60)]), {"target": "b"}),
        ("codec.no_words", {"a": [" " * (i % 9 + 1) for i in range(60)], "label": ["yes", "no"] * 30},
         {"data__columns": {"a": "text"}, "model": "linear"}),
        ("data.reserved_name", table(**{"*": range(60)}), {}),
        ("data.reserved_name", table(**{"^a$": range(60)}), {}),
        ("data.not_of_its_kind", table(), {"task": "tabular-regression"}),
        ("flow.no_such_input", table(), {"task": "text-classification"}),
        ("flow.no_such_input", table(), {"task": "image-classification"}),
        ("recipe.bad_value", table(), {"data__image": {"size": 0}}),
    ],
)  # fmt: skip
def test_what_cannot_be_learnt_from_is_refused_and_leaves_no_folder(tmp_path, key, data, settings):
    assert refusal(data, tmp_path / "run", **settings).key == key


@pytest.mark.parametrize("labels", [[["u"], ["u", "v"], [], ["w"]] * 15, [["u"]] * 60])
def test_lists_of_labels_in_memory_are_several_labels_at_once(tmp_path, labels):
    run = danlu.train(table(label=labels), target="label", out=tmp_path / "run", **QUICK)
    assert run.report["targets"][0]["kind"] == "labels"


def test_target_named_twice_is_one_target(tmp_path):
    run = danlu.train(table(), target=["label", "label"], out=tmp_path / "run", **QUICK)
    assert len(run.report["targets"]) == 1


def test_numbers_beyond_the_steps_of_a_float_make_a_page(tmp_path):
    data = table(b=[2**62 + i * i for i in range(60)])
    run = danlu.train(data, target="b", out=tmp_path / "run", **QUICK)
    assert run.report_html.is_file()


def test_numbers_beside_classes_as_targets_are_checked_each_as_what_it_is(tmp_path):
    run = danlu.train(table(), target=["b", "label"], out=tmp_path / "run", **QUICK)
    assert [target["kind"] for target in run.report["targets"]] == ["number", "class"]


def test_threads_stay_within_what_the_environment_allows(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    here = Strengths(half=None, float32_by="torch", threads=8, flops_per_thread=1e8)
    assert threads_for(1e12, here) == 1


@pytest.mark.parametrize(
    ("key", "settings"),
    [
        ("train.idle", {"train__momentum": 0.9, "train__optimizer": "adamw"}),
        ("train.idle", {"train__step_gamma": 0.5}),
        ("train.only_classes", {"train__label_smoothing": 0.1, "target": "b"}),
        ("train.only_classes", {"train__class_weights": "balanced", "target": "b"}),
        ("train.no_validation", {"train__early_stopping": {"patience": 2}, "data__split__validation": 0}),
        ("train.no_images", {"train__augment": True}),
        ("train.too_many_threads", {"train__threads": 100_000}),
        ("recipe.bad_value", {"train__batch_size": 0}),
        ("recipe.bad_value", {"train__betas": [2, 3]}),
        ("recipe.bad_value", {"train__class_weights": {"yes": -1}}),
    ],
)
def test_a_setting_is_honoured_or_refused(tmp_path, key, settings):
    assert refusal(table(), tmp_path / "run", **settings).key == key


def test_what_a_value_should_have_been_is_said_in_the_users_language(monkeypatch):
    with pytest.raises(DanluError) as error:
        danlu.Recipe.of({"train": {"batch_size": "many"}})
    assert (
        str(error.value) == "recipe, key \"train.batch_size\": got 'many', expected a whole number, or one of 'full'."
    )
    monkeypatch.setenv("DANLU_LANG", "zh")
    assert "应为整数" in str(error.value)


def test_a_loss_that_is_not_finite_names_rows_as_the_file_counts_them(tmp_path):
    file = tmp_path / "rows.csv"
    columns = table()
    lines = [",".join(map(str, row)) for row in zip(*columns.values(), strict=True)]
    file.write_text("\n".join([",".join(columns), *lines]))
    settings = QUICK | {"train__optimizer": "sgd", "train__learning_rate": 1e30}
    with pytest.raises(DanluError) as error:
        danlu.train(file, target="label", out=tmp_path / "run", **settings)
    assert error.value.key == "train.not_finite"
    assert "rows.csv row " in str(error.value)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of a table, and its columns but the target."""
    folder = tmp_path_factory.mktemp("hostile") / "run"
    columns = table()
    danlu.train(columns, target="label", out=folder, **QUICK)
    return folder, {name: columns[name] for name in ("a", "b")}


@pytest.mark.parametrize("file", ["model/config.json", "model/model.safetensors", "codec.json", "data.json"])
@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff\xfe\x00", None])
def test_a_damaged_run_is_refused_with_the_name_of_the_file(trained, tmp_path, file, content):
    copy = tmp_path / "run"
    shutil.copytree(trained[0], copy)
    (copy / file).unlink() if content is None else (copy / file).write_bytes(content)
    with pytest.raises(DanluError) as error:
        danlu.load(copy)
    assert file.rpartition("/")[2] in str(error.value)


@pytest.mark.parametrize(
    "change", [{"temperatures": {"label": 0}}, {"task": "x"}, {"family": "x"}, {"fields": {"width": 8}}]
)
def test_a_tampered_model_is_refused(trained, tmp_path, change):
    copy = tmp_path / "run"
    shutil.copytree(trained[0], copy)
    config = copy / "model" / "config.json"
    content = json.loads(config.read_text())
    config.write_text(json.dumps(content | {"danlu": content["danlu"] | change}))
    with pytest.raises(DanluError):
        danlu.load(copy)


def test_no_answer_hides_another_of_the_same_name(tmp_path):
    columns = table(prediction=range(60), prediction_input=[i % 7 for i in range(60)])
    columns |= {"t": ["b_c" if v == "yes" else "q" for v in columns["label"]]}
    columns |= {"t_b": ["c" if v == "yes" else "d" for v in columns.pop("label")]}
    run = danlu.train(columns, target=["t", "t_b"], out=tmp_path / "two", **QUICK)
    names = danlu.load(run).predict(columns).columns
    assert {"probability_t_b_c", "probability_t_b_c_2", "prediction", "prediction_input"} <= set(names)
    run = danlu.train(columns, target="t", out=tmp_path / "one", **QUICK)
    assert {"prediction_input", "prediction_input_2"} <= set(danlu.load(run).predict(columns).columns)


def test_rows_without_the_target_cannot_be_measured(trained):
    folder, columns = trained
    for rows in (columns, columns | {"label": [None] * 60}):
        with pytest.raises(DanluError):
            danlu.evaluate(folder, rows)


@pytest.mark.parametrize("text", ["a,b\n", "a,b\n1,2,3\n4\n"])
def test_a_file_without_a_readable_row_is_refused_by_predict(trained, tmp_path, text):
    file = tmp_path / "new.csv"
    file.write_text(text)
    with pytest.raises(DanluError) as error:
        danlu.predict(trained[0], file)
    assert error.value.key in ("data.no_rows", "data.too_many_bad_rows")


def test_dates_are_no_numbers(trained):
    folder, columns = trained
    with pytest.raises(DanluError) as error:
        danlu.predict(folder, columns | {"a": [datetime.date(2020, 1, 1)] * 60})
    assert error.value.key == "data.wrong_type"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_told_and_leaves_no_half_files(trained, tmp_path):
    run, answers = Run.create(tmp_path / "run", danlu.Recipe()), tmp_path / "answers.csv"
    full = {
        "run.disk_full": (run.folder / ".codec.json.partial", lambda: run.write("codec", {})),
        "output.disk_full": (
            tmp_path / ".answers.csv.partial",
            lambda: write_file(iter([danlu.predict(*trained)]), answers),
        ),
    }
    for key, (partial, write) in full.items():
        partial.symlink_to("/dev/full")
        with pytest.raises(DanluError) as error:
            write()
        assert error.value.key == key
        assert not partial.is_symlink()
    assert not answers.exists()
    (run.folder / "metrics.jsonl").symlink_to("/dev/full")
    with pytest.raises(DanluError):
        run.log({"step": 1})


def test_a_place_where_no_folder_can_be_made_is_refused_before_the_data_are_read(tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    for out in (file, file / "run"):
        with pytest.raises(DanluError) as error:
            danlu.train("no-such.csv", out=out, quiet=True)
        assert error.value.key == "run.no_place"


def test_classes_that_training_never_saw_are_counted_where_they_are_measured(trained):
    folder, columns = trained
    report = danlu.evaluate(folder, columns | {"label": ["never"] * 30 + ["yes"] * 30})
    unseen = [note["fields"]["count"] for note in report["notes"] if note["code"] == "codec.unseen_class"]
    assert unseen == [30]


def test_a_test_file_that_holds_every_row_is_refused(tmp_path):
    file = tmp_path / "rows.csv"
    write_file(iter([pl.DataFrame(table())]), file)
    assert refusal(file, tmp_path / "run", data__test_files=str(file)).key == "flow.nothing_new"


def test_a_test_file_without_an_input_is_refused_before_the_training(tmp_path):
    for name, columns in (("train", table()), ("test", table(seed=1))):
        frame = pl.DataFrame(columns)
        write_file(iter([frame if name == "train" else frame.drop("a")]), tmp_path / f"{name}.csv")
    error = refusal(tmp_path / "train.csv", tmp_path / "run", data__test_files=str(tmp_path / "test.csv"))
    assert error.key == "codec.missing_columns"


def test_a_run_killed_before_anything_was_prepared_goes_on(tmp_path):
    file, whole, cut = tmp_path / "rows.csv", tmp_path / "whole", tmp_path / "cut"
    write_file(iter([pl.DataFrame(table())]), file)
    danlu.train(file, target="label", out=whole, **QUICK)
    cut.mkdir()
    for name in ("recipe.yaml", "data.json"):
        shutil.copy(whole / name, cut)
        danlu.train(resume=shutil.copytree(cut, tmp_path / f"from-{name}"), quiet=True)
        resumed = tmp_path / f"from-{name}" / "model" / "model.safetensors"
        assert resumed.read_bytes() == (whole / "model" / "model.safetensors").read_bytes()


def test_what_cannot_be_resumed_is_said(trained, tmp_path):
    copy = shutil.copytree(trained[0], tmp_path / "run")
    for given in ({"seed": 1}, {"out": tmp_path / "elsewhere"}):
        with pytest.raises(DanluError) as error:
            danlu.train(resume=copy, **given)
        assert error.value.key == "cli.resume_alone"
    (copy / "report.json").unlink()
    with pytest.raises(DanluError) as error:
        danlu.train(resume=copy)
    assert error.value.key == "run.rows_not_kept"


@pytest.mark.parametrize(("family", "fields", "said"), [
    ("bert", {"width": 32, "heads": 3}, "width is 32, which is no multiple of heads, 3"),
    ("vit", {"width": 32, "heads": 3}, "width is 32, which is no multiple of heads, 3"),
    ("llama", {"width": 32, "heads": 4, "kv_heads": 3}, "heads is 4, which is no multiple of kv_heads, 3"),
])  # fmt: skip
def test_sizes_that_do_not_divide_are_named(family, fields, said):
    with pytest.raises(DanluError, match=said):
        models.build(family, fields, Shapes(tokens=9, max_tokens=8, image=(1, 8, 8), heads={"a": 2}))


@pytest.mark.parametrize(("given", "nearest"), [("epochs", "train__epochs"), ("train__epoch", "train__epochs")])
def test_an_unknown_setting_is_answered_in_the_spelling_of_python(given, nearest):
    with pytest.raises(DanluError) as error:
        danlu.train("rows.csv", **{given: 3})
    assert error.value.note.fields["key"] == given
    assert error.value.note.fields["nearest"].split(", ")[0] == nearest


def test_no_rows_have_no_predictions_in_the_same_columns(trained):
    predictor = danlu.load(trained[0])
    expected = predictor.predict([{"a": 0.5, "b": 1.5}])
    assert predictor.predict([]).schema == expected.schema
    assert predictor.predict([]).height == 0


def test_a_time_that_is_none_is_refused_with_the_forms_that_are():
    with pytest.raises(DanluError, match=r"train\.time_limit.*'ten'.*45s, 10m or 1h30m"):
        Recipe.of({"train": {"time_limit": "ten"}})
