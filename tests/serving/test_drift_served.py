"""Drift of a running server: what moved is told where it is asked for, and nothing of any row anywhere."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from kinds import KINDS, QUICK, picture
from servers import Server, serving

import danlu
from danlu.data.codec import Codec
from danlu.data.read import examples_of
from danlu.drift.measures import Seen, measured
from danlu.drift.reference import Reference
from danlu.drift.signals import Key, Values, fitted
from danlu.drift.window import Window
from danlu.serving import drift as watching
from danlu.serving.drift import HELD, LABEL, SERIES, Drift, DriftCollector

ODD = 'in "cm"\n\\width'  # a column whose name Prometheus must be told with care
WIDE = {"target": "label", "model": {"family": "linear"}}


def drawn(seed: int, rows: int, **changed: float) -> list[dict[str, Any]]:
    """Rows of one kind, but for what is changed."""
    rng = np.random.default_rng(seed)
    size = rng.normal(changed.get("size", 0), 1, rows)
    return [
        {
            "size": float(size[i]),
            ODD: float(rng.poisson(3)),
            "city": str(rng.choice(["Rome", "Oslo", "Lima"]))
            if rng.random() > changed.get("elsewhere", 0)
            else "Nowhere",
            "lift": bool(rng.random() < 0.4),
            "label": "large" if size[i] + rng.normal() > 0 else "small",
        }
        for i in range(rows)
    ]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over rows of that kind, of which a few hundred are for testing."""
    folder = tmp_path_factory.mktemp("drifting") / "rooms"
    danlu.train(drawn(0, 2400), out=folder, quiet=True, **WIDE, **QUICK | {"train__steps": 60})
    return folder


@pytest.fixture
def watched(run: Path, tmp_path: Path) -> Iterator[Server]:
    """A server of its own."""
    (tmp_path / "keys").write_text("the-key\n")
    with serving(tmp_path / "log", str(run), "--api-key-file", str(tmp_path / "keys")) as server:
        server.client.headers["Authorization"] = "Bearer the-key"
        yield server


def answered(server: Server, rows: list[dict[str, Any]]) -> None:
    """Ask for predictions of the rows."""
    bare = [{name: value for name, value in row.items() if name != "label"} for row in rows]
    for first in range(0, len(bare), 250):
        assert server.predict("rooms", rows=bare[first : first + 250]).status_code == 200


def columns_of(server: Server) -> dict[str, dict[str, Any]]:
    """column:measure → what is told of it."""
    return {f"{each['column']}:{each['measure']}": each for each in server.get("/v1/drift/rooms").json()["columns"]}


def report(*arguments: str, key: str = "the-key", language: str = "en") -> subprocess.CompletedProcess[str]:
    """The verb, as users call it."""
    env = os.environ | {"DANLU_LANG": language, "DANLU_API_KEY": key}
    command = [sys.executable, "-m", "danlu", "serve", "--report", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=env)


def test_what_moved_is_told_and_nothing_else(watched: Server, run: Path) -> None:
    answered(watched, drawn(1, 100))
    assert watched.get("/v1/drift/rooms").json()["status"] == "few"
    answered(watched, drawn(2, 500))
    assert {each["status"] for each in columns_of(watched).values()} == {"stable"}
    assert "moved" not in {each["status"] for each in watched.get("/v1/drift").json()["data"]}

    answered(watched, drawn(3, 1500, size=3, elsewhere=0.3))
    refused = watched.predict("rooms", rows=[{"size": "huge", ODD: 1, "city": "Rome", "lift": True}])
    assert refused.status_code == 400
    found = columns_of(watched)
    moved = {name for name, each in found.items() if each["status"] == "moved"}
    assert (
        {"size:value", "city:category"} <= moved <= {"size:value", "city:category", "label:class", "label:confidence"}
    )
    assert found["size:value"]["mean"] == [pytest.approx(0, abs=0.2), pytest.approx(2.14, abs=0.3)]
    assert found["city:category"]["unseen"][1] == pytest.approx(0.21, abs=0.05)
    whole = watched.get("/v1/drift/rooms").json()
    assert whole["window"]["rows"] == 2100
    assert whole["window"]["skipped"] == 0
    assert whole["reference"]["of"] in ("test", "held_out")

    metrics = watched.get("/metrics").text
    gauges = {
        line.rpartition(" ")[0]: float(line.split()[-1])
        for line in metrics.splitlines()
        if "_drift_" in line and line[0] != "#"
    }
    series = '{column="size",measure="value",model="rooms",of="input"}'
    assert gauges[f"danlu_drift_psi{series}"] == pytest.approx(found["size:value"]["psi"], rel=1e-4)
    assert gauges[f"danlu_drift_moved{series}"] == 1
    assert gauges['danlu_drift_rows{model="rooms"}'] == 2100
    assert gauges['danlu_drift_signals_moved{model="rooms"}'] == len(moved)
    odd = r'{column="in \"cm\"\n\\width",measure="value",model="rooms",of="input"}'
    assert gauges[f"danlu_drift_moved{odd}"] == 0

    english, chinese = report(watched.url), report(watched.url, language="zh")
    assert "size" in english.stdout
    assert "values that training hardly knew" in english.stdout
    assert "训练时几乎没有的取值" in chinese.stdout
    assert "width" not in english.stdout  # it did not move
    assert (
        json.loads(report("--port", watched.url.rpartition(":")[2], str(run), "--json").stdout)[0]["status"] == "moved"
    )
    assert "Nowhere" not in watched.log_file.read_text() + metrics + json.dumps(whole) + english.stdout


