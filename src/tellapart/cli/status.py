"""`tellapart status`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from tellapart.cli import options
from tellapart.cli.output import SCHEMA, note, print_json
from tellapart.engine import Index
from tellapart.engine.planning import only_some
from tellapart.engine.status import IndexStatus, index_status, verify_index
from tellapart.index.embedding import in_words
from tellapart.index.home import find_home

EXAMPLES = (
    "tellapart status --index my.idx",
    "tellapart status --skipped --index my.idx         # what was not indexed, and why",
)


def status(
    path: options.PathIn = None,
    index: options.IndexPlace = None,
    skipped: Annotated[bool, typer.Option("--skipped", help="List what was not indexed, and why.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Read every file and compare checksums.")] = False,
    json: options.Json = False,
) -> None:
    """Say what an index holds, how old it is, and with which encoders."""
    folder = find_home(index, path).folder
    opened = Index.open(folder)
    if skipped:
        entries = opened.skipped()
        if json:
            print_json({"schema": SCHEMA, "skipped": [{"path": p, "reason": r} for p, r in entries]})
        else:
            for name, reason in entries:
                print(f"{_one_line(name)}\t{reason}")
        return
    if verify:
        verify_index(opened)
        note("every file is as it was written")
    state = index_status(opened)
    if json:
        print_json({"schema": SCHEMA, **asdict(state)})
    else:
        _print(state)


def _print(state: IndexStatus) -> None:
    print(f"index        {state.folder}  ({state.bytes / 1e6:,.1f} MB, generation {state.generation})")
    for address in state.shards:
        print(f"shard        {address}")
    if state.partial:
        print(f"partial      {state.partial}")
    if not state.published:
        print(f"sources      {', '.join(state.sources) or 'none'}")
    print(f"updated      {state.updated or 'never'}; {_staleness(state)}")
    skipped = "" if state.published else f"  ({state.skipped:,} skipped: --skipped lists them)"
    print(f"documents    {state.documents:,}{skipped}")
    for name, count in state.units.items():
        print(f"  {name:<11}{count:>12,}")
    for encoder in state.encoders:
        levels = ", ".join(f"{g} (pooled)" if g in encoder.pooled else g for g in encoder.granularities)
        print(f"encoder      {encoder.name}  {encoder.dim} dimensions, {encoder.fingerprint[:12]}; {levels}")
        if encoder.name == state.in_use:
            print("             in use since 'tellapart migrate'")
        if encoder.name in state.compressed:
            print(f"             compressed: {state.compressed[encoder.name]}")
        if words := in_words(encoder):
            print(f"             {words}")
    if state.vectors_for:
        print(f"             {only_some(state.vectors_for)}")
    if not state.encoders:
        print("encoder      none: words only")
    print(f"verdict      {_verdict(state)}")
    print(f"calibration  {_calibration(state)}")


def _verdict(state: IndexStatus) -> str:
    verdict = state.verdict
    if verdict is None:
        return _missing(state, "evaluate", "finds what works best here")
    tuned = ", ".join(f"{name} {value:g}" for name, value in verdict.parameters.items())
    since = f"{verdict.configuration}{f' ({tuned})' if tuned else ''}, {verdict.made[:10]}"
    if verdict.stale is not None:
        return f"{since}; stale, not followed: {verdict.stale}; run 'tellapart evaluate' again"
    return f"{since}: {verdict.reason}"


def _calibration(state: IndexStatus) -> str:
    kept = state.calibration
    if kept is None:
        return _missing(state, "calibrate", "gives hits probabilities")
    since = f"{kept.configuration}, {kept.made[:10]}, {kept.queries:,} {kept.source} queries"
    if kept.stale is not None:
        return f"{since}; stale, not used: {kept.stale}; run 'tellapart calibrate' again"
    return since


def _missing(state: IndexStatus, verb: str, purpose: str) -> str:
    return f"none: 'tellapart {verb} --index {state.folder}' {purpose}"


def _staleness(state: IndexStatus) -> str:
    if state.published:
        return "files are not looked at"
    if not state.changed_sources:
        return "nothing changed since"
    return f"{state.changed_sources:,} sources changed since: run 'tellapart index --index {state.folder}'"


def _one_line(name: str) -> str:
    return name.encode("unicode_escape").decode() if any(c in name for c in "\r\n\t") else name
