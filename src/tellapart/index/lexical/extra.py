"""Terms that are no words: operators of code, numbers with their thousands set apart, words with an apostrophe.

They stand beside the words that they hold and do not make a text longer.
"""

from __future__ import annotations

import re
from operator import itemgetter

from tellapart.corpus.document import Kind

_SHORT_OPERATORS = (
    "== != -> => <= >= && || :: += -= *= /= %= &= |= ^= := <- ** << >> ?? ?. ?: |> <> =~ !~ ~= !! ++"
)
_LONG_OPERATORS = "=== !== <=> **= //= <<= >>= >>> &&= ||= ??= <$> <*> ..< ..="
OPERATORS = f"{_SHORT_OPERATORS} {_LONG_OPERATORS}".split()
"""Operators of several characters that people look for in code."""

_ELSEWHERE = (
    r"(?<!:)//",  # not in addresses
    r"(?<![\w.])\.\.\.(?!\.)|\.\.\.(?=[)>\]},])",  # not where a sentence trails off
    r"(?<!\.)\.\.(?![./\\])",  # a range, not the folder above
    r"(?<!-)--(?![\w>-])",  # not the beginning of an option
)
"""Operators that are something else in other places."""

_OPERATOR = re.compile("|".join([*map(re.escape, sorted(OPERATORS, key=len, reverse=True)), *_ELSEWHERE]))
_SIGNS = re.compile(r"[=!<>&|:+*/%^?~.$-]{2,}")
_PAIRS = frozenset([*OPERATORS, "//", "..", "--"])
_ELLIPSIS = "..."
_RULE = 4
"""So many equal signs in a row are a line that is drawn."""
_NAME_WITH_SIGNS = re.compile(r"\b[CcGg]\+\+")

_GROUPED = re.compile(
    r"[1-9]\d{0,2}"
    r"(?:(?:,\d{2,3})*,\d{3}(?!,?\d)"  # by two in India: 1,50,000
    r"|([. _\u00a0\u2007\u2009\u202f])\d{3}(?:\1\d{3})*(?!\d|\1\d))"
)
_GROUPED_IN_CODE = re.compile(r"[1-9]\d{0,2}(?:(,)\d{3})(?:,\d{3})*(?!,?\d)")
_LONGEST_NUMBER = 23
"""Characters of 18 digits in groups; longer ones are the rows of a table, which are many numbers."""

_EXTRA_SIGNS = ",.'"


def is_extra(term: str) -> bool:
    """Whether a term stands beside the words of a text and does not add to its length: `!=`, `10,000`, `o'brien`."""
    return is_joined(term) or (term[0].isascii() and not term[0].isalnum() and term[0] != "_")


def is_joined(term: str) -> bool:
    """Whether a term has parts, each a word of the text: `10,000`, `o'brien`."""
    return term[:1].isalnum() and any(sign in term for sign in _EXTRA_SIGNS)


def without_signs(term: str) -> str:
    """Join the parts of a term: 10000, obrien."""
    for sign in _EXTRA_SIGNS:
        term = term.replace(sign, "")
    return term


def _operators(text: str) -> list[tuple[int, str]]:
    """Find the operators in code: place and sign; one of three characters is found by its first two as well."""
    found = []
    for run in _SIGNS.finditer(text):
        start, end = run.span()
        if end - start >= _RULE and run[0] == run[0][0] * (end - start):
            continue
        for match in _OPERATOR.finditer(text, start, end + 1):
            place, sign = match.start(), match[0]
            if sign == "++" and _NAME_WITH_SIGNS.match(text, place - 1):
                continue
            found.append((place, sign))
            if sign[:-1] in _PAIRS and sign != _ELLIPSIS:
                found.append((place, sign[:-1]))
    return found


def _grouped_numbers(text: str, kind: Kind) -> list[tuple[int, str]]:
    """Find the numbers whose thousands are set apart: place, and the number with commas or, if it has those, points.

    In code only commas do that: 3.141 has a fraction, and `1 200` is two numbers.
    """
    found = []
    for match in (_GROUPED_IN_CODE if kind is Kind.CODE else _GROUPED).finditer(text):
        start, number = match.start(), match[0]
        before = text[start - 1 : start]
        if before.isdigit() or before in {".", ","} or len(number) > _LONGEST_NUMBER:
            continue
        found.append((start, number if match[1] in {None, "."} else number.replace(match[1], ",")))
    return found


def extra_terms(text: str, kind: Kind) -> list[tuple[int, str]]:
    """Find the terms that are no words, in order: operators of code, numbers with their thousands set apart."""
    numbers = _grouped_numbers(text, kind)
    if kind is not Kind.CODE:
        return numbers
    return sorted([*_operators(text), *numbers], key=itemgetter(0)) if numbers else _operators(text)
