"""How results are printed: for people, and as JSON (schema 1)."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from typing import Any

from tellapart.corpus.document import KIND_OF, Granularity, Kind
from tellapart.corpus.places import row_ends
from tellapart.engine.results import Hit, SearchResult
from tellapart.engine.snippets import lines_of_hit, matching_line, printable, snippet

SCHEMA = 1
_ROWS = re.compile(r"rows (\d+)-(\d+)")
BOLD, DIM, MATCH, PLAIN = "\033[1m", "\033[2m", "\033[1;33m", "\033[0m"


def print_json(value: Mapping[str, Any]) -> None:
    """Print one JSON object on a line."""
    print(json.dumps(value, ensure_ascii=False), flush=True)


def note(message: str) -> None:
    """Say something that is no result."""
    print(message, file=sys.stderr)


def print_result(
    result: SearchResult, *, lines: int, explain: bool, why_none: str, doubted: bool = False
) -> None:
    """Print hits for a person: where, what it is, the lines of its text that match; or `why_none` where there are none.

    `doubted`: that anything here answers, so that probabilities given an answer are not shown.
    """
    if not result.hits and result.best_probability is not None:
        note(f"no hit is certain enough (best: {result.best_probability:.2f})")
    elif not result.hits:
        note(f"nothing found: {why_none}")
    query = result.request.query or ""
    for hit in result.hits:
        place = styled(printable(where(hit, query)), BOLD)
        print(f"{hit.rank:>2}  {place}  {styled(_detail(hit, doubted=doubted), DIM)}")
        if explain and hit.components:
            parts = "  ".join(f"{name} {value:.3f}" for name, value in sorted(hit.components.items()))
            print(f"    {styled(parts, DIM)}")
        shown = snippet(lines_of_hit(hit, lines, query, result.request.regex), mark=_marked)
        for line in shown:
            print(f"    {line}")
        if lines:
            print()
    if explain:
        note(f"{result.configuration.name}: {result.why}")
        if (kept := result.calibration) is not None:
            note(f"P: chance of being relevant, calibrated {kept.made[:10]} on {kept.basis}")
        for certificate in result.certificates:
            note(f"svm: {certificate}")


def where(hit: Hit, query: str = "") -> str:
    """Name a hit so that it can be opened: `FILE:FIRST-LAST`, or the file and its page, cell, row or heading.

    Of several rows of a table the one that matches the query is named first.
    """
    if hit.granularity is Granularity.IMAGE or not hit.place:  # a Word file without headings has neither
        return hit.document
    if hit.place.startswith("line"):
        return f"{hit.document}:{hit.lines[0]}-{hit.lines[1]}"
    if query and (rows := _ROWS.fullmatch(hit.place)):
        line = matching_line(hit.text.lstrip(), query, KIND_OF[hit.granularity])
        if line is not None:
            row = int(rows[1]) + row_ends(hit.text.lstrip()[:line])
            return f"{hit.document} row {row} (of {rows[1]}-{rows[2]})"
    return f"{hit.document} {hit.place}"


def _detail(hit: Hit, *, doubted: bool) -> str:
    copies = f"  +{len(hit.copies)} {'copy' if len(hit.copies) == 1 else 'copies'}" if hit.copies else ""
    matches = int(hit.components.get("matches", 0))
    score = f"score {_shown(hit):.3f}"
    if matches:  # every one is perfect, and a score would only say how they are ordered
        score = f"{matches} {'match' if matches == 1 else 'matches'}"
    chance = "" if doubted or hit.probability is None else f"  P {hit.probability:.2f}"
    name = f" {printable(hit.label)}" if hit.label and KIND_OF[hit.granularity] is Kind.CODE else ""
    return f"{hit.unit or hit.granularity}{name}  {score}{chance}{copies}"


def _shown(hit: Hit) -> float:
    """Give the score to print: that of an svm from 0 (the rest of the corpus) to 1 (the examples).

    Its decision value is fitted to -1 for the corpus and +1 for what is looked for, so that most good hits are below 0.
    """
    if hit.components.get("svm") == hit.score:  # alone: in a fusion it is one part of several
        return max((1.0 + hit.score) / 2.0, 0.0)
    return hit.score


def _marked(word: str) -> str:
    return styled(word, MATCH)


def styled(text: str, style: str) -> str:
    """Dress a text up where a terminal shows it and colour is not declined."""
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        return f"{style}{text}{PLAIN}"
    return text
