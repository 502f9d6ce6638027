"""PDF becomes Markdown: paragraphs put together again, headings from the document's outline."""

from __future__ import annotations

import io
import logging
import re
from collections import Counter
from typing import Any, Protocol

from tellapart.corpus.readers.extracted import Extracted, NotReadableError, clean
from tellapart.errors import TellapartError, require

_FULL_LINE = 0.75
"""A line shorter than this share of the page's long lines, ending a sentence, ends its paragraph (ours, not
measured)."""

_RUNNING_PAGES = 4
"""From this many pages on, a first or last line that stands on most of them is a running header or footer."""

_SENTENCE_END = (".", "!", "?", ":", ".”", '."', ".)", "。", "！", "？")
_HYPHEN = re.compile(r"(?<=[^\W\d_])[-\u00ad\u2010]\n(?=[a-zß-öø-ÿ])")
_DIGITS = re.compile(r"\d+")


class _Reader(Protocol):
    """What is used of pypdf's reader for the outline."""

    outline: Any

    def get_destination_page_number(self, destination: Any) -> int | None:  # noqa: ANN401 - pypdf's classes
        """The page, from 0, that an entry of the outline points to."""
        ...


def extract_pdf(content: bytes) -> Extracted:
    """Read all pages with pypdf (extra `documents`).

    Raises:
        NotReadableError: pypdf is missing, the file is damaged, or it is protected by a password.
    """
    try:
        pypdf = require("pypdf", extra="documents")
    except TellapartError as missing:
        raise NotReadableError(str(missing)) from missing
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it reports every oddity of a file on stderr
    try:
        reader = pypdf.PdfReader(io.BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            raise NotReadableError("protected by a password")
        pages = [page.extract_text() or "" for page in reader.pages]
        title = str((reader.metadata or {}).get("/Title") or "").strip()
    except NotReadableError:
        raise
    except Exception as error:  # damaged files raise whatever their damage leads to
        raise NotReadableError(f"a damaged or unsupported PDF ({_one_line(error)})") from error
    headings = _outline(reader, len(pages))
    return Extracted(
        clean(_joined(pages, headings)),
        title=clean(title),
        language="markdown",
        without_text="holds no text, perhaps scanned pages: run text recognition (OCR) first",
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _outline(reader: _Reader, pages: int) -> dict[int, dict[str, int]]:
    """Headings by page: normalised title -> level; empty where there is no outline or it is damaged."""
    found: dict[int, dict[str, int]] = {page: {} for page in range(pages)}
    try:
        pending = [(reader.outline, 0)]
        while pending:
            entry, level = pending.pop()
            if isinstance(entry, list):
                pending.extend((inner, level + 1) for inner in reversed(entry))
                continue
            number = reader.get_destination_page_number(entry)
            if isinstance(number, int) and number in found:
                found[number][_normal(str(entry.title))] = min(level, 6)
    except Exception:  # an outline only helps; its damage must not cost the text
        return found
    return found


def _normal(line: str) -> str:
    """A heading without its number, case and spacing, as outlines and pages write it differently."""
    return re.sub(r"^[\dIVX.\s]+(?=\D)|\W+", "", line).casefold()


def _joined(pages: list[str], headings: dict[int, dict[str, int]]) -> str:
    """Join pages to one text; a paragraph may run over a page's end."""
    lines_of = [[line.strip() for line in page.splitlines() if line.strip()] for page in pages]
    running = _running_lines(lines_of)
    blocks: list[str] = []
    open_paragraph = False
    for number, lines in enumerate(lines_of):
        kept = [line for i, line in enumerate(lines) if not _is_running(line, i, len(lines), running)]
        width = sorted(map(len, kept))[int(0.9 * (len(kept) - 1))] if kept else 0
        for line in kept:
            level = headings[number].pop(_normal(line), 0)
            if level:
                blocks.append(f"{'#' * level} {line}")
                open_paragraph = False
                continue
            if open_paragraph:
                blocks[-1] += "\n" + line
            else:
                blocks.append(line)
            open_paragraph = not (line.endswith(_SENTENCE_END) and len(line) < _FULL_LINE * width)
    return "\n\n".join(_HYPHEN.sub("", block) for block in blocks)


def _running_lines(pages: list[list[str]]) -> frozenset[str]:
    """First and last lines that stand on more than half of the pages, page numbers aside."""
    if len(pages) < _RUNNING_PAGES:
        return frozenset()
    edges = Counter(
        edge for lines in pages if lines for edge in {_DIGITS.sub("0", lines[0]), _DIGITS.sub("0", lines[-1])}
    )
    return frozenset(edge for edge, count in edges.items() if count > len(pages) / 2)


def _is_running(line: str, position: int, count: int, running: frozenset[str]) -> bool:
    return position in (0, count - 1) and _DIGITS.sub("0", line) in running
