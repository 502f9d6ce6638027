"""How results are printed: for people, and as JSON (schema 1)."""

from __future__ import annotations

import json
import os
import re
import sys
import unicodedata
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tellapart.corpus.document import KIND_OF, Granularity, Kind
from tellapart.corpus.places import row_ends
from tellapart.engine.regex import compile_pattern
from tellapart.engine.results import Hit, SearchResult
from tellapart.index.lexical.characters import is_unspaced
from tellapart.rankers.structure_places import is_meant, is_path_alone, spoken_places

SCHEMA = 1
_ROWS = re.compile(r"rows (\d+)-(\d+)")
BOLD, DIM, MATCH, PLAIN = "\033[1m", "\033[2m", "\033[1;33m", "\033[0m"


def print_json(value: Mapping[str, Any]) -> None:
    """Print one JSON object on a line."""
    print(json.dumps(value, ensure_ascii=False), flush=True)


def note(message: str) -> None:
    """Say something that is no result."""
    print(message, file=sys.stderr)


def print_result(result: SearchResult, *, lines: int, explain: bool, doubted: bool = False) -> None:
    """Print hits for a person: where, what it is, the lines of its text that match.

    `doubted`: that anything here answers, so that probabilities given an answer are not shown.
    """
    if not result.hits and result.best_probability is not None:
        note(f"no hit is certain enough (best: {result.best_probability:.2f})")
    elif not result.hits:
        note("nothing found: no unit shares a word with the query, or none passes the filters")
    query = result.request.query or ""
    for hit in result.hits:
        place = styled(printable(where(hit, query)), BOLD)
        print(f"{hit.rank:>2}  {place}  {styled(_detail(hit, doubted=doubted), DIM)}")
        if explain and hit.components:
            parts = "  ".join(f"{name} {value:.3f}" for name, value in sorted(hit.components.items()))
            print(f"    {styled(parts, DIM)}")
        shown = snippet(
            hit.indent + hit.text,
            lines,
            query="" if is_path_alone(query) else query,
            line=line_asked_for(query, hit),
            pattern=result.request.regex,
            kind=KIND_OF[hit.granularity],
            mark=_marked,
        )
        for line in shown:
            print(f"    {line}")
        if lines:
            print()
    if explain:
        note(f"{result.configuration.name}: {result.why}")
        if (kept := result.calibration) is not None:
            note(f"P: chance of being relevant, calibrated {kept.made[:10]} on {kept.basis}")
        for certificate in result.certificates:
            note(f"svm: {certificate}")


def line_asked_for(query: str, hit: Hit) -> int | None:
    """Give the line of a hit that a query names, such as `core.py:1500`, counted from 0 at the hit's first one."""
    first, last = hit.lines
    for place in spoken_places(query):
        if place.line and hit.path and first <= place.line <= last and is_meant(place.path, hit.path):
            return place.line - first
    return None


def where(hit: Hit, query: str = "") -> str:
    """Name a hit so that it can be opened: `FILE:FIRST-LAST`, or the file and its page, cell, row or heading.

    Of several rows of a table the one that matches the query is named first.
    """
    if hit.granularity is Granularity.IMAGE or not hit.place:  # a Word file without headings has neither
        return hit.document
    if hit.place.startswith("line"):
        return f"{hit.document}:{hit.lines[0]}-{hit.lines[1]}"
    if query and (rows := _ROWS.fullmatch(hit.place)):
        line = matching_line(hit.text.lstrip(), query, KIND_OF[hit.granularity])
        if line is not None:
            row = int(rows[1]) + row_ends(hit.text.lstrip()[:line])
            return f"{hit.document} row {row} (of {rows[1]}-{rows[2]})"
    return f"{hit.document} {hit.place}"


def _detail(hit: Hit, *, doubted: bool) -> str:
    copies = f"  +{len(hit.copies)} {'copy' if len(hit.copies) == 1 else 'copies'}" if hit.copies else ""
    matches = int(hit.components.get("matches", 0))
    score = f"score {_shown(hit):.3f}"
    if matches:  # every one is perfect, and a score would only say how they are ordered
        score = f"{matches} {'match' if matches == 1 else 'matches'}"
    chance = "" if doubted or hit.probability is None else f"  P {hit.probability:.2f}"
    return f"{hit.unit or hit.granularity}  {score}{chance}{copies}"


def _shown(hit: Hit) -> float:
    """Give the score to print: that of an svm from 0 (the rest of the corpus) to 1 (the examples).

    Its decision value is fitted to -1 for the corpus and +1 for what is looked for, so that most good hits are below 0.
    """
    if hit.components.get("svm") == hit.score:  # alone: in a fusion it is one part of several
        return max((1.0 + hit.score) / 2.0, 0.0)
    return hit.score


def _marked(word: str) -> str:
    return styled(word, MATCH)


def styled(text: str, style: str) -> str:
    """Dress a text up where a terminal shows it and colour is not declined."""
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        return f"{style}{text}{PLAIN}"
    return text


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


def snippet(
    text: str,
    lines: int,
    *,
    query: str = "",
    line: int | None = None,
    pattern: str | None = None,
    kind: Kind = Kind.PROSE,
    mark: Mark = str,
) -> list[str]:
    """Give the `lines` lines of a text that hold most words of the query, the rarest of the text before others.

    With a regular expression it is the lines in which that matches. With `line`, counted from 0 at the first that is
    not blank, it is that one and those around it.

    Blank lines are left out, the common indentation is taken away, long lines are cut around their first match, `mark`
    dresses up each matching word, and `…` stands where something is left out. Without a match it is the beginning.
    """
    if lines < 1:
        return []
    if pattern is not None:
        found = _matches_of(text[:LONGEST], pattern)
    else:
        found = _matches(text[:LONGEST], query, kind) if query else []
    rows, numbers, position = [], [], 0
    for number, raw in enumerate(text.splitlines(keepends=True)):
        if raw.strip():
            own = [
                (s - position, e - position, t) for s, e, t in found if position <= s < position + len(raw)
            ]
            rows.append((raw.rstrip(), own))
            numbers.append(number)
        position += len(raw)
    if not rows:
        return []
    if line is None:
        first = _best_window([{term for _, _, term in own} for _, own in rows], lines)
    else:
        at = bisect_right(numbers, numbers[0] + line) - 1
        first = max(min(at - lines // 2, len(rows) - lines), 0)
    chosen = rows[first : first + lines]
    margin = min(len(line) - len(line.lstrip()) for line, _ in chosen)
    shown = [_excerpt(line, own, margin, mark) for line, own in chosen]
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


def matching_line(text: str, query: str, kind: Kind) -> int | None:
    """Offset of the line of a text that holds most words of a query; None where it holds none."""
    found = _matches(text[:LONGEST], query, kind)
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    terms: list[set[str]] = [set() for _ in starts]
    for start, _, term in found:
        terms[bisect_right(starts, start) - 1].add(term)
    return starts[_best_window(terms, 1)] if found else None


def _matches(text: str, query: str, kind: Kind) -> list[tuple[int, int, str]]:
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


def _matches_of(text: str, pattern: str) -> list[tuple[int, int, str]]:
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


def _excerpt(line: str, own: Sequence[tuple[int, int, str]], margin: int, mark: Mark) -> str:
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
