"""The routes, each a call of one file beside this one."""

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from danlu.errors import DanluError
from danlu.serving import errors
from danlu.serving.config import ServeConfig
from danlu.serving.guard import Guard, Stopping
from danlu.serving.metrics import Metrics
from danlu.serving.openapi import document
from danlu.serving.predicting import predict
from danlu.serving.served import Served

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


@dataclass(frozen=True)
class Api:
    """The models of a server, and what its routes answer."""

    models: Mapping[str, Served]
    config: ServeConfig
    metrics: Metrics
    stopping: Stopping

    def model(self, name: str) -> Served:
        """The model of that name; DanluError where there is none."""
        if name not in self.models:
            raise DanluError("serve.no_model", name=name[:80], known=", ".join(self.models))
        return self.models[name]

    async def health(self, request: Request) -> Response:
        """Whether the server lives."""
        return JSONResponse({"status": "ok"})

    async def ready(self, request: Request) -> Response:
        """Whether the server takes requests."""
        if self.stopping.begun:
            raise DanluError("serve.stopping")
        return JSONResponse({"status": "ready"})

    async def counted(self, request: Request) -> Response:
        """The metrics."""
        return Response(self.metrics.text(), media_type="text/plain; version=0.0.4")

    async def openapi(self, request: Request) -> Response:
        """The interface's description."""
        return JSONResponse(document(self.models.values(), self.config))

    async def listed(self, request: Request) -> Response:
        """All models."""
        return JSONResponse({"object": "list", "data": [model.described() for model in self.models.values()]})

    async def described(self, request: Request) -> Response:
        """One model."""
        return JSONResponse(self.model(request.path_params["name"]).described())

    async def predicted(self, request: Request) -> Response:
        """Predictions of rows."""
        return await predict(request, self.model(request.path_params["name"]), self.config)


def app_of(models: Mapping[str, Served], config: ServeConfig, metrics: Metrics, stopping: Stopping) -> Starlette:
    """The whole application; it closes the models when it ends."""
    api = Api(models, config, metrics, stopping)

    @asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        yield
        for model in models.values():
            model.close()

    return Starlette(
        routes=_routes(api),
        middleware=[Middleware(Guard, config=config, metrics=metrics, stopping=stopping)],
        exception_handlers={
            DanluError: errors.refusal,
            HTTPException: errors.http_refusal,
            ClientDisconnect: errors.gone,
            Exception: errors.broken,
        },
        lifespan=life,
    )


def _routes(api: Api) -> list[Route]:
    return [
        Route("/health", api.health),
        Route("/ready", api.ready),
        Route("/metrics", api.counted),
        Route("/openapi.json", api.openapi),
        Route("/v1/models", api.listed),
        Route("/v1/models/{name}", api.described),
        Route("/v1/predict/{name}", api.predicted, methods=["POST"]),
    ]
