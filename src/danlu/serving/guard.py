"""Who may ask, how much, and what is told of it: a layer around all routes. Knows no model."""

import asyncio
import hmac
import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, TypeVar
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from danlu.errors import DanluError
from danlu.serving.config import ServeConfig, is_loopback
from danlu.serving.errors import CLIENT_GONE, refused, spoken
from danlu.serving.log import log
from danlu.serving.metrics import Metrics

OPEN = ("/", "/health", "/ready")  # pages without anything of a run
TOLD = "danlu"  # in the scope of a request: what its log line says of it

T = TypeVar("T")


@dataclass
class Stopping:
    """Whether the server takes its last requests."""

    begun: bool = False


@dataclass(frozen=True)
class Guard:
    """Refuses strangers and what is too large, measures the rest, and writes a line of log per request."""

    app: ASGIApp
    config: ServeConfig
    metrics: Metrics
    stopping: Stopping
    keys: tuple[bytes, ...] = field(init=False)

    def __post_init__(self) -> None:
        digests = tuple(_digest(key.get_secret_value()) for key in self.config.api_keys)
        object.__setattr__(self, "keys", digests)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        told: dict[str, Any] = {}
        scope[TOLD] = told
        watched = _Watched(send, self.stopping)
        began = time.perf_counter()
        self.metrics.in_flight.inc()
        try:
            await self._asked(scope, receive, watched)
        finally:
            self.metrics.in_flight.dec()
            self._tell(scope, told, watched.status, time.perf_counter() - began)

    async def _asked(self, scope: Scope, receive: Receive, send: "_Watched") -> None:
        headers = Headers(scope=scope)
        try:
            self._refuse_strangers(headers, scope["path"])
            _refuse_size(headers.get("content-length", "0"), self.config.max_body)
        except DanluError as error:
            await refused(error.note, spoken(headers.get("accept-language", "")))(scope, receive, send)
            return
        await self.app(scope, _Measured(receive, self.config.max_body), send)

    def _refuse_strangers(self, headers: Headers, path: str) -> None:
        host = urlsplit(f"//{headers.get('host', '')}").hostname or ""
        if not self.keys and is_loopback(self.config.host) and not is_loopback(host):
            raise DanluError("serve.origin", origin=host[:80])  # a name that a foreign page made point here
        origin = headers.get("origin")
        if origin and urlsplit(origin).netloc != headers.get("host"):
            raise DanluError("serve.origin", origin=origin[:80])
        if self.keys and path not in OPEN and not self._knows(headers.get("authorization", "")):
            raise DanluError("serve.key")

    def _knows(self, authorization: str) -> bool:
        scheme, _, key = authorization.partition(" ")
        given = _digest(key.strip())
        same = [hmac.compare_digest(given, known) for known in self.keys]  # all of them, so that time tells nothing
        return scheme.lower() == "bearer" and any(same)

    def _tell(self, scope: Scope, told: Mapping[str, Any], status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "-")
        model = str(told.get("model", "-"))
        self.metrics.requests.labels(route, model, str(status)).inc()
        self.metrics.seconds.labels(route, model).observe(seconds)
        log("request", method=scope["method"], route=route, status=status, ms=round(1000 * seconds, 1), **told)


class _Watched:
    """`send` that keeps the status, and asks for the end of the connection while the server stops."""

    def __init__(self, send: Send, stopping: Stopping) -> None:
        self.send, self.stopping, self.status = send, stopping, CLIENT_GONE

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers.setdefault("X-Content-Type-Options", "nosniff")
            headers.setdefault("Cache-Control", "no-store")
            if self.stopping.begun:
                headers["Connection"] = "close"
        await self.send(message)


class _Measured:
    """`receive` that stops at a body beyond `most` bytes."""

    def __init__(self, receive: Receive, most: int) -> None:
        self.receive, self.most, self.bytes = receive, most, 0

    async def __call__(self) -> Message:
        message = await self.receive()
        self.bytes += len(message.get("body", b""))
        if self.bytes > self.most:
            raise DanluError("serve.body_too_large", most=f"{self.most / 1e6:g}")
        return message


async def while_there(request: Request, work: Awaitable[T], seconds: float) -> T:
    """What `work` gives, whose request's body was read; it is cancelled where the client goes away.

    Raises DanluError where it takes longer than that, and ClientDisconnect.
    """
    working, gone = asyncio.ensure_future(work), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((working, gone), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        if gone.done():
            raise ClientDisconnect
        raise DanluError("serve.timeout", seconds=f"{seconds:g}")
    finally:
        working.cancel()
        gone.cancel()


async def body_of(request: Request, seconds: float) -> bytes:
    """The body; DanluError where it does not come in time."""
    try:
        return await asyncio.wait_for(request.body(), seconds)
    except TimeoutError:
        raise DanluError("serve.timeout", seconds=f"{seconds:g}") from None


def _refuse_size(length: str, most: int) -> None:
    if length.isdigit() and int(length[:20]) > most:
        raise DanluError("serve.body_too_large", most=f"{most / 1e6:g}")


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _digest(key: str) -> bytes:
    return sha256(key.encode("utf-8", "surrogateescape")).digest()
