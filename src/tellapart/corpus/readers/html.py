"""HTML becomes Markdown: headings, paragraphs, lists, tables and code; scripts and navigation fall away.

Built on the standard library's parser, which says on which line of the file each piece of text stands. selectolax
(1.0.2) gives a tree as browsers build it, but its nodes have no positions in the source.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser

from tellapart.corpus.readers.extracted import (
    MARK,
    SPACE,
    Extracted,
    clean,
    collapsed,
    fenced,
    led,
    lift_marks,
    mark,
    without_marks,
)

_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_DROPPED = frozenset(
    {
        "script",
        "style",
        "template",
        "noscript",
        "svg",
        "canvas",
        "iframe",
        "object",
        "select",
        "button",
        "datalist",
    }
)
_BOILERPLATE = frozenset({"nav", "aside", "footer"})
_BOILERPLATE_ROLES = frozenset({"navigation", "search", "banner", "contentinfo"})
_CONTAINERS = frozenset(
    {"div", "section", "article", "aside", "ul", "ol", "table", "span", "header", "footer", "p"}
)
"""Elements that may be hidden as a whole; others (void ones, list items) have ends that authors leave out."""

_BLOCK_NAMES = """address article aside blockquote body caption center dd details dialog div dl dt fieldset
figcaption figure footer form header hgroup hr html legend main nav p section summary"""
_BLOCKS = frozenset(_BLOCK_NAMES.split())
_IN_CELL = frozenset({"p", "div", "section", "span", "center"})
"""Blocks that do not break a table's row apart."""

_HEADING_MARKS = re.compile(r"^((?:\0\d+\0)?)[¶§#🔗]\s+|\s*(?:\0\d+\0)?[¶§🔗]$|\s+(?:\0\d+\0)?#$")
_LOOKS_LIKE_MARKUP = re.compile(r"^(#{1,6}\s|```|~~~|[-*_=]{3,}$)")


def extract_html(html: str) -> Extracted:
    """Convert a page; the title is its <title>, else its first heading; places are lines of the file.

    Left out: scripts, styles, forms' choices, `<nav>`, `<aside>`, `<footer>` outside an article, what is hidden or has
    the role of navigation, search, banner or contentinfo, and of a page's `<header>` all but its headings. What is
    never closed is not dropped: a page whose <nav> has no end is read again with that element kept,
    and so is one that has nothing but navigation.
    """
    kept: frozenset[str] = frozenset()
    while True:
        page = _Page(kept)
        page.feed(html.replace(MARK, "\ufffd"))
        page.close()
        page.finish()
        if page.dropping is not None and page.dropping not in kept:
            kept |= {page.dropping}
        elif not page.blocks and not kept >= _BOILERPLATE | {"*"}:
            kept |= _BOILERPLATE | {"*"}
        else:
            break
    text, lines = lift_marks(clean("\n\n".join(map(led, page.blocks))))
    return Extracted(
        text,
        title=clean(page.title or page.first_heading),
        language="markdown",
        without_text="holds no text outside scripts and markup",
        places={"line": lines},
    )


