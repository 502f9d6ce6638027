"""`tellapart judge`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tellapart.cli import options
from tellapart.cli.progress import terminal_progress
from tellapart.engine import Configuration, Index
from tellapart.errors import TellapartError

if TYPE_CHECKING:
    from tellapart.experiments.judging.session import Session

EXAMPLES = (
    "tellapart judge --index my.idx --queries queries.jsonl --qrels qrels.tsv",
    "tellapart judge --index my.idx --queries queries.jsonl --configuration minilm/paragraph/hybrid"
    " --configuration paragraph/bm25",
)

SESSION = ".session.jsonl"
"""What the session's file adds to the name of the qrels."""


def judge(
    path: options.PathIn = None,
    index: options.IndexPlace = None,
    queries: Annotated[
        Path | None,
        typer.Option("--queries", metavar="FILE", help="queries.jsonl (_id, text) or id<TAB>text lines."),
    ] = None,
    qrels: Annotated[
        Path, typer.Option("--qrels", metavar="FILE", help="TREC qrels to write; the session lies beside it.")
    ] = Path("judgements.tsv"),
    configuration: Annotated[
        list[str] | None,
        typer.Option(
            "--configuration",
            metavar="NAME",
            help="What to compare, the cheapest first (2 to 4 times); parameters in brackets, as evaluate prints them"
            " [default: between which the verdict is most open].",
        ),
    ] = None,
    complete: Annotated[
        bool, typer.Option("--complete", help="Judge each query's pool in full before the next query.")
    ] = False,
    lines: Annotated[int, typer.Option("--lines", help="Lines shown of a passage.")] = 15,
    seed: options.Seed = 0,
    json: options.Json = False,
) -> None:
    """Judge results by hand, where it decides most, until the verdict is settled; stop and go on at any time.

    Only documents are judged, by their best passage. A query is written to the qrels when the first five
    documents of every configuration are judged for it.
    """
    from tellapart.cli.conversation import Conversation
    from tellapart.experiments.judging.leaders import Passages

    opened = Index.open(options.whole_index(index, path))
    session = _session(opened, queries, qrels, configuration, seed)
    try:
        Conversation(
            session,
            Passages(opened, session.pools.leaders),
            qrels,
            lines=lines,
            complete=complete,
            json=json,
            command=f"tellapart evaluate --index {opened.place} --queries {queries or 'FILE'} --qrels {qrels}",
        ).run()
    finally:
        session.close()


def _session(
    index: Index, queries: Path | None, qrels: Path, configuration: list[str] | None, seed: int
) -> Session:
    from tellapart.experiments.judging.leaders import default_leaders, pool
    from tellapart.experiments.judging.session import Session
    from tellapart.experiments.qrels import read_queries

    path = qrels.with_name(qrels.name + SESSION)
    asked = [Configuration.parse(name) for name in configuration or ()]
    if path.exists():
        session = Session.open(path)
        _same(session, queries, [leader.described for leader in asked], path)
        return session
    if qrels.exists():
        raise TellapartError(
            f"{qrels} exists and is not from a session of judge: give another file with --qrels"
        )
    if queries is None:
        raise TellapartError("there are no queries to judge results of: give a file with --queries")
    if queries == Path("-"):
        raise TellapartError("--queries cannot be standard input, from which the answers come: give a file")
    texts = read_queries(queries).texts
    leaders = asked or default_leaders(index)
    pools = pool(index, leaders, texts, progress=terminal_progress())
    return Session.create(path, texts, pools, seed=seed)


def _same(session: Session, queries: Path | None, leaders: list[str], path: Path) -> None:
    """Refuse to go on with a session that is about something else."""
    from tellapart.experiments.qrels import read_queries

    if leaders and leaders != list(session.pools.leaders):
        raise TellapartError(
            f"the session {path} compares {', '.join(session.pools.leaders)}:"
            " leave out --configuration to go on with it, or give another --qrels"
        )
    if queries is not None and dict(read_queries(queries).texts) != dict(session.texts):
        raise TellapartError(
            f"the session {path} is about other queries than {queries}: give another --qrels to start anew"
        )
    print(f"going on with {path}", file=sys.stderr)
