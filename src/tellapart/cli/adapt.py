"""`tellapart adapt`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tellapart.cli import options
from tellapart.cli.output import SCHEMA, note, print_json
from tellapart.cli.progress import terminal_progress
from tellapart.errors import TellapartError
from tellapart.index.home import index_folder

if TYPE_CHECKING:
    from tellapart.learning.adapting.train import AdaptedOutcome

EXAMPLES = (
    "tellapart adapt --index my.idx --output adapted",
    "tellapart adapt --index my.idx --queries queries.jsonl --qrels qrels.tsv --output adapted",
)

FAILED = 1


def adapt(
    output: Annotated[Path, typer.Option("--output", metavar="DIR", help="Folder of the new encoder.")],
    index: options.IndexFolder = None,
    encoder: Annotated[str, typer.Option("--encoder", metavar="NAME", help="Adapt this one.")] = "minilm",
    adapter: Annotated[
        str,
        typer.Option("--adapter", help="words (beside its vectors) or linear (a map of them)."),
    ] = "words",
    queries: Annotated[
        Path | None,
        typer.Option(
            "--queries", metavar="FILE", help="Judged queries: they are learned from, and they decide."
        ),
    ] = None,
    qrels: Annotated[Path | None, typer.Option("--qrels", metavar="FILE", help="Their judgements.")] = None,
    keep_anyway: Annotated[
        bool, typer.Option("--keep-anyway", help="Write an adapted encoder that is not recommended.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", help="Random seed.")] = 0,
    json: options.Json = False,
) -> int:
    """Adapt an encoder to the documents of an index, if that helps.

    Held-out queries decide; without judged ones, queries are made from the corpus. Exit code 1: not recommended.
    """
    if index is None:
        raise TellapartError("--index is required: adapt learns from the documents of an index")
    if (queries is None) != (qrels is None):
        raise TellapartError("--queries and --qrels belong together: give both or none")
    from tellapart.engine import Index
    from tellapart.experiments.judgements import read_qrels, read_queries
    from tellapart.experiments.query_set import QuerySet
    from tellapart.learning.adapting.train import adapt_encoder, parse_adapter, report

    chosen = parse_adapter(adapter)
    judged = None
    if queries is not None and qrels is not None:
        judged = QuerySet(read_queries(queries).texts, read_qrels(qrels))
    done = adapt_encoder(
        Index.open(index_folder(index, [])),
        output,
        encoder=encoder,
        adapter=chosen,
        judged=judged,
        keep_anyway=keep_anyway,
        seed=seed,
        progress=terminal_progress(),
    )
    if json:
        written = str(output) if done.encoder else None
        print_json({"schema": SCHEMA, "output": written, "adapter": chosen, **report(done.adaptation)})
    else:
        _print(done, output, index)
    return 0 if done.encoder else FAILED


def _print(done: AdaptedOutcome, output: Path, index: Path) -> None:
    found = done.adaptation
    if found.evidence:
        print(f"{'queries':<16}{'n':>6}  untouched  adapted    BM25   adapted - untouched")
    for part in found.evidence:
        against = part.against_untouched
        limits = f"{against.difference:+.3f} [{against.low:+.3f}, {against.high:+.3f}]  p {against.p:.4f}"
        values = f"{part.untouched:.3f}    {part.adapted:.3f}   {part.bm25:.3f}"
        print(f"{part.source:<16}{part.queries:>6,}      {values}   {limits}")
    verdict = "recommended" if found.recommended else "not recommended"
    note(f"{verdict}: {found.reason}")
    if found.evidence and found.evidence[0].against_bm25.high < 0:
        note(
            "on these queries BM25 alone is better than the adapted vectors: 'tellapart evaluate' compares mixtures"
        )
    if done.encoder:
        note(f"{output}: use it with 'tellapart index --encoder folder:{output} --index {index}'")
    else:
        note("nothing was written; --keep-anyway writes it all the same")
