"""The interface as an OpenAPI document: a path per run, with the columns that it reads. Knows no request."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from danlu import __version__
from danlu.data.examples import Column
from danlu.serving.asking import ChatRequest, CompletionRequest, EmbeddingRequest
from danlu.serving.config import ServeConfig
from danlu.serving.predicting import INPUTS, ROWS
from danlu.serving.served import Served

Schema = dict[str, Any]

_NUMBER: Schema = {"type": "number"}
_REFUSALS = {
    "400": "The request does not fit; the message says where and what would.",
    "401": "The API key is missing or wrong.",
    "403": "The request comes from another site.",
    "404": "There is no such model.",
    "413": "The body is too large.",
    "415": "The body is of another media type.",
    "429": "Too many requests wait; Retry-After says when to come again.",
    "503": "The server is stopping.",
    "504": "It took too long.",
}
_CELLS: Mapping[str, Schema] = {
    "number": {"type": ["number", "string", "null"]},
    "boolean": {"type": ["boolean", "string", "number", "null"]},
    "category": {"type": ["string", "number", "boolean", "null"]},
    "text": {"anyOf": [{"type": ["string", "null"]}, {"type": "array", "items": {"type": "string"}}]},
    "date": {"type": ["string", "integer", "null"], "examples": ["2024-03-05"]},
    "image": {"type": "string", "contentEncoding": "base64", "contentMediaType": "image/*"},
    "sequence": {
        "type": ["array", "null"],
        "minItems": 1,
        "items": {"anyOf": [_NUMBER, {"type": "array", "items": _NUMBER, "minItems": 1}]},
    },
}


def document(models: Iterable[Served], config: ServeConfig) -> Schema:
    """The whole document."""
    served = list(models)
    asked, definitions = models_json_schema(
        [(body, "validation") for body in _BODIES], ref_template="#/components/schemas/{model}"
    )
    paths: Schema = dict(_ABOUT)
    for model in served:
        paths[f"/v1/predict/{quote(model.name)}"] = {"post": _predict(model, config)}
    for body, (path, summary) in _BODIES.items():
        able = [model.name for model in served if path in model.endpoints]
        if able:
            definitions["$defs"][body.__name__]["properties"]["model"]["enum"] = able
            given = {"application/json": asked[(body, "validation")]}
            paths[path] = {"post": operation(body.__name__, summary, "openai", given, _ANSWERED[path])}
    return {
        "openapi": "3.1.0",
        "info": {"title": "danlu", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": {"Error": _ERROR, **definitions.get("$defs", {})},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        **({"security": [{"key": []}]} if config.api_keys else {}),
    }


def operation(name: str, summary: str, tag: str, given: Schema, answered: Mapping[str, Schema]) -> Schema:
    """A POST operation; given: media type → schema of the body, answered: media type → schema of the answer."""
    return {
        "operationId": name,
        "summary": summary,
        "tags": [tag],
        "requestBody": {"required": True, "content": {kind: {"schema": schema} for kind, schema in given.items()}},
        "responses": {"200": _content("The answer.", answered), **_refusals()},
    }


def _predict(model: Served, config: ServeConfig) -> Schema:
    columns = model.answering.columns
    rows = {"type": "array", "minItems": 1, "maxItems": config.max_rows, "items": _row(columns)}
    given = [_body(ROWS, rows)]
    if len(columns) == 1:
        cell = _cell(next(iter(columns.values())))
        given.append(_body(INPUTS, {"type": "array", "minItems": 1, "maxItems": config.max_rows, "items": cell}))
    bodies: Schema = {"application/json": given[0] if len(given) == 1 else {"anyOf": given}}
    bodies["multipart/form-data"] = {
        "type": "object",
        "required": [*columns],
        "properties": {name: {"type": "string"} for name in columns},
    }
    summary = f"{model.predictor.task.name}, {model.predictor.family}"
    return operation(f"predict_{model.name}", summary, model.name, bodies, {"application/json": _PREDICTIONS})


def _body(name: str, values: Schema) -> Schema:
    return {"type": "object", "required": [name], "additionalProperties": False, "properties": {name: values}}


def _row(columns: Mapping[str, Column]) -> Schema:
    return {
        "type": "object",
        "required": [*columns],
        "properties": {name: _cell(column) for name, column in columns.items()},
    }


def _cell(column: Column) -> Schema:
    return _CELLS[column.kind] | {"description": column.kind}


def _content(description: str, schemas: Mapping[str, Schema]) -> Schema:
    return {"description": description, "content": {kind: {"schema": schema} for kind, schema in schemas.items()}}


def _refusals() -> Schema:
    error = {"application/json": {"$ref": "#/components/schemas/Error"}}
    return {status: _content(description, error) for status, description in _REFUSALS.items()}


def _get(summary: str, kind: str, schema: Schema, **others: Schema) -> Schema:
    answered = _content("The answer.", {kind: schema})
    return {"get": {"summary": summary, "tags": ["server"], "responses": {"200": answered, **others, **_refusals()}}}


_ERROR: Schema = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": "string", "description": "the same in every language"},
            },
        }
    },
}
_PREDICTIONS: Schema = {
    "type": "object",
    "required": ["model", "predictions", "notes"],
    "properties": {
        "model": {"type": "string"},
        "predictions": {"type": "array", "items": {"type": "object"}, "description": "one per row, in their order"},
        "notes": {"type": "array", "items": {"type": "string"}},
    },
}
_BODIES: Mapping[type[BaseModel], tuple[str, str]] = {
    CompletionRequest: ("/v1/completions", "Texts that go on with prompts."),
    ChatRequest: ("/v1/chat/completions", "The next message of a conversation."),
    EmbeddingRequest: ("/v1/embeddings", "A vector for each text."),
}
_OBJECT: Mapping[str, Schema] = {"application/json": {"type": "object", "required": ["object", "usage"]}}
_EVENT: Schema = {  # of each event, as OpenAPI before 3.2 is read
    "type": "object",
    "required": ["data"],
    "properties": {"data": {"type": "string", "description": "a chunk as JSON; behind the last one, [DONE]"}},
}
_STREAMED = {**_OBJECT, "text/event-stream": _EVENT}
_ANSWERED: Mapping[str, Mapping[str, Schema]] = {
    "/v1/completions": _STREAMED,
    "/v1/chat/completions": _STREAMED,
    "/v1/embeddings": _OBJECT,
}
_STATUS: Schema = {"type": "object", "required": ["status"], "properties": {"status": {"type": "string"}}}
_ABOUT: Schema = {
    "/health": _get("Whether the server lives.", "application/json", _STATUS),
    "/ready": _get("Whether the server takes requests.", "application/json", _STATUS),
    "/metrics": _get("What was counted, for Prometheus.", "text/plain", {"type": "string"}),
    "/v1/drift": _get("What moved since training.", "application/json", {"type": "object"}),
    "/v1/models": _get("The models, and what they read and tell.", "application/json", {"type": "object"}),
}
