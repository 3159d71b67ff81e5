"""The command line: every verb on real runs, and every mistake a message with exit code 2 and no traceback."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import webbrowser
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from danlu import cli
from danlu.cli import app, main
from danlu.models import FAMILIES
from danlu.newrecipe import settings_of
from danlu.recipe import Recipe
from danlu.tasks import TASKS

VERBS = [
    "train", "evaluate", "predict", "generate", "embed", "serve", "export", "report", "runs", "new", "schema", "models",
    "doctor",
]  # fmt: skip
QUICK = ["evaluate.baseline=false", "evaluate.bootstrap=20"]


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANLU_LANG", "en")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table of fruit and a finished run on it, runs/fruit."""
    folder = tmp_path_factory.mktemp("cli")
    rng = np.random.default_rng(0)
    weight, round_ = rng.normal(size=120).round(3), rng.integers(0, 2, 120)
    label = np.where(weight + round_ + 0.1 * rng.normal(size=120) > 0.5, "apple", "pear")
    table = pl.DataFrame({"weight": weight, "shape": np.where(round_, "round", "long"), "label": label})
    table.write_csv(folder / "fruit.csv")
    out = str(folder / "runs" / "fruit")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DANLU_LANG", "en")
        ran(["train", str(folder / "fruit.csv"), "-t", "label", "-m", "linear", "-o", out, "-q", *QUICK], patch)
    return folder


