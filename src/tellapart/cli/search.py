"""`tellapart search`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tellapart.cli import options
from tellapart.cli.output import note, print_json, print_result
from tellapart.cli.progress import terminal_progress
from tellapart.engine import Index, SearchResult
from tellapart.engine.request import SearchRequest
from tellapart.engine.results_json import answer_json
from tellapart.errors import TellapartError
from tellapart.index.home import exists, index_folder
from tellapart.rankers.registry import Parameters

EXAMPLES = (
    'tellapart search "how are retries handled" ~/src/project',
    'tellapart search "retry" --index my.idx --ranker bm25 --granularity function --explain',
    "tellapart search \"retry\" --index my.idx --where \"language = 'python' and path like 'src/%'\"",
    'tellapart search --regex "def parse_\\w+" --index my.idx',
    "tellapart search --like docs/a.md --like src/b.py:40 --unlike src/legacy/ --index my.idx",
    'tellapart search "retry" --index my.idx --precision .9     # after tellapart calibrate',
    'tellapart search "who wrote it" --index my.idx --rerank ms-marco-minilm     # a second look',
    'echo "a long question" | tellapart search - --index my.idx --json',
)


def search(
    query: Annotated[
        str | None,
        typer.Argument(
            help="What to look for; '-' reads it from standard input. May be left out with --like or --regex.",
            show_default=False,
        ),
    ] = None,
    path: Annotated[Path, typer.Argument(help="File or folder to search in.")] = Path(),
    index: options.IndexFolder = None,
    like: options.Like = None,
    unlike: options.Unlike = None,
    k: options.TopK = 10,
    ranker: options.Ranker = "auto",
    granularity: options.GranularityName = None,
    encoder: options.EncoderName = None,
    where: options.Where = None,
    k1: options.K1 = None,
    b: options.B = None,
    weight: options.Weight = None,
    regularisation: options.Regularisation = None,
    c: options.C = None,
    solver: options.Solver = None,
    rerank: options.Rerank = None,
    rerank_ms: options.RerankMs = None,
    regex: Annotated[
        str | None,
        typer.Option(
            "--regex",
            metavar="PATTERN",
            help="Only units in which this regular expression matches; QUERY may be left out.",
            show_default=False,
        ),
    ] = None,
    precision: Annotated[
        float | None,
        typer.Option(
            "--precision",
            metavar="SHARE",
            help="Only hits of which this share is relevant; needs 'calibrate'.",
        ),
    ] = None,
    coverage: Annotated[
        float | None,
        typer.Option(
            "--coverage",
            metavar="SHARE",
            help="The smallest list that has an answer this often, whatever -k; needs 'calibrate'.",
        ),
    ] = None,
    lines: options.Lines = 3,
    explain: Annotated[bool, typer.Option("--explain", help="Show what each score is made of.")] = False,
    refresh: Annotated[
        bool,
        typer.Option(
            "--refresh/--no-refresh", help="Look first whether files changed since the index was made."
        ),
    ] = True,
    json: options.Json = False,
) -> None:
    """Find the units that answer a query, or are like examples; without an index, build a keyword index first."""
    from tellapart.engine.relevance import nothing_relevant

    text = sys.stdin.read() if query == "-" else query
    parameters = Parameters(k1, b, weight, regularisation, c, solver, rerank, rerank_ms=rerank_ms)
    examples, conditions = (tuple(like or ()), tuple(unlike or ())), tuple(where or ())
    request = SearchRequest(text, *examples, k, ranker, granularity, encoder, conditions, parameters, regex)
    request.check_searchable()
    folder = index_folder(index, [path])
    opened = open_or_build(folder, path, asked=index is not None, refresh=refresh)
    result = _promised(opened, request, precision, coverage)
    calibrated = result.calibration is not None
    absent = nothing_relevant(opened, result) if result.hits and (calibrated or not json) else None
    for each in result.notes:
        note(each)
    if absent is not None and not calibrated:
        note(f"probably nothing relevant: {absent}")
    if json:
        print_json(answer_json(result, absent))
    elif absent is not None and calibrated:
        print(f"nothing in this corpus answers that (best: {result.best_probability or 0.0:.2f})")
        note(f"{absent}; --json lists the nearest")
    else:
        print_result(result, lines=lines, explain=explain)


def _promised(
    index: Index, request: SearchRequest, precision: float | None, coverage: float | None
) -> SearchResult:
    if precision is None and coverage is None:
        return index.search(request)
    from tellapart.scores.answers import search_with_coverage, search_with_precision

    if precision is not None and coverage is not None:
        raise TellapartError("--precision and --coverage promise different things: give one of them")
    if precision is not None:
        return search_with_precision(index, request, precision)
    return search_with_coverage(index, request, float(coverage or 0.0))


def open_or_build(folder: Path, path: Path, *, asked: bool, refresh: bool = True) -> Index:
    """Open the index of a path; without one, build one of the words first."""
    if exists(folder):
        return Index.open(folder, refresh=refresh)
    if asked and path == Path():
        raise TellapartError(f"no index in {folder}: build one with 'tellapart index PATH --index {folder}'")
    opened = Index.build([path], folder, encoders=(), progress=terminal_progress())
    where = path if not asked else f"{path} --index {folder}"
    note(f"built a word index of {path} in {folder}; 'tellapart index {where}' adds vectors (minilm)")
    return opened
