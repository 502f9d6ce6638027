"""Which lines of a hit are shown: those that match, for a terminal and for an agent."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tellapart.corpus.document import KIND_OF, Kind
from tellapart.engine.regex import compile_pattern
from tellapart.engine.results import Hit
from tellapart.index.lexical.characters import is_unspaced
from tellapart.index.naming import last_name
from tellapart.rankers.structure_places import is_meant, is_path_alone, spoken_places

WIDTH = 160
"""Characters of a line that are shown; what matches is among them."""

BEFORE = 40
"""Characters shown before the first match of a line that is cut."""

TAB = 4
LONGEST = 200_000
"""Characters of a unit that are looked through for matches: of a longer one the beginning."""

_INNER = re.compile("[,.']")
_JOINERS = frozenset("\u00ad\u034f\u200b\u200c\u200d\u200e\u200f\u2060\ufeff")
"""Invisible characters of real texts: soft hyphen, joiners, marks of direction. Overrides of direction are not among
them: they make code look other than it is (CVE-2021-42574)."""

Mark = Callable[[str], str]


Span = tuple[int, int, str]
"""Start and end of a match, and the term of the query that it answers."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is not blank: its number in the text, from 0 at the first of them, and its matches."""

    number: int
    text: str
    matches: Sequence[Span]


@dataclass(frozen=True, slots=True)
class Lines:
    """Consecutive lines of a text, and whether something stands before and after them."""

    shown: Sequence[Line]
    before: bool = False
    after: bool = False


def lines_of_hit(hit: Hit, count: int, query: str, pattern: str | None) -> Lines:
    """Choose so many lines of a hit by what was asked: those around a line or a name of code, or those that match best.

    A name stands first where it is defined, and later where it is used.
    """
    line = line_asked_for(query, hit)
    if line is None and KIND_OF[hit.granularity] is Kind.CODE and len(query.split()) == 1:
        name = re.escape(last_name(query.rstrip("()")))
        found = re.search(rf"\b{name}\b\s*[(<{{:=]", hit.text) or re.search(rf"\b{name}\b", hit.text)
        line = hit.text.lstrip().count("\n", 0, found.start()) if found else None
    return chosen_lines(
        hit.indent + hit.text,
        count,
        query="" if is_path_alone(query) else query,
        line=line if pattern is None else None,
        pattern=pattern,
        kind=KIND_OF[hit.granularity],
    )


def line_asked_for(query: str, hit: Hit) -> int | None:
    """Give the line of a hit that a query names, such as `core.py:1500`, counted from 0 at the hit's first one."""
    first, last = hit.lines
    for place in spoken_places(query):
        if place.line and hit.path and first <= place.line <= last and is_meant(place.path, hit.path):
            return place.line - first
    return None


