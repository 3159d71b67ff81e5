"""The routes, each a call of one file beside this one."""

import asyncio
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
from danlu.recipe import Frozen, validated
from danlu.serving import errors
from danlu.serving.asking import ChatRequest, CompletionRequest, EmbeddingRequest
from danlu.serving.completing import chat, complete
from danlu.serving.config import ServeConfig
from danlu.serving.drift import told
from danlu.serving.embeddings import embed
from danlu.serving.guard import Guard, Stopping
from danlu.serving.metrics import Metrics
from danlu.serving.openapi import document
from danlu.serving.page import interface, page
from danlu.serving.predicting import json_body, predict
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
        return Response(await asyncio.to_thread(self.metrics.text), media_type="text/plain; version=0.0.4")

    async def drifted(self, request: Request) -> Response:
        """What moved since training: of all models, or of one."""
        name = request.path_params.get("name")
        models = [self.model(name)] if name else [*self.models.values()]
        lang = errors.spoken(request.headers.get("accept-language", ""))
        found = [await asyncio.to_thread(told, model.name, model.drift, lang) for model in models]
        return JSONResponse(found[0] if name else {"object": "list", "data": found})

    async def openapi(self, request: Request) -> Response:
        """The interface's description."""
        return JSONResponse(document(self.models.values(), self.config))

    async def page(self, request: Request) -> Response:
        """The page on which models are tried."""
        return page()

    async def docs(self, request: Request) -> Response:
        """The interface's description, to read."""
        return interface(document(self.models.values(), self.config))

    async def listed(self, request: Request) -> Response:
        """All models."""
        return JSONResponse({"object": "list", "data": [model.described() for model in self.models.values()]})

    async def described(self, request: Request) -> Response:
        """One model."""
        return JSONResponse(self.model(request.path_params["name"]).described())

    async def completed(self, request: Request) -> Response:
        """Texts that go on with prompts."""
        asked = await self._asked(request, CompletionRequest)
        return await complete(request, asked, self.model(asked.model), self.config)

    async def chatted(self, request: Request) -> Response:
        """The next message of a conversation."""
        asked = await self._asked(request, ChatRequest)
        return await chat(request, asked, self.model(asked.model), self.config)

    async def embedded(self, request: Request) -> Response:
        """Vectors of texts."""
        asked = await self._asked(request, EmbeddingRequest)
        return await embed(request, asked, self.model(asked.model), self.config)

    async def _asked(self, request: Request, body: type[Frozen]) -> Any:
        return validated(body, await json_body(request, self.config), request.url.path)

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
        Route("/", api.page),
        Route("/docs", api.docs),
        Route("/health", api.health),
        Route("/ready", api.ready),
        Route("/metrics", api.counted),
        Route("/openapi.json", api.openapi),
        Route("/v1/models", api.listed),
        Route("/v1/models/{name}", api.described),
        Route("/v1/drift", api.drifted),
        Route("/v1/drift/{name}", api.drifted),
        Route("/v1/completions", api.completed, methods=["POST"]),
        Route("/v1/chat/completions", api.chatted, methods=["POST"]),
        Route("/v1/embeddings", api.embedded, methods=["POST"]),
        Route("/v1/predict/{name}", api.predicted, methods=["POST"]),
    ]
