"""What a server counts, in the text format of Prometheus. Knows no input and no answer."""

from dataclasses import dataclass
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """Counters, histograms and gauges of one server."""

    def __init__(self) -> None:
        own = self.registry = CollectorRegistry()
        asked = ("endpoint", "model", "status")
        self.requests = Counter("danlu_requests", "Requests that were answered.", asked, registry=own)
        self.seconds = Histogram(
            "danlu_request_seconds", "Time to the end of the answer.", asked[:2], buckets=SECONDS, registry=own
        )
        self.rows = Counter("danlu_rows", "Rows that were answered.", ("model",), registry=own)
        self.batch_rows = Histogram("danlu_batch_rows", "Rows of a batch.", ("model",), buckets=ROWS, registry=own)
        self.batch_seconds = Histogram(
            "danlu_batch_seconds", "Time that a batch took.", ("model",), buckets=SECONDS, registry=own
        )
        self.queue = Gauge("danlu_queue_requests", "Requests with rows that wait.", ("model",), registry=own)
        self.in_flight = Gauge("danlu_requests_in_flight", "Requests that are being answered.", registry=own)
        self.tokens = Counter("danlu_tokens", "Tokens that were read or written.", ("model", "kind"), registry=own)
        self.streams = Gauge("danlu_streams", "Texts that are being written.", ("model",), registry=own)

    def text(self) -> bytes:
        """All of them, as /metrics gives them."""
        return generate_latest(self.registry)

    def watch(self, model: str) -> "ModelWatch":
        """What a model's batcher tells."""
        return ModelWatch(self, model)


@dataclass(frozen=True)
class ModelWatch:
    """The metrics of one model's batches."""

    metrics: Metrics
    model: str

    def batch(self, rows: int, seconds: float) -> None:
        """A batch of so many rows was answered."""
        self.metrics.rows.labels(self.model).inc(rows)
        self.metrics.batch_rows.labels(self.model).observe(rows)
        self.metrics.batch_seconds.labels(self.model).observe(seconds)

    def waiting(self, requests: int) -> None:
        """So many requests have rows that wait."""
        self.metrics.queue.labels(self.model).set(requests)

    def tokens(self, kind: Literal["prompt", "completion"], count: int) -> None:
        """So many tokens were read or written."""
        self.metrics.tokens.labels(self.model, kind).inc(count)

    def streams(self, texts: int) -> None:
        """So many texts are being written."""
        self.metrics.streams.labels(self.model).set(texts)
