"""`tellapart search`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tellapart.cli import options
from tellapart.cli.output import note, print_json, print_result
from tellapart.cli.progress import terminal_progress
from tellapart.engine import Index, SearchResult, build_index
from tellapart.engine.request import SearchRequest
from tellapart.engine.results import answer_json
from tellapart.errors import StaleIndexError, TellapartError
from tellapart.index.home import Home, exists, find_home, too_much
from tellapart.index.settings import recovered_settings
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
    path: options.PathIn = None,
    index: options.IndexPlace = None,
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
    yes: options.Yes = False,
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
    from tellapart.engine.relevance import missing_words, nothing_relevant, why_no_hits

    if (regex or like) and path is None and query is not None and Path(query).is_dir():
        path, query = Path(query), None  # as grep takes them: what is looked for, then where
    text = sys.stdin.read() if query == "-" else query
    parameters = Parameters(k1, b, weight, regularisation, c, solver, rerank, rerank_ms=rerank_ms)
    home = find_home(index, path)
    examples, conditions = (tuple(like or ()), tuple(unlike or ())), (*home.where, *(where or ()))
    request = SearchRequest(text, *examples, k, ranker, granularity, encoder, conditions, parameters, regex)
    request.check_searchable()
    opened = open_or_build(home, path, asked=index is not None, yes=yes, refresh=refresh)
    result = _promised(opened, request, precision, coverage)
    calibrated = result.calibration is not None
    absent = nothing_relevant(opened, result) if result.hits and (calibrated or not json) else None
    for each in result.notes:
        note(each)
    if absent is not None and not calibrated:
        note(f"probably nothing relevant: {absent}")
    if result.hits and not json and absent is None and (missing := missing_words(opened, result)):
        note(missing)
    if json:
        print_json(answer_json(result, absent))
    elif absent is not None and calibrated:
        print(f"nothing in this corpus answers that (best: {result.best_probability or 0.0:.2f})")
        note(f"{absent}; --json lists the nearest")
    else:
        why = "" if result.hits else why_no_hits(opened, request)
        print_result(result, lines=lines, explain=explain, why_none=why, doubted=absent is not None)
        if home.where and not result.hits:
            note(f"only {path or 'the current folder'} was searched, of the index {home.place}")


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


def open_or_build(
    home: Home, path: Path | None, *, asked: bool, yes: bool = False, refresh: bool = True
) -> Index:
    """Open the index of a path; without one, build one of the words first."""
    folder = home.folder
    if exists(folder):
        try:
            return Index.open(folder, refresh=refresh)
        except StaleIndexError:
            settings = recovered_settings(folder)
            if settings is None or not refresh:
                raise
        note(made_anew(folder))
        build_index(folder, settings, progress=terminal_progress(), fresh=True)
        return Index.open(folder)
    if asked and path is None:
        raise TellapartError(f"no index in {folder}: build one with 'tellapart index PATH --index {folder}'")
    place = path or Path()
    if not yes:
        confirm(place)
    opened = Index.build([place], folder, encoders=(), progress=terminal_progress())
    where = place if not asked else f"{place} --index {folder}"
    note(f"built a word index of {place} in {folder}; 'tellapart index {where}' adds vectors (minilm)")
    return opened


def made_anew(folder: Path) -> str:
    """Say why an index is built again without being asked to."""
    return f"{folder} was made by another version of tellapart and is made anew; vectors come from the cache"


def confirm(path: Path) -> None:
    """Ask before a home folder, or what holds it, is indexed; without a terminal that is refused.

    Raises:
        TellapartError: Nobody can be asked, or the answer is no.
    """
    what = too_much(path)
    if what is None:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise TellapartError(
            f"{path.absolute()} is {what} and has no index: name a folder in it, or add --yes to index all of it"
        )
    if not typer.confirm(f"{path.absolute()} is {what} and has no index. Index all of it?", err=True):
        raise TellapartError("nothing was indexed: name a folder to search in")
