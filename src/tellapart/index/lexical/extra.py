"""Terms that are no words: operators of code, numbers with their thousands set apart, words with an apostrophe.

They stand beside the words that they hold and do not make a text longer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from operator import itemgetter

import numpy as np

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
_SIGNS = "=!<>&|:+*/%^?~.$-"
_RUN_OF_SIGNS = re.compile(f"[{re.escape(_SIGNS)}]{{2,}}")
_IS_SIGN = np.zeros(128, np.bool_)
_IS_SIGN[[*map(ord, _SIGNS)]] = True
_SIGN_OF_BYTE = _IS_SIGN.tobytes() + bytes(128)
_IN_CONTEXT = ("..", "--", "++")
"""Signs whose meaning depends on what stands around them."""
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
_DIGITS = b"0123456789"
_LONGEST_NUMBER = 23
"""Characters of 18 digits in groups; longer ones are the rows of a table, which are many numbers."""

_SHORT = 2_000
"""Characters up to which expressions are faster than a dozen calls of numpy; both find the same."""

_EXTRA_SIGNS = frozenset(",.'")


def is_extra(term: str) -> bool:
    """Whether a term stands beside the words of a text and does not add to its length: `!=`, `10,000`, `o'brien`."""
    first = term[0]
    return is_joined(term) if first.isalnum() else first.isascii() and first != "_"


def is_joined(term: str) -> bool:
    """Whether a term has parts, each a word of the text: `10,000`, `o'brien`."""
    return not _EXTRA_SIGNS.isdisjoint(term) and term[:1].isalnum()


def without_signs(term: str) -> str:
    """Join the parts of a term: 10000, obrien."""
    for sign in _EXTRA_SIGNS:
        term = term.replace(sign, "")
    return term


def _operators(text: str) -> list[tuple[int, str]]:
    """Find the operators in code: place and sign; one of three characters is found by its first two as well."""
    found: list[tuple[int, str]] = []
    for start, end in _runs_of_signs(text):
        alone = _operators_in(text[start:end])
        if alone is None:
            found += _operators_between(text, start, end)
        else:
            found += [(start + place, sign) for place, sign in alone]
    return found


def _runs_of_signs(text: str) -> Iterator[tuple[int, int]]:
    """Find where two signs or more stand together; a search for them would look at every character one by one."""
    if len(text) <= _SHORT:
        return (run.span() for run in _RUN_OF_SIGNS.finditer(text))
    if text.isascii():
        signs = np.frombuffer(text.encode("ascii").translate(_SIGN_OF_BYTE), np.bool_)
    else:
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        signs = _IS_SIGN.take(codes, mode="clip")  # the last of the table is none
    pairs = np.flatnonzero(signs[1:] & signs[:-1])
    if not len(pairs):
        return iter(())
    apart = np.flatnonzero(np.diff(pairs) > 1)
    starts, ends = pairs[[0, *(apart + 1).tolist()]], pairs[[*apart.tolist(), -1]] + 2
    return zip(starts.tolist(), ends.tolist(), strict=True)


@lru_cache(maxsize=1 << 12)
def _operators_in(signs: str) -> tuple[tuple[int, str], ...] | None:
    """Find the operators in a run of signs, None where what stands around it decides."""
    if any(each in signs for each in _IN_CONTEXT):
        return None
    return tuple(_operators_between(signs, 0, len(signs)))


def _operators_between(text: str, start: int, end: int) -> Iterator[tuple[int, str]]:
    """Find the operators in a run of signs."""
    if end - start >= _RULE and text[start:end] == text[start] * (end - start):
        return
    for match in _OPERATOR.finditer(text, start, end + 1):
        place, sign = match.start(), match[0]
        if sign == "++" and _NAME_WITH_SIGNS.match(text, place - 1):
            continue
        yield place, sign
        if sign[:-1] in _PAIRS and sign != _ELLIPSIS:
            yield place, sign[:-1]


def _grouped_numbers(text: str, kind: Kind) -> list[tuple[int, str]]:
    """Find the numbers whose thousands are set apart: place, and the number with commas or, if it has those, points.

    In code only commas do that: 3.141 has a fraction, and `1 200` is two numbers.
    """
    found: list[tuple[int, str]] = []
    pattern = _GROUPED_IN_CODE if kind is Kind.CODE else _GROUPED
    long = len(text) > _SHORT and text.isascii()
    matches = _at_thousands(pattern, text, kind) if long else pattern.finditer(text)
    for match in matches:
        start, number = match.start(), match[0]
        before = text[start - 1 : start]
        if before.isdigit() or before in {".", ","} or len(number) > _LONGEST_NUMBER:
            continue
        found.append((start, number if match[1] in {None, "."} else number.replace(match[1], ",")))
    return found


def _at_thousands(pattern: re.Pattern[str], text: str, kind: Kind) -> Iterator[re.Match[str]]:
    """Give what `finditer` does, but look only where a digit, a sign and two digits stand: up to two digits before."""
    classes = np.frombuffer(text.encode("ascii").translate(_number_classes(kind)), np.uint8)
    digits = classes == _DIGIT
    places = np.flatnonzero(digits[:-3] & (classes[1:-2] == _SIGN) & digits[2:-1] & digits[3:])
    done = 0
    for place in places.tolist():
        for start in range(max(done, place - 2), place + 1):
            if match := pattern.match(text, start):
                yield match
                done = match.end()
                break


_DIGIT, _SIGN = 1, 2


@cache
def _number_classes(kind: Kind) -> bytes:
    """Table for bytes.translate: digits, and signs that may set thousands apart."""
    apart = b"," if kind is Kind.CODE else b",._ "
    return bytes(_DIGIT if code in _DIGITS else _SIGN if code in apart else 0 for code in range(256))


def extra_terms(text: str, kind: Kind) -> list[tuple[int, str]]:
    """Find the terms that are no words, in order: operators of code, numbers with their thousands set apart."""
    numbers = _grouped_numbers(text, kind)
    if kind is not Kind.CODE:
        return numbers
    return sorted([*_operators(text), *numbers], key=itemgetter(0)) if numbers else _operators(text)
