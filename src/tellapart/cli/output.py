"""How results are printed: for people, and as JSON (schema 1)."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from tellapart.corpus.types import Granularity
from tellapart.engine.results import SearchResult

SCHEMA = 1
BOLD, DIM, PLAIN = "\033[1m", "\033[2m", "\033[0m"


def print_json(value: Mapping[str, Any]) -> None:
    """Print one JSON object on a line."""
    print(json.dumps(value, ensure_ascii=False))


def note(message: str) -> None:
    """Say something that is no result."""
    print(message, file=sys.stderr)


def print_result(result: SearchResult, *, lines: int, explain: bool) -> None:
    """Print hits for a person: place, what it is, the first lines of its text."""
    if not result.hits:
        note("nothing found: no unit shares a word with the query, or none passes the filters")
    for hit in result.hits:
        image = hit.granularity is Granularity.IMAGE
        place = hit.document if image else f"{hit.document}:{hit.lines[0]}-{hit.lines[1]}"
        detail = f"{hit.granularity}  score {hit.score:.3f}"
        print(f"{hit.rank:>2}  {styled(place, BOLD)}  {styled(detail, DIM)}")
        if explain and hit.components:
            parts = "  ".join(f"{name} {value:.3f}" for name, value in sorted(hit.components.items()))
            print(f"    {styled(parts, DIM)}")
        for line in snippet(hit.text, lines):
            print(f"    {line}")
        if lines:
            print()
    if explain:
        note(f"{result.configuration.name}: {result.why}")
        for certificate in result.certificates:
            note(f"svm: {certificate}")


def snippet(text: str, lines: int) -> list[str]:
    """Give the first lines of a text that hold something, long ones cut."""
    width = 160
    kept = [printable(line.rstrip()) for line in text.strip("\r\n").splitlines() if line.strip()]
    shown = [line if len(line) <= width else line[: width - 1] + "…" for line in kept[:lines]]
    if lines and len(kept) > lines:
        shown.append("…")
    return shown


def printable(line: str) -> str:
    """Keep a document from steering the terminal."""
    return "".join(character if character.isprintable() or character == "\t" else "�" for character in line)


def styled(text: str, style: str) -> str:
    """Dress a text up where a terminal shows it and colour is not declined."""
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        return f"{style}{text}{PLAIN}"
    return text
