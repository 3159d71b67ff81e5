"""Asks a running server what moved since training, and tells it as a table. Needs none of a server's packages."""

import json
import ssl
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, OpenerDirector, ProxyHandler, Request, build_opener

from danlu.errors import DanluError
from danlu.layout import columns
from danlu.serving.config import is_loopback
from danlu.words import language, say

TIMEOUT_S = 30
EPOCH = date(1970, 1, 1)
HEADINGS = ("column", "measure", "psi", "mean", "why")


def asked(address: str, names: Sequence[str], key: str | None, certificate: Path | None) -> list[dict[str, Any]]:
    """What the server at the address says of its models, or of those of these names.

    `certificate`: by which an HTTPS server is trusted. Raises DanluError where there is none, or it refuses.
    """
    opener = _opener(address, certificate)
    if not names:
        return _content(opener, f"{address}/v1/drift", key)["data"]
    return [_content(opener, f"{address}/v1/drift/{quote(name, safe='')}", key) for name in names]


def report_lines(models: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Of each model what moved."""
    for number, model in enumerate(models):
        yield from [""] if number else []
        yield from _lines(model)


def _lines(model: Mapping[str, Any]) -> Iterator[str]:
    if model["status"] == "unwatched":
        yield from model["notes"]
        return
    found, window, reference = model["columns"], model["window"], model["reference"]
    moved = [each for each in found if each["status"] in ("moved", "slight")]
    yield say(
        f"drift.of_{reference['of']}",
        model=model["model"],
        rows=f"{window['rows']:,}",
        since=datetime.fromisoformat(window["since"]).astimezone().strftime("%Y-%m-%d %H:%M"),
        reference=f"{reference['rows']:,}",
    )
    yield from (f"  {note}" for note in model["notes"])
    if window["skipped"]:
        yield "  " + say("drift.skipped", rows=f"{window['skipped']:,}")
    if moved:
        moved.sort(key=lambda each: (each["status"] != "moved", -(each["psi"] or 0.0)))
        table = columns([[say(f"drift.head_{name}") for name in HEADINGS], *map(_row, moved)])
        yield from (f"  {line}" for line in table)
    watched = sum(each["status"] != "few" for each in found)
    if watched:
        yield "  " + say("drift.as_before", count=watched - len(moved), of=watched)


def _row(found: Mapping[str, Any]) -> list[str]:
    shown = "–" if found["noise"] is None else f"{found['psi']:.2f} ({found['noise']:.2f})"
    column = found["column"] if found["of"] == "input" else say("drift.prediction", name=found["column"])
    return [
        column[:40],
        say(f"drift.measure_{found['measure']}"),
        shown,
        _means(found["mean"], found["measure"]),
        say("drift.and").join(found["why"]) or say("drift.slightly"),
    ]


def _means(pair: Sequence[float | None], measure: str) -> str:
    """Of the reference and of today; of dates, as dates."""
    if pair[1] is None:
        return "–"
    return " → ".join("–" if mean is None else _mean(mean, measure) for mean in pair)


def _mean(mean: float, measure: str) -> str:
    return str(EPOCH + timedelta(days=round(mean))) if measure == "time" else f"{mean:.4g}"


class _NoRedirect(HTTPRedirectHandler):
    """The key goes to the address that was named, and nowhere else."""

    def redirect_request(self, *given: Any) -> None:
        """None: an answer like any other."""


def _opener(address: str, certificate: Path | None) -> OpenerDirector:
    handlers: list[Any] = [_NoRedirect()]
    if is_loopback(urlsplit(address).hostname or ""):
        handlers.append(ProxyHandler({}))
    if certificate:
        try:
            handlers.append(HTTPSHandler(context=ssl.create_default_context(cafile=str(certificate))))
        except (ssl.SSLError, OSError):
            raise DanluError("serve.no_file", file=str(certificate)) from None
    return build_opener(*handlers)


def _content(opener: OpenerDirector, url: str, key: str | None) -> dict[str, Any]:
    headers = {"Accept-Language": language()} | ({"Authorization": f"Bearer {key}"} if key else {})
    try:
        with opener.open(Request(url, headers=headers), timeout=TIMEOUT_S) as answer:
            return json.load(answer)
    except HTTPError as error:
        raise DanluError("drift.refused", url=url, why=_message(error)) from None
    except (OSError, HTTPException) as error:
        why = getattr(error, "reason", None) or error
        raise DanluError("drift.unreachable", url=url, why=str(why)[:200]) from None
    except ValueError:
        raise DanluError("drift.no_server", url=url) from None


def _message(error: HTTPError) -> str:
    """What the server said; the status where it is no danlu."""
    try:
        return str(json.load(error)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"{error.code} {error.reason}"