def test_only_those_with_the_key_are_told(watched: Server) -> None:
    for path in ("/v1/drift", "/v1/drift/rooms"):
        assert watched.get(path, headers={"Authorization": "Bearer nobody"}).json()["error"]["code"] == "serve.key"
    refused = report(watched.url, key="nobody")
    assert (refused.returncode, "API key is missing or wrong" in refused.stderr) == (2, True)
    assert "There is no model" in report(watched.url, "elsewhere").stderr
    assert watched.get("/v1/drift/elsewhere").status_code == 404


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("http://127.0.0.1:9",), "No server answers"),
        (("--max-batch", "3"), "--max-batch"),
        (("http://nowhere.invalid",), "nowhere.invalid"),
    ],
)
def test_a_report_that_cannot_be_says_why(arguments: tuple[str, ...], said: str) -> None:
    refused = report(*arguments)
    assert refused.returncode == 2
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_run_without_a_reference_is_served_and_says_that_drift_is_not_watched(run: Path, tmp_path: Path) -> None:
    old = tmp_path / "rooms"
    shutil.copytree(run, old)
    (old / "drift.json").unlink()
    with serving(tmp_path / "log", str(old)) as server:
        answered(server, drawn(1, 20))
        assert server.get("/v1/drift/rooms").json()["status"] == "unwatched"
        assert "danlu_drift_psi{" not in server.get("/metrics").text
        assert "not watched" in report(server.url).stdout


def test_a_damaged_reference_is_refused_by_its_name(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "rooms")
    (tmp_path / "rooms" / "drift.json").write_text('{"rows": 3}')
    with pytest.raises(danlu.DanluError, match=r"drift\.json"):
        Drift.of(danlu.Run.open(tmp_path / "rooms"), danlu.load(run).codec)


@pytest.mark.parametrize("name", KINDS)
def test_rows_that_are_served_are_measured_as_the_reference_was(name: str, runs: Path) -> None:
    """The same rows by way of the evaluation and by way of answers."""
    predictor, kind = danlu.load(runs / name), KINDS[name]
    reference = Reference.from_json(json.loads((runs / name / "drift.json").read_text()))
    row = kind.row | ({"image": picture()} if "image" in kind.row else {})
    examples = examples_of(pl.DataFrame([row] * 3, strict=False), predictor.data, predictor.columns)
    store = predictor.encoded(examples)
    answers = predictor.answers(examples, store=store)
    own = answers[:, : answers.width - (examples.frame.width - 1)]
    served = measured(predictor.codec, [Seen(examples.frame, store, own), Seen(examples.frame, store, own)])
    watched = {signal.key for signal in reference.signals if not signal.measure.startswith("prompt")}
    assert watched <= served.keys()
    assert {len(served[key].values) for key in watched if key.measure != "labels"} == {6}


def test_predictions_are_measured_alike_from_probabilities_and_from_answers(runs: Path) -> None:
    for name in ("reviews", "houses", "films"):
        predictor = danlu.load(runs / name)
        rows = pl.DataFrame(KINDS[name].rows())
        examples = examples_of(rows, predictor.data, predictor.columns)
        store = predictor.encoded(examples)
        answers = predictor.answers(examples, store=store)
        predictions = {each.outcome.target: each.outcome.prediction for each in predictor.evidence(examples)}
        one = measured(predictor.codec, [Seen(examples.frame, store, predictions)])
        other = measured(predictor.codec, [Seen(examples.frame, store, answers)])
        assert one.keys() == other.keys()
        for key, values in one.items():
            np.testing.assert_allclose(values.values, other[key].values)


def test_prompts_are_counted_and_not_kept(runs: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "log", str(runs / "sayings")) as server:
        body = {"model": "sayings", "prompt": ["the cat", "a dog likes"], "max_tokens": 2, "n": 2}
        assert server.post("/v1/completions", json=body).status_code == 200
        assert server.post("/v1/completions", json=body | {"stop": ""}).status_code == 400
        assert server.post("/v1/completions", json=body | {"prompt": "a " * 400}).status_code == 200
        (prompts,) = [
            each for each in server.get("/v1/drift/sayings").json()["columns"] if each["measure"] == "prompt_tokens"
        ]
        assert prompts["rows"] == 3
        assert prompts["unseen"][1] == pytest.approx(1 / 3)


def test_rows_beyond_what_may_wait_are_skipped_and_told(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "PAUSE_S", 60)
    predictor = danlu.load(run)
    found = Drift.of(danlu.Run.open(run), predictor.codec)
    assert found
    examples = examples_of(pl.DataFrame(drawn(0, 1000)).drop("label"), predictor.data, predictor.columns)
    store = predictor.encoded(examples)
    seen = Seen(examples.frame, store, predictor.answers(examples, store=store))
    with found._counting:  # nothing is counted meanwhile
        for _ in range(20):
            found.saw(seen)
        assert len(found._waiting) <= HELD
    _, rows, _ = found.found()
    assert rows + found.skipped == 20_000
    assert rows <= 2 * HELD
    found.close()


def test_metrics_tell_of_a_bounded_number_of_columns_each_by_a_name_of_its_own() -> None:
    names = [f"{'long ' * 100}{number}" for number in range(3 * SERIES)]
    signals = [fitted(Key("input", name, "value"), Values(np.arange(100.0))) for name in names]
    many = Drift(Codec({}, {}), Reference(100, "test", tuple(signals)))
    window = Window(signals)
    window.add({Key("input", name, "value"): Values(np.arange(500.0)) for name in names}, 500)
    many.window = window
    families = {family.name: family for family in DriftCollector({"wide": many}).collect()}
    many.close()
    labels = [sample.labels["column"] for sample in families["danlu_drift_psi"].samples]
    assert len(labels) == len(set(labels)) == SERIES
    assert max(map(len, labels)) < LABEL + 10
    assert families["danlu_drift_signals_moved"].samples[0].value == len(names)
