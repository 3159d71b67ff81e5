"""The process: it loads runs, listens, and stops so that every request that was taken is answered."""

import asyncio
import gc
import signal
import socket
import ssl
import time
from collections.abc import Sequence
from types import FrameType

import uvicorn

from danlu.errors import DanluError
from danlu.serving.app import app_of
from danlu.serving.config import ServeConfig
from danlu.serving.guard import Stopping
from danlu.serving.log import log, log_libraries
from danlu.serving.metrics import Metrics
from danlu.serving.served import Served, served
from danlu.words import say

LAST_CALL_S = 1.0  # in which connections that are kept open may still send what was under way
KEEP_ALIVE_S = 20
BACKLOG = 2048  # connections that wait to be taken


def serve(runs: Sequence[str], config: ServeConfig) -> None:
    """Serve the runs until the process is told to stop; DanluError where one of them, or the address, cannot be."""
    began = time.perf_counter()
    metrics, stopping = Metrics(), Stopping()
    models = served(runs, config, metrics)
    listening = bound(config)
    log_libraries()
    gc.collect()
    gc.freeze()  # what was loaded stays, and need not be looked at again and again
    server = Server(_uvicorn_config(models, config, metrics, stopping), stopping)
    _introduce(models, config, listening, time.perf_counter() - began)
    server.run([listening])
    log("stopped")


def bound(config: ServeConfig) -> socket.socket:
    """A listening socket at the address; DanluError where it is taken or is none of this machine's."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((config.host, config.port))
        listening.listen(BACKLOG)  # who connects from now on waits for the server rather than being refused
    except (OSError, OverflowError) as error:
        listening.close()
        why = getattr(error, "strerror", None) or str(error)
        raise DanluError("serve.address", host=config.host, port=config.port, why=why) from None
    return listening


def _uvicorn_config(
    models: dict[str, Served], config: ServeConfig, metrics: Metrics, stopping: Stopping
) -> uvicorn.Config:
    made = uvicorn.Config(
        app_of(models, config, metrics, stopping),
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=max(1, round(config.grace_s)),
        ssl_certfile=config.tls_cert,
        ssl_keyfile=config.tls_key,
    )
    try:
        made.load()
    except ssl.SSLError as error:
        raise DanluError("serve.tls", why=error.reason or str(error)) from None
    return made


def _introduce(models: dict[str, Served], config: ServeConfig, listening: socket.socket, seconds: float) -> None:
    host, port = listening.getsockname()[:2]
    scheme = "https" if config.tls_cert else "http"
    address = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
    for name, model in models.items():
        print(say("serve.model", name=name, task=model.predictor.task.name, url=f"{address}/v1/predict/{name}"))
        if model.drift is None:
            print(say("drift.unwatched", name=name))
    print(say("serve.listening", url=f"{address}/"), flush=True)
    log("started", models=len(models), port=port, seconds=round(seconds, 2), key=bool(config.api_keys))


class Server(uvicorn.Server):
    """uvicorn's, which closes its door first, and then lets go of those inside one by one."""

    def __init__(self, config: uvicorn.Config, stopping: Stopping) -> None:
        super().__init__(config)
        self.stopping = stopping

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal stops, a second Ctrl-C does not wait; the process then ends well, not by the signal."""
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what was taken: every answer from now on closes its connection."""
        log("stopping", connections=len(self.server_state.connections))
        self.stopping.begun = True
        for server in self.servers:
            server.close()
        until = time.monotonic() + LAST_CALL_S
        while self.server_state.connections and time.monotonic() < until and not self.force_exit:
            await asyncio.sleep(0.05)
        await super().shutdown(sockets)
