"""`tellapart publish`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tellapart.cli import options
from tellapart.cli.cluster import folder_to_publish
from tellapart.cli.output import SCHEMA, note, print_json
from tellapart.cli.progress import terminal_progress
from tellapart.engine import Index
from tellapart.errors import TellapartError
from tellapart.index.postgres.address import Address

EXAMPLES = (
    "tellapart publish --index my.idx --to postgresql://me@db.example.org/search",
    "tellapart publish --index my.idx --to 'postgresql://me@db.example.org/search?schema=handbook'",
    "tellapart publish --index my.idx --to postgresql://me@db1/search --shard postgresql://me@db2/search",
    "tellapart publish --gallery people.gal --to postgresql://me@db.example.org/search",
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
    gallery: Annotated[
        list[Path] | None,
        typer.Option(
            "--gallery",
            metavar="DIR",
            help="Put this gallery of identities there, for 'tellapart identity' (repeatable); an index too where"
            " --index or PATH names it.",
        ),
    ] = None,
    remove_gallery: Annotated[
        list[str] | None,
        typer.Option("--remove-gallery", metavar="NAME", help="Remove a gallery from there (repeatable)."),
    ] = None,
    json: options.Json = False,
) -> None:
    """Put an index into PostgreSQL, where many processes and machines search it; again: only what changed.

    Searches there see the generation before until the new one is whole. The password is best left to ~/.pgpass.
    """
    from tellapart.engine.publishing import publish as publish_index

    if shard and one_server:
        raise TellapartError("--one-server takes no --shard: give one of them")
    galleries = _galleries(gallery or [], remove_gallery or [], to)
    if galleries and not (index or path or shard or one_server):
        if json:
            print_json({"schema": SCHEMA, "to": str(Address.needed(to)), "galleries": galleries})
        return
    shards = () if one_server else shard or None
    with folder_to_publish(index, path) as folder, Index.open(folder) as opened:
        report = publish_index(opened, to, shards=shards, progress=terminal_progress())
    if json:
        print_json(
            {"schema": SCHEMA, "to": str(Address.needed(to)), **asdict(report), "galleries": galleries}
        )
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
    for notice in report.notices:
        note(notice)
    for graph in report.graphs:
        where = f"{graph.server}: " if report.shards else ""
        note(
            f"{where}{graph.encoder}, {graph.granularity}: k-NN finds {graph.recall:.3f} of the ten nearest of queries"
            f" drawn from the index (hnsw.ef_search {graph.ef_search})"
        )
    for each in report.left:
        note(
            f"{each} is no shard any more: its schema can be dropped when no search is left that began before"
        )


def _galleries(folders: list[Path], removed: list[str], to: str) -> list[str]:
    """Publish and remove galleries; gives the names of all of them."""
    if not folders and not removed:
        return []
    from tellapart.identities.published import publish_gallery, remove_gallery

    address, done = Address.needed(to), list[str]()
    for folder in folders:
        name, sent = publish_gallery(folder, to)
        note(f"{address}: gallery {name}; sent {sent:,} bytes")
        done.append(name)
    for name in removed:
        remove_gallery(name, to)
        note(f"{address}: gallery {name} is removed")
        done.append(name)
    return done
