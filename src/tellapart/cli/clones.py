"""`tellapart clones`."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from tellapart.cli import options
from tellapart.cli.output import BOLD, DIM, note, print_json, styled
from tellapart.cli.progress import terminal_progress
from tellapart.cli.search import open_or_build
from tellapart.engine import Index
from tellapart.engine.snippets import printable
from tellapart.index.home import Home, find_home
from tellapart.scores.clones import MIN_TOKENS, CloneGroup, Clones, clones_json, find_clones

EXAMPLES = (
    "tellapart clones ~/src/project",
    "tellapart clones --index my.idx --encoder minilm -k 50",
    "tellapart clones src --json",
)


def clones(
    path: options.PathIn = None,
    index: options.IndexPlace = None,
    encoder: options.EncoderName = None,
    k: Annotated[int, typer.Option("-k", "--top-k", help="How many groups.")] = 10,
    yes: options.Yes = False,
    json: options.Json = False,
) -> None:
    """Find functions that are nearly the same, or do the same, and say how unusual that is in this code.

    Names, texts, numbers and comments do not count for near-duplicates. Functional clones need vectors of functions.
    """
    home = find_home(index, path)
    opened = open_or_build(home, path, asked=index is not None, yes=yes)
    found = find_clones(opened, encoder=encoder, progress=terminal_progress())
    if home.where:
        found = replace(found, groups=_below(found, opened, home))
    shown = replace(found, groups=found.groups[: max(k, 0)])
    if json:
        print_json({**clones_json(shown), "found": len(found.groups)})
        return
    for rank, group in enumerate(shown.groups, start=1):
        _print(rank, group, found)
    _end(found, len(shown.groups))


def _below(found: Clones, index: Index, home: Home) -> tuple[CloneGroup, ...]:
    """Groups that have a function in the part of the index that was asked for."""
    names = index.store.identifiers()
    inside = {names[number] for number in index.store.matching(home.where)}
    return tuple(group for group in found.groups if any(each.document in inside for each in group.functions))


def _print(rank: int, group: CloneGroup, found: Clones) -> None:
    detail = f"similarity {group.similarity:.2f}{_unusual(group, found)}"
    print(f"{rank:>2}  {styled(group.kind, BOLD)}  {styled(detail, DIM)}")
    for each in group.functions:
        print(f"    {printable(f'{each.document}:{each.lines[0]}-{each.lines[1]}  {each.label}')}")
    print()


def _unusual(group: CloneGroup, found: Clones) -> str:
    """Place a group among the unrelated pairs."""
    if group.percentile is None:
        return ""
    pairs = found.unrelated[group.kind].pairs
    share = "all" if group.percentile == 1 else f"{100 * group.percentile:.4g} % of the"
    return f", above {share} {pairs:,} unrelated pairs"


def _end(found: Clones, shown: int) -> None:
    groups = len(found.groups)
    without = (
        ""
        if found.encoder
        else "; no vectors of functions, so no functional clones: 'tellapart index' adds them"
    )
    looked = f"{found.functions:,} functions of {MIN_TOKENS} tokens or more"
    if not groups:
        note(f"no clones among {looked}{without}")
        return
    more = f", {shown} shown (-k {groups} shows all)" if shown < groups else ""
    note(f"{groups} {'group' if groups == 1 else 'groups'} of clones among {looked}{more}{without}")