def chosen_lines(
    text: str,
    count: int,
    *,
    query: str = "",
    line: int | None = None,
    pattern: str | None = None,
    kind: Kind = Kind.PROSE,
) -> Lines:
    """Give the `count` lines of a text that hold most words of the query, the rarest of the text before others.

    With a regular expression it is the lines in which that matches. With `line`, counted from 0 at the first that is
    not blank, it is that one and those around it. Without a match it is the beginning. Blank lines are left out.
    """
    if count < 1:
        return Lines((), after=bool(text.strip()))
    if pattern is not None:
        found = _matches_of(text[:LONGEST], pattern)
    else:
        found = _matches(text[:LONGEST], query, kind) if query else []
    rows: list[Line] = []
    position = 0
    blank: int | None = None
    for number, raw in enumerate(text.splitlines(keepends=True)):
        if raw.strip():
            blank = number if blank is None else blank
            own = [
                (s - position, e - position, t) for s, e, t in found if position <= s < position + len(raw)
            ]
            rows.append(Line(number - blank, raw.rstrip(), own))
        position += len(raw)
    if line is None:
        first = _best_window([{term for _, _, term in row.matches} for row in rows], count)
    else:
        at = bisect_right(rows, line, key=lambda row: row.number) - 1
        first = max(min(at - count // 2, len(rows) - count), 0)
    return Lines(rows[first : first + count], first > 0, first + count < len(rows))


def snippet(lines: Lines, *, mark: Mark = str, numbered_from: int | None = None) -> list[str]:
    """Lay lines out: the common indentation is taken away, long ones are cut around their first match.

    `mark` dresses up each matching word; `…` stands where something is left out. `numbered_from` is the number of the
    first line of the text in its file, where each line is to carry its own.
    """
    if not lines.shown:
        return []
    margin = min(len(row.text) - len(row.text.lstrip()) for row in lines.shown)
    laid_out = [
        ("" if numbered_from is None else f"{numbered_from + row.number}: ")
        + _excerpt(row.text, row.matches, margin, mark)
        for row in lines.shown
    ]
    return [*(["…"] if lines.before else []), *laid_out, *(["…"] if lines.after else [])]


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


def matching_line(text: str, query: str, kind: Kind) -> int | None:
    """Offset of the line of a text that holds most words of a query; None where it holds none."""
    found = _matches(text[:LONGEST], query, kind)
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    terms: list[set[str]] = [set() for _ in starts]
    for start, _, term in found:
        terms[bisect_right(starts, start) - 1].add(term)
    return starts[_best_window(terms, 1)] if found else None


def _matches(text: str, query: str, kind: Kind) -> list[Span]:
    """Start and end of each word of the text by which the query finds it, and the term of the query."""
    from tellapart.index.lexical import Analyser, analyse_query
    from tellapart.index.lexical.variants import Spellings, languages_of

    languages = languages_of([text]) if kind is Kind.PROSE else []
    spellings = Spellings(analyse_query(query, kind, languages), languages)
    tokens = Analyser().tokens(text, kind)
    found = []
    for term, start in zip(tokens.terms, tokens.starts.tolist(), strict=True):
        wanted = spellings.asked_by(term)
        if wanted is not None:
            found.append((start, _end(text, start, term, wanted), wanted))
    return found


def _matches_of(text: str, pattern: str) -> list[Span]:
    """Start and end of each match, line by line; all of them count as one term."""
    found = []
    for match in compile_pattern(pattern).finditer(text):
        start = match.start()
        for line in match.group().splitlines(keepends=True):
            found.append((start + len(line) - len(line.lstrip()), start + len(line.rstrip()), pattern))
            start += len(line)
    return found


def _end(text: str, start: int, term: str, wanted: str) -> int:
    """Where the word of a text ends that gave a term: a sign, a character or a pair of an unspaced script, a word."""
    if is_unspaced(text[start]):
        return start + min(len(term), len(wanted))
    pieces = re.split(_INNER, term) if term[0].isalnum() else []
    word = re.compile(r"\w+" + r"\W\w+" * (len(pieces) - 1)).match(text, start) if pieces else None
    return word.end() if word else start + len(term)


def _best_window(terms: Sequence[set[str]], lines: int) -> int:
    """First of the consecutive lines whose distinct terms weigh most, a term 1 / the number of lines that have it.

    Of several such windows it is one with the most lines that match, and of those one with as much before as after.
    """
    frequency = Counter(term for own in terms for term in own)
    best, best_rank = 0, (-1.0, 0, 0.0)
    for start in range(max(len(terms) - lines, 0) + 1):
        window = terms[start : start + lines]
        matching = [at for at, own in enumerate(window) if own]
        weight = round(sum(1 / frequency[term] for term in set().union(*window)), 9)
        middle = (matching[0] + matching[-1]) / 2 if matching else 0.0
        rank = (weight, len(matching), -abs(middle - (lines - 1) / 2))
        if rank > best_rank:
            best, best_rank = start, rank
    return best


def _excerpt(line: str, own: Sequence[Span], margin: int, mark: Mark) -> str:
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
