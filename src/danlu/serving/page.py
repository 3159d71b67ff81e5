"""GET /: a page on which the models can be tried, and /docs: the interface as a list. Each is one file by itself."""

import html
import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from starlette.responses import HTMLResponse, Response

from danlu.words import Note

PAGE = Path(__file__).with_name("page.html")
SAID = (
    "serve.page.model",
    "serve.page.language",
    "serve.page.key",
    "serve.page.nothing_yet",
    "serve.page.predict",
    "serve.page.write",
    "serve.page.stop",
    "serve.page.clear",
    "serve.page.prompt",
    "serve.page.message",
    "serve.page.shortcut",
    "serve.page.drop",
    "serve.page.draw",
    "serve.page.yes",
    "serve.page.no",
    "serve.page.drift",
)


def page() -> Response:
    """The page, which loads nothing but what this server answers."""
    words = {lang: {key.rpartition(".")[2]: Note(key).text(lang) for key in SAID} for lang in ("en", "zh")}
    nonce = secrets.token_urlsafe(16)
    text = PAGE.read_text(encoding="utf-8").replace("{{nonce}}", nonce)
    return _only_ours(text.replace("{{words}}", json.dumps(words).replace("<", "\\u003c")), nonce)


def interface(document: Mapping[str, Any]) -> Response:
    """The OpenAPI document as a page: each address, what it takes, what it answers."""
    entries = "".join(
        f"<details><summary><b>{method.upper()}</b> <code>{html.escape(path)}</code> {html.escape(said['summary'])}"
        f"</summary><pre>{html.escape(json.dumps(said, indent=1, ensure_ascii=False))}</pre></details>"
        for path, methods in document["paths"].items()
        for method, said in methods.items()
    )
    schemas = html.escape(json.dumps(document["components"]["schemas"], indent=1, ensure_ascii=False))
    nonce = secrets.token_urlsafe(16)
    style = "body{font:16px/1.5 system-ui;max-width:60rem;margin:1rem auto;padding:0 1rem}pre{overflow:auto}"
    return _only_ours(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>danlu</title>'
        f'<meta name="viewport" content="width=device-width"><style nonce="{nonce}">{style}</style>'
        f'<h1>danlu</h1><p><a href="/openapi.json">openapi.json</a></p>{entries}'
        f"<details><summary>schemas</summary><pre>{schemas}</pre></details></html>",
        nonce,
    )


def _only_ours(text: str, nonce: str) -> Response:
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; "
        "img-src data: blob:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    )
    return HTMLResponse(text, headers={"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer"})
