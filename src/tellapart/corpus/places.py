"""Where a span of a document's text stands in the file, so that a person can open it."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter

from tellapart.corpus.document import Document, Places

_TABLES = (".csv", ".tsv")
_QUOTED = re.compile(r'"[^"]*"?')
"""A quoted field (RFC 4180); a doubled quote inside it ends one match and begins the next."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a span stands in its file; first and last are inclusive and count from 1.

    `lines` are those of the file on disk (None for formats that have none: PDF, DOCX, notebooks), `rows` those of
    a CSV or TSV file (the header is row 1), `cells` all cells of a notebook. `heading` is the path of headings
    ("Install > Linux") in a DOCX file, else "".
    """

    lines: tuple[int, int] | None = None
    pages: tuple[int, int] | None = None
    cells: tuple[int, int] | None = None
    rows: tuple[int, int] | None = None
    heading: str = ""

    def __str__(self) -> str:
        """The finest that a person can go to: "page 3", "cells 4-5", "row 17", a heading, "lines 3-9"."""
        for name, span in (("page", self.pages), ("cell", self.cells), ("row", self.rows)):
            if span is not None:
                return _counted(name, span)
        return self.heading or (_counted("line", self.lines) if self.lines else "")


def place_of(document: Document, start: int, end: int) -> Place:
    """Say where `document.text[start:end]` stands in the file, white space at its ends left out."""
    body = document.text[start:end]
    inner = body.strip()
    if inner:
        start += len(body) - len(body.lstrip())
        end = start + len(inner)
    places = document.places
    if not places:
        first = document.text.count("\n", 0, start) + 1
        last = first + inner.count("\n")
        is_table = (document.path or "").lower().endswith(_TABLES)
        return Place((first, last), rows=_rows(document.text, start, end) if is_table else None)
    heading = _at(places["heading"], start) if "heading" in places else None
    return Place(
        lines=_span(places, "line", start, end),
        pages=_span(places, "page", start, end),
        cells=_span(places, "cell", start, end),
        heading=heading if isinstance(heading, str) else "",
    )


def lines(text: str, start: int, end: int) -> tuple[int, int]:
    """First and last line (from 1, inclusive) of `text[start:end]`, white space at its ends left out."""
    body = text[start:end]
    inner = body.strip()
    start += len(body) - len(body.lstrip()) if inner else 0
    first = text.count("\n", 0, start) + 1
    return first, first + inner.count("\n")


def indent_before(text: str, start: int) -> str:
    """Give the white space between the beginning of a line and `start`; "" where other text stands there."""
    before = text[text.rfind("\n", 0, start) + 1 : start]
    return before if before.isspace() else ""


def offset_of_line(document: Document, line: int) -> int | None:
    """Offset of the text of a line of the file on disk (from 1); None beyond the end.

    Where a line of the file gave no text of its own, that of the nearest line above it that did.
    """
    mapped = document.places.get("line")
    if mapped is not None:
        before = [offset for offset, value in mapped if isinstance(value, int) and value <= line]
        return before[-1] if before else (mapped[0][0] if mapped else None)
    text, offset = document.text, 0
    for _ in range(line - 1):
        offset = text.find("\n", offset) + 1
        if offset == 0:
            return None
    stop = text.find("\n", offset)
    body = text[offset : stop if stop >= 0 else len(text)]
    return offset + len(body) - len(body.lstrip())


def _at(pairs: Sequence[tuple[int, int | str]], offset: int) -> int | str | None:
    """What holds at an offset."""
    position = bisect_right(pairs, offset, key=itemgetter(0))
    return pairs[position - 1][1] if position else None


def _span(places: Places, name: str, start: int, end: int) -> tuple[int, int] | None:
    if name not in places:
        return None
    pairs = places[name]
    first, last = _at(pairs, start), _at(pairs, max(end - 1, start))
    return (first, max(first, last)) if isinstance(first, int) and isinstance(last, int) else None


def _rows(text: str, start: int, end: int) -> tuple[int, int]:
    """First and last row of a table."""
    first = row_ends(text[:start]) + 1
    return first, first + row_ends(text[:end]) - row_ends(text[:start])


def row_ends(text: str) -> int:
    """Count the rows of a table that end in a text: its lines, but a line break inside quotes is none."""
    return _QUOTED.sub("", text).count("\n")


def _counted(name: str, span: tuple[int, int]) -> str:
    first, last = span
    return f"{name} {first}" if first == last else f"{name}s {first}-{last}"
