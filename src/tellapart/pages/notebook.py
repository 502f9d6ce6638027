"""What results look like in a notebook: pieces of the page in its own style, without a server or a network."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from math import isfinite
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLOURS = (
    "#3b78c2", "#d5762b", "#2f9e68", "#c2477f", "#8a6bd1", "#b59a1d",
    "#2aa3b5", "#a8523f", "#6f8f2f", "#d06bb8", "#5b6b8c", "#8c8c8c",
)  # fmt: skip
"""The same as in serving/page/map.js."""

STYLE = "serving/page/style.css"
STEM, WHOLE = 6, 3
WORD = re.compile(r"\w+")
VERDICTS = {"choice": "use this", "tied": "tied", "behind": "behind"}
"""As in serving/page/parts.js and evaluate.js."""

DRAWN = 4_000
"""Points of a map in a notebook: each is a piece of SVG, which is kept with the notebook."""


def framed(content: str) -> str:
    """Put content, which is HTML already, below the page's own style sheet, which then holds for nothing else."""
    style = files("tellapart").joinpath(STYLE).read_text(encoding="utf-8")
    own = re.sub(r"(?m)(^|\{ ?)(?::root|body) \{", r"\1& {", style)
    return f'<div class="tellapart"><style>.tellapart {{ {own} }}</style>{content}</div>'


def hit(
    place: str, detail: str, text: str, *, prose: bool, query: str | None, probability: float | None
) -> str:
    """Write one hit as the page does, words of the query marked; all arguments are plain text."""
    said = escape(detail)
    if probability is not None:
        meter = f'<meter min="0" max="1" value="{probability:.3f}" aria-label="probability">{probability:.2f}</meter>'
        said += f" · relevant with probability {meter} {probability:.2f}"
    return (
        f'<li class="hit {"prose" if prose else "code"}"><div class="place">{escape(place)}</div>'
        f'<div class="detail">{said}</div><pre>{_marked(text, query or "")}</pre></li>'
    )


def _marked(text: str, query: str) -> str:
    stems = {word.lower()[:STEM] for word in WORD.findall(query) if len(word) > 1}
    long = tuple(stem for stem in stems if len(stem) > WHOLE)
    return "".join(
        f"<mark>{escape(part)}</mark>"
        if part.lower() in stems or (long and part.lower().startswith(long))
        else escape(part)
        for part in re.split(r"(\w+)", text)
    )


def intervals(rows: Sequence[tuple[str, str, float, float | None, float | None]]) -> str:
    """Draw means with their intervals on one scale, as the page does: kind, name, mean, low, high of each.

    The kind is `choice`, `tied` or `behind`.
    """
    ends = [end for _, _, *values in rows for end in values if end is not None and isfinite(end)]
    start = min(ends, default=0.0)
    wide = (max(ends, default=0.0) - start) or 1.0

    def at(value: float) -> float:
        return round(100 * (value - start) / wide, 2)

    items = []
    for kind, name, mean, low, high in rows:
        span, told = "", "no interval"
        if low is not None and high is not None and isfinite(low) and isfinite(high):
            span, told = f'<path class="span" d="M{at(low)} 5H{at(high)}"/>', f"{low:.3f} to {high:.3f}"
        items.append(
            f'<li class="{kind}"><span class="name">{escape(name)}</span><svg viewBox="0 0 100 10"'
            f' preserveAspectRatio="none" role="img" aria-label="{told}">{span}<path class="dot"'
            f' d="M{at(mean)} 5h0"/></svg><span class="mean">{mean:.3f}</span><span class="word">{VERDICTS[kind]}'
            "</span></li>"
        )
    return f'<ol class="intervals">{"".join(items)}</ol>'


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
        f'<li><span class="dot" style="background:{COLOURS[number % len(COLOURS)]}"></span>{escape(name)}</li>'
        for number, name in enumerate(names)
    )
    drawing = (
        f'<svg viewBox="0 0 1000 1000" style="width:100%;height:26rem" role="img" aria-label="{escape(caption)}"'
        f' fill="none" stroke-width="6" stroke-linecap="round" stroke-opacity=".7">{"".join(parts)}</svg>'
    )
    return framed(f'<p class="status">{escape(caption)}</p>{drawing}<ul class="legend">{keys}</ul>')