class _Page(HTMLParser):
    """Turns the stream of tags into blocks of Markdown."""

    def __init__(self, kept: frozenset[str]) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: list[str] = []
        self.title = ""
        self.first_heading = ""
        self.dropping: str | None = None
        self._kept = kept
        self._depth = 0
        self._inline: list[str] = []
        self._heading = 0
        self._in_title = False
        self._pre: list[str] | None = None
        self._pre_language = ""
        self._lists: list[int] = []
        self._item = ""
        self._rows: list[list[str]] = []
        self._cells: list[str] | None = None
        self._articles = 0
        self._header_from: int | None = None

    def parse_marked_section(self, i: int, report: int = 1) -> int:
        """Read `<![...` as a comment, where the standard library gives up with an AssertionError."""
        end = self.rawdata.find(">", i)
        return end + 1 if end >= 0 else -1

    # -- tags

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self.dropping is not None:
            self._depth += tag == self.dropping
            return
        if self._drops(tag, dict(attrs)):
            self.dropping, self._depth = tag, 1
            return
        if self._pre is not None:
            self._inside_pre(tag, attrs)
        elif tag == "title" and not self.title and not self._articles:
            self._in_title = True
        elif tag == "br":
            self._inline.append("\n")
        elif tag == "img":
            alt = collapsed(dict(attrs).get("alt") or "")
            self._inline.append(f" {mark(self.getpos()[0])}{alt} " if alt else " ")
        else:
            self._open_block(tag, attrs)

    def _drops(self, tag: str, attributes: dict[str, str | None]) -> bool:
        if tag in self._kept:
            return False
        if tag in _DROPPED:
            return True
        if "*" in self._kept or self._pre is not None:
            return False
        if tag in _BOILERPLATE:
            return tag != "footer" or not self._articles
        style = (attributes.get("style") or "").replace(" ", "").lower()
        hidden = "hidden" in attributes or attributes.get("aria-hidden") == "true" or "display:none" in style
        return tag in _CONTAINERS and (hidden or (attributes.get("role") or "").lower() in _BOILERPLATE_ROLES)

    def _inside_pre(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "br" and self._pre is not None:
            self._pre.append("\n")
        elif tag == "code":
            self._pre_language = self._pre_language or _language(attrs)

    def _open_block(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _HEADINGS:
            self._flush()
            self._heading = _HEADINGS[tag]
        elif tag == "pre":
            self._flush()
            self._pre, self._pre_language = [], _language(attrs)
        elif tag in ("ul", "ol", "menu"):
            self._flush()
            self._lists.append(1 if tag == "ol" else 0)
        elif tag == "li":
            self._flush()
            self._start_item()
        elif tag in ("table", "tr", "td", "th"):
            self._open_table_part(tag)
        elif tag in _BLOCKS:
            if self._cells is not None and tag in _IN_CELL:
                self._inline.append(" ")
            else:
                self._flush()
            self._articles += tag in ("article", "main")
            if tag == "header" and not self._articles and self._header_from is None:
                self._header_from = len(self.blocks)

    def handle_endtag(self, tag: str) -> None:
        if self.dropping is not None:
            self._depth -= tag == self.dropping
            if self._depth == 0:
                self.dropping = None
        elif tag == "title":
            self._in_title = False
        elif tag == "pre":
            self._end_pre()
        elif self._pre is not None:
            return
        elif tag in _HEADINGS:
            self._flush()
        elif tag in ("ul", "ol", "menu"):
            self._flush()
            if self._lists:
                self._lists.pop()
        elif tag == "li":
            self._flush()
            self._item = ""
        elif tag in ("td", "th", "tr", "table"):
            self._close_table_part(tag)
        elif tag in _BLOCKS:
            self._close_block(tag)

    def _close_block(self, tag: str) -> None:
        if self._cells is not None and tag in _IN_CELL:
            self._inline.append(" ")
            return
        self._flush()
        if tag in ("article", "main"):
            self._articles = max(0, self._articles - 1)
        elif tag == "header" and self._header_from is not None:
            if "*" not in self._kept:  # a page's header holds its logo and menus; only headings are content
                self.blocks[self._header_from :] = [
                    block for block in self.blocks[self._header_from :] if block.startswith("#")
                ]
            self._header_from = None

    def handle_data(self, data: str) -> None:
        if self.dropping is not None:
            return
        if self._in_title:
            self.title = collapsed(f"{self.title} {data}")
        elif self._pre is not None:
            self._pre.append(self._marked(data))
        else:
            self._inline.append(collapsed(f"|{self._marked(data)}|")[1:-1])

    def _marked(self, data: str) -> str:
        """Mark where each line of the file begins in a piece of text."""
        first = self.getpos()[0]
        rows = data.split("\n")
        for number, row in enumerate(rows):
            body = row.lstrip(SPACE)
            if body:
                rows[number] = row[: len(row) - len(body)] + mark(first + number) + body
        return "\n".join(rows)

    # -- tables: a row is one line of cells, unless a cell holds blocks of its own (layout tables)

    def _open_table_part(self, tag: str) -> None:
        if tag == "table":
            self._flush()
        elif tag == "tr":
            self._end_row()
            self._cells = []
        elif self._cells is not None:
            self._end_cell()
        else:
            self._flush()

    def _close_table_part(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._end_cell()
        else:
            self._end_row()
        if tag == "table":
            self._flush()
            self._flush_rows()

    def _end_cell(self) -> None:
        if self._cells is None:
            self._flush()
            return
        text = collapsed("".join(self._inline))
        self._inline.clear()
        if without_marks(text).strip():
            self._cells.append(text.replace("|", "\\|"))

    def _end_row(self) -> None:
        if self._cells is not None:
            self._end_cell()
            if self._cells:
                self._rows.append(self._cells)
            self._cells = None

    def _flush_rows(self) -> None:
        if self._rows:
            rows, self._rows = self._rows, []
            self.blocks.append("\n".join(f"| {' | '.join(cells)} |" for cells in rows))

    # -- blocks

    def _start_item(self) -> None:
        depth = max(0, len(self._lists) - 1)
        marker = "- "
        if self._lists and self._lists[-1]:
            marker = f"{self._lists[-1]}. "
            self._lists[-1] += 1
        self._item = "  " * depth + marker

    def _end_pre(self) -> None:
        if self._pre is not None:
            code = "".join(self._pre).strip("\n")
            self._pre = None
            if code.strip():
                self._flush_rows()
                self.blocks.append(fenced(code, self._pre_language))

    def _flush(self) -> None:
        """End the paragraph, heading or item that was being written; in a table, the row.

        A block may begin inside a cell: the row is written as far as it goes, what follows flows as text.
        """
        self._end_row()
        lines = [collapsed(line) for line in "".join(self._inline).split("\n")]
        self._inline.clear()
        text = "\n".join(line for line in lines if without_marks(line).strip())
        level, self._heading = self._heading, 0
        if level:
            text = _HEADING_MARKS.sub(lambda found: found[1] or "", text.replace("\n", " ")).strip(SPACE)
        if not without_marks(text).strip():
            return
        self._flush_rows()
        if level:
            self.first_heading = self.first_heading or without_marks(text)
            self.blocks.append(f"{'#' * level} {text}")
        elif self._item or (self._lists and self.blocks):
            self._append_item(text)
        else:
            self.blocks.append("\\" + text if _LOOKS_LIKE_MARKUP.match(without_marks(text)) else text)

    def _append_item(self, text: str) -> None:
        """Items of one list stand on lines of one block."""
        indent = "  " * max(1, len(self._lists))
        first = self._item or indent
        line = first + text.replace("\n", "\n" + indent)
        self._item = ""
        if self.blocks and _is_item(self.blocks[-1]) and self._lists:
            self.blocks[-1] += "\n" + line
        else:
            self.blocks.append(line)

    def finish(self) -> None:
        """Write what the end of the page left open."""
        self._end_pre()
        self._end_row()
        self._flush()
        self._flush_rows()


def _is_item(block: str) -> bool:
    return re.match(r"\s*(?:- |\d+\. )", block) is not None


def _language(attrs: list[tuple[str, str | None]]) -> str:
    """The language in a code element's class: `language-rust`, `lang-py`, `highlight-c`, `brush: js`."""
    classes = dict(attrs).get("class") or ""
    found = re.search(r"\b(?:language|lang|highlight|sourceCode|brush)[-:\s]\s*([\w+#.-]+)", classes)
    return found[1].lower() if found else ""
