"""What results look like in a notebook: the page's style, small, light and dark, without a server or a network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLOURS = (
    "#3b78c2", "#d5762b", "#2f9e68", "#c2477f", "#8a6bd1", "#b59a1d",
    "#2aa3b5", "#a8523f", "#6f8f2f", "#d06bb8", "#5b6b8c", "#8c8c8c",
)  # fmt: skip
"""The same as in serving/page/map.js."""

DRAWN = 4_000
"""Points of a map in a notebook: each is a piece of SVG, which is kept with the notebook."""


def framed(content: str) -> str:
    """Put content, which is HTML already, into the page's style."""
    style = files("tellapart.pages").joinpath("notebook.css").read_text(encoding="utf-8")
    return f'<div class="tellapart"><style>{style}</style>{content}</div>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table; the head is text, the cells are HTML already."""
    columns = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table>"


def probability(value: float) -> str:
    """Show a probability as a bar and a figure."""
    return f'<span class="bar"><i style="width:{100 * min(max(value, 0), 1):.0f}%"></i></span> {value:.2f}'


def scatter(places: NDArray[Any], codes: NDArray[Any], names: Sequence[str], caption: str) -> str:
    """Draw points (n, 2) within -1 to 1, coloured by name; of many, every so-manieth."""
    step = max(1, len(places) // DRAWN)
    parts = []
    for number, name in enumerate(names):
        own = places[::step][codes[::step] == number]
        path = "".join(f"M{500 + 490 * x:.0f} {500 - 490 * y:.0f}h0" for x, y in own)
        colour = COLOURS[number % len(COLOURS)]
        parts.append(f'<path d="{path}" stroke="{colour}"><title>{escape(name)}</title></path>')
    keys = "".join(
        f'<span class="key"><i style="background:{COLOURS[number % len(COLOURS)]}"></i>{escape(name)}</span>'
        for number, name in enumerate(names)
    )
    drawing = (
        f'<svg viewBox="0 0 1000 1000" role="img" aria-label="{escape(caption)}" fill="none" stroke-width="6"'
        f' stroke-linecap="round" stroke-opacity=".7">{"".join(parts)}</svg>'
    )
    return framed(f'<p class="soft">{escape(caption)}</p>{drawing}<p>{keys}</p>')
