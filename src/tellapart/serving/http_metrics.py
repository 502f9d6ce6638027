"""Counters of a server for Prometheus."""

from __future__ import annotations

import os

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0)
MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
PATHS = ("search", "related", "context", "explain", "units", "evaluate", "jobs", "embeddings", "rerank")


class Metrics:
    """Requests by endpoint and status, and how long they took; of all workers where there are several."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        several = MULTIPROCESS in os.environ
        own = None if several else self.registry
        self.requests = Counter("tellapart_requests", "Requests.", ["endpoint", "status"], registry=own)
        self.seconds = Histogram(
            "tellapart_request_seconds", "Seconds of a request.", ["endpoint"], registry=own, buckets=BUCKETS
        )
        if several:
            MultiProcessCollector(self.registry)  # type: ignore[no-untyped-call]

    def count(self, path: str, status: int, seconds: float) -> None:
        """Take note of one request; paths with ids in them are counted together."""
        parts = path.strip("/").split("/")
        endpoint = parts[1] if len(parts) > 1 and parts[0] == "v1" and parts[1] in PATHS else "other"
        self.requests.labels(endpoint, str(status)).inc()
        self.seconds.labels(endpoint).observe(seconds)

    def page(self) -> tuple[bytes, str]:
        """Give the text that Prometheus reads, and its type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST
