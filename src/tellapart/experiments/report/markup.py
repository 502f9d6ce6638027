"""Pieces of HTML. Text goes through `escape` here and nowhere else: what is not `Html` is text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape


class Html(str):
    """Markup that is ready to stand on the page."""

    __slots__ = ()


Piece = str | Html | None


def element(name: str, *children: Piece, **attributes: str | float | None) -> Html:
    """Write one element; children that are text are escaped, attributes that are None are left out.

    A trailing underscore is dropped from an attribute's name and other underscores become hyphens.
    """
    head = name + "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_shown(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{head}>{join(children)}</{name}>")


def join(children: Iterable[Piece]) -> Html:
    """Put pieces one after the other."""
    return Html("".join(child if isinstance(child, Html) else escape(child) for child in children if child))


def breakable(name: str) -> Html:
    """A configuration's name, which may be folded behind its slashes."""
    return Html(escape(name).replace("/", "/<wbr>"))


def table(head: Sequence[Piece], rows: Iterable[Sequence[Piece]], *, kind: str = "") -> Html:
    """Write a table whose first column names the rows; it scrolls sideways where the screen is narrow."""
    cells = join(element("th", cell, scope="col") for cell in head)
    body = [
        element("tr", element("th", first, scope="row"), *(element("td", cell) for cell in rest))
        for first, *rest in rows
    ]
    inner = element("table", element("thead", element("tr", cells)), element("tbody", *body))
    return element("div", inner, class_=f"scroll {kind}".strip())


def number(value: float) -> str:
    """Three decimals without a zero before the point, as measures are written; a dash where there is none."""
    if math.isnan(value):
        return "–"
    shown = f"{abs(value):.3f}"
    return ("−" if value < 0 else "") + (shown[1:] if shown.startswith("0.") else shown)


def signed(value: float) -> str:
    """The same with its sign."""
    return ("+" if value >= 0 else "") + number(value)


def interval(low: float, high: float, *, write: bool = False) -> str:
    """Both ends; `write` gives them signs."""
    if math.isnan(low) or math.isnan(high):
        return ""
    form = signed if write else number
    return f"{form(low)} to {form(high)}"


def milliseconds(value: float) -> str:
    """A time with as many digits as matter."""
    return (
        f"{value:.1f} ms"
        if value < 10
        else f"{value:,.0f} ms"
        if value < 10_000
        else f"{value / 1000:,.0f} s"
    )


def size(count: int) -> str:
    """Bytes for people."""
    if count < 1000:
        return f"{count} bytes"
    power = min(3, (len(str(count)) - 1) // 3)
    return f"{count / 1000**power:,.1f} {('bytes', 'kB', 'MB', 'GB')[power]}"


def _shown(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")
