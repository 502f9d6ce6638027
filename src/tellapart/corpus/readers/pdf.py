"""PDF becomes Markdown: paragraphs put together again, headings from the document's outline."""

from __future__ import annotations

import io
import itertools
import logging
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from tellapart.corpus.readers.extracted import MARK, Extracted, NotReadableError, clean, lift_marks, mark
from tellapart.errors import TellapartError, require

_FULL_LINE = 0.75
"""A line shorter than this share of the page's long lines, ending a sentence, ends its paragraph (ours, not
measured)."""

_RUNNING_PAGES = 4
"""From this many pages on, a line that stands at the edge of most of them is a running header or footer; of fewer
pages it must be all."""

_EDGE = 3
"""Lines at the top and at the bottom of a page that may be running ones: so many, a fifth of a short page, or one."""

_SENTENCE_END = (".", "!", "?", ":", ".”", '."', ".)", "。", "！", "？")
_HYPHEN = re.compile(r"([^\W\d_]+)([-\u00ad\u2010])\n((?:\0\d+\0)?)([a-zß-öø-ÿ]+)")
_WORDS = re.compile(r"[^\W\d_]+(?:[-\u2010][^\W\d_]+)*")
_PAGE_NUMBER = re.compile(
    r"\W*(?:page|seite|pagina|página|p\.|s\.|第)?\s*(\d+|[ivxlc]+)\s*(?:[页頁])?(?:\s*(?:of|von|de|di|sur|/)\s*\d+)?\W*",
    re.IGNORECASE,
)
_NUMBER_AT_END = re.compile(r"^\W*(\d+)\s+|\s+(\d+)\W*$")
_ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}
_FILE_NAME = re.compile(r"\S+\.(?:docx?|pptx?|xlsx?|odt|rtf|tex|dvi|indd|qxd|pdf)", re.IGNORECASE)
SOFT_HYPHEN = "\u00ad"
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
        pages = [page_text(page).replace(MARK, " ") for page in reader.pages]
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
        title=clean(_title(title)),
        language="markdown",
        places={"page": places},
        without_text="holds no text, perhaps scanned pages: run text recognition (OCR) first",
    )


def _title(given: str) -> str:
    """A title without the name of the program; that of a file is none."""
    title = _PROGRAM.sub("", given)
    return "" if _FILE_NAME.fullmatch(title) else title


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
        edges = _edges(lines)
        for position, line in enumerate(lines):
            key = _without_page_number(line)
            if position in edges and key in running:
                if key and key not in kept_once:
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
    whole = "\n\n".join(blocks)
    return _HYPHEN.sub(_rejoining(set(_WORDS.findall(whole.lower()))), whole)


def _rejoining(words: set[str]) -> Callable[[re.Match[str]], str]:
    """Join a word that was divided at the end of a line; one that is elsewhere written with a hyphen keeps it."""

    def joined(found: re.Match[str]) -> str:
        first, hyphen, page, rest = found.groups()
        whole, compound = f"{first}{rest}".lower(), f"{first}-{rest}".lower()
        keeps = hyphen != SOFT_HYPHEN and compound in words and whole not in words
        return f"{first}{'-' if keeps else ''}{page}{rest}"

    return joined


