"""Lines of log as JSON, without anything that users sent. Knows no request."""

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any


def log(event: str, **fields: Any) -> None:
    """Write one line to standard error."""
    moment = datetime.now(UTC).isoformat(timespec="milliseconds")
    print(json.dumps({"time": moment, "event": event, **fields}, ensure_ascii=False), file=sys.stderr, flush=True)


class JsonHandler(logging.Handler):
    """What other libraries log; of an error its type and where it arose, as its text may hold input."""

    def emit(self, record: logging.LogRecord) -> None:
        """One line."""
        fields: dict[str, Any] = {"logger": record.name, "level": record.levelname.lower()}
        if record.exc_info and record.exc_info[0]:
            kind, _, trace = record.exc_info
            frames = traceback.extract_tb(trace)[-12:]
            fields |= {
                "error": kind.__name__,
                "where": [f"{frame.filename.rpartition('site-packages/')[2]}:{frame.lineno}" for frame in frames],
            }
        else:
            fields["message"] = record.getMessage()
        log("log", **fields)


def log_libraries() -> None:
    """From here on what the HTTP server and all other libraries log comes as JSON."""
    root, server = logging.getLogger(), logging.getLogger("uvicorn")
    root.handlers, server.handlers, server.propagate = [JsonHandler(logging.WARNING)], [], True
    for logger in (root, server):
        logger.setLevel(logging.WARNING)
