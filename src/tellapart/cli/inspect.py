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
from tellapart.scores.code_functions import MOST_FUNCTIONS
from tellapart.scores.inspecting import Inspection, inspect_index
from tellapart.scores.inspecting_code import DEFAULT_ENCODERS, code_json, code_text, inspect_code
from tellapart.scores.texts import read_verdict, text_diagnostics
from tellapart.scores.vectors import Diagnostic

EXAMPLES = (
    "tellapart inspect",
    "tellapart inspect --index my.idx --encoder lsa --granularity section --json",
    "tellapart inspect --code src",
)


def inspect(
    path: options.PathIn = None,
    index: options.IndexFolder = None,
    encoder: options.EncoderName = None,
    granularity: options.GranularityName = None,
    seed: Annotated[int, typer.Option("--seed", help="Random seed.")] = 0,
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
        found = inspect_code(
            opened, encoders=encoders, most=functions, seed=seed, progress=terminal_progress()
        )
        if json:
            print_json({"schema": SCHEMA, "code": code_json(found)})
        else:
            print(code_text(found))
        return
    texts = text_diagnostics(read_verdict(verdict), seed=seed) if verdict else ()
    inspections = inspect_index(
        opened, encoder=encoder, granularity=granularity, seed=seed, progress=terminal_progress()
    )
    kept = [each.examples for each in inspections if each.examples is not None] if keep else []
    for found in kept:
        found.keep(opened)
    if json:
        shape = {
            "inspections": [_json(each) for each in inspections],
            "texts": [asdict(each) for each in texts],
        }
        print_json({"schema": SCHEMA, **shape})
        return
    for each in inspections:
        print(f"{each.encoder}/{each.granularity}, {each.units:,} units\n")
        _print(each.diagnostics, verbose=verbose)
    _print(texts, verbose=verbose)
    for found in kept:
        chosen = found.chosen.configuration
        note(
            f"search by examples uses {chosen.ranker} on {chosen.granularity} units from now on (--no-keep: only look)"
        )


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
