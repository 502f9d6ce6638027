"""From blocks to paragraphs of a useful size."""

from __future__ import annotations

from bisect import bisect_left
from itertools import pairwise

from tellapart.corpus.prose.blocks import Block, Shape

LONGEST_PARAGRAPH = 2_000
"""Characters above which a paragraph is cut. Two encoder windows (256 tokens, about 1,000 characters each) are
the most whose mean still tells what they are about: our choice, not measured. 90 % of scifact's abstracts, each
written as one paragraph, stay whole (`bench/sentences.py`)."""

_INTRODUCED = (Shape.LIST, Shape.TABLE, Shape.VERBATIM)


def paragraph_starts(text: str, blocks: list[Block], sentences: list[int]) -> list[int]:
    """Offsets at which paragraphs start: each one a block, with what cannot stand alone before it.

    A heading says little alone and its text less without it, so it opens the first paragraph below it; for the
    same reason a line that ends in a colon keeps the list, table or code it introduces.
    """
    groups: list[list[Block]] = []
    for block in blocks:
        if groups and _joins(text, groups[-1][-1], block):
            groups[-1].append(block)
        else:
            groups.append([block])
    bounds = [group[0].start for group in groups] + [len(text)]
    starts: list[int] = []
    for group, (start, end) in zip(groups, pairwise(bounds), strict=True):
        starts.append(start)
        if end - start > LONGEST_PARAGRAPH:
            preferred = sorted(
                {piece for block in group if not _leads(block) for piece in block.pieces} - {start}
            )
            lead = [block.start for block in group if _leads(block)]
            if lead and preferred:
                preferred = preferred[1:]  # never cut a heading off what it heads
            starts += _cuts(start, end, preferred, sentences)
    return starts


def _leads(block: Block) -> bool:
    return block.shape in (Shape.HEADING, Shape.TITLE)


def _joins(text: str, before: Block, block: Block) -> bool:
    if block.shape is Shape.HEADING:
        # a heading right below a shallower one: the two open one section (see sections.py)
        return before.shape is Shape.TITLE or (before.shape is Shape.HEADING and block.level > before.level)
    if _leads(before):
        return True
    if before.shape is not Shape.TEXT or block.shape not in _INTRODUCED:
        return False
    return _ends_in_colon(text, block.start)


def _ends_in_colon(text: str, end: int) -> bool:
    """Whether the last character before `end` that is not white space is a colon."""
    low = end
    while low > 0:
        tail = text[max(0, low - 64) : low].rstrip()
        if tail:
            return tail[-1] in ":："
        low -= 64
    return False


def _cuts(start: int, end: int, preferred: list[int], sentences: list[int]) -> list[int]:
    """Cut [start, end) into pieces of about equal size, at preferred places if near, else at sentences.

    Preferred places are items, rows and line ends. No piece exceeds LONGEST_PARAGRAPH, as no sentence does.
    """
    cuts: list[int] = []
    while end - start > LONGEST_PARAGRAPH:
        pieces = -(-(end - start) // LONGEST_PARAGRAPH)
        target, limit = start + (end - start) // pieces, start + LONGEST_PARAGRAPH
        place = _nearest(preferred, target, start + LONGEST_PARAGRAPH // 4, limit)
        if place is None:
            place = _nearest(sentences, target, start, limit)
        if place is None or place >= end:
            break
        cuts.append(place)
        start = place
    return cuts


def _nearest(places: list[int], target: int, low: int, high: int) -> int | None:
    """The place in (low, high] nearest to the target, the earlier one if two are equally near."""
    position = bisect_left(places, target)
    near = [place for place in places[max(0, position - 1) : position + 1] if low < place <= high]
    return min(near, key=lambda place: (abs(place - target), place), default=None)
