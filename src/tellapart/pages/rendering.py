"""Templates of this folder to finished pages, and how they write figures and names. Only jinja2 escapes text."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment
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


def render_page(template: str, **values: object) -> str:
    """Render a template of this folder; the same values give the same characters.

    Args:
        template: Its file name. It extends `base.html`, which needs the value `title`.
        values: What it shows. A value that it asks for and does not get raises jinja2's `UndefinedError`.
    """
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("tellapart.pages", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "number": number,
        "signed": signed,
        "milliseconds": milliseconds,
        "bytes": size,
        "thousands": "{:,}".format,
        "breakable": breakable,
    }
    environment.globals["interval"] = interval
    return environment
