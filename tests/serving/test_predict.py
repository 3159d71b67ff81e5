"""What is served is what the Predictor says, for every kind of task, alone and among others."""

import base64
import json
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from kinds import KINDS, picture
from servers import Server

import danlu
from danlu.data.tally import Tally


def said(frame: pl.DataFrame) -> list[dict[str, Any]]:
    return json.loads(frame.drop("image", strict=False).write_json())


def numbers_in(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [number for inner in value.values() for number in numbers_in(inner)]
    if isinstance(value, list):
        return [number for inner in value for number in numbers_in(inner)]
    return [value] if isinstance(value, int | float) else []


@pytest.mark.parametrize("name", KINDS)
def test_an_answer_is_that_of_the_predictor(name: str, server: Server, runs: Path) -> None:
    kind = KINDS[name]
    row = {key: base64.b64decode(value) if key == "image" else value for key, value in kind.row.items()}
    (expected,) = said(danlu.load(runs / name).predict(pl.DataFrame([row], strict=False)))
    response = server.predict(name, rows=[kind.row])
    assert response.status_code == 200, response.text
    (answer,) = response.json()["predictions"]
    if "prediction" in answer:
        assert answer["prediction"] == pytest.approx(expected["prediction"])
    for label, chance in answer.get("probabilities", {}).items():
        assert math.isclose(chance, expected[f"probability_{label}"], abs_tol=1e-5)
    assert answer
    for key in answer.keys() & expected.keys() - {"prediction"}:
        assert numbers_in(answer[key]) == pytest.approx(numbers_in(expected[key]), abs=1e-5)


@pytest.mark.parametrize("name", KINDS)
def test_an_answer_does_not_hang_on_the_requests_beside_it(name: str, server: Server) -> None:
    row = KINDS[name].row
    alone = server.predict(name, rows=[row]).json()["predictions"]
    with ThreadPoolExecutor(12) as pool:
        wrong = pool.submit(server.predict, name, rows=[{key: {"no": "cell"} for key in row}])
        many = list(pool.map(lambda _: server.predict(name, rows=[row]), range(12)))
    assert wrong.result().status_code == 400
    for response in many:
        assert response.status_code == 200, response.text
        answers = response.json()["predictions"]
        assert str(answers)[:20] == str(alone)[:20]
        assert numbers_in(answers) == pytest.approx(numbers_in(alone), abs=1e-4)


def test_requests_in_flight_share_batches(server: Server) -> None:
    before = metric(server, "danlu_batch_rows_count")
    slow = [KINDS["reviews"].row] * 1000
    with ThreadPoolExecutor(33) as pool:
        first = pool.submit(server.predict, "reviews", rows=slow)
        others = list(pool.map(lambda _: server.predict("reviews", rows=slow[:1]), range(32)))
    assert {response.status_code for response in [first.result(), *others]} == {200}
    assert metric(server, "danlu_batch_rows_count") - before < 32 + 32


def metric(server: Server, name: str, model: str = "reviews") -> float:
    lines = server.get("/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(f"{name}{{") and f'model="{model}"' in line)


def test_bare_inputs_are_rows_of_the_only_column(server: Server) -> None:
    inputs = server.predict("reviews", inputs=["a warm film", "dull"]).json()
    assert inputs == server.predict("reviews", rows=[{"text": "a warm film"}, {"text": "dull"}]).json()


def test_files_of_a_form_are_images(server: Server) -> None:
    files = [
        ("image", ("a.png", picture(40), "image/png")),
        ("image", ("b.jpg", picture(220, form="JPEG"), "image/jpeg")),
    ]
    response = server.post("/v1/predict/photos", files=files)
    encoded = [base64.b64encode(content).decode() for _, (_, content, _) in files]
    assert response.json() == server.predict("photos", inputs=encoded).json()
    data_url = f"data:image/png;base64,{encoded[0]}"
    (alone,), (first, _) = (
        each.json()["predictions"] for each in (server.predict("photos", inputs=[data_url]), response)
    )
    assert alone["prediction"] == first["prediction"]
    assert numbers_in(alone) == pytest.approx(numbers_in(first), abs=1e-6)  # of a batch of one, and of two


def test_cells_mean_what_they_mean_in_a_file(server: Server, runs: Path, tmp_path: Path) -> None:
    rows = [
        {"rooms": "3", "area": None, "city": "Nowhere", "sold": "2024-03-05", "lift": "yes"},
        {"rooms": 3.0, "area": 1e6, "city": None, "sold": None, "lift": 1},
        {"rooms": None, "area": 80, "city": "Rome", "sold": "2024-12-01", "lift": None},
    ]
    pl.DataFrame(rows, strict=False).write_csv(tmp_path / "rows.csv")
    expected = danlu.load(runs / "houses").predict(tmp_path / "rows.csv", Tally())["prediction"]
    together = server.predict("houses", rows=rows).json()["predictions"]
    alone = [server.predict("houses", rows=[row]).json()["predictions"][0] for row in rows]
    assert together == alone
    assert [row["prediction"] for row in together] == pytest.approx(expected.to_list())


REFUSED: dict[str, tuple[str, Any, str]] = {
    "a number that is none": ("houses", {"rooms": "many"}, 'row 2, column "rooms": expected a number, got'),
    "a list for a number": ("houses", {"rooms": [3]}, 'row 2, column "rooms"'),
    "a date that is none": ("houses", {"sold": "soon"}, 'row 2, column "sold"'),
    "an object for a text": ("reviews", {"text": {"a": 1}}, 'row 2, column "text": expected a text'),
    "a broken image": ("photos", {"image": base64.b64encode(picture()[:40]).decode()}, "row 2"),
    "no image": ("photos", {"image": "aGVsbG8="}, 'row 2, column "image": expected a PNG'),
    "a path for an image": ("photos", {"image": "/etc/passwd"}, 'row 2, column "image"'),
    "a file address for an image": ("photos", {"image": "file:///etc/passwd"}, 'row 2, column "image"'),
    "an image that would fill the memory": (
        "photos",
        {"image": base64.b64encode(picture(size=(9000, 9000))).decode()},
        "an image of at most 25,000,000 pixels",
    ),
    "no image at all": ("photos", {"image": None}, "row 2"),
    "steps of several widths": ("signals", {"signal": [[1], [1, 2]]}, 'row 2, column "signal"'),
    "other channels": ("signals", {"signal": [[1, 2], [1, 2]]}, "signal"),
    "an endless number": ("houses", {"area": 10**400}, 'row 2, column "area"'),
    "a text without end": ("reviews", {"text": "a" * 200_000}, "at most 100000 characters"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_a_cell_that_does_not_fit_is_named(why: str, server: Server) -> None:
    name, change, message = REFUSED[why]
    row = KINDS[name].row
    response = server.predict(name, rows=[row, row | change])
    assert response.status_code == 400, response.text[:300]
    assert message in response.json()["error"]["message"]


BODIES: dict[str, tuple[str | bytes, int, str]] = {
    "no JSON": ("{", 400, "serve.not_json"),
    "not a number": ('{"inputs": [NaN]}', 400, "serve.not_json"),
    "deep": ("[" * 100_000, 400, "serve.not_json"),
    "long digits": ('{"inputs": [' + "1" * 5000 + "]}", 400, "serve.not_json"),
    "half a surrogate pair": (r'{"inputs": ["\\ud800"]}', 200, ""),
    "bytes that are no text": (b'{"inputs": ["\\xff"]}', 400, "serve.not_json"),
    "a list": ("[]", 400, "serve.not_object"),
    "nothing": ("{}", 400, "serve.rows_or_inputs"),
    "both": ('{"rows": [], "inputs": []}', 400, "serve.rows_or_inputs"),
    "no rows": ('{"rows": []}', 400, "serve.no_rows"),
    "no list": ('{"rows": "x"}', 400, "serve.no_rows"),
    "no objects": ('{"rows": [1]}', 400, "serve.row_no_object"),
    "too many": (json.dumps({"inputs": ["a"] * 1001}), 400, "serve.too_many_rows"),
    "too large": (b" " * 17_000_000, 413, "serve.body_too_large"),
}


@pytest.mark.parametrize("what", BODIES)
def test_a_body_that_does_not_fit_is_refused(what: str, server: Server) -> None:
    content, status, code = BODIES[what]
    headers = {"content-type": "application/json"}
    response = server.post("/v1/predict/reviews", content=content, headers=headers)
    assert response.status_code == status, response.text[:300]
    assert not code or response.json()["error"]["code"] == code


def test_a_row_that_lacks_a_column_is_named(server: Server) -> None:
    row = {key: value for key, value in KINDS["houses"].row.items() if key != "area"}
    error = server.predict("houses", rows=[KINDS["houses"].row, row]).json()["error"]
    assert error["message"].startswith("row 2 lacks area.")


def test_a_key_that_training_did_not_have_is_told(server: Server) -> None:
    told = server.predict("reviews", rows=[{"text": "warm", "id": 7, "label": "1"}]).json()
    assert told["notes"] == ["Keys that training did not have were left out: id."]


def test_errors_speak_the_language_that_is_asked_for(server: Server) -> None:
    chinese = server.post("/v1/predict/reviews", json={"inputs": [{}]}, headers={"accept-language": "zh-CN,en;q=0.8"})
    assert "第 1 行" in chinese.json()["error"]["message"]


def test_other_pages_and_methods_are_refused(server: Server) -> None:
    assert server.get("/nowhere").json()["error"]["code"] == "serve.no_page"
    assert server.get("/v1/predict/reviews").status_code == 405
    assert server.predict("nobody", inputs=["a"]).json()["error"]["code"] == "serve.no_model"
    text = server.post("/v1/predict/reviews", content="a", headers={"content-type": "text/plain"})
    assert text.status_code == 415