@pytest.fixture(autouse=True)
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def ran(arguments: list[str], patch: pytest.MonkeyPatch) -> int | str | None:
    """The exit code of `danlu` with these arguments."""
    patch.setattr(sys, "argv", ["danlu", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code


class Danlu:
    """`danlu` in this process."""

    def __init__(self, patch: pytest.MonkeyPatch, captured: pytest.CaptureFixture[str]) -> None:
        self.patch, self.captured = patch, captured

    def __call__(self, *arguments: str) -> str:
        """What a call that succeeds prints."""
        assert ran([*arguments], self.patch) in (None, 0)
        return self.captured.readouterr().out

    def refuses(self, *arguments: str) -> str:
        """The message of a call that is the user's mistake."""
        assert ran([*arguments], self.patch) == 2
        printed = self.captured.readouterr()
        assert printed.out == ""
        assert "Traceback" not in printed.err
        return printed.err


@pytest.fixture
def danlu(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Danlu:
    return Danlu(monkeypatch, capsys)


# train --------------------------------------------------------------------------------------------------------------


def test_train_tells_what_it_inferred_and_where_the_report_is(danlu: Danlu) -> None:
    told = danlu("train", "fruit.csv", "--out", "runs/told", "--model", "linear", *QUICK)
    assert "tabular-classification" in told
    assert "label" in told
    assert str(Path("runs/told/report.html")) in told


def test_quiet_train_prints_the_run_folder_only(danlu: Danlu) -> None:
    assert danlu("train", "fruit.csv", "-q", "-o", "runs/quiet", "-m", "linear", *QUICK) == "runs/quiet\n"


def test_options_and_settings_stand_in_the_recipe_of_the_run(danlu: Danlu) -> None:
    options = ["--target", "label", "--model", "mlp", "--seed", "3", "--time-limit", "1m", "--out", "runs/settings"]
    danlu("train", "fruit.csv", *options, "model.depth=1", "train.epochs=2", "train.learning_rate=1e-3", *QUICK)
    recipe = Recipe.load("runs/settings/recipe.yaml")
    assert recipe.data.target == ("label",)
    assert (recipe.model.family, recipe.model.fields) == ("mlp", {"depth": 1})
    assert (recipe.train.epochs, recipe.train.learning_rate, recipe.train.time_limit) == (2, 0.001, 60)
    assert recipe.seed == 3


def test_several_targets_by_commas_or_repeated(danlu: Danlu) -> None:
    for out, targets in (("runs/commas", ["-t", "label,shape"]), ("runs/repeated", ["-t", "label", "-t", "shape"])):
        danlu("train", "fruit.csv", *targets, "-m", "linear", "-q", "-o", out, *QUICK)
        assert {target["name"] for target in report_of(out)["targets"]} == {"label", "shape"}


def test_recipe_is_trained_as_written_but_for_what_is_laid_over_it(danlu: Danlu) -> None:
    Path("recipe.yaml").write_text("data: {files: fruit.csv, target: label}\nmodel: linear\ntrain: {l2: 0.1}\n")
    danlu("train", "recipe.yaml", "train.l2=0.2", "--seed", "5", "-q", "-o", "runs/recipe", *QUICK)
    recipe = Recipe.load("runs/recipe/recipe.yaml")
    assert (recipe.train.l2, recipe.seed, recipe.model.family) == (0.2, 5, "linear")


def test_file_whose_name_holds_an_equals_sign_is_data(danlu: Danlu) -> None:
    Path("year=2024.csv").write_bytes(Path("fruit.csv").read_bytes())
    danlu("train", "year=2024.csv", "-t", "label", "-m", "linear", "-q", "-o", "runs/equals", *QUICK)
    assert report_of("runs/equals")["rows"]["train"] > 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Give data or a recipe"),
        (["fruit.csv", "epochs=3"], "train.epochs"),
        (["fruit.csv", "train.epoch=3"], "train.epochs"),
        (["fruit.csv", "learningrate=1e-3"], "train.learning_rate"),
        (["fruit.csv", "train.epochs=many"], "many"),
        (["fruit.csv", "train.betas=[1"], "train.betas=[1: not readable as YAML"),
        (["fruit.csv", "train.epochs=!!python/object/apply:os.getcwd []"], "not readable as YAML"),
        (["fruit.csv", "train.learning_rate=.inf"], "train.learning_rate"),
        (["fruit.csv", "-t", "label", "-q", "-m", "mlp", "model.width=1e12"], "memory"),
        (["fruit.csv", "--time-limit", "soon"], "soon"),
        (["fruit.csv", "--target", "lable"], "label"),
        (["fruit.csv", "--model", "liner"], "linear"),
        (["fruit.csv", "--model", "mlp", "model.dept=3"], "depth"),
        (["fruit.csv", "--task", "classification"], "tabular-classification"),
        (["fruit.cvs"], "fruit.csv"),
        (["recipe.yml"], "recipe.yml"),
        (["recipe.yaml", "fruit.csv"], "fruit.csv"),
        (["fruit.csv", "--resume", "runs/fruit"], "danlu train --resume runs/fruit"),
        (["--resume", "runs/friut"], "fruit"),
        (["fruit.csv", "--out", "runs/fruit"], "runs/fruit"),
        (["fruit.csv", "--traget", "label"], "--target"),
        (["fruit.csv", "--cv", "five"], "--cv"),
        (["fruit.csv", "--language", "fr"], "--language"),
    ],
)
def test_train_refuses_a_mistake_and_says_what_to_do(danlu: Danlu, arguments: list[str], said: str) -> None:
    assert said in danlu.refuses("train", *arguments)


def test_interrupt_before_anything_is_usable_ends_with_130(danlu: Danlu, monkeypatch: pytest.MonkeyPatch) -> None:
    def training(*_: object) -> Iterator[None]:
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr("danlu.api.training", training)
    assert ran(["train", "fruit.csv"], monkeypatch) == 130


def test_ctrl_c_leaves_a_usable_run(danlu: Danlu) -> None:
    command = [sys.executable, "-m", "danlu", "train", "fruit.csv", "-t", "label", "-m", "mlp", "-o", "runs/stopped"]
    long = ["train.steps=10000000", "train.early_stopping=false"]
    with subprocess.Popen([*command, *long, *QUICK], stdout=subprocess.DEVNULL) as process:
        metrics = Path("runs/stopped/metrics.jsonl")
        wait_until(lambda: metrics.exists() and metrics.stat().st_size > 1000)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert "prediction" in danlu("predict", "runs/stopped", "fruit.csv")


# evaluate, predict --------------------------------------------------------------------------------------------------


def test_evaluate_prints_every_metric(danlu: Danlu) -> None:
    told = danlu("evaluate", "runs/fruit", "fruit.csv")
    assert "120 rows" in told
    assert re.search(r"^ +accuracy +0\.\d+", told, re.M)


def test_evaluate_as_json_holds_what_is_printed(danlu: Danlu) -> None:
    measured = json.loads(danlu("evaluate", "runs/fruit", "fruit.csv", "--json"))
    assert 0.8 < measured["targets"][0]["metrics"]["accuracy"] <= 1


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.parquet", "a.arrow"])
def test_every_output_format_holds_the_same_answers(danlu: Danlu, name: str) -> None:
    expected = pl.read_csv(io.StringIO(danlu("predict", "runs/fruit", "fruit.csv")))
    danlu("predict", "runs/fruit", "fruit.csv", "--out", name)
    readers = {"jsonl": pl.read_ndjson, "parquet": pl.read_parquet, "arrow": pl.read_ipc}
    separator = "\t" if name.endswith("tsv") else ","
    read = readers.get(name.split(".")[1], lambda file: pl.read_csv(file, separator=separator))
    assert read(name).equals(expected)
    assert not list(Path().glob(".*partial"))


def test_piped_rows_get_the_answers_of_the_file(danlu: Danlu) -> None:
    expected = danlu("predict", "runs/fruit", "fruit.csv")
    command = [sys.executable, "-m", "danlu", "predict", "runs/fruit", "-"]
    piped = subprocess.run(command, input=Path("fruit.csv").read_bytes(), capture_output=True, check=True)
    assert piped.stdout.decode() == expected


def test_reader_who_has_seen_enough_is_no_error() -> None:
    command = f"{sys.executable} -m danlu predict runs/fruit fruit.csv | head -n 1"
    seen = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert seen.stdout.startswith("prediction,")
    assert seen.stderr == ""


def test_a_single_row_is_answered(danlu: Danlu) -> None:
    heavy = danlu("predict", "runs/fruit", "--row", '{"weight": 3, "shape": "round"}')
    assert heavy.splitlines()[1].startswith("apple,")
    both = danlu("predict", "runs/fruit", *["--row", '{"weight": -3, "shape": "long"}'] * 2)
    assert [line.split(",")[0] for line in both.splitlines()] == ["prediction", "pear", "pear"]


def test_a_single_text_is_answered(danlu: Danlu) -> None:
    rows = [{"text": f"{word} film number {i}", "label": word} for i in range(60) for word in ("good", "bad")]
    pl.DataFrame(rows).write_csv("texts.csv")
    danlu("train", "texts.csv", "-t", "label", "-m", "linear", "-q", "-o", "runs/texts", *QUICK)
    assert danlu("predict", "runs/texts", "--text", "a good one").splitlines()[1].startswith("good,")


def test_terminal_gets_as_many_columns_as_fit(danlu: Danlu, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    lines = danlu("predict", "runs/fruit", "fruit.csv").splitlines()
    assert all(len(line) <= 60 for line in lines)
    assert lines[-1] == "The first 20 rows and 4 columns; --out FILE writes all."
    row = danlu("predict", "runs/fruit", "--row", '{"weight": 3, "shape": "round"}')
    assert row.startswith("prediction         apple\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["runs/fruit"], "--row"),
        (["runs/fruit", "fruit.csv", "--row", "{}"], "--row"),
        (["runs/fruit", "--row", "{weight: 3}"], "JSON"),
        (["runs/fruit", "--row", "[3]"], "[3]"),
        (["runs/fruit", "--row", '{"weight": 3}'], "shape"),
        (["runs/fruit", "fruit.csv", "--out", "a.xyz"], ".parquet"),
        (["runs/fruit", "fruit.csv", "--out", "nowhere/a.csv"], "nowhere"),
        (["runs/fruit", "friut.csv"], "fruit.csv"),
        (["runs/friut", "fruit.csv"], "runs/fruit"),
        ([], "RUN"),
    ],
)
def test_predict_refuses_a_mistake_and_says_what_to_do(danlu: Danlu, arguments: list[str], said: str) -> None:
    assert said in danlu.refuses("predict", *arguments)


def test_refused_rows_leave_no_half_written_file(danlu: Danlu) -> None:
    Path("lacking.csv").write_text("weight\n1\n")
    danlu.refuses("predict", "runs/fruit", "lacking.csv", "--out", "lacking-answers.csv")
    assert not list(Path().glob("*lacking-answers*"))


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "schema"])  # a schema is the same in both
def test_every_verb_that_says_anything_says_it_in_the_language_asked_for(danlu: Danlu, verb: str) -> None:
    assert "用法" in danlu(verb, "--language", "zh", "--help")


