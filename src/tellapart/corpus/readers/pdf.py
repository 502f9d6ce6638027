"""PDF becomes Markdown: paragraphs put together again, headings from the document's outline."""

from __future__ import annotations

import io
import logging
import re
from collections import Counter, defaultdict
from typing import Any, Protocol

from tellapart.corpus.readers.extracted import MARK, Extracted, NotReadableError, clean, lift_marks, mark
from tellapart.errors import TellapartError, require

_FULL_LINE = 0.75
"""A line shorter than this share of the page's long lines, ending a sentence, ends its paragraph (ours, not
measured)."""

_RUNNING_PAGES = 4
"""From this many pages on, a first or last line that stands on most of them is a running header or footer."""

_SENTENCE_END = (".", "!", "?", ":", ".”", '."', ".)", "。", "！", "？")
_HYPHEN = re.compile(r"(?<=[^\W\d_])[-\u00ad\u2010]\n((?:\0\d+\0)?)(?=[a-zß-öø-ÿ])")
_DIGITS = re.compile(r"\d+")
_PROGRAM = re.compile(r"^Microsoft (?:Word|PowerPoint|Excel) - ")


class _Reader(Protocol):
    """What is used of pypdf's reader for the outline."""

    outline: Any

    def get_destination_page_number(self, destination: Any) -> int | None:  # noqa: ANN401 - pypdf's classes
        """The page, from 0, that an entry of the outline points to."""
        ...


def extract_pdf(content: bytes) -> Extracted:
    """Read all pages with pypdf (extra `documents`); places are pages, counted from 1.

    A header or footer that stands on most pages is kept once, page numbers not at all.

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
        pages = [(page.extract_text() or "").replace(MARK, " ") for page in reader.pages]
        title = str((reader.metadata or {}).get("/Title") or "").strip()
    except NotReadableError:
        raise
    except Exception as error:  # damaged files raise whatever their damage leads to
        if isinstance(error, getattr(pypdf.errors, "DependencyError", ())):
            raise NotReadableError("encrypted with AES: pip install 'tellapart[documents]'") from error
        raise NotReadableError(f"a damaged or unsupported PDF ({_one_line(error)})") from error
    text, places = lift_marks(clean(_joined(pages, _outline(reader, len(pages)))))
    return Extracted(
        text,
        title=clean(_PROGRAM.sub("", title)),
        language="markdown",
        places={"page": places},
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
    """Join pages to one text with marks of the pages; a paragraph may run over a page's end."""
    lines_of = [[line.strip() for line in page.splitlines() if line.strip()] for page in pages]
    running = _running_lines(lines_of)
    kept_once: set[str] = set()
    blocks: list[str] = []
    open_paragraph = False
    for number, lines in enumerate(lines_of):
        width = sorted(map(len, lines))[int(0.9 * (len(lines) - 1))] if lines else 0
        page = mark(number + 1)
        for position, line in enumerate(lines):
            key = _DIGITS.sub("0", line)
            if position in (0, len(lines) - 1) and key in running:
                if line in running[key] and key not in kept_once:
                    kept_once.add(key)
                    blocks.append(page + line)
                    open_paragraph = False
                continue
            level = headings[number].pop(_normal(line), 0)
            if level:
                blocks.append(f"{'#' * level} {page}{line}")
                open_paragraph = False
                continue
            if open_paragraph:
                blocks[-1] += "\n" + page + line
            else:
                blocks.append(page + line)
            open_paragraph = not (line.endswith(_SENTENCE_END) and len(line) < _FULL_LINE * width)
    return "\n\n".join(_HYPHEN.sub(r"\1", block) for block in blocks)


def _running_lines(pages: list[list[str]]) -> dict[str, frozenset[str]]:
    """First and last lines on more than half of the pages, digits aside, with the wording to keep.

    None is kept where the wording changes from page to page: those are page numbers.
    """
    if len(pages) < _RUNNING_PAGES:
        return {}
    wordings: dict[str, Counter[str]] = defaultdict(Counter)
    for lines in pages:
        for edge in {lines[0], lines[-1]} if lines else ():
            wordings[_DIGITS.sub("0", edge)][edge] += 1
    return {
        key: frozenset(found) if len(found) == 1 else frozenset()
        for key, found in wordings.items()
        if found.total() > len(pages) / 2
    }
