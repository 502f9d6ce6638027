"""Which programming language a text is written in, when neither name nor declaration tells.

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

from tellapart.corpus.signatures import general, scripts

_MOST = 4
"""Occurrences of one sort that are counted; more of the same says nothing new."""


@dataclass(frozen=True, slots=True)
class Signature:
    """The patterns of one language; its hints stand between slashes."""

    language: str
    hints: str
    sure: str
    likely: str

    def sure_signs(self, code: str) -> int:
        """Occurrences of the language's own patterns in code whose comments and strings are blanked."""
        return count(self.sure, code) if any(hint in code for hint in self.hints.split(" / ")) else 0


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compile on first use: all patterns together take longer than a search may, and few are ever needed."""
    return re.compile(pattern, re.MULTILINE)


def count(pattern: str, code: str) -> int:
    """Count the occurrences of a pattern, up to the most that say anything."""
    return sum(1 for _ in islice(_compiled(pattern).finditer(code), _MOST))


SURE, LIKELY = 3.0, 0.7
"""Weights of the two sorts of patterns: one sure sign outweighs four shared ones."""

SIGNATURES = tuple(Signature(**row) for row in (*general.SIGNATURES, *scripts.SIGNATURES))

FAMILIES: dict[str, tuple[str, ...]] = {
    ".h": ("c", "cpp", "objective-c"),
    ".m": ("objective-c", "matlab"),
    ".pl": ("perl", "prolog"),
    ".pro": ("prolog",),
}
"""Extensions that several languages share, with the first as the answer when the content says nothing."""

CLIMBS = {"c": ("cpp", "objective-c"), "javascript": ("typescript",)}
"""Languages whose supersets use their every sign: one sure sign of the superset decides."""


def is_sure(code: str) -> bool:
    """Whether a pattern stands there that hardly occurs outside one language; comments and strings blanked."""
    return any(signature.sure_signs(code) for signature in SIGNATURES)


def scores(code: str, among: tuple[str, ...] | None = None) -> list[tuple[float, str]]:
    """Languages with their scores, best first, ties by the table's order; comments and strings blanked.

    Shared patterns only count for languages with a sign of their own, unless no language has one.
    """
    asked = [s for s in SIGNATURES if among is None or s.language in among]
    sure = {s.language: s.sure_signs(code) for s in asked}
    some = any(sure.values())
    found = {
        s.language: SURE * sure[s.language] + LIKELY * count(s.likely, code)
        for s in asked
        if sure[s.language] or not some
    }
    for base, supersets in CLIMBS.items():
        for superset in supersets:
            if sure.get(superset):
                found[superset] += found.get(base, 0.0)
    return sorted(((score, language) for language, score in found.items()), key=lambda pair: -pair[0])
