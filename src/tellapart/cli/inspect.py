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
from tellapart.index.home import index_folder
from tellapart.scores.diagnostic import Diagnostic
from tellapart.scores.inspecting import Inspection, inspect_index, keep_advice
from tellapart.scores.texts import read_verdict, text_diagnostics

EXAMPLES = (
    "tellapart inspect",
    "tellapart inspect --index my.idx --encoder lsa --granularity section --json",
)


def inspect(
    path: Annotated[Path, typer.Argument(help="Folder that was indexed.")] = Path(),
    index: options.IndexFolder = None,
    encoder: options.EncoderName = None,
    granularity: options.GranularityName = None,
    seed: Annotated[int, typer.Option("--seed", help="Of samples and resampling.")] = 0,
    verdict: Annotated[
        Path | None,
        typer.Option(
            "--verdict",
            metavar="FILE",
            help="What 'evaluate --json' printed: says if the svm pays for texts.",
        ),
    ] = None,
    no_keep: Annotated[
        bool, typer.Option("--no-keep", help="Only look: auto will not follow what was measured.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Say what the vectors of an index are worth, and how to rank by examples here."""
    opened = Index.open(index_folder(index, [path]))
    texts = text_diagnostics(read_verdict(verdict), seed=seed) if verdict else ()
    inspections = inspect_index(
        opened, encoder=encoder, granularity=granularity, seed=seed, progress=terminal_progress()
    )
    if not no_keep:
        keep_advice(opened, inspections)
    if json:
        shape = {
            "inspections": [_json(each) for each in inspections],
            "texts": [asdict(each) for each in texts],
        }
        print_json({"schema": SCHEMA, **shape})
        return
    for each in inspections:
        print(f"{each.encoder}/{each.granularity}, {each.units:,} units\n")
        _print(each.diagnostics)
    _print(texts)
    if not no_keep:
        note("kept in the index how to rank by examples: searches follow it")


def _print(diagnostics: Sequence[Diagnostic]) -> None:
    for each in diagnostics:
        print(f"{each.verdict:<8}{each.name}: {each.shown}")
        print(f"        healthy: {each.healthy}")
        print(f"        means:   {each.meaning}")
        print(f"        do:      {each.action}")
        print(f"        verify:  {each.verify}\n")


def _json(inspection: Inspection) -> dict[str, Any]:
    kept = ("ranker", "answer", "difference", "low", "high", "p", "n", "source")
    advice = [asdict(each) for each in inspection.advice]
    return {
        "encoder": inspection.encoder,
        "granularity": inspection.granularity.value,
        "units": inspection.units,
        "diagnostics": [asdict(each) for each in inspection.diagnostics],
        "examples": [{key: each[key] for key in kept} for each in advice],
    }
