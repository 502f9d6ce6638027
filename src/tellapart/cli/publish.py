"""`tellapart publish`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from tellapart.cli import options
from tellapart.cli.cluster import folder_to_publish
from tellapart.cli.output import SCHEMA, note, print_json
from tellapart.cli.progress import terminal_progress
from tellapart.engine import Index
from tellapart.errors import TellapartError

EXAMPLES = (
    "tellapart publish --index my.idx --to postgresql://me@db.example.org/search",
    "tellapart publish --index my.idx --to 'postgresql://me@db.example.org/search?schema=handbook'",
    "tellapart publish --index my.idx --to postgresql://me@db1/search --shard postgresql://me@db2/search",
    "tellapart publish --index s3://bucket/my.lance --to postgresql://me@db.example.org/search",
    'tellapart search "how are retries handled" --index postgresql://me@db.example.org/search',
)


def publish(
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="URL",
            help="Database with pgvector: postgresql://user@host/database[?schema=NAME].",
        ),
    ],
    shard: Annotated[
        list[str] | None,
        typer.Option(
            "--shard",
            metavar="URL",
            help="One more server: the documents are divided over all (repeatable) [default: those of the last run].",
        ),
    ] = None,
    one_server: Annotated[
        bool, typer.Option("--one-server", help="Bring everything back from the shards to --to.")
    ] = False,
    path: options.PathIn = None,
    index: Annotated[
        str | None,
        typer.Option(
            "--index",
            metavar="DIR",
            help="Folder of the index [default: .tellapart in PATH or above it], or the dataset of 'index --cluster'.",
            show_default=False,
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Put an index into PostgreSQL, where many processes and machines search it; again: only what changed.

    Searches there see the generation before until the new one is whole. The password is best left to ~/.pgpass.
    """
    from tellapart.engine.publishing import publish as publish_index
    from tellapart.index.postgres.address import Address

    if shard and one_server:
        raise TellapartError("--one-server takes no --shard: give one of them")
    shards = () if one_server else shard or None
    with folder_to_publish(index, path) as folder, Index.open(folder) as opened:
        report = publish_index(opened, to, shards=shards, progress=terminal_progress())
    if json:
        print_json({"schema": SCHEMA, "to": str(Address.needed(to)), **asdict(report)})
        return
    sent = {"documents": report.documents, "segments of postings": report.segments, "vectors": report.vectors}
    parts = [f"{count:,} {what}" for what, count in sent.items() if count]
    gone = f", {report.removed:,} documents removed" if report.removed else ""
    over = f" on {1 + len(report.shards)} servers" if report.shards else ""
    note(
        f"{Address.needed(to)}: {report.total:,} documents{over}; sent {', '.join(parts) or 'nothing'}{gone}"
    )
    if report.forgotten:
        note(f"forgotten, since they were about another index that was here: {', '.join(report.forgotten)}")
    for each in report.left:
        note(
            f"{each} is no shard any more: its schema can be dropped when no search is left that began before"
        )
