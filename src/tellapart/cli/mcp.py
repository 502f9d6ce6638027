"""`tellapart mcp`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tellapart.cli import options
from tellapart.cli.output import note
from tellapart.errors import TellapartError, require

EXAMPLES = (
    "tellapart mcp                                # stdio, the working folder",
    "tellapart mcp ~/src ~/notes                  # these folders and what is below them, nothing else",
    "tellapart mcp --http --port 8766             # streamable HTTP at http://127.0.0.1:8766/mcp",
)


def mcp(
    roots: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FOLDER]...", help="What may be searched [default: the working folder]."),
    ] = None,
    index: options.IndexPlace = None,
    words_only: Annotated[
        bool, typer.Option("--words-only", help="Never make vectors in the background.")
    ] = False,
    http: Annotated[bool, typer.Option("--http", help="Serve streamable HTTP instead of stdio.")] = False,
    host: Annotated[str, typer.Option("--host", help="With --http: a loopback address.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="With --http.", min=1, max=65535)] = 8766,
) -> None:
    """Serve search, evidence and evaluation to agents by the Model Context Protocol."""
    require("mcp", extra="mcp")
    from tellapart.serving.http_guard import LOOPBACK
    from tellapart.serving.mcp_server import make_server
    from tellapart.serving.projects import Projects, Roots

    if http and host not in LOOPBACK:
        raise TellapartError(
            f"--host {host}: MCP has no password here, so only {', '.join(LOOPBACK)} is served"
        )
    projects = Projects(Roots.of(roots or [Path()]), index=index, vectors=not words_only)
    server = make_server(projects)
    try:
        if http:
            note(f"MCP at http://{host}:{port}/mcp; Ctrl-C stops it")
            uvicorn = require("uvicorn", extra="mcp")
            uvicorn.run(
                server.streamable_http_app(stateless_http=True, host=host),
                host=host,
                port=port,
                log_level="warning",
                timeout_keep_alive=options.KEEP_ALIVE_SECONDS,
            )
        else:
            server.run("stdio")
    finally:
        projects.close()
