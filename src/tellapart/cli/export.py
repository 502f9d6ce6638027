"""`tellapart export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tellapart.cli import options
from tellapart.cli.output import note
from tellapart.cli.progress import terminal_progress
from tellapart.engine import Index
from tellapart.engine.exporting import export_images, export_units
from tellapart.errors import TellapartError

EXAMPLES = (
    "tellapart export --index my.idx --granularity function --output out/",
    "tellapart export --index my.idx --encoder lsa --queries queries.jsonl --output out/",
    "tellapart export --index photos.idx --output photos.parquet",
)


def export(
    output: Annotated[
        Path, typer.Option("--output", metavar="DIR", help="Folder to write to; of images also a .parquet.")
    ],
    path: options.PathIn = None,
    index: options.IndexFolder = None,
    encoder: options.EncoderName = None,
    granularity: options.GranularityName = None,
    queries: Annotated[
        Path | None,
        typer.Option("--queries", metavar="FILE", help="Also encode these queries into queries.npy."),
    ] = None,
) -> None:
    """Write vectors.npy and units.jsonl (same order) of one encoder and granularity, for other tools.

    Images become one .parquet with the columns vector, label, name and path: 'tellapart train' reads its paths,
    'python -m tellapart.learning' its vectors.
    """
    from tellapart.experiments.qrels import read_queries

    opened = Index.open(options.whole_index(index, path))
    if output.suffix.lower() == ".parquet":
        if granularity not in (None, "image") or queries is not None:
            raise TellapartError(
                "a .parquet holds images: leave out --granularity and --queries, or name a folder"
            )
        images, labels = export_images(opened, output, encoder, terminal_progress())
        note(f"{output}: {images:,} images, {labels:,} labels")
        return
    texts = read_queries(queries).texts if queries else None
    count = export_units(opened, output, encoder, granularity, texts, terminal_progress())
    note(f"{output}: {count:,} units")
