"""The layout of plain text: empty lines, lists, and only headings that nobody could mistake."""

from __future__ import annotations

import re
from itertools import pairwise

from tellapart.corpus.prose.blocks import LIST_ITEM, Block, BlockBuilder, Shape, lines

_UNDERLINE = re.compile(r"([=\-~*#^])\1{2,}$")
_CHAPTER = re.compile(
    r"(?:chapter|part|book|kapitel|teil|chapitre|partie|cap[ií]tulo|capitolo|hoofdstuk)[ \t]+"
    r"(?:\d{1,3}|[ivxlc]{1,8})\b[^\n]{0,80}$",
    re.IGNORECASE,
)

_DIGITS = re.compile(r"\d+")

_UNWRAPPED = 200
"""Characters above which a line was not wrapped by hand, so its end is the paragraph's end."""

_LINES_ASKED = 200
"""Lines of a block that are looked at to learn whether they are records (a log, a table, a poem)."""


def plain_blocks(text: str) -> list[Block]:
    """Blocks of a plain text in order; the first may start after leading white space."""
    layout = BlockBuilder(text)
    paragraph: list[tuple[int, str, str]] = []
    rows = list(lines(text))
    for row in rows:
        if row[2]:
            paragraph.append(row)
        elif paragraph:
            _paragraph(layout, paragraph)
            paragraph = []
    if paragraph:
        _paragraph(layout, paragraph)
    return layout.blocks


def _paragraph(layout: BlockBuilder, rows: list[tuple[int, str, str]]) -> None:
    """Lay out the lines between two empty ones."""
    layout.close()
    first = rows[0][2]
    if len(rows) == 1 and _CHAPTER.match(first):
        layout.heading(rows[0][0], 1, first)
        return
    if len(rows) >= 2 and _is_underlined(first, rows[1][2]):
        layout.heading(rows[0][0], 1 if rows[1][2][0] in "=#*" else 2, first)
        rows = rows[2:]
    records = _are_records([body for _, _, body in rows[:_LINES_ASKED]])
    previous = ""
    for at, line, body in rows:
        if records and layout.open is not None:
            layout.piece(at)
        elif LIST_ITEM.match(line) and _opens_item(layout, body, previous):
            layout.item(at)
        elif layout.open is None or (len(previous) > _UNWRAPPED and previous[-1] in '.!?:"”’。！？'):
            layout.begin(Shape.TEXT, at)
        previous = body


def _is_underlined(title: str, rule: str) -> bool:
    """Whether the second line is a rule about as long as the first, as titles in plain files have."""
    return (
        _UNDERLINE.match(rule) is not None
        and not _UNDERLINE.match(title)
        and len(title) <= 100
        and 0.6 * len(title) <= len(rule) <= len(title) + 8
    )


def _opens_item(layout: BlockBuilder, body: str, previous: str) -> bool:
    """Bullets and numbers open items; a lone letter ("a. m.") or a wrapped "1998." does not interrupt text."""
    if layout.open is not None and layout.open.shape is Shape.LIST:
        return True
    if body[0].isalpha():
        return False
    return not previous or not body[0].isdigit() or previous[-1] in ".:;!?"


def _are_records(bodies: list[str]) -> bool:
    """Whether each line stands for itself: lines that were not full when they broke, or equal columns.

    A line was wrapped by hand if the next line's first word would have gone beyond the width of the block.
    """
    if len(bodies) < 3:
        return False
    if _equal_openings(bodies) or any(_equal_columns(bodies, separator) for separator in "\t,;|"):
        return True
    if len(bodies) < 4:
        return False
    width = max(len(body) for body in bodies)
    pairs = list(pairwise(bodies))
    chosen = sum(len(line) + 1 + len(after.split(None, 1)[0]) <= width - 1 for line, after in pairs)
    lower = sum(body[0].islower() for body in bodies[1:])
    return chosen >= 0.8 * len(pairs) and lower <= 0.1 * len(pairs)


def _equal_openings(bodies: list[str]) -> bool:
    """Whether all lines open with the same pattern of digits and marks ("2024-01-31", "[12:03:04]")."""
    shapes = {_DIGITS.sub("0", body[:40].split(None, 1)[0]) for body in bodies}
    return len(shapes) == 1 and "0" in (shape := shapes.pop()) and not shape.isalnum()


def _equal_columns(bodies: list[str], separator: str) -> bool:
    columns = bodies[0].count(separator)
    needed = 1 if separator == "\t" else 2
    return columns >= needed and all(body.count(separator) == columns for body in bodies[1:])
