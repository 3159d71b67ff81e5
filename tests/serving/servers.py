"""A server as a process of its own, as users start it."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2


@dataclass(frozen=True)
class Server:
    """A running server, its address, and where its log goes."""

    process: subprocess.Popen[str]
    url: str
    log_file: Path
    client: httpx2.Client

    def predict(self, name: str, **body: Any) -> httpx2.Response:
        """What /v1/predict answers."""
        return self.client.post(f"/v1/predict/{name}", json=body)

    def get(self, path: str, **options: Any) -> httpx2.Response:
        """A page."""
        return self.client.get(path, **options)

    def post(self, path: str, **options: Any) -> httpx2.Response:
        """What is answered to a body."""
        return self.client.post(path, **options)

    def log(self) -> list[dict[str, Any]]:
        """The lines of its log."""
        return [json.loads(line) for line in self.log_file.read_text(encoding="utf-8").splitlines()]

    def stop(self) -> int:
        """Tell it to stop, and wait."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@contextmanager
def serving(log_file: Path, *arguments: str, env: dict[str, str] | None = None) -> Iterator[Server]:
    """A server that listens on a free port."""
    environment = os.environ | {"DANLU_LANG": "en"} | (env or {})
    with log_file.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "danlu", "serve", *arguments, "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=environment,
        )
    try:
        assert process.stdout
        said = next((line for line in process.stdout if "Ctrl-C" in line), "")
        found = re.search(r"https?://[^\s/]+", said)
        assert found, log_file.read_text()
        with httpx2.Client(base_url=found[0], timeout=60, verify=False) as client:
            yield Server(process, found[0], log_file, client)
    finally:
        process.kill()
        process.wait(60)
