"""How pages write figures and names."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markupsafe import Markup


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
    """Both ends; `write` gives them signs. Empty where an end is unknown."""
    if math.isnan(low) or math.isnan(high):
        return ""
    form = signed if write else number
    return f"{form(low)} to {form(high)}"


def milliseconds(value: float) -> str:
    """A time with as many digits as matter."""
    if value < 10:
        return f"{value:.1f} ms"
    return f"{value:,.0f} ms" if value < 10_000 else f"{value / 1000:,.0f} s"


def size(count: int) -> str:
    """Bytes for people."""
    if count < 1000:
        return f"{count} bytes"
    power = min(3, (len(str(count)) - 1) // 3)
    return f"{count / 1000**power:,.1f} {('bytes', 'kB', 'MB', 'GB')[power]}"


def breakable(name: str) -> Markup:
    """A configuration's name, which may be folded behind its slashes."""
    from markupsafe import Markup, escape

    return Markup("/<wbr>").join(escape(part) for part in name.split("/"))
