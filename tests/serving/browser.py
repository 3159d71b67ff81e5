"""Chromium without a window, steered through a pipe by its own protocol; nothing else is needed."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@dataclass
class Page:
    """One page; `errors` holds what its scripts complained of."""

    to: BinaryIO
    back: BinaryIO
    session: str = ""
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    errors: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command of the protocol, and its result."""
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters}
        message |= {"sessionId": self.session} if self.session else {}
        self.to.write(json.dumps(message).encode() + b"\0")
        self.to.flush()
        while True:
            told = json.loads(self._message())
            if told.get("id") == number:
                assert "error" not in told, told
                return told["result"]
            self._note(told)

    def open(self, url: str) -> None:
        """Load an address."""
        self.call("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """The value of an expression, awaited."""
        told = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def wait(self, condition: str) -> None:
        """Until an expression is true; AssertionError after a while."""
        waited = f"new Promise(done => {{ let left = 400; const look = () => {{ if ({condition}) done(true); "
        waited += "else if (--left) setTimeout(look, 50); else done(false); }; look(); })"
        assert self.run(waited), (condition, self.run("document.body && document.body.innerText"))

    def size(self, width: int, height: int, *, mobile: bool = False) -> None:
        """The size of the screen."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)

    def picture(self, file: Path) -> None:
        """A screenshot."""
        file.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def _message(self) -> bytes:
        parts = bytearray()
        while (byte := self.back.read(1)) != b"\0":
            assert byte, "the browser has gone"
            parts += byte
        return bytes(parts)

    def _note(self, told: dict[str, Any]) -> None:
        if told.get("method") == "Runtime.exceptionThrown":
            self.errors.append(str(told["params"]))
        if told.get("method") == "Log.entryAdded" and told["params"]["entry"]["level"] == "error":
            self.errors.append(told["params"]["entry"]["text"])
        if told.get("method") == "Network.requestWillBeSent":
            self.asked.append(told["params"]["request"]["url"])


@contextmanager
def browsing(folder: Path) -> Iterator[Page]:
    """A page of a new browser whose profile lies in `folder`."""
    assert CHROMIUM
    read_there, to = os.pipe()
    back, write_there = os.pipe()

    def as_three_and_four() -> None:
        os.dup2(read_there, 13)
        os.dup2(write_there, 14)
        os.dup2(13, 3)
        os.dup2(14, 4)

    arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", f"--user-data-dir={folder}"]
    process = subprocess.Popen(
        [CHROMIUM, *arguments, "about:blank"],
        preexec_fn=as_three_and_four,
        close_fds=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(read_there)
    os.close(write_there)
    try:
        with os.fdopen(to, "wb") as sent, os.fdopen(back, "rb") as received:
            page = Page(sent, received)
            target = page.call("Target.createTarget", url="about:blank")["targetId"]
            page.session = page.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for area in ("Page", "Runtime", "Log", "Network"):
                page.call(f"{area}.enable")
            yield page
    finally:
        process.kill()
        process.wait(60)
