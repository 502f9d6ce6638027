"""`tellapart run`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tellapart.cli import options
from tellapart.cli.output import note
from tellapart.cli.progress import terminal_progress
from tellapart.engine import Index
from tellapart.engine.configuration import Configuration
from tellapart.engine.opened import partial_notes
from tellapart.errors import TellapartError
from tellapart.rankers.registry import Parameters

EXAMPLES = (
    "tellapart run queries.jsonl --index my.idx --ranker bm25 --output run.trec",
    "tellapart run queries.jsonl --index my.idx --configuration minilm/document/hybrid --output run.trec",
)


def run(
    queries: Annotated[
        Path, typer.Argument(help="queries.jsonl (_id, text) or id<TAB>text lines; '-' is stdin.")
    ],
    output: Annotated[
        Path, typer.Option("--output", metavar="FILE", help="TREC run to write; .gz compresses.")
    ],
    path: options.PathIn = None,
    index: options.IndexPlace = None,
    configuration: Annotated[
        str | None,
        typer.Option("--configuration", metavar="NAME", help="For example minilm/paragraph/hybrid."),
    ] = None,
    depth: Annotated[int, typer.Option("--depth", help="Documents per query.")] = 1000,
    ignore_same_id: Annotated[
        bool,
        typer.Option(
            "--ignore-same-id", help="Leave out the document that has the query's own id, as BEIR does."
        ),
    ] = False,
    ranker: options.Ranker = "auto",
    granularity: options.GranularityName = None,
    encoder: options.EncoderName = None,
    k1: options.K1 = None,
    b: options.B = None,
    weight: options.Weight = None,
    regularisation: options.Regularisation = None,
    c: options.C = None,
    solver: options.Solver = None,
    rerank: options.Rerank = None,
    rerank_ms: options.RerankMs = None,
) -> None:
    """Answer a query set with ranked documents, as a TREC run; a document scores as its best unit."""
    from tellapart.experiments.qrels import read_queries
    from tellapart.experiments.trec import write_run

    tuned = Parameters()
    if configuration is not None:
        if ranker != "auto" or granularity or encoder:
            raise TellapartError(
                "give either --configuration or --ranker, --granularity and --encoder, not both"
            )
        parsed = Configuration.parse(configuration)
        ranker, granularity, encoder = parsed.ranker, parsed.granularity, parsed.encoder
        tuned = parsed.parameters
    opened = Index.open(options.whole_index(index, path))
    answered = opened.run(
        read_queries(queries).texts,
        depth=depth + ignore_same_id,
        ranker=ranker,
        granularity=granularity,
        encoder=encoder,
        parameters=Parameters(k1, b, weight, regularisation, c, solver, rerank, rerank_ms=rerank_ms).over(
            tuned
        ),
        progress=terminal_progress(),
    )
    with opened.reading() as snapshot:
        for each in partial_notes(snapshot.partial):
            note(each)
    if ignore_same_id:
        answered = answered.without_same_id(depth)
    spaced = write_run(answered, output)
    note(f"{output}: {len(answered.rankings):,} queries with {answered.tag}")
    if spaced:
        note(f"{spaced:,} document ids hold white space: many tools cannot read such a run")
