"""The text of a PDF page; two columns that the file writes row by row are read one after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

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
