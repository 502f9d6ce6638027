"""`tellapart inspect`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from tellapart.cli import options
from tellapart.cli.output import SCHEMA, note, print_json
from tellapart.cli.progress import terminal_progress
from tellapart.engine import Index
from tellapart.experiments.query_files import read_query_set
from tellapart.experiments.query_set import QuerySet
from tellapart.index.home import name_of
from tellapart.scores.code_functions import MOST_FUNCTIONS
from tellapart.scores.code_report import code_json, code_text
from tellapart.scores.cures import TriedCure, try_cures
from tellapart.scores.distributions import CosinePicture, cosine_pictures
from tellapart.scores.inspecting import Inspection, inspect_index
from tellapart.scores.inspecting_code import DEFAULT_ENCODERS, inspect_code
from tellapart.scores.inspection_page import cure_gain, inspection_page, picture_lines
from tellapart.scores.texts import read_verdict, text_diagnostics
from tellapart.scores.vectors import Diagnostic

EXAMPLES = (
    "tellapart inspect",
    "tellapart inspect --index my.idx --encoder lsa --granularity section --json",
    "tellapart inspect --code src",
    "tellapart inspect --index my.idx --queries queries.jsonl --qrels qrels.tsv --report inspect.html",
)


def inspect(
    path: options.PathIn = None,
    index: options.IndexPlace = None,
    encoder: options.EncoderName = None,
    granularity: options.GranularityName = None,
    seed: options.Seed = 0,
    queries: Annotated[
        Path | None,
        typer.Option(
            "--queries",
            metavar="FILE",
            help="Judged queries: adds their pairs, and tries cures of the vectors.",
        ),
    ] = None,
    qrels: options.Qrels = None,
    split: options.Split = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE", help="Write a page with the picture of cosines."),
    ] = None,
    verdict: Annotated[
        Path | None,
        typer.Option(
            "--verdict",
            metavar="FILE",
            help="What 'evaluate --json' printed: says if the svm pays for texts.",
        ),
    ] = None,
    keep: Annotated[
        bool,
        typer.Option(
            "--keep/--no-keep", help="Let search by examples follow what was measured, or only look."
        ),
    ] = True,
    code: Annotated[
        bool, typer.Option("--code", help="Ask how well functions are embedded: docs/code-embeddings.md.")
    ] = False,
    functions: Annotated[
        int, typer.Option("--functions", min=2, help="Functions drawn with --code.")
    ] = MOST_FUNCTIONS,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Explain each finding: what it means, what to do, how to check.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Say what the vectors of an index are worth, and how to rank by examples here."""
    opened = Index.open(options.whole_index(index, path))
    if code:
        encoders = (
            (encoder,) if encoder else tuple(dict.fromkeys((*DEFAULT_ENCODERS, *opened.settings.encoders)))
        )
        embedded = inspect_code(
            opened, encoders=encoders, most=functions, seed=seed, progress=terminal_progress()
        )
        if json:
            print_json({"schema": SCHEMA, "code": code_json(embedded)})
        else:
            print(code_text(embedded))
        return
    texts = text_diagnostics(read_verdict(verdict), seed=seed) if verdict else ()
    judged = read_query_set(opened, queries, qrels, None, split) if queries else None
    inspections = inspect_index(
        opened,
        encoder=encoder,
        granularity=granularity,
        queries=judged,
        seed=seed,
        progress=terminal_progress(),
    )
    named = (encoder,) if encoder else ()
    several = len(opened) > 1  # one document has no unrelated pairs
    pictures = cosine_pictures(opened, named, granularity, judged, seed=seed) if several else []
    cures = {} if judged is None else {each.encoder: _cures(opened, each, judged, seed) for each in pictures}
    if report is not None:
        report.write_text(
            inspection_page(name_of(opened.place), inspections, pictures, cures), encoding="utf-8"
        )
        note(f"wrote {report}")
    kept = [each.examples for each in inspections if each.examples is not None] if keep else []
    for measured in kept:
        measured.keep(opened)
    if json:
        shape = {
            "inspections": [_json(each) for each in inspections],
            "texts": [asdict(each) for each in texts],
            "cosines": [each.to_json() for each in pictures],
            "cures": {name: _cures_json(*tried) for name, tried in cures.items()},
        }
        print_json({"schema": SCHEMA, **shape})
        return
    for each in inspections:
        print(f"{each.encoder}/{each.granularity}, {each.units:,} units\n")
        _print(each.diagnostics, verbose=verbose)
    _print(texts, verbose=verbose)
    for picture in pictures:
        for line in picture_lines(picture):
            print(line)
        print()
    for name, (plain, tried) in cures.items():
        print(f"{name}: nDCG@10 {plain:.3f} by the nearest vectors as they are")
        for cure in tried:
            print(f"  {cure.name:20} {cure_gain(cure)}")
    for measured in kept:
        chosen = measured.chosen.configuration
        note(
            f"search by examples uses {chosen.ranker} on {chosen.granularity} units from now on (--no-keep: only look)"
        )


def _cures(
    index: Index, picture: CosinePicture, judged: QuerySet, seed: int
) -> tuple[float, list[TriedCure]]:
    return try_cures(index, picture.encoder, picture.granularity, judged, seed=seed)


def _cures_json(plain: float, tried: Sequence[TriedCure]) -> dict[str, Any]:
    return {
        "measure": "nDCG@10",
        "as_they_are": plain,
        "tried": [
            {
                "name": each.name,
                "mean": each.mean,
                "difference": each.gain.difference,
                "low": each.gain.low,
                "high": each.gain.high,
                "p": each.p,
            }
            for each in tried
        ],
    }


def _print(diagnostics: Sequence[Diagnostic], *, verbose: bool) -> None:
    """Print a table of findings, and below it what they mean if asked."""
    if not diagnostics:
        return
    width = max(len(each.name) for each in diagnostics)
    print(f"{'finding':<{width}}  {'verdict':<8} value")
    for each in diagnostics:
        print(f"{each.name:<{width}}  {each.verdict:<8} {each.shown}")
        if verbose:
            print(f"    usual:   {each.healthy}\n    means:   {each.meaning}")
            print(f"    do:      {each.action}\n    check:   {each.verify}")
    print()


def _json(inspection: Inspection) -> dict[str, Any]:
    return {
        "encoder": inspection.encoder,
        "granularity": inspection.granularity.value,
        "units": inspection.units,
        "diagnostics": [asdict(each) for each in inspection.diagnostics],
        "examples": None if inspection.examples is None else inspection.examples.to_json(),
    }
