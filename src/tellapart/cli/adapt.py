"""`tellapart adapt`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tellapart.cli import options
from tellapart.cli.app import FAILED
from tellapart.cli.output import SCHEMA, note, print_json
from tellapart.cli.progress import terminal_progress
from tellapart.errors import TellapartError

if TYPE_CHECKING:
    from tellapart.experiments import Verdict
    from tellapart.learning.adapting.adapt import Adapted

EXAMPLES = (
    "tellapart adapt --index my.idx --output adapted",
    "tellapart adapt --index my.idx --queries queries.jsonl --qrels qrels.tsv --output adapted",
    "tellapart adapt --labels intents.tsv --output adapted",
)


def adapt(
    output: Annotated[Path, typer.Option("--output", metavar="DIR", help="Folder of the new encoder.")],
    path: options.PathIn = None,
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
    labels: Annotated[
        Path | None,
        typer.Option(
            "--labels",
            metavar="FILE",
            help="Instead of an index: texts with labels (.tsv, .csv or .jsonl with the columns text and label).",
        ),
    ] = None,
    keep_anyway: Annotated[
        bool, typer.Option("--keep-anyway", help="Write an adapted encoder that is not recommended.")
    ] = False,
    seed: options.Seed = 0,
    json: options.Json = False,
) -> int:
    """Adapt an encoder to the documents of an index, or to labelled texts, if that helps.

    Held-out queries decide; without judged ones, queries are made from the corpus. Labelled texts are judged by labels
    that were held out. Exit code 1: not recommended.
    """
    if labels is not None:
        for name, given in (("PATH", path), ("--index", index), ("--queries", queries), ("--qrels", qrels)):
            if given is not None:
                raise TellapartError(f"--labels learns from labelled texts alone: leave out {name}")
        from tellapart.learning.adapting.labels import adapt_to_labels, read_labelled

        done = adapt_to_labels(
            read_labelled(labels),
            output,
            encoder=encoder,
            keep_anyway=keep_anyway,
            seed=seed,
            progress=terminal_progress(),
        )
        return _tell(done, output, "linear", "INDEX", json=json)
    if (queries is None) != (qrels is None):
        raise TellapartError("--queries and --qrels belong together: give both or none")
    from tellapart.engine import Index
    from tellapart.experiments import QuerySet
    from tellapart.experiments.qrels import read_qrels, read_queries
    from tellapart.learning.adapting.adapt import adapt_encoder, check_adapter

    check_adapter(adapter)
    judged = None
    if queries is not None and qrels is not None:
        judged = QuerySet(read_queries(queries).texts, read_qrels(qrels))
    folder = options.whole_index(index, path)
    done = adapt_encoder(
        Index.open(folder),
        output,
        encoder=encoder,
        adapter=adapter,
        judged=judged,
        keep_anyway=keep_anyway,
        seed=seed,
        progress=terminal_progress(),
    )
    return _tell(done, output, adapter, str(folder), json=json)


def _tell(done: Adapted, output: Path, adapter: str, index: str, *, json: bool) -> int:
    if json:
        written = str(output) if done.encoder else None
        print_json({"schema": SCHEMA, "output": written, "adapter": adapter, **done.to_json()})
    else:
        _print(done, output, index)
    return 0 if done.encoder else FAILED


def _print(done: Adapted, output: Path, index: str) -> None:
    if done.verdict is not None:
        _print_means(done.verdict)
    note(f"{'recommended' if done.recommended else 'not recommended'}: {done.reason}")
    if done.encoder:
        note(f"{output}: use it with 'tellapart index --encoder folder:{output} --index {index}'")
    else:
        note("nothing was written; --keep-anyway writes it all the same")


def _print_means(verdict: Verdict) -> None:
    """Mean of the untouched and the adapted encoder and of BM25, by source of queries."""
    adapted, last = verdict.findings[1], verdict.findings[-1]
    words = "    BM25" if last is not adapted else ""
    print(f"{verdict.measure:<16}{'n':>6}  untouched  adapted{words}")
    _print_row("all", len(verdict.queries), [each.mean for each in verdict.findings])
    for each in verdict.by_source if len(verdict.by_source) > 1 else ():
        _print_row(each.name, each.queries, [each.means[finding.name] for finding in verdict.findings])
    if words and adapted.vs_bm25 is not None and adapted.vs_bm25.high < 0:
        note(
            "on these queries BM25 alone is better than the adapted vectors: 'tellapart evaluate' compares mixtures"
        )


def _print_row(name: str, count: int, means: list[float]) -> None:
    print(f"{name:<16}{count:>6,}      " + "".join(f"{mean:.3f}    " for mean in means).rstrip())
