"""Names on the hub: what is fetched, what is kept, what is said when it cannot be; a server here plays the hub."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import huggingface_hub
import pytest
import torch
import transformers

from danlu.data.store import Shapes
from danlu.errors import DanluError
from danlu.models import build
from danlu.models.hub import files
from danlu.models.pretrained import Pretrained

COMMIT = "1" * 40
CODES = {  # how the hub tells why it refuses
    "gated": (403, {"X-Error-Code": "GatedRepo"}),
    "forbidden": (403, {}),
    "private": (401, {"X-Error-Code": "RepoNotFound"}),
    "broken": (500, {}),
}


class Hub(ThreadingHTTPServer):
    """The endpoints of the hub that a download asks: /api/models/…, /resolve/…; `asked` holds the files given out."""

    def __init__(self, content: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.content = content
        self.asked: list[str] = []
        self.requests = 0

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    """One request. Of org/tiny there are files; other names are refused as they say."""

    server: Hub

    def do_GET(self) -> None:
        self._answer(with_content=True)

    def do_HEAD(self) -> None:
        self._answer(with_content=False)

    def log_message(self, *_: object) -> None:
        """Nothing: tests show their own."""

    def _answer(self, with_content: bool) -> None:
        self.server.requests += 1
        path = urlsplit(self.path).path
        name = path.removeprefix("/api/models/").strip("/").split("/")[1]
        if name != "tiny":
            status, headers = CODES.get(name, (404, {"X-Error-Code": "RepoNotFound"}))
            self._send(status, b'{"error": "no"}', headers, with_content)
        elif "/resolve/" in path:
            file = path.rpartition(f"/{COMMIT}/")[2]
            if with_content:
                self.server.asked.append(file)
            content = self.server.content[file]
            known = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": COMMIT}
            self._send(200, content, known, with_content)
        elif "/tree/" in path:
            rows = [
                {"type": "file", "path": file, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                for file, content in self.server.content.items()
            ]
            self._send(200, json.dumps(rows).encode(), {"Content-Type": "application/json"}, with_content)
        else:
            siblings = [{"rfilename": file} for file in self.server.content]
            told = json.dumps(
                {"id": "org/tiny", "modelId": "org/tiny", "sha": COMMIT, "siblings": siblings, "tags": []}
            )
            self._send(200, told.encode(), {"Content-Type": "application/json"}, with_content)

    def _send(self, status: int, content: bytes, headers: dict[str, str], with_content: bool) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if with_content:
            self.wfile.write(content)


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A small BERT, and files beside it that danlu has no use for."""
    folder = tmp_path_factory.mktemp("tiny")
    config = transformers.BertConfig(
        vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=12,
    )  # fmt: skip
    torch.manual_seed(0)
    transformers.BertModel(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c", "d"]))
    wanted = {file.name: file.read_bytes() for file in folder.iterdir()}
    unwanted = dict.fromkeys(("pytorch_model.bin", "modeling.py", "README.md", "onnx/model.onnx"), b"not for us")
    return wanted | unwanted


@pytest.fixture
def hub(content: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub, and an empty cache."""
    constants, server = huggingface_hub.constants, Hub(content)
    monkeypatch.setattr(constants, "ENDPOINT", server.endpoint)
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace("https://huggingface.co", server.endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_only_what_a_model_needs_is_fetched_and_the_second_time_nothing(hub: Hub) -> None:
    told: list[tuple[str, int, int]] = []
    begin = Pretrained.open("org/tiny", progress=lambda note, done, total: told.append((note.key, done, total)))
    assert sorted(hub.asked) == ["config.json", "model.safetensors", "vocab.txt"]
    module, config = build("bert", begin.fields, Shapes(tokens=9, heads={"label": 2}))
    begin.load(module, config, None)
    assert told[-1] == ("hub.fetching", 1, 1)  # megabytes, rounded up
    hub.asked.clear()
    assert files.checkpoint("org/tiny") == begin.folder
    assert not hub.asked


def test_what_was_fetched_is_there_offline_and_nothing_is_asked(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = files.checkpoint("org/tiny")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    before = hub.requests
    assert files.checkpoint("org/tiny") == folder
    assert hub.requests == before
    with pytest.raises(DanluError) as refused:
        files.checkpoint("org/other")
    assert refused.value.key == "hub.unreachable"


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("org/gated", "hub.gated"),
        ("org/forbidden", "hub.gated"),
        ("org/private", "hub.not_found"),
        ("org/nothing", "hub.not_found"),
        ("org/broken", "hub.unreachable"),
    ],
)
def test_why_a_name_cannot_be_had_is_told(hub: Hub, name: str, key: str) -> None:
    with pytest.raises(DanluError) as refused:
        files.checkpoint(name)
    assert refused.value.key == key
    assert name in str(refused.value)
    assert not hub.asked


def test_a_mirror_and_a_cache_are_named_by_the_environment(hub: Hub, tmp_path: Path) -> None:
    ask = "from danlu.models.hub import files; print(files.checkpoint('org/tiny'))"
    named = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}
    out = subprocess.run([sys.executable, "-c", ask], env=os.environ | named, capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    assert Path(out.stdout.strip()).is_relative_to(tmp_path / "home" / "hub")
    assert sorted(hub.asked) == ["config.json", "model.safetensors", "vocab.txt"]
