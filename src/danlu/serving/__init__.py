"""Serving: runs behind HTTP, in batches of the requests in flight. Every answer is the Predictor's.

server.py holds the process, app.py the routes; one file per family of endpoints. Imported by the verb alone.
"""

from importlib.util import find_spec

from danlu.errors import DanluError

PACKAGES = ("starlette", "uvicorn", "python_multipart", "prometheus_client", "jinja2", "llguidance")


def require_packages() -> None:
    """DanluError where the packages that only a server needs are not installed."""
    if not all(map(find_spec, PACKAGES)):
        raise DanluError("serve.missing_extra")
