"""From headings to sections and their labels."""

from __future__ import annotations

import re

from tellapart.corpus.prose.blocks import Block, Shape
from tellapart.corpus.units import SEPARATOR

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