def _edges(lines: list[str]) -> frozenset[int]:
    """Positions of the lines at the top and at the bottom of a page."""
    depth = max(1, min(_EDGE, len(lines) // 5))
    return frozenset([*range(min(depth, len(lines))), *range(max(len(lines) - depth, 0), len(lines))])


def _without_page_number(line: str) -> str:
    """A line without the number at its beginning or end; nothing is left of a page number alone."""
    return "" if _PAGE_NUMBER.fullmatch(line) else _NUMBER_AT_END.sub("", line, count=1)


def _number(line: str) -> int | None:
    """The number that a line begins or ends with, or is."""
    alone, beside = _PAGE_NUMBER.fullmatch(line), _NUMBER_AT_END.search(line)
    found = alone[1] if alone else (beside[1] or beside[2]) if beside else ""
    if found.isdecimal():
        return int(found)
    digits = [_ROMAN[letter] for letter in found.lower()]
    following = [*digits[1:], 0]
    return sum(-one if one < after else one for one, after in zip(digits, following, strict=False)) or None


def _running_lines(pages: list[list[str]]) -> frozenset[str]:
    """Lines at the edges of most pages, or of most left or right pages, without their page numbers.

    What differs in a number is one line only where the number grows from page to page.
    """
    seen: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for number, lines in enumerate(pages):
        for key, line in {
            _without_page_number(lines[place]): lines[place] for place in _edges(lines)
        }.items():
            seen[key].append((number, line))
    return frozenset(key for key, places in seen.items() if _runs(places, len(pages)))


def _runs(places: list[tuple[int, str]], pages: int) -> bool:
    """Whether a line stands on enough pages, always the same or with a number that grows."""
    count, enough = len(places), pages / 2
    if pages < _RUNNING_PAGES:
        enough = pages - 0.5
    elif pages >= 2 * _RUNNING_PAGES and len({number % 2 for number, _ in places}) == 1:
        enough = pages / 4
    numbers = [_number(line) for _, line in places]
    grows = None not in numbers and all(a < b for a, b in itertools.pairwise(map(int, filter(None, numbers))))
    return pages > 1 and count > enough and (grows or len({line for _, line in places}) == 1)


_NEAR = 3.0
"""Points by which pieces of one line, or the beginnings of a column's lines, may differ."""

_LEAST_ROWS, _SHARE, _LEAST_WIDTH, _LEAST_WORDS = 6, 0.6, 150.0, 3
"""A page has two columns if so many of its lines, and this share of them, go on at the same place so many points to the
right, with so many words on either side in the mean: fewer words are cells of a table (ours, not measured)."""

Visit = Callable[[str, Sequence[float], Sequence[float], object, float], None]


class _PdfPage(Protocol):
    """What is used of pypdf's page."""

    def extract_text(self, *, visitor_text: Visit) -> str:
        """Give the text in the order of the file, and each piece of it, with its place, to a visitor."""
        ...


class _PlacedText(NamedTuple):
    x: float
    y: float
    text: str


def page_text(page: _PdfPage) -> str:
    """Read a page, in the order of its columns where it has two."""
    pieces: list[_PlacedText] = []

    def collect(text: str, cm: Sequence[float], tm: Sequence[float], font: object, size: float) -> None:
        if text.strip():
            x = tm[4] * cm[0] + tm[5] * cm[2] + cm[4]
            y = tm[4] * cm[1] + tm[5] * cm[3] + cm[5]
            pieces.append(_PlacedText(x, y, text))

    text = page.extract_text(visitor_text=collect) or ""
    rows = _rows(pieces)
    second = _second_column(rows)
    return text if second is None else "\n".join(_by_columns(rows, second))


def _rows(pieces: Sequence[_PlacedText]) -> list[list[_PlacedText]]:
    """Pieces that follow each other at one height."""
    rows: list[list[_PlacedText]] = []
    for piece in pieces:
        if rows and abs(rows[-1][-1].y - piece.y) <= _NEAR and piece.x >= rows[-1][-1].x:
            rows[-1].append(piece)
        else:
            rows.append([piece])
    return rows


def _second_column(rows: Sequence[Sequence[_PlacedText]]) -> float | None:
    """Where the right column begins; None where the page has no two columns written row by row."""
    starts = Counter(
        round(piece.x) for row in rows for piece in row[1:] if piece.x - row[0].x >= _LEAST_WIDTH
    )
    if not starts:
        return None
    second = float(starts.most_common(1)[0][0])
    sides = [_sides(row, second) for row in rows]
    both = [(left, right) for left, right in sides if left and right]
    if len(both) < max(_LEAST_ROWS, _SHARE * len(rows)):
        return None
    words = [sum(len(side.split()) for side in column) / len(both) for column in zip(*both, strict=True)]
    return second if min(words) >= _LEAST_WORDS else None


def _sides(row: Sequence[_PlacedText], second: float) -> tuple[str, str]:
    left = "".join(piece.text for piece in row if piece.x < second - _NEAR)
    right = "".join(piece.text for piece in row if piece.x >= second - _NEAR)
    return left.strip(), right.strip()


def _by_columns(rows: Sequence[Sequence[_PlacedText]], second: float) -> list[str]:
    """Lines above both columns, the left one, the right one, lines below."""
    sides = [_sides(row, second) for row in rows]
    paired = [place for place, (left, right) in enumerate(sides) if left and right]
    first, last = paired[0], paired[-1] + 1
    above = [f"{left} {right}".strip() for left, right in sides[:first]]
    below = [f"{left} {right}".strip() for left, right in sides[last:]]
    left = [left for left, _ in sides[first:last] if left]
    right = [right for _, right in sides[first:last] if right]
    return [*above, *left, *right, *below]
