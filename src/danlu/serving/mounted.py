"""The same application inside a server that somebody else runs, such as Ray Serve. Knows no such server."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from danlu.recipe import validated
from danlu.serving import require_packages
from danlu.serving.app import app_of
from danlu.serving.config import ServeConfig, api_keys
from danlu.serving.guard import Stopping
from danlu.serving.metrics import Metrics
from danlu.serving.served import served


def application(runs: Sequence[str | Path], settings: Mapping[str, Any] | None = None) -> Starlette:
    """What `danlu serve` answers with, as an ASGI application; `settings` are fields of ServeConfig.

    The environment's DANLU_API_KEY is asked for where it is set. Raises DanluError where a run has no model yet, or a
    setting does not fit.
    """
    require_packages()
    keys = {"api_keys": api_keys(None)} if api_keys(None) else {}
    config = validated(ServeConfig, keys | dict(settings or {}), "danlu.serving.mounted")
    metrics = Metrics()
    return app_of(served(map(str, runs), config, metrics), config, metrics, Stopping())