def test_notes_of_predict_and_the_list_of_runs_come_in_the_language_asked_for(danlu: Danlu) -> None:
    pl.DataFrame({"weight": [0.1], "shape": ["square"]}).write_csv("square.csv")
    assert ran(["predict", "runs/fruit", "square.csv", "--language", "zh"], danlu.patch) in (None, 0)
    assert "取值在训练数据里罕见或未出现" in danlu.captured.readouterr().err
    assert danlu("runs", "--language", "zh").startswith("运行")


# report, runs, doctor, models ---------------------------------------------------------------------------------------


def test_report_tells_what_was_measured_and_opens_the_page(danlu: Danlu, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    told = danlu("report", "runs/fruit", "--open")
    assert "accuracy" in told
    assert "runs/fruit/report.html" in told
    assert opened == [Path("runs/fruit/report.html").resolve().as_uri()]


def test_runs_lists_finished_runs_and_says_how_to_go_on_with_others(danlu: Danlu) -> None:
    Path("some/halted").mkdir(parents=True)
    Path("some/halted/recipe.yaml").write_text("model: linear\n")
    Path("some/broken").mkdir()
    Path("some/broken/recipe.yaml").write_text("model: linear\n")
    Path("some/broken/report.json").write_text("{")
    Path("some/fruit").symlink_to(Path("runs/fruit").resolve())
    heading, *rows = danlu("runs", "some").splitlines()
    assert heading.split()[:3] == ["run", "task", "model"]
    assert re.match(r"fruit +tabular-classification +linear +accuracy [\d.]+ \[[\d.]+, [\d.]+\]", rows[0])
    assert any("danlu train --resume some/halted" in row for row in rows)
    assert any("some/broken/report.json" in row for row in rows)


def test_every_run_has_a_line_of_the_table_whatever_state_it_is_in(danlu: Danlu, tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "recipe.yaml").write_text("model: linear\n")
    (tmp_path / "three" / "report.json").write_text("{")
    heading, *rows = danlu("runs", str(tmp_path)).splitlines()
    assert {row.split()[0]: row[heading.index("measured") :].split()[0] for row in rows[:3]} == {
        "one": "unfinished",
        "two": "unfinished",
        "three": "damaged",
    }
    assert len(rows) == 6  # a line between, how to go on with the newest, what ails the damaged


def test_runs_of_an_empty_folder_says_how_to_make_one(danlu: Danlu, tmp_path: Path) -> None:
    assert "danlu train" in danlu("runs", str(tmp_path))


def test_doctor_tells_versions_and_machine(danlu: Danlu) -> None:
    import torch

    told = danlu("doctor")
    assert torch.__version__ in told
    assert "GFLOP/s" in told


def test_models_lists_every_family_and_every_setting_of_one(danlu: Danlu) -> None:
    listed = danlu("models")
    assert all(re.search(rf"^ +{name} ", listed, re.M) for name in FAMILIES)
    shown = danlu("models", "gru")
    assert all(name in shown for name, _ in settings_of("gru", FAMILIES["gru"].config))
    assert "gru" in danlu.refuses("models", "gruu")


# new, schema --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_new_recipe_is_valid_and_asks_for_its_task(danlu: Danlu, task: str, language: str) -> None:
    Path("new.yaml").write_text(danlu("new", task, "--language", language), encoding="utf-8")
    recipe = Recipe.load("new.yaml")
    assert recipe.task == task
    assert recipe.data.files


@pytest.mark.parametrize("family", FAMILIES)
def test_a_new_recipe_shows_every_key_at_its_default(danlu: Danlu, family: str) -> None:
    text = danlu("new", "tabular-regression", "--model", family)
    shown = yaml.safe_load(re.sub(r"^( *)# (?=[a-z_0-9]+: )", r"\1", text, flags=re.M))
    recipe = Recipe.of(shown)
    assert recipe.model_dump(exclude={"task", "model", "data"}) == Recipe().model_dump(
        exclude={"task", "model", "data"}
    )
    assert recipe.model.fields.keys() == FAMILIES[family].config.model_fields.keys()
    assert FAMILIES[family].config(**recipe.model.fields) == FAMILIES[family].config()


def test_a_new_recipe_names_the_schema_that_danlu_writes(danlu: Danlu) -> None:
    first = danlu("new", "tabular-regression").splitlines()[0]
    assert first == "# yaml-language-server: $schema=recipe.schema.json"
    schema = json.loads(danlu("schema"))
    assert schema["properties"].keys() == Recipe.model_fields.keys()
    assert {"type": "string"} in schema["properties"]["model"]["anyOf"]
    assert {"type": "null"} in schema["properties"]["train"]["anyOf"]


def test_new_refuses_an_unknown_task_with_the_nearest(danlu: Danlu) -> None:
    assert "image-classification" in danlu.refuses("new", "image-clasification")


# help, completion ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb_explains_every_option_and_gives_an_example(danlu: Danlu, verb: str) -> None:
    page = danlu(verb, "--help")
    assert f"danlu {verb}" in page.partition("Examples:")[2]
    options = page.partition("Options:")[2].partition("Examples:")[0].splitlines()[1:]
    assert all(re.match(r"  +(--?\S.*?  +|)\S", line) for line in options if line)
    assert all(len(line) <= 100 for line in page.splitlines())


def test_help_speaks_chinese_throughout() -> None:
    code = f"from danlu.cli import app\nfor verb in {VERBS}: app([verb, '--help'], standalone_mode=False)"
    environment = os.environ | {"DANLU_LANG": "zh", "COLUMNS": "80"}
    pages = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    text = pages.stdout.decode()
    assert text.count("用法：") == text.count("示例：") == len(VERBS)
    for explained in re.findall(r"^  (?:-[^ ]+,? ?)+(?:[A-Z|a-z]+)?  +(.*)$", text, re.M):
        assert re.search(r"[\u4e00-\u9fff]", explained), explained


def test_every_registered_verb_is_tested_here() -> None:
    assert [command.name for command in app.registered_commands] == VERBS


@pytest.mark.parametrize(("words", "offered"), [("danlu tr", "train"), ("danlu train --tim", "--time-limit")])
def test_shell_completes_verbs_and_options(words: str, offered: str) -> None:
    wanted = {"_DANLU_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    program = "import sys; sys.argv[0] = 'danlu'; from danlu.cli import main; main()"
    completed = subprocess.run([sys.executable, "-c", program], env=os.environ | wanted, capture_output=True)
    assert completed.stdout.decode().split() == [offered]


def test_unknown_verb_is_refused_with_the_nearest(danlu: Danlu) -> None:
    assert "train" in danlu.refuses("tarin")


def test_version_is_the_packages(danlu: Danlu) -> None:
    assert danlu("--version") == f"danlu {cli.__version__}\n"


def report_of(run: str) -> dict:
    return json.loads(Path(run, "report.json").read_text(encoding="utf-8"))


def wait_until(done: Callable[[], bool], limit_s: float = 60) -> None:
    end = time.monotonic() + limit_s
    while not done():
        assert time.monotonic() < end
        time.sleep(0.05)
