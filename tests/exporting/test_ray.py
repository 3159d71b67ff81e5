"""ray: the application answers as `danlu serve` does, inside Ray where it is installed, and its files fit together."""

import ast
import asyncio
import importlib.util
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import numpy as np
import polars as pl
import pytest
import yaml

import danlu
from danlu.exporting.ray_app import DEPLOYMENT, serve_config
from danlu.serving.mounted import application

ROWS = [{"x": 0.75}, {"x": -0.4}, {"x": None}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("ray")
    x = np.linspace(-1, 1, 120)
    rows = pl.DataFrame({"x": x, "kind": np.where(x > 0, "high", "low")})
    settings = {"train__steps": 2, "evaluate__bootstrap": 0, "evaluate__baseline": False}
    run = danlu.train(rows, target="kind", model="mlp", out=place / "My run", quiet=True, **settings)
    return danlu.export(run, "ray", place / "out", quiet=True)


def asked(app, path: str, **request) -> httpx2.Response:
    """One request to an application in this process."""

    async def answered() -> httpx2.Response:
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request("POST" if request else "GET", path, **request)

    return asyncio.run(answered())


def same_as_the_run(folder: Path, told: list[dict]) -> bool:
    said = danlu.predict(folder / "runs" / "my-run", ROWS)
    return all(
        answer["prediction"] == row["prediction"]
        and answer["probabilities"]["high"] == pytest.approx(row["probability_high"], abs=1e-6)
        for answer, row in zip(told, said.iter_rows(named=True), strict=True)
    )


def test_the_application_answers_as_the_run_does(folder):
    app = application([folder / "runs" / "my-run"], {"max_batch": 2})
    told = asked(app, "/v1/predict/my-run", json={"rows": ROWS}).json()
    assert same_as_the_run(folder, told["predictions"])
    assert asked(app, "/v1/predict/my-run", json={"rows": [{"x": "much"}]}).status_code == 400


def test_the_application_asks_for_the_key_of_its_environment(folder, monkeypatch):
    monkeypatch.setenv("DANLU_API_KEY", "a key")
    app = application([folder / "runs" / "my-run"])
    request = {"json": {"rows": ROWS}}
    assert asked(app, "/v1/predict/my-run", **request).status_code == 401
    assert asked(app, "/v1/predict/my-run", **request, headers={"Authorization": "Bearer a key"}).status_code == 200


def test_the_file_is_a_program_of_ray_and_danlu_alone(folder):
    source = (folder / "app.py").read_text()
    imported = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {(getattr(node, "module", None) or node.names[0].name).split(".")[0] for node in imported}
    assert names == {"pathlib", "ray", "starlette", "danlu"}
    needed = set(re.findall(r"^\w+", (folder / "requirements.txt").read_text(), re.M))
    assert needed == {"danlu", "ray"}
    assert not (folder / "runs" / "my-run" / "checkpoints").exists()


def test_the_configuration_names_what_the_file_holds(folder):
    config = yaml.safe_load((folder / "serve_config.yaml").read_text())
    assert config == serve_config("my-run")
    assert config["http_options"]["host"] == "127.0.0.1"
    (told,) = config["applications"]
    module, name = told["import_path"].split(":")
    assert (folder / f"{module}.py").is_file()
    assigned = [node for node in ast.parse((folder / "app.py").read_text()).body if isinstance(node, ast.Assign)]
    assert name in {target.id for node in assigned for target in node.targets}
    assert told["deployments"][0]["max_ongoing_requests"] >= 2 * DEPLOYMENT["autoscaling_config"]["min_replicas"]


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray[serve] is not installed")
def test_ray_serves_it(folder, tmp_path):
    port = free_port()
    config = serve_config("my-run") | {"http_options": {"host": "127.0.0.1", "port": port}}
    (tmp_path / "serve_config.yaml").write_text(yaml.safe_dump(config))
    environment = os.environ | {"RAY_USAGE_STATS_ENABLED": "0", "RAY_NUM_CPUS": "1"}
    program = "from ray.serve.scripts import cli; cli()"
    command = [sys.executable, "-c", program, "run", str(tmp_path / "serve_config.yaml")]
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=-3, stderr=-3) as server:
        try:
            told = first_answer(server, f"http://127.0.0.1:{port}/v1/predict/my-run")
            assert same_as_the_run(folder, told["predictions"])
        finally:
            server.terminate()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def first_answer(server: subprocess.Popen, url: str) -> dict:
    """What it says once it is up."""
    for _ in range(240):
        assert server.poll() is None
        try:
            answer = httpx2.post(url, json={"rows": ROWS}, timeout=30)
        except httpx2.TransportError:
            answer = None
        if answer is not None and answer.status_code == 200:
            return answer.json()
        time.sleep(0.5)
    raise AssertionError("it never answered")
