"""From a prose document to its containment tree."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from tellapart.corpus.prose.blocks import Block, Shape
from tellapart.corpus.prose.markdown import markdown_blocks
from tellapart.corpus.prose.paragraphs import paragraph_starts
from tellapart.corpus.prose.plain import plain_blocks
from tellapart.corpus.prose.rst import rst_blocks
from tellapart.corpus.prose.sections import section_starts
from tellapart.corpus.prose.sentences import cut_long, sentence_starts
from tellapart.corpus.types import ContainmentTree, Document, Granularity, Kind, Level

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
