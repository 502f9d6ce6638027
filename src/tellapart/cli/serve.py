"""`tellapart serve`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from tellapart.cli import options
from tellapart.cli.output import note
from tellapart.encoders.sessions import usable_cores
from tellapart.engine import Index
from tellapart.errors import TellapartError, require
from tellapart.index.home import name_of
from tellapart.index.postgres.address import Address

EXAMPLES = (
    "tellapart serve --index my.idx                        # http://127.0.0.1:8765, the page and the API",
    "tellapart serve --index docs.idx --index code.idx --workers 2",
    "TELLAPART_TOKEN=... tellapart serve --index my.idx --host 0.0.0.0 --allow-host search.example.org",
)

TOKEN = "TELLAPART_TOKEN"
LONGEST_QUEUE = 2048


def serve(
    path: options.PathIn = None,
    index: Annotated[
        list[Path] | None,
        typer.Option(
            "--index",
            metavar="DIR",
            help="Folder of an index, or postgresql://... of a published one (repeatable)"
            " [default: .tellapart in PATH or above it].",
            parser=options.index_place,
        ),
    ] = None,
    gallery: Annotated[
        list[Path] | None,
        typer.Option(
            "--gallery",
            metavar="DIR",
            help="Folder of a gallery of identities, or postgresql://...[?gallery=NAME] (repeatable).",
            parser=options.index_place,
        ),
    ] = None,
    host: Annotated[str, typer.Option("--host", help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port to listen at.")] = 8765,
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", metavar="NAME", help="A name this server goes by (repeatable)."),
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", min=1, max=64, help="Processes; they share the index.")
    ] = 1,
    rate: Annotated[
        float, typer.Option("--rate", min=0, help="Requests a second from one address; 0 = any.")
    ] = 0,
    concurrent: Annotated[
        int, typer.Option("--concurrent", min=1, help="Requests at once, of one worker.")
    ] = 64,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.1, help="How long one request may take.")
    ] = 30.0,
    log: Annotated[
        bool, typer.Option("--log", help="Log requests on standard error, queries in paths included.")
    ] = False,
) -> None:
    """Serve search over HTTP: an API with OpenAPI at /docs, and a page for people."""
    require("fastapi", extra="serve")
    require("prometheus_client", extra="serve")
    uvicorn = require("uvicorn", extra="serve")
    from tellapart.serving.http_guard import LOOPBACK, Limits
    from tellapart.serving.http_server import SETTINGS, ServeSettings

    token = os.environ.get(TOKEN) or None
    if host not in LOOPBACK and token is None:
        raise TellapartError(
            f"--host {host} can be reached by others: set {TOKEN} to a secret that they must send"
        )
    folders = index or [options.whole_index(None, path)]
    with tempfile.TemporaryDirectory(prefix="tellapart-serve-") as shared:
        settings = ServeSettings(
            _named(folders),
            (*LOOPBACK, host, *(allow_host or ())),
            token,
            Limits(concurrent=concurrent, rate=rate, seconds=seconds),
            _galleries(gallery or []),
            shared,
        )
        os.environ[SETTINGS] = settings.encode()
        note(f"http://{'[::1]' if host == '::1' else host}:{port}  (API: /docs; Ctrl-C stops it)")
        if workers > 1:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = shared
            # workers that scan vectors on all cores at once only wait for each other
            os.environ.setdefault("OMP_NUM_THREADS", str(max(1, usable_cores() // workers)))
        uvicorn.run(
            "tellapart.serving.http_server:from_environment",
            factory=True,
            host=host,
            port=port,
            workers=workers,
            log_level="info" if log else "warning",
            access_log=log,
            server_header=False,
            backlog=LONGEST_QUEUE,
            timeout_keep_alive=options.KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=10,
        )


def _named(folders: list[Path]) -> dict[str, str]:
    """Name each index by its folder, the folder that holds a `.tellapart`, or its database; checks that it opens."""
    for folder in folders:
        Index.open(folder).close()
    return _unique(folders)


def _galleries(folders: list[Path]) -> dict[str, str]:
    """Name each gallery by its folder; checks that it is there, and that its passphrase is."""
    from tellapart.identities.file import VARIABLE
    from tellapart.identities.published import GalleryPlace, is_sealed

    for folder in folders:
        sealed = is_sealed(folder)
        if sealed is None:
            raise TellapartError(f"no gallery in {folder}: make one with 'tellapart identity enrol'")
        if sealed and not os.environ.get(VARIABLE):
            raise TellapartError(
                f"the gallery {GalleryPlace.of(folder) or folder} is encrypted: set {VARIABLE}"
            )
    return _unique(folders, lambda folder: place.name if (place := GalleryPlace.of(folder)) else "")


def _unique(folders: list[Path], own_name: Callable[[Path], str] = lambda folder: "") -> dict[str, str]:
    named: dict[str, str] = {}
    for folder in folders:
        base = own_name(folder) or name_of(folder)
        real = folder.resolve() if Address.of(folder) is None else folder
        name, number = base, 2
        while name in named:
            name, number = f"{base}-{number}", number + 1
        named[name] = str(real)
    return named
