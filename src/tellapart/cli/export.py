"""`tellapart export`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tellapart.cli import options
from tellapart.cli.output import SCHEMA, note, print_json
from tellapart.cli.progress import terminal_progress
from tellapart.engine import Index
from tellapart.errors import TellapartError

EXAMPLES = (
    "tellapart export --index my.idx --granularity function --output out/",
    "tellapart export --index my.idx --encoder lsa --queries queries.jsonl --output out/",
    "tellapart export --index photos.idx --output photos.parquet",
    "tellapart export --index my.idx --format lance --to units.lance",
    "tellapart export --index my.idx --format qdrant --to http://localhost:6333 --collection handbook",
)


def export(
    path: options.PathIn = None,
    index: options.IndexPlace = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="DIR", help="Folder to write to; of images also a .parquet."),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option("--format", metavar="NAME", help="Engine to fill: lance, qdrant, milvus or opensearch."),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="PLACE", help="Where it is: a URL, for lance a folder (docs/scale.md says more)."
        ),
    ] = None,
    collection: Annotated[
        str | None,
        typer.Option(
            "--collection",
            metavar="NAME",
            help="Its collection, in OpenSearch its index [default: tellapart].",
            show_default=False,
        ),
    ] = None,
    encoder: options.EncoderName = None,
    granularity: options.GranularityName = None,
    queries: Annotated[
        Path | None,
        typer.Option("--queries", metavar="FILE", help="Also encode these queries into queries.npy."),
    ] = None,
    json: options.Json = False,
) -> None:
    """Write vectors.npy and units.jsonl (same order) of one encoder and granularity, or fill another engine.

    With --format an engine gets the units with their text, fields and vectors; run it again to bring it up to date.
    Images become one .parquet with the columns vector, label, name and path: 'tellapart train' reads its paths,
    'python -m tellapart.learning' its vectors.
    """
    if (format is None) != (to is None):
        raise TellapartError("--format and --to belong together: --format lance --to units.lance")
    if (output is None) == (to is None):
        raise TellapartError(
            "say where to: --output DIR for files, or --format NAME --to PLACE for an engine"
        )
    opened = Index.open(options.whole_index(index, path))
    if output is not None:
        if collection is not None:
            raise TellapartError("--collection goes with --format: leave it out, or name an engine")
        _files(opened, output, encoder, granularity, queries, json=json)
        return
    if queries is not None:
        raise TellapartError("--queries goes with --output: leave it out, or write files")
    _engine(opened, str(format), str(to), encoder, granularity, collection, json=json)


def _files(
    index: Index,
    output: Path,
    encoder: str | None,
    granularity: str | None,
    queries: Path | None,
    *,
    json: bool,
) -> None:
    from tellapart.engine.exporting import export_images, export_units
    from tellapart.experiments.qrels import read_queries

    if output.suffix.lower() == ".parquet":
        if granularity not in (None, "image") or queries is not None:
            raise TellapartError(
                "a .parquet holds images: leave out --granularity and --queries, or name a folder"
            )
        count, labels = export_images(index, output, encoder, terminal_progress())
        what = f"{count:,} images, {labels:,} labels"
    else:
        texts = read_queries(queries).texts if queries else None
        count = export_units(index, output, encoder, granularity, texts, terminal_progress())
        what = f"{count:,} units"
    if json:
        print_json({"schema": SCHEMA, "to": str(output), "total": count})
    note(f"{output}: {what}")


def _engine(
    index: Index,
    format: str,
    to: str,
    encoder: str | None,
    granularity: str | None,
    collection: str | None,
    *,
    json: bool,
) -> None:
    from tellapart.engine.exporting import export as export_to

    report = export_to(
        index,
        format,
        to,
        encoder=encoder,
        granularity=granularity,
        collection=collection,
        progress=terminal_progress(),
    )
    if json:
        print_json(
            {
                "schema": SCHEMA,
                "to": report.place,
                **{k: v for k, v in asdict(report).items() if k != "place"},
            }
        )
        return
    more = {
        "removed": report.removed,
        "left out, having no vector yet ('tellapart index' gives them vectors)": report.left_out,
        f"cut to what {format} takes": report.shortened,
    }
    rest = "".join(f"; {count:,} {what}" for what, count in more.items() if count)
    note(f"{report.place}: {report.total:,} units, {report.sent:,} of them written{rest}")
