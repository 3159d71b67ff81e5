"""docker: the files say what they should, and their commands run outside Docker as they would inside."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

import danlu


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("docker")
    x = np.linspace(-1, 1, 120)
    rows = pl.DataFrame({"x": x, "kind": np.where(x > 0, "high", "low")})
    settings = {"train__steps": 2, "evaluate__bootstrap": 0, "evaluate__baseline": False}
    run = danlu.train(rows, target="kind", model="mlp", out=place / "My run", quiet=True, **settings)
    return danlu.export(run, "docker", place / "image", quiet=True)


def told(folder: Path, instruction: str) -> list[str]:
    """The JSON list behind the last such instruction of the Dockerfile."""
    text = (folder / "Dockerfile").read_text().replace("\\\n", " ")
    found = re.findall(rf"^{instruction}.*?(\[.*\])$", text, re.M)
    return json.loads(found[-1])


def test_the_image_is_built_of_files_that_are_there_and_is_not_root(folder):
    lines = (folder / "Dockerfile").read_text().splitlines()
    assert lines[0].startswith("FROM python:")
    assert lines.index("USER danlu") > lines.index("RUN useradd --create-home --uid 10001 danlu")
    copied = [line.split()[-2] for line in lines if line.startswith("COPY")]
    assert all((folder / name).exists() for name in copied)
    assert (folder / ".dockerignore").read_text().split() == ["*", "!run", "!requirements.txt"]
    assert not (folder / "run" / "checkpoints").exists()
    assert not (folder / "run" / "samples.parquet").exists()


def test_compose_keeps_the_port_on_this_machine_and_asks_for_a_key(folder):
    (service,) = yaml.safe_load((folder / "compose.yaml").read_text())["services"].values()
    assert service["ports"] == ["127.0.0.1:8000:8000"]
    assert "DANLU_API_KEY:?" in service["environment"]["DANLU_API_KEY"]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]


def test_the_command_serves_and_the_health_check_finds_it(folder, tmp_path):
    pytest.importorskip("uvicorn")
    port = free_port()
    command, health = told(folder, "CMD"), told(folder, "HEALTHCHECK")
    (tmp_path / "runs").mkdir()
    (tmp_path / command[2]).symlink_to(folder / "run")
    command = [sys.executable, "-m", *(str(port) if word == "8000" else word for word in command)]
    health = [sys.executable, *(word.replace("8000", str(port)) for word in health[1:])]
    environment = os.environ | {"DANLU_API_KEY": "key"}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=-3, stderr=-3) as server:
        try:
            assert any(is_well(health) or server.poll() is not None for _ in range(120))
            assert server.poll() is None
        finally:
            server.terminate()


def is_well(health: list[str]) -> bool:
    time.sleep(0.5)
    return subprocess.run(health, capture_output=True, check=False).returncode == 0


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]
