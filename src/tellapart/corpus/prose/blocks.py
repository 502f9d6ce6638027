"""The blocks a prose text is laid out in, whatever the markup: headings, text, lists, tables, verbatim parts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from itertools import accumulate

LIST_ITEM = re.compile(
    r"[ \t]*(?:(?P<bullet>[-*+•‣·–])|[(\[]?(?P<number>\d{1,3}|#|[a-zA-Z]|[ivxIVX]{2,5})[.)\]])[ \t]+\S"
)
"""A line that opens a list item: a bullet, a number, a letter or a Roman numeral."""


class Shape(Enum):
    """How the lines of a block belong together."""

    HEADING = "heading"
    TITLE = "title"
    TEXT = "text"
    LIST = "list"
    TABLE = "table"
    VERBATIM = "verbatim"


@dataclass(slots=True)
class Block:
    """A run of lines; it reaches to the next block's start.

    `pieces` are the offsets that certainly start a sentence: the items of a list, the rows of a table; the
    first one is `start`. `level` and `title` are a heading's.
    """

    shape: Shape
    start: int
    level: int = 0
    title: str = ""
    pieces: list[int] = field(default_factory=list)


class BlockBuilder:
    """Collects blocks in order; one block at most is open and takes further lines."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.blocks: list[Block] = []
        self.open: Block | None = None
        self.after_blank = False

    def begin(self, shape: Shape, at: int, *, level: int = 0, title: str = "") -> Block:
        """Close what is open and begin another block at the character `at`."""
        block = Block(shape, at, level, title, [at])
        self.blocks.append(block)
        self.open = block
        self.after_blank = False
        return block

    def close(self) -> None:
        """Let the next line begin a block of its own."""
        self.open = None
        self.after_blank = False

    def heading(self, at: int, level: int, title: str) -> None:
        """Add a heading, which takes no further lines."""
        self.begin(Shape.HEADING, at, level=level, title=title)
        self.close()

    def turn_into_heading(self, level: int, end: int) -> None:
        """Make the open block, now known to be underlined, a heading that reaches to `end`."""
        block = self.open
        assert block is not None
        block.shape, block.level, block.pieces = Shape.HEADING, level, [block.start]
        block.title = " ".join(self.text[block.start : end].split())
        self.close()

    def blank(self) -> None:
        """Note an empty line: it ends everything but a list, which may go on behind it."""
        if self.open is not None and self.open.shape is Shape.LIST:
            self.after_blank = True
        else:
            self.close()

    def item(self, at: int) -> None:
        """Add a list item; text right above a list introduces it and stays with it."""
        block = self.open
        if block is None or block.shape not in (Shape.LIST, Shape.TEXT):
            self.begin(Shape.LIST, at)
            return
        block.shape = Shape.LIST
        self.piece(at)

    def piece(self, at: int) -> None:
        """Note that a sentence certainly starts at `at` inside the open block."""
        block = self.open
        assert block is not None
        if at > block.pieces[-1]:
            block.pieces.append(at)
        self.after_blank = False


def lines(text: str, begin: int = 0) -> list[tuple[int, str, str]]:
    """Offset of the first character that is not white space, the line with its end, the line stripped."""
    whole = (text[begin:] if begin else text).splitlines(keepends=True)
    return [
        (
            at if line[0] == body[:1] else at + line.find(body[:1]),
            line,
            body,
        )  # of an empty line its beginning
        for at, line, body in zip(
            accumulate(map(len, whole), initial=begin), whole, map(str.strip, whole), strict=False
        )
    ]


def indent(line: str) -> int:
    """Columns before the first character, tabs counted to the next multiple of 4."""
    if line[:1] not in {" ", "\t"}:
        return 0
    width = len(line) - len(line.lstrip(" "))
    if line[width : width + 1] != "\t":
        return width
    expanded = line[: width + 40].expandtabs(4)
    return len(expanded) - len(expanded.lstrip())
