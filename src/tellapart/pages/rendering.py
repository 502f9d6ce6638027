"""Templates of this folder to finished pages. Text is escaped by jinja2 and nowhere else."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from tellapart.pages import figures

if TYPE_CHECKING:
    from jinja2 import Environment


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
        "number": figures.number,
        "signed": figures.signed,
        "milliseconds": figures.milliseconds,
        "bytes": figures.size,
        "thousands": "{:,}".format,
        "breakable": figures.breakable,
    }
    environment.globals["interval"] = figures.interval
    return environment
