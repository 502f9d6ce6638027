"""The layout of reStructuredText, as far as splitting needs it."""

from __future__ import annotations

import re

from tellapart.corpus.prose.blocks import LIST_ITEM, Block, BlockBuilder, Shape, indent, lines

_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1+$")
_SIMPLE_TABLE = re.compile(r"={2,}(?:[ \t]+={2,})+$")
_GRID_TABLE = re.compile(r"\+[-=]{2,}[-=+]*\+$")
_FIELD = re.compile(r":[^:\s][^:]*:(?:\s|$)")
_CODE = re.compile(
    r"\.\.[ \t]+(?:code|code-block|sourcecode|literalinclude|parsed-literal|math|raw|csv-table)::"
)
_DIRECTIVE = re.compile(r"\.\.(?:[ \t]|$)")


def rst_blocks(text: str) -> list[Block]:
    """Blocks of a reStructuredText in order; the first may start after leading white space."""
    return _RstScanner(text).run()


class _RstScanner:
    def __init__(self, text: str) -> None:
        self.layout = BlockBuilder(text)
        self.lines = lines(text)
        self.styles: list[tuple[str, bool]] = []  # adornments in order of appearance = levels

    def run(self) -> list[Block]:
        row, layout, end = 0, self.layout, len(self.lines)
        while row < end:
            body = self.lines[row][2]
            if not body:
                layout.blank()
                row += 1
            elif layout.open is not None and layout.open.shape is Shape.TEXT and body[0] not in "=+.":
                row += self._goes_on(row, body)  # most lines: neither table nor directive
            else:
                row += self._consume(row)
        return layout.blocks

    def _consume(self, row: int) -> int:
        """Lay out what begins in this row and say how many rows it took."""
        at, line, body = self.lines[row]
        layout = self.layout
        columns = indent(line)
        taken = self._heading(row)
        if taken:
            return taken
        if columns == 0 and body[0] in "=+" and (_SIMPLE_TABLE.match(body) or _GRID_TABLE.match(body)):
            return self._table(row)
        if columns == 0 and body[0] == "." and _DIRECTIVE.match(body):
            return self._explicit(row)
        item = LIST_ITEM.match(line) or (body[0] == ":" and _FIELD.match(body))
        if layout.after_blank and columns == 0 and not item:
            layout.close()
        if item and (layout.open is None or layout.open.shape is Shape.LIST):
            layout.item(at)
        elif layout.open is None:
            layout.begin(Shape.TEXT, at)
        layout.after_blank = False
        return self._goes_on(row, body)

    def _goes_on(self, row: int, body: str) -> int:
        return 1 + self._literal(row) if body.endswith("::") else 1

    def _heading(self, row: int) -> int:
        """Rows of a heading (overline, title, underline or title, underline), 0 if there is none."""
        at, line, body = self.lines[row]
        if self.layout.open is not None and self.layout.open.shape is not Shape.LIST:
            return 0
        below = self._body(row + 1)
        if body[0].isalnum() and (not below or below[0].isalnum() or line[0].isspace()):
            return 0  # neither is an adornment, or the first is indented
        if _ADORNMENT.match(body) and below and self._body(row + 2) == body and len(body) >= len(below):
            self._add_heading(at, below, (body[0], True))
            return 3
        if line[:1].isspace() or _ADORNMENT.match(body) or not _ADORNMENT.match(below):
            return 0
        if len(below) < min(len(body), 4):
            return 0
        self._add_heading(at, body, (below[0], False))
        return 2

    def _body(self, row: int) -> str:
        return self.lines[row][2] if row < len(self.lines) else ""

    def _add_heading(self, at: int, title: str, style: tuple[str, bool]) -> None:
        if style not in self.styles:
            self.styles.append(style)
        self.layout.heading(at, self.styles.index(style) + 1, title)

    def _table(self, row: int) -> int:
        """A grid table ends at an empty line; a simple one at the border that an empty line follows."""
        layout = self.layout
        layout.begin(Shape.TABLE, self.lines[row][0])
        simple = self.lines[row][2][0] == "="
        taken = 1
        while row + taken < len(self.lines):
            at, _, body = self.lines[row + taken]
            if not body and not (simple and not self._border(row + taken - 1)):
                break
            if body and not set(body) <= set("=-+| \t"):
                layout.piece(at)
            taken += 1
            if simple and body and self._border(row + taken - 1) and not self._body(row + taken):
                break
        layout.close()
        return taken

    def _border(self, row: int) -> bool:
        return _SIMPLE_TABLE.match(self.lines[row][2]) is not None

    def _explicit(self, row: int) -> int:
        """A directive, comment, footnote or target with the indented lines below it."""
        at, _, body = self.lines[row]
        self.layout.begin(Shape.VERBATIM if _CODE.match(body) else Shape.TEXT, at)
        taken = 1 + self._indented(row + 1)
        self.layout.close()
        return taken

    def _literal(self, row: int) -> int:
        """The indented lines below a paragraph that ends in "::", without the rows before them."""
        columns = indent(self.lines[row][1])
        count = self._indented(row + 1, columns)
        first = next((line for line in self.lines[row + 1 : row + 1 + count] if line[2]), None)
        if first is None:
            return 0
        if self.layout.open is None or self.layout.open.shape is not Shape.LIST:
            self.layout.begin(Shape.VERBATIM, first[0])
            self.layout.close()
        return count

    def _indented(self, row: int, columns: int = 0) -> int:
        """Rows from `row` on that are empty or indented beyond `columns`, trailing empty ones left out."""
        count = 0
        for ahead in range(row, len(self.lines)):
            _, line, body = self.lines[ahead]
            if body:
                if line[0] not in " \t" or (columns and indent(line) <= columns):
                    break
                count = ahead - row + 1
        return count
