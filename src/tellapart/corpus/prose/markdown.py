"""The layout of Markdown (CommonMark with tables and front matter), as far as splitting needs it."""

from __future__ import annotations

import re

from tellapart.corpus.prose.blocks import LIST_ITEM, Block, BlockBuilder, Shape, indent, lines

_HEADING = re.compile(r"(#{1,6})(?:[ \t]+(.*?))??(?:[ \t]+#+)?[ \t]*$")
_FENCE = re.compile(r"(?:>[ \t]?)*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?(`{3,}(?=[^`]*$)|~{3,})")
_TABLE_RULE = re.compile(r"\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?$")
_RAW_HTML = re.compile(r"<(pre|script|style|textarea)\b", re.IGNORECASE)
_FRONT_MATTER = re.compile(
    r"\ufeff?(?P<rule>---|\+\+\+)[ \t]*\r?\n(?s:.*?)^(?:(?P=rule)|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.MULTILINE
)

_FRONT_MATTER_REACH = 20_000
"""Characters within which front matter must close; otherwise its first line was a rule."""

_LONGEST_HEADING = 300
"""Characters above which underlined text is a paragraph followed by a rule, not a heading."""


def markdown_blocks(text: str) -> list[Block]:
    """Blocks of a Markdown text in order; the first may start after leading white space."""
    return _MarkdownScanner(text).run()


class _MarkdownScanner:
    def __init__(self, text: str) -> None:
        self.layout = BlockBuilder(text)
        self.closing: re.Pattern[str] | None = None  # what ends the verbatim part we are in
        self.closing_joins_list = False

    def run(self) -> list[Block]:
        layout = self.layout
        begin = self._front_matter()
        for at, line, body in lines(layout.text, begin):
            if self.closing is not None:
                if self.closing.search(body):
                    self._leave_verbatim()
            elif not body:
                layout.blank()
            else:
                self._line(at, line, body)
        return layout.blocks

    def _front_matter(self) -> int:
        match = _FRONT_MATTER.match(self.layout.text, 0, _FRONT_MATTER_REACH)
        if match is None:
            return 0
        self.layout.begin(Shape.VERBATIM, 0)
        self.layout.close()
        return match.end()

    def _line(self, at: int, line: str, body: str) -> None:
        layout = self.layout
        columns = indent(line) if line[0] in " \t" else 0
        is_item = LIST_ITEM.match(line) if body[0] in "-*+•‣·–([#" or body[0].isalnum() else None
        if layout.after_blank and columns < 2 and not is_item:
            layout.close()
        if self._verbatim(at, body, columns):
            return
        if body[0] == "#" and columns <= 3 and (match := _HEADING.match(body)):
            layout.heading(at, len(match[1]), (match[2] or "").strip())
        elif body[0] in "=-|:" and self._rule(at, body, columns):
            return
        elif is_item and self._opens_item(is_item):
            layout.item(at)
        else:
            self._text(at, body)

    def _opens_item(self, item: re.Match[str]) -> bool:
        """As in CommonMark only a bullet or number 1 may interrupt text: a wrapped "1998. It" is no list."""
        block = self.layout.open
        number = item["number"]
        if number is not None and not number.isdigit():
            return False
        interrupts = block is not None and block.shape is Shape.TEXT
        return not interrupts or number is None or number == "1"

    def _verbatim(self, at: int, body: str, columns: int) -> bool:
        """Enter a fenced block, a comment or raw HTML if this line opens one that it does not close."""
        layout = self.layout
        if body[0] in "`~>-*+0123456789" and (match := _FENCE.match(body)):
            mark = match[1]
            self.closing = re.compile(rf"^(?:>[ \t]?)*{re.escape(mark[0])}{{{len(mark)},}}$")
        elif body.startswith("<!--") and "-->" not in body:
            self.closing = re.compile("-->")
        elif (match := _RAW_HTML.match(body)) and f"</{match[1].lower()}" not in body.lower():
            self.closing = re.compile(rf"</{match[1]}", re.IGNORECASE)
        else:
            return False
        block = layout.open
        self.closing_joins_list = block is not None and block.shape is Shape.LIST and columns >= 2
        if self.closing_joins_list:
            layout.after_blank = False
        elif block is not None and block.shape is Shape.LIST and LIST_ITEM.match(body):
            layout.item(at)
            self.closing_joins_list = True
        else:
            layout.begin(Shape.VERBATIM, at)
        return True

    def _leave_verbatim(self) -> None:
        self.closing = None
        if not self.closing_joins_list:
            self.layout.close()

    def _rule(self, at: int, body: str, columns: int) -> bool:
        """An underline makes the text above it a heading, a table's rule makes the line above it its head."""
        layout = self.layout
        block = layout.open
        if block is None or block.shape is not Shape.TEXT or columns > 3:
            return False
        underline = not body.strip("=") or not body.strip("-")
        if underline:
            if at - block.start > _LONGEST_HEADING or layout.text[block.start] == ">":
                return False
            layout.turn_into_heading(1 if body[0] == "=" else 2, at)
            return True
        if "|" not in body or not _TABLE_RULE.match(body):
            return False
        self._table_head(at)
        return True

    def _table_head(self, rule: int) -> None:
        layout = self.layout
        block = layout.open
        assert block is not None
        above = layout.text[block.start : rule].rstrip()
        last = max(above.rfind("\n"), above.rfind("\r")) + 1
        if last:
            head = above[last:]
            layout.begin(Shape.TABLE, block.start + last + len(head) - len(head.lstrip()))
        else:
            block.shape = Shape.TABLE

    def _text(self, at: int, body: str) -> None:
        layout = self.layout
        block = layout.open
        if block is not None and block.shape is Shape.TABLE:
            if "|" in body:
                layout.piece(at)
                return
            block = None
        if block is None:
            layout.begin(Shape.TEXT, at)
        layout.after_blank = False
