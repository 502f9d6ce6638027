"""What gives a programming language away when neither name nor declaration does.

Each language has patterns that hardly occur outside it (`sure`) and patterns it shares with relatives
(`likely`). Comments and strings are blanked before the patterns are tried. One of the `hints` stands in
whatever the `sure` pattern matches: substring search is some 50 times faster than the pattern, and most
languages are ruled out by it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from itertools import islice

_MOST = 4
"""Occurrences of one sort that are counted; more of the same says nothing new."""


@dataclass(frozen=True, slots=True)
class Signature:
    """The patterns of one language."""

    language: str
    hints: tuple[str, ...]
    sure: str
    likely: str

    def sure_signs(self, code: str) -> int:
        """Occurrences of the language's own patterns in code whose comments and strings are blanked."""
        return count(self.sure, code) if any(hint in code for hint in self.hints) else 0


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compile on first use: all patterns together take longer than a search may, and few are ever needed."""
    return re.compile(pattern, re.MULTILINE)


def count(pattern: str, code: str) -> int:
    """Count the occurrences of a pattern, up to the most that say anything."""
    return sum(1 for _ in islice(_compiled(pattern).finditer(code), _MOST))


def signature(language: str, hints: str, sure: str, likely: str) -> Signature:
    """Make a signature; hints stand between slashes."""
    return Signature(language, tuple(hints.split(" / ")), sure, likely)
