"""What is refused becomes a response: a status, and a sentence in the language of whoever asked."""

from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from danlu.errors import DanluError
from danlu.words import Language, Note, language

BAD_REQUEST, CLIENT_GONE = 400, 499
STATUS: Mapping[str, int] = {  # of errors that are no 400
    "serve.key": 401,
    "serve.origin": 403,
    "serve.no_model": 404,
    "serve.no_page": 404,
    "serve.method": 405,
    "serve.body_too_large": 413,
    "serve.media_type": 415,
    "serve.busy": 429,
    "serve.broken": 500,
    "serve.stopping": 503,
    "serve.timeout": 504,
}


def refusal(request: Request, error: Exception) -> Response:
    """The response to what was refused."""
    assert isinstance(error, DanluError)
    return refused(error.note, spoken(request.headers.get("accept-language", "")))


def http_refusal(request: Request, error: Exception) -> Response:
    """The response where no route fits, or none with this method."""
    assert isinstance(error, HTTPException)
    key = "serve.method" if error.status_code == 405 else "serve.no_page"
    response = refused(Note(key), spoken(request.headers.get("accept-language", "")))
    response.headers.update(error.headers or {})
    return response


def broken(request: Request, error: Exception) -> Response:
    """The response to a mistake of ours: it tells nothing of the inside."""
    return refused(Note("serve.broken"), spoken(request.headers.get("accept-language", "")))


def refused(note: Note, lang: Language) -> Response:
    """{"error": …} as clients of OpenAI's interface read it."""
    status = STATUS.get(note.key, BAD_REQUEST)
    headers = {"Retry-After": str(note.fields["seconds"])} if note.key == "serve.busy" else {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(body(note, lang), status, headers)


def body(note: Note, lang: Language) -> dict[str, Any]:
    """The error as JSON."""
    kind = "server_error" if STATUS.get(note.key, BAD_REQUEST) >= 500 else "invalid_request_error"
    return {"error": {"message": note.text(lang), "type": kind, "param": None, "code": note.key}}


def spoken(accepted: str) -> Language:
    """The language that a header "Accept-Language" puts first; the server's own where it knows neither."""
    first = accepted.strip().lower()[:2]
    if first == "zh":
        return "zh"
    return "en" if first == "en" else language()


def gone(request: Request, error: Exception) -> Response:
    """Nobody reads it."""
    return Response(status_code=CLIENT_GONE)
