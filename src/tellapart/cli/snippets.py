"""The lines of a hit that a person is shown: those that match, with the matching words marked."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence

from tellapart.corpus.document import Kind

WIDTH = 160
"""Characters of a line that are shown; what matches is among them."""

BEFORE = 40
"""Characters shown before the first match of a line that is cut."""

TAB = 4
LONGEST = 200_000
"""Characters of a unit that are looked through for matches: of a longer one the beginning."""

_WORD = re.compile(r"\w+")
_JOINERS = frozenset("\u00ad\u034f\u200b\u200c\u200d\u200e\u200f\u2060\ufeff")
"""Invisible characters of real texts: soft hyphen, joiners, marks of direction. Overrides of direction are not among
them: they make code look other than it is (CVE-2021-42574)."""

Mark = Callable[[str], str]


def snippet(
    text: str, lines: int, *, query: str = "", kind: Kind = Kind.PROSE, mark: Mark = str
) -> list[str]:
    """Give the `lines` lines of a text that hold most words of the query, the rarest of the text before others.

    Blank lines are left out, the common indentation is taken away, long lines are cut around their first match, `mark`
    dresses up each matching word, and `…` stands where something is left out. Without a match it is the beginning.
    """
    if lines < 1:
        return []
    found = _matches(text[:LONGEST], query, kind) if query else []
    rows, position = [], 0
    for raw in text.splitlines(keepends=True):
        if raw.strip():
            own = [
                (s - position, e - position, t) for s, e, t in found if position <= s < position + len(raw)
            ]
            rows.append((raw.rstrip(), own))
        position += len(raw)
    if not rows:
        return []
    first = _best_window([{term for _, _, term in own} for _, own in rows], lines)
    chosen = rows[first : first + lines]
    margin = min(len(line) - len(line.lstrip()) for line, _ in chosen)
    shown = [_shown(line, own, margin, mark) for line, own in chosen]
    return [*(["…"] if first else []), *shown, *(["…"] if first + lines < len(rows) else [])]


def printable(text: str) -> str:
    """Keep a document from steering the terminal; blanks and joiners of any script stay as they are."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(character if _harmless(character) else "\ufffd" for character in text)


def _harmless(character: str) -> bool:
    return (
        character.isprintable()
        or character in _JOINERS
        or character == "\t"
        or unicodedata.category(character) == "Zs"
    )


def _matches(text: str, query: str, kind: Kind) -> list[tuple[int, int, str]]:
    """Start, end and term of each word of the text that the query has too."""
    from tellapart.index.lexical import Analyser, analyse_query

    wanted = set(analyse_query(query, kind))
    tokens = Analyser().tokens(text, kind)
    found = []
    for term, start in zip(tokens.terms, tokens.starts.tolist(), strict=True):
        word = _WORD.match(text, start)
        if term in wanted and word:
            found.append((start, word.end(), term))
    return found


def _best_window(terms: Sequence[set[str]], lines: int) -> int:
    """First of the consecutive lines whose distinct terms weigh most, a term 1 / the number of lines that have it."""
    frequency = Counter(term for own in terms for term in own)
    best, best_weight = 0, 0.0
    for start in range(max(len(terms) - lines, 0) + 1):
        inside = set().union(*terms[start : start + lines])
        weight = sum(1 / frequency[term] for term in inside)
        if weight > best_weight + 1e-9:
            best, best_weight = start, weight
    return best


def _shown(line: str, own: Sequence[tuple[int, int, str]], margin: int, mark: Mark) -> str:
    """Cut one line around its first match and mark the matches; offsets are those of the whole line."""
    start, end, head, tail = margin, len(line), "", ""
    if end - start > WIDTH:
        if own and own[0][1] > start + WIDTH:
            start, head = max(margin, own[0][0] - BEFORE), "…"
        if end - start > WIDTH:
            end, tail = start + WIDTH - 1, "…"
    pieces, at = [], start
    for first, last, _ in own:
        if at <= first and last <= end:
            pieces += [printable(line[at:first]), mark(printable(line[first:last]))]
            at = last
    pieces.append(printable(line[at:end]))
    return head + "".join(pieces).expandtabs(TAB) + tail
