"""From a prose document to its containment tree: sentences, paragraphs of a useful size, sections."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from tellapart.corpus.document import ContainmentTree, Document, Granularity, Kind, Level
from tellapart.corpus.prose.blocks import LIST_ITEM, Block, BlockBuilder, Shape, lines
from tellapart.corpus.prose.markdown import markdown_blocks
from tellapart.corpus.prose.rst import rst_blocks
from tellapart.corpus.prose.sentences import LONGEST_SENTENCE, cut_long, sentence_starts
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


_WITHOUT_SENTENCES = (Shape.VERBATIM, Shape.TABLE, Shape.HEADING, Shape.TITLE)


def _sentences(text: str, blocks: list[Block]) -> list[int]:
    starts: list[int] = []
    ends = [block.start for block in blocks[1:]] + [len(text)]
    for block, end in zip(blocks, ends, strict=True):
        if block.shape in _WITHOUT_SENTENCES:
            short = end - block.start <= LONGEST_SENTENCE
            starts += block.pieces if short else cut_long(text, block.pieces, end)
            continue
        for low, high in pairwise([*block.pieces, end]):
            starts += sentence_starts(text, low, high)
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
    for row in lines(text):
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
