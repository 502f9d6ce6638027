"""`tellapart related`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from tellapart.cli import options
from tellapart.cli.output import note, print_json, print_result
from tellapart.engine import Index
from tellapart.engine.lookup import split_line
from tellapart.engine.results import search_json
from tellapart.errors import TellapartError
from tellapart.index.home import find_home

EXAMPLES = (
    "tellapart related src/client.py:120 --index my.idx",
    "tellapart related docs/guide.md --index my.idx --granularity section",
    "tellapart related beagle --as kind-of --index animals.idx    # after tellapart relation learn",
)


def related(
    place: Annotated[
        str, typer.Argument(metavar="FILE[:LINE]", help="A document as search prints it, or a file.")
    ],
    index: options.IndexPlace = None,
    relation: Annotated[
        str | None,
        typer.Option("--as", metavar="NAME", help="By a relation that 'tellapart relation learn' learned."),
    ] = None,
    k: options.TopK = 10,
    ranker: options.Ranker = "auto",
    granularity: options.GranularityName = None,
    encoder: options.EncoderName = None,
    where: options.Where = None,
    lines: options.Lines = 3,
    json: options.Json = False,
) -> None:
    """Find units like the one at a line of a file, or documents like a whole one."""
    file, line = split_line(place)
    opened = Index.open(find_home(index, None if index else _around(file)).folder)
    if relation is not None:
        from tellapart.scores.relating import search_relation

        if ranker != "auto" or granularity or encoder or where:
            raise TellapartError(
                "--as says how to compare: leave out --ranker, --granularity, --encoder, --where"
            )
        result = search_relation(opened, place, relation, k)
    else:
        result = opened.related(
            file, line, k=k, ranker=ranker, granularity=granularity, encoder=encoder, where=where or ()
        )
    for each in result.notes:
        note(each)
    if json:
        print_json(search_json(result))
    else:
        from tellapart.engine.relevance import why_no_hits

        why = "" if result.hits else why_no_hits(opened, result.request)
        print_result(result, lines=lines, explain=False, why_none=why)


def _around(file: str) -> Path | None:
    """Where to look for the index: around a file on disk, else in the current folder."""
    parent = Path(os.path.abspath(file)).parent
    return parent if os.path.exists(file) else None
