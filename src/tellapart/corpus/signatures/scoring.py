"""Which language a code is written in, by the signs of all of them."""

from __future__ import annotations

from tellapart.corpus.signatures import general, objects, purposes, scripts
from tellapart.corpus.signatures.signature import Signature, count

SURE, LIKELY = 3.0, 0.7
"""Weights of the two sorts of patterns: one sure sign outweighs four shared ones."""

SIGNATURES: tuple[Signature, ...] = (
    *general.SIGNATURES,
    *objects.SIGNATURES,
    *scripts.SIGNATURES,
    *purposes.SIGNATURES,
)

FAMILIES: dict[str, tuple[str, ...]] = {
    ".h": ("c", "cpp", "objective-c"),
    ".m": ("objective-c", "matlab"),
    ".pl": ("perl", "prolog"),
    ".pro": ("prolog",),
}
"""Extensions that several languages share, with the first as the answer when the content says nothing."""

CLIMBS = {"c": ("cpp", "objective-c"), "javascript": ("typescript",)}
"""Languages whose supersets use their every sign: one sure sign of the superset decides."""


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
