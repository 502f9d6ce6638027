"""From a prose document to its containment tree: sentences, paragraphs of a useful size, sections."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from tellapart.corpus.document import ContainmentTree, Document, Granularity, Kind, Level
from tellapart.corpus.prose.blocks import Block, Shape
from tellapart.corpus.prose.markdown import markdown_blocks
from tellapart.corpus.prose.plain import plain_blocks
from tellapart.corpus.prose.rst import rst_blocks
from tellapart.corpus.prose.sentences import cut_long, sentence_starts
from tellapart.corpus.units import SEPARATOR

_SCANNERS = {"markdown": markdown_blocks, "rst": rst_blocks}
"""Any other language of a prose document is read as plain text."""


def split(document: Document) -> ContainmentTree:
    """Find the sentences, paragraphs and sections of a prose document, in time linear in its text."""
    text = document.text
    blocks = _with_title(document, _SCANNERS.get(document.language or "", plain_blocks)(text))
    if not blocks:
        blocks = [Block(Shape.TEXT, 0, pieces=[0])]
    blocks[0].start = blocks[0].pieces[0] = 0
    sentences = _sentences(text, blocks)
    sections, labels = section_starts(blocks)
    levels = {
        Granularity.SENTENCE: _level(sentences),
        Granularity.PARAGRAPH: _level(paragraph_starts(text, blocks, sentences)),
        Granularity.SECTION: _level(sections, labels),
        Granularity.DOCUMENT: _level([0], [document.title]),
    }
    return ContainmentTree(len(text), Kind.PROSE, levels)


def _level(starts: Sequence[int], labels: Sequence[str] | None = None) -> Level:
    return Level(np.asarray(starts, dtype=np.int32), tuple(labels) if labels else ("",) * len(starts))


def _with_title(document: Document, blocks: list[Block]) -> list[Block]:
    """Set a record's first line apart if it is its title, as titles end without a full stop."""
    text, title = document.text, document.title
    if not title or not blocks or blocks[0].shape is not Shape.TEXT:
        return blocks
    if not text.startswith(title) or text[len(title) : len(title) + 1] not in ("\n", "\r"):
        return blocks
    body = len(text) - len(text[len(title) :].lstrip())
    first = blocks[0]
    if body == len(text) or (len(blocks) > 1 and body >= blocks[1].start):
        first.shape = Shape.TITLE
        return blocks
    kept = [piece for piece in first.pieces if piece > body]
    rest = Block(Shape.TEXT, body, pieces=[body, *kept])
    return [Block(Shape.TITLE, 0, title=title, pieces=[0]), rest, *blocks[1:]]


def _sentences(text: str, blocks: list[Block]) -> list[int]:
    starts: list[int] = []
    ends = [block.start for block in blocks[1:]] + [len(text)]
    for block, end in zip(blocks, ends, strict=True):
        if block.shape in (Shape.VERBATIM, Shape.TABLE, Shape.HEADING, Shape.TITLE):
            starts.extend(cut_long(text, block.pieces, end))
            continue
        for low, high in pairwise([*block.pieces, end]):
            starts.extend(sentence_starts(text, low, high))
    return starts


LONGEST_PARAGRAPH = 2_000
"""Characters above which a paragraph is cut. Two encoder windows (256 tokens, about 1,000 characters each) are
what the mean of a pooled vector is made of at most; half would cut abstracts, twice would average four windows. 90 %
of scifact's abstracts, each written as one paragraph, stay whole (`bench/sentences.py`)."""

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


_LINK = re.compile(r"!?\[([^\[\]]*)\](?:\([^()\s]*(?:\s[^()]*)?\)|\[[^\[\]]*\])")
_ROLE = re.compile(r":[a-z:]+:`([^`<>]*)(?:\s*<[^`]*>)?`")
_MARKS = re.compile(r"\*\*|__|``?|(?<!\w)[*_](?=\S)|(?<=\S)[*_](?!\w)|[ \t]*\{#[^{}]*\}[ \t]*$")


def section_starts(blocks: list[Block]) -> tuple[list[int], list[str]]:
    """Offsets at which sections start, and their heading paths ("Install > Linux", "" before any heading).

    A heading right below a shallower one without text between them opens no section of its own: the two stand
    together, labelled with the deeper path, as a section of a bare heading would answer nothing.
    """
    starts, labels = [0], [""]
    path: list[tuple[int, str]] = []
    before: Block | None = None
    for block in blocks:
        if block.shape is Shape.HEADING:
            while path and path[-1][0] >= block.level:
                path.pop()
            path.append((block.level, plain_title(block.title)))
            label = SEPARATOR.join(title for _, title in path if title)
            opened = before is not None and before.shape is Shape.HEADING and block.level > before.level
            if before is None or before.shape is Shape.TITLE or opened:
                labels[-1] = label
            else:
                starts.append(block.start)
                labels.append(label)
        before = block
    return starts, labels


def plain_title(title: str) -> str:
    """A heading's words without the marks of its markup."""
    if not set("[`*_{") & set(title):
        return title
    title = _ROLE.sub(r"\1", _LINK.sub(r"\1", title))
    return _MARKS.sub("", title).strip()
