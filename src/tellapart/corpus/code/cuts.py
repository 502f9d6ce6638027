"""Where long code without functions is cut: between statements, else between lines, else between words."""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tellapart.corpus.code.grammars import SourceText

if TYPE_CHECKING:
    import tree_sitter

MAX_LINES = 60
"""Lines of a unit that is not a function: a screenful. Not measured."""

MAX_CHARACTERS = 3_000
"""Characters of such a unit: some three windows of 256 tokens of code. Not measured."""

_INDENT = 1_000
"""Rank of a line that is no statement's start in the tree: behind every depth (even, as the last bit means no blank
line before)."""


@dataclass(frozen=True, slots=True)
class Breaks:
    """Offsets (code points, increasing) where a piece may be cut and how bad a cut there is (0 is best)."""

    offsets: list[int]
    ranks: list[int]


_SPACE = re.compile(r"\s*")


def behind_space(text: str, position: int, end: int) -> int:
    """The first character from `position` on that is not white space, or `end`."""
    match = _SPACE.match(text, position, end)
    return match.end() if match else position


def is_long(text: str, start: int, end: int) -> bool:
    """Whether a piece must be cut."""
    return end - start > MAX_CHARACTERS or text.count("\n", start, end) > MAX_LINES


def cut(text: str, start: int, end: int, breaks: Breaks) -> Iterator[int]:
    """Starts of the further pieces of a long piece, each piece within the limits and none of white space only."""
    while is_long(text, start, end):
        limit = _limit(text, start, end)
        cut_at = _best(breaks, start, limit)
        if cut_at is None:
            cut_at = _between_words(text, start, limit)
        cut_at = behind_space(text, cut_at, end)
        if cut_at >= end:
            return
        yield cut_at
        start = cut_at


def _limit(text: str, start: int, end: int) -> int:
    """The furthest that a piece from `start` may reach."""
    limit = min(start + MAX_CHARACTERS, end)
    position = start
    for _ in range(MAX_LINES):
        position = text.find("\n", position, limit) + 1
        if position == 0:
            return limit
    return position


def _best(breaks: Breaks, start: int, limit: int) -> int | None:
    """The best break in the last two thirds of the room, the latest among equals; else the last one at all."""
    first = bisect.bisect_right(breaks.offsets, start)
    stop = bisect.bisect_right(breaks.offsets, limit)
    if first == stop:
        return None
    late = bisect.bisect_left(breaks.offsets, start + (limit - start) // 3, first, stop)
    candidates = range(late, stop) if late < stop else range(first, stop)
    return breaks.offsets[min(candidates, key=lambda i: (breaks.ranks[i], -i))]


def _between_words(text: str, start: int, limit: int) -> int:
    space = max(text.rfind(" ", start + 1, limit), text.rfind("\t", start + 1, limit))
    return space + 1 if space > start + (limit - start) // 2 else limit


def line_breaks(text: str, start: int, end: int) -> Breaks:
    """The lines of a piece that begin with something, ranked by indentation, then by a blank line before them."""
    offsets: list[int] = []
    ranks: list[int] = []
    position = start
    while (position := text.find("\n", position, end) + 1) > 0:
        inner = behind_space(text, position, end)
        if inner >= end:
            break
        indent = inner - text.rfind("\n", position - 1, inner) - 1
        blank = text.count("\n", position - 1, inner) > 1
        offsets.append(inner)
        ranks.append(_INDENT + 2 * min(indent, _INDENT) + (0 if blank else 1))
        position = inner
    return Breaks(offsets, ranks)


def statement_breaks(depths: Mapping[int, int], text: str, start: int, end: int) -> Breaks:
    """The lines of a piece, those where a statement begins ranked first and by its depth in the tree."""
    lines = line_breaks(text, start, end)
    ranks = [
        2 * min(depths[offset], _INDENT // 2 - 1) + rank % 2 if offset in depths else rank
        for offset, rank in zip(lines.offsets, lines.ranks, strict=True)
    ]
    return Breaks(lines.offsets, ranks)


def statement_depths(tree: tree_sitter.Tree, source: SourceText) -> dict[int, int]:
    """Depth of the outermost node that starts at an offset, for the nodes directly inside something long."""
    depths: dict[int, int] = {}
    pending = [(tree.root_node, 0)]
    while pending:
        node, depth = pending.pop()
        for child in node.named_children:
            start, end = source.span(child)
            depths[start] = min(depth, depths.get(start, depth))
            if is_long(source.text, max(start, 0), end):
                pending.append((child, depth + 1))
    return depths
