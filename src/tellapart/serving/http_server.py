"""The application that a server process runs: the API, the page, the guard before both, the counters."""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from fastapi.responses import FileResponse, Response
from fastapi.staticfiles import StaticFiles

from tellapart.serving.http_app import make_api
from tellapart.serving.http_guard import App, Guard, Limits
from tellapart.serving.http_metrics import Metrics
from tellapart.serving.service import Service

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

    What exists then stays for good: the collector of garbage need not look at it again.
    """
    app = make_app(ServeSettings.decode(os.environ[SETTINGS]))
    gc.collect()
    gc.freeze()
    return app


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
        app, hosts=settings.hosts, token=settings.token, limits=settings.limits, counted=metrics.count
    )
