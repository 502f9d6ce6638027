"""The application that a server process runs: the API, the page, the guard before both, the counters."""

from __future__ import annotations

import ctypes
import gc
import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path

from fastapi.responses import FileResponse, Response
from fastapi.staticfiles import StaticFiles
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector
from threadpoolctl import threadpool_limits

from tellapart.serving.http_app import make_api
from tellapart.serving.http_guard import CLOSES_EVERY, App, Guard, Limits
from tellapart.serving.http_search import SearchesFirst
from tellapart.serving.shared import Service

PAGE = Path(__file__).parent / "page"
SETTINGS = "TELLAPART_SERVE"
"""Environment variable by which a worker process learns what it serves."""


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """What a server serves, under which names and limits; written to the environment for its workers.

    `jobs` is a folder that the workers share.
    """

    indexes: Mapping[str, str]
    hosts: tuple[str, ...]
    token: str | None
    limits: Limits
    galleries: Mapping[str, str] = field(default_factory=dict)
    jobs: str | None = None

    def encode(self) -> str:
        """Write as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def decode(cls, text: str) -> ServeSettings:
        """Read what `encode` wrote."""
        kept = json.loads(text)
        limits = Limits(**kept.pop("limits"))
        return cls(**{**kept, "hosts": tuple(kept["hosts"]), "limits": limits})


def from_environment() -> App:
    """Make the application of a worker process.

    What exists then stays for good: the collector of garbage need not look at it again. And the threads of BLAS are
    left out: after each of the small products of a search one of them keeps a core busy waiting for the next. A key
    on the page cost 102 ms of processor with them and 29 without (bench/page.py).
    """
    keep_freed_memory()
    threadpool_limits(1, user_api="blas")
    app = make_app(ServeSettings.decode(os.environ[SETTINGS]))
    gc.collect()
    gc.freeze()
    return app


ARENAS, MAPPED_FROM, TRIMMED_FROM = -8, -3, -1
"""M_ARENA_MAX, M_MMAP_THRESHOLD and M_TRIM_THRESHOLD of malloc.h."""
KEPT_BYTES = 32 * 1024 * 1024
"""The most that M_MMAP_THRESHOLD takes."""


def keep_freed_memory() -> None:
    """Let this process keep the memory that a search gives back, as the next one takes as much again.

    By default glibc returns the arrays of a search to the system and gets them back empty, page by page; and threads
    take theirs from different places. Elsewhere nothing is changed (see mallopt(3)).
    """
    if platform.libc_ver()[0] != "glibc":
        return
    mallopt = ctypes.CDLL(None).mallopt
    for option, value in ((ARENAS, 1), (MAPPED_FROM, KEPT_BYTES), (TRIMMED_FROM, KEPT_BYTES)):
        mallopt(option, value)


def make_app(settings: ServeSettings) -> App:
    """Make the application, guarded and counted."""
    service = Service(
        {name: Path(folder) for name, folder in settings.indexes.items()},
        {name: Path(folder) for name, folder in settings.galleries.items()},
        jobs=None if settings.jobs is None else Path(settings.jobs),
    )
    metrics = Metrics()
    app = make_api(service)

    @app.get("/metrics", include_in_schema=False)
    def metrics_page() -> Response:
        body, kind = metrics.page()
        return Response(body, media_type=kind)

    @app.get("/docs", include_in_schema=False)
    def docs() -> FileResponse:
        return FileResponse(PAGE / "docs.html")

    app.mount("/", StaticFiles(directory=PAGE, html=True))
    return Guard(
        SearchesFirst(app, service),
        hosts=settings.hosts,
        token=settings.token,
        limits=settings.limits,
        counted=metrics.count,
        closes_every=CLOSES_EVERY if MULTIPROCESS in os.environ else 0,
    )


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
        self._of = lru_cache(maxsize=None)(self._counters)  # so many as there are endpoints and statuses

    def count(self, path: str, status: int, seconds: float) -> None:
        """Take note of one request; paths with ids in them are counted together."""
        parts = path.strip("/").split("/")
        endpoint = parts[1] if len(parts) > 1 and parts[0] == "v1" and parts[1] in PATHS else "other"
        requests, taken = self._of(endpoint, status)
        requests.inc()
        taken.observe(seconds)

    def _counters(self, endpoint: str, status: int) -> tuple[Counter, Histogram]:
        return self.requests.labels(endpoint, str(status)), self.seconds.labels(endpoint)

    def page(self) -> tuple[bytes, str]:
        """Give the text that Prometheus reads, and its type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST
