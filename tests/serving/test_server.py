"""The server as a process: who may ask, what it tells of itself, how it stops, how it sets out."""

import os
import shutil
import signal
import ssl
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from kinds import KINDS
from servers import Server, serving

ROW = KINDS["reviews"].row


def refused(*arguments: str, env: dict[str, str] | None = None) -> str:
    """What a server says that does not start."""
    ended = subprocess.run(
        [sys.executable, "-m", "danlu", "serve", *arguments],
        capture_output=True, text=True, timeout=120, env=os.environ | {"DANLU_LANG": "en"} | (env or {}),
    )  # fmt: skip
    assert ended.returncode == 2, ended
    assert "Traceback" not in ended.stderr
    return ended.stderr


def test_a_server_that_cannot_be_says_why(runs: Path, tmp_path: Path) -> None:
    assert "needs an API key" in refused(str(runs / "reviews"), "--host", "0.0.0.0")
    assert "No run to serve" in refused()
    assert "nowhere" in refused(str(tmp_path / "nowhere"))
    (tmp_path / "empty").touch()
    assert "holds no API key" in refused(str(runs / "reviews"), "--api-key-file", str(tmp_path / "empty"))
    assert "both files" in refused(str(runs / "reviews"), "--tls-cert", str(tmp_path / "empty"))
    assert "max_rows" in refused(str(runs / "reviews"), "max_rowz=3")


def test_only_those_with_the_key_may_ask(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("first-key\nsecond-key\n")
    keys = ("--api-key-file", str(tmp_path / "keys"))
    with serving(tmp_path / "log", str(runs / "reviews"), "--host", "0.0.0.0", *keys) as server:
        address = server.url.replace("0.0.0.0", "127.0.0.1")
        closed = ("/v1/models", "/metrics", "/openapi.json", "/docs")
        for headers in ({}, {"Authorization": "Bearer nobody"}, {"Authorization": "Basic first-key"}):
            for path in closed:
                assert httpx2.get(f"{address}{path}", headers=headers).json()["error"]["code"] == "serve.key"
        for key in ("first-key", "second-key"):
            for path in closed:
                assert httpx2.get(f"{address}{path}", headers={"Authorization": f"Bearer {key}"}).status_code == 200
        assert [httpx2.get(f"{address}{path}").status_code for path in ("/", "/health", "/ready")] == [200] * 3
        assert "key" not in "".join(line["event"] for line in server.log())
        assert "first-key" not in server.log_file.read_text()


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}])
def test_other_sites_may_not_ask(headers: dict[str, str], server: Server) -> None:
    assert server.get("/v1/models", headers=headers).json()["error"]["code"] == "serve.origin"
    own = server.get("/v1/models", headers={"Origin": server.url})
    assert own.status_code == 200
    assert "access-control-allow-origin" not in own.headers


def test_the_log_and_the_metrics_hold_nothing_that_users_sent(server: Server) -> None:
    secret = "unmistakable secret"
    server.predict("reviews", inputs=[secret])
    server.predict("houses", rows=[KINDS["houses"].row | {"sold": secret}])
    server.post("/v1/completions", json={"model": "sayings", "prompt": secret, "max_tokens": 2})
    server.get(f"/{secret}")
    assert secret.split()[0] not in server.log_file.read_text() + server.get("/metrics").text
    requests = [line for line in server.log() if line["event"] == "request"]
    assert {"method", "route", "status", "ms", "time"} <= requests[-1].keys()


def test_what_waits_too_long_or_is_too_much_is_told_so(runs: Path, tmp_path: Path) -> None:
    limits = ("--max-queue", "2", "--max-batch", "1", "max_body_mb=0.1")
    with serving(tmp_path / "log", str(runs / "reviews"), *limits) as server:
        with ThreadPoolExecutor(24) as pool:
            found = list(pool.map(lambda _: server.predict("reviews", rows=[ROW] * 4), range(24)))
        busy = [response for response in found if response.status_code == 429]
        assert busy
        assert {response.status_code for response in found} == {200, 429}
        assert all(int(response.headers["Retry-After"]) >= 1 for response in busy)
        assert server.predict("reviews", inputs=["a" * 200_000]).status_code == 413
    with serving(tmp_path / "log", str(runs / "reviews"), "--timeout", "0.001") as server:
        assert server.predict("reviews", rows=[ROW] * 50).json()["error"]["code"] == "serve.timeout"
        assert server.get("/health").status_code == 200


def test_a_small_request_does_not_wait_for_a_large_one(server: Server) -> None:
    with ThreadPoolExecutor(2) as pool:
        large = pool.submit(server.predict, "reviews", rows=[ROW] * 1000)
        time.sleep(0.05)
        small = pool.submit(server.predict, "reviews", rows=[ROW])
        small.result()
        assert not large.done()
        assert large.result().status_code == 200


def test_a_stopping_server_answers_all_that_it_took(runs: Path, tmp_path: Path) -> None:
    """Under load: no answer is lost, and what is refused is refused before it was taken."""
    with serving(tmp_path / "log", str(runs / "reviews"), str(runs / "sayings")) as server:
        stopping = False

        def asked(number: int) -> int | str:
            body = {"model": "sayings", "prompt": "my", "max_tokens": 30, "temperature": 0}
            try:
                for _ in range(400):
                    if number % 4:
                        response = server.predict("reviews", rows=[ROW])
                    else:
                        response = server.post("/v1/completions", json=body)
                    if response.status_code != 200:
                        return response.status_code
            except httpx2.ConnectError:
                return "refused"
            return "done"

        with ThreadPoolExecutor(16) as pool:
            clients = [pool.submit(asked, number) for number in range(16)]
            time.sleep(1.0)
            stopping = True
            server.process.send_signal(signal.SIGTERM)
            ends = {client.result() for client in clients}
        assert stopping
        assert ends == {"refused"}
        assert server.process.wait(60) == 0
        lines = server.log()
        assert lines[-1]["event"] == "stopped"
        assert {line["status"] for line in lines if line["event"] == "request"} == {200}


def test_https_is_spoken(runs: Path, tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*made, *names, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    tls = ("--tls-cert", str(certificate), "--tls-key", str(key))
    with serving(tmp_path / "log", str(runs / "reviews"), *tls) as server:
        assert server.url.startswith("https://")
        trusted = ssl.create_default_context(cafile=str(certificate))
        assert httpx2.get(f"{server.url}/health", verify=trusted).json() == {"status": "ok"}
    assert "do not work together" in refused(
        str(runs / "reviews"), "--tls-cert", str(key), "--tls-key", str(certificate)
    )


def test_two_runs_of_one_name_are_told_apart(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "films", tmp_path / "reviews")
    with serving(tmp_path / "log", str(runs / "reviews"), str(tmp_path / "reviews")) as server:
        assert [model["id"] for model in server.get("/v1/models").json()["data"]] == ["reviews", "reviews_2"]
