"""Write docs/api.md from the docstrings of everything that the public modules name.

python tools/api.py [--check]
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Iterator
from enum import Enum
from importlib import import_module
from pathlib import Path

PUBLIC = ("tellapart", "tellapart.experiments", "tellapart.metrics", "tellapart.scores", "tellapart.rankers")
WITH_TORCH = "tellapart.learning"
"""Its names are listed and nothing more: the page must be the same with and without the extra `train`."""

ADDRESSED = re.compile(r"<function (\S+) at 0x[0-9a-f]+>")
PAGE = Path(__file__).parents[1] / "docs" / "api.md"
HEAD = """# Python API

Written by `python tools/api.py` from the docstrings: change those. A name is imported from the module whose heading it
stands under; nothing else of tellapart is public.
"""


def page() -> str:
    """Give the whole page."""
    lines, seen = [HEAD], set[str]()
    for module in map(import_module, PUBLIC):
        lines += [f"# {module.__name__}\n", *text_of(module)]
        for name in sorted(module.__all__, key=str.lower):
            if name in seen:
                lines.append(f"## {name}\n\nSee above.\n")
            else:
                lines += section(name, getattr(module, name))
            seen.add(name)
    learning = import_module(WITH_TORCH)
    names = ", ".join(f"`{name}`" for name in learning.__all__)
    lines += [f"# {WITH_TORCH}\n", *text_of(learning)]
    lines.append(
        f"{names}: see [losses](losses.md), [objectives](objectives.md) and [training](training.md).\n"
    )
    return "\n".join(lines)


def section(name: str, thing: object) -> Iterator[str]:
    """Give one name: its signature, what it says of itself, and its public methods."""
    yield f"## {name}\n"
    yield f"```python\n{name}{signature(thing)}\n```\n"
    yield from text_of(thing)
    if not inspect.isclass(thing) or issubclass(thing, BaseException):
        return
    for own, value in vars(thing).items():
        method = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        if own.startswith("_") or not inspect.isfunction(method) or not method.__doc__:
            continue
        yield f"### {name}.{own}\n"
        yield f"```python\n{own}{signature(method)}\n```\n"
        yield from text_of(method)


def signature(thing: object) -> str:
    """Give the signature as it is written; empty where there is none, or where every Python gives another one."""
    if inspect.isclass(thing) and issubclass(thing, Enum | BaseException):
        return ""
    try:
        return ADDRESSED.sub(r"\1", str(inspect.signature(thing)))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return ""


def text_of(thing: object) -> Iterator[str]:
    """Give a docstring, its google sections as they are."""
    text = inspect.getdoc(thing)
    if text and not text.startswith("An enumeration"):
        yield f"{text}\n"


def main() -> int:
    """Write the page, or say whether it is what the docstrings give."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the page is old")
    new = page()
    if parser.parse_args().check:
        return int(PAGE.read_text(encoding="utf-8") != new)
    PAGE.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
