"""`tellapart inspect`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from tellapart.cli import options
from tellapart.cli.output import SCHEMA, note, print_json
from tellapart.cli.place import index_folder
from tellapart.cli.progress import terminal_progress
from tellapart.engine import Index
from tellapart.scores.inspecting import Inspection, inspect_index, keep_advice

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
    no_keep: Annotated[
        bool, typer.Option("--no-keep", help="Only look: auto will not follow what was measured.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Say what the vectors of an index are worth, and whether ranking by examples wants the svm here."""
    opened = Index.open(index_folder(index, [path]))
    inspections = inspect_index(
        opened, encoder=encoder, granularity=granularity, seed=seed, progress=terminal_progress()
    )
    if not no_keep:
        keep_advice(opened, inspections)
    if json:
        print_json({"schema": SCHEMA, "inspections": [_json(each) for each in inspections]})
        return
    for each in inspections:
        _print(each)
    if not no_keep:
        note("kept the advice on the svm in the index: searches by examples follow it")


def _print(inspection: Inspection) -> None:
    print(f"{inspection.encoder}/{inspection.granularity}, {inspection.units:,} units\n")
    for each in inspection.diagnostics:
        print(f"{each.verdict:<8}{each.name}: {each.shown}")
        print(f"        healthy: {each.healthy}")
        print(f"        means:   {each.meaning}")
        print(f"        do:      {each.action}")
        print(f"        verify:  {each.verify}\n")


def _json(inspection: Inspection) -> dict[str, Any]:
    advice = asdict(inspection.advice)
    kept = ("answer", "difference", "low", "high", "p", "n", "source")
    return {
        "encoder": inspection.encoder,
        "granularity": inspection.granularity.value,
        "units": inspection.units,
        "diagnostics": [asdict(each) for each in inspection.diagnostics],
        "svm": {key: advice[key] for key in kept},
    }
