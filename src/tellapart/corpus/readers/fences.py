"""Fenced code blocks that hold any text."""

from __future__ import annotations

import re

_TICKS = re.compile(r"^[ ]{0,3}(`{3,})", re.MULTILINE)


def fenced(code: str, language: str = "") -> str:
    """Put code into a Markdown fence longer than any fence inside it (CommonMark 4.5)."""
    longest = max((len(ticks) for ticks in _TICKS.findall(code)), default=2)
    fence = "`" * (longest + 1)
    info = language if re.fullmatch(r"[\w.+#-]{1,40}", language) else ""
    return f"{fence}{info}\n{code}\n{fence}"
