"""Cuts text into raw words and says at which character each begins.

Everything per character is numpy over code points, so that a long text costs nanoseconds per character;
what a word means (stems, parts of identifiers) is decided once per distinct word in `tokens.py`.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import Kind

MAX_WORD = 100
"""Longer words (encoded data, mostly) are cut here; long enough for any identifier people write."""

_SEPARATOR, _LETTER, _BIGRAM, _SYMBOL, _APOSTROPHE, _SHARP, _PLUS, _UNKNOWN = 0, 1, 2, 3, 4, 5, 6, 255

_APOSTROPHES = "'\u00b7\u2018\u2019\u02bb\u02bc\u2032\u055a\u05f3\u05f4"
"""Signs that stand for one between letters, the Hawaiian, Armenian and Hebrew ones and the Catalan point among them."""

_ACUTE, _QUOTE = "\u00b4", '"'
_QUOTE_IN_HEBREW = re.compile(r'(?<=[\u05d0-\u05ea])"(?=[\u05d0-\u05ea])')
_ESCAPE = "\x1b"
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")  # of a terminal, in logs
_ZERO_WIDTH_SEPARATORS = "\u200b\ufeff"

_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1100, 0x11FF),  # Hangul letters
    (0x1780, 0x17FF),  # Khmer
    (0x3005, 0x3007),
    (0x3040, 0x312F),  # Hiragana, Katakana, Bopomofo
    (0x3130, 0x318F),
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xAC00, 0xD7AF),  # Hangul syllables
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)
"""Code points written without spaces between words (or, Hangul, with particles attached)."""

_FIRST_UNSPACED = chr(_UNSPACED[0][0])

_SPACE, _ASCII_LIMIT = 32, 128
_SHORT = 500
"""Characters up to which words are found one by one, which spares the dozen calls of numpy: those of a query."""

_ASCII_WORDS = {
    Kind.CODE: re.compile("[A-Za-z0-9_]+"),
    Kind.PROSE: re.compile("[a-z0-9]+"),
    Kind.IMAGE: re.compile("[A-Za-z0-9]+"),
}
_INNER_SIGNS = re.compile("['#+]")
_BEYOND_ASCII = re.compile(r"[\x00-\x7f]?[^\x00-\x7f]+")

Codes = NDArray[np.uint8] | NDArray[np.uint32]


def is_unspaced(character: str) -> bool:
    """Whether a character is of a script without spaces between words."""
    return character >= _FIRST_UNSPACED and any(low <= ord(character) <= high for low, high in _UNSPACED)


@dataclass(frozen=True, slots=True)
class Words:
    """Words as written (ASCII in lower case if prose) and the offset of each one's first character."""

    raw: list[str]
    starts: NDArray[np.int64]


def cut(text: str, kind: Kind, *, query: bool = False) -> Words:
    """Cut a text into words: runs of letters, digits and marks.

    Scripts without spaces give overlapping bigrams and, but in a `query`, the last character of each run alone;
    each emoji or symbol is a word. Prose keeps an
    apostrophe between letters and the signs of `c++` and `c#`, code keeps underscores.
    """
    codes: Codes
    if _ESCAPE in text:
        text = _COLOURS.sub(lambda match: " " * len(match[0]), text)
    if text.isascii():
        if len(text) <= _SHORT and (found := _short(text, kind)) is not None:
            return found
        codes, classes = _ascii(text, kind)
        origin = None
    else:
        codes, classes, origin = _unicode(_with_plain_apostrophes(text), kind, query=query)
    if kind is Kind.PROSE:
        _keep_inner_signs(codes, classes)
    starts, ends = _runs(codes)
    if len(starts) and int((ends - starts).max()) > MAX_WORD:
        _shorten(codes, starts, ends)
    raw = _decode(codes).split()
    return Words(raw, starts if origin is None else origin[starts])


def _with_plain_apostrophes(text: str) -> str:
    """Put an apostrophe where people type an accent, or a quotation mark inside a Hebrew abbreviation."""
    text = text.replace(_ACUTE, "'")
    return _QUOTE_IN_HEBREW.sub("'", text) if _QUOTE in text else text


def _short(text: str, kind: Kind) -> Words | None:
    """Cut a short ASCII text, such as a query; None where signs or long words need a closer look."""
    if kind is Kind.PROSE:
        if _INNER_SIGNS.search(text):
            return None
        text = text.lower()
    found = [(match[0], match.start()) for match in _ASCII_WORDS[kind].finditer(text)]
    if any(len(word) > MAX_WORD for word, _ in found):
        return None
    return Words([word for word, _ in found], np.array([start for _, start in found], np.int64))


def _ascii(text: str, kind: Kind) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Character codes, and their classes in prose: code has no signs inside words."""
    source = text.encode("ascii")
    words, classes = _ascii_tables(kind)
    codes = np.frombuffer(bytearray(source.translate(words)), np.uint8)
    return codes, np.frombuffer(source.translate(classes), np.uint8) if kind is Kind.PROSE else codes


@cache
def _ascii_tables(kind: Kind) -> tuple[bytes, bytes]:
    """Tables for bytes.translate: to the character itself or a space, and to its class."""
    classes = bytes(_class_of(code, kind) for code in range(_ASCII_LIMIT))
    words = bytes(_folded(code, kind) if classes[code] == _LETTER else _SPACE for code in range(_ASCII_LIMIT))
    rest = bytes(256 - _ASCII_LIMIT)
    return words + rest, classes + rest


def _folded(code: int, kind: Kind) -> int:
    return ord(chr(code).lower()) if kind is Kind.PROSE else code


def _class_of(code: int, kind: Kind) -> int:
    character = chr(code)
    if character in _APOSTROPHES:
        return _APOSTROPHE
    if character in "#+":
        return _SHARP if character == "#" else _PLUS
    if character == "_":
        return _LETTER if kind is Kind.CODE else _SEPARATOR
    if character in _ZERO_WIDTH_SEPARATORS:
        return _SEPARATOR
    category = unicodedata.category(character)
    if category[0] in "LMN":
        return _BIGRAM if any(low <= code <= high for low, high in _UNSPACED) else _LETTER
    if category == "Cf":  # soft hyphens and joiners stand inside words
        return _LETTER
    if category in ("So", "Sm", "Sc") and code >= _ASCII_LIMIT:
        return _SYMBOL
    return _SEPARATOR


@cache
def _classes_known(kind: Kind) -> NDArray[np.uint8]:
    """Class of each code point met so far; filled as they turn up, to keep start-up short."""
    return np.full(0x110000, _UNKNOWN, dtype=np.uint8)


def _classify(codes: NDArray[np.uint32], kind: Kind) -> NDArray[np.uint8]:
    table = _classes_known(kind)
    classes = table[codes]
    unknown = codes[classes == _UNKNOWN]
    if len(unknown):
        for code in np.unique(unknown).tolist():
            table[code] = _class_of(code, kind)
        classes = table[codes]
    return classes


def _unicode(
    text: str, kind: Kind, *, query: bool
) -> tuple[NDArray[np.uint32], NDArray[np.uint8], NDArray[np.int64] | None]:
    origin = None
    if not unicodedata.is_normalized("NFKC", text):
        text, origin = _compose(text)
    codes = np.frombuffer(bytearray(text.encode("utf-32-le", "surrogatepass")), np.uint32)
    classes = _classify(codes, kind)
    if ((classes == _BIGRAM) | (classes == _SYMBOL)).any():
        codes, classes, source = _spread(codes, classes, query=query)
        origin = source if origin is None else origin[source]
    if kind is Kind.PROSE:
        codes[(codes >= ord("A")) & (codes <= ord("Z"))] += ord("a") - ord("A")
    codes[(classes == _SEPARATOR) | (classes >= _APOSTROPHE)] = _SPACE
    return codes, classes, origin


def _compose(text: str) -> tuple[str, NDArray[np.int64]]:
    """Normalise to NFKC; give the original offset of each character (exact up to its cluster)."""
    pieces: list[str] = []
    places: list[int] = []
    widths: list[int] = []
    done = 0
    for match in _BEYOND_ASCII.finditer(text):
        composed = unicodedata.normalize("NFKC", match[0])
        if composed == match[0]:
            continue
        start, end = match.span()
        pieces += (text[done:start], composed)
        places += (start, end)
        widths += (start - done, len(composed))
        done = end
    pieces.append(text[done:])
    widths.append(len(text) - done)
    return "".join(pieces), _origins(places, widths, len(text))


def _origins(places: list[int], widths: list[int], length: int) -> NDArray[np.int64]:
    """Count on from where each piece began, never beyond the piece's own end."""
    begins = np.array([0, *places])
    ends = np.array([*places, length])
    within = np.arange(sum(widths)) - np.repeat(np.cumsum(widths) - widths, widths)
    last: NDArray[np.int64] = np.repeat(np.maximum(ends - 1, begins), widths)
    return np.minimum(np.repeat(begins, widths) + within, last)


def _spread(
    codes: NDArray[np.uint32], classes: NDArray[np.uint8], *, query: bool
) -> tuple[NDArray[np.uint32], NDArray[np.uint8], NDArray[np.int64]]:
    """Write every bigram and every symbol out as a word of its own: ' ab ' for each pair, ' a ' alone or last."""
    pairable = np.concatenate([[False], classes == _BIGRAM, [False]])
    bigram = pairable[1:-1]
    with_next = bigram & pairable[2:]
    last = bigram & pairable[:-2] & ~with_next
    if not query:
        last &= False  # the last one stands alone: then every character begins exactly one word
    single = (bigram & ~with_next & ~last) | (classes == _SYMBOL)
    width = np.ones(len(codes), dtype=np.int64)
    width[with_next] = 4
    width[single] = 3
    source = np.repeat(np.arange(len(codes)), width)
    first = np.cumsum(width) - width
    spread = codes[source]
    spread[first[with_next | single | last]] = _SPACE
    spread[first[with_next] + 2] = codes[np.flatnonzero(with_next) + 1]
    spread[first[with_next] + 3] = _SPACE
    spread[first[single] + 2] = _SPACE
    spread_classes = classes[source]
    spread_classes[spread == _SPACE] = _SEPARATOR
    return spread, spread_classes, source


def _keep_inner_signs(codes: Codes, classes: NDArray[np.uint8]) -> None:
    """Put back apostrophes between letters, and `#` or `++` right behind a letter."""
    signs = np.flatnonzero(classes >= _APOSTROPHE)
    if not len(signs):
        return
    signs = signs[signs > 0]
    signs = signs[classes[signs - 1] == _LETTER]
    following = classes[np.minimum(signs + 1, len(classes) - 1)]
    of_sign = classes[signs]
    codes[signs[(of_sign == _APOSTROPHE) & (following == _LETTER)]] = ord("'")
    codes[signs[of_sign == _SHARP]] = ord("#")
    doubled = signs[(of_sign == _PLUS) & (following == _PLUS)]
    doubled = doubled[doubled + 1 < len(codes)]
    codes[doubled] = codes[doubled + 1] = ord("+")


def _runs(codes: Codes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    inside = np.empty(len(codes) + 2, dtype=np.bool_)
    inside[0] = inside[-1] = False
    np.not_equal(codes, _SPACE, out=inside[1:-1])
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    return edges[::2], edges[1::2]


def _shorten(codes: Codes, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> None:
    for index in np.flatnonzero(ends - starts > MAX_WORD).tolist():
        codes[starts[index] + MAX_WORD : ends[index]] = _SPACE


def _decode(codes: Codes) -> str:
    return codes.tobytes().decode("ascii" if codes.dtype == np.uint8 else "utf-32-le", "surrogatepass")


_IOTA_BELOW, _IOTA = ("\u1f80", "\u1ffc"), "\u0345"


def visible(word: str) -> str:
    """Drop invisible characters; compatibility variants become plain ones."""
    if word.isascii():
        return word
    return unicodedata.normalize("NFKC", "".join(c for c in word if unicodedata.category(c) != "Cf"))


def fold(word: str) -> str:
    """Fold case and compatibility variants; drop invisible characters and the iota below a Greek vowel."""
    if any(_IOTA_BELOW[0] <= c <= _IOTA_BELOW[1] for c in word):
        word = unicodedata.normalize("NFC", unicodedata.normalize("NFD", word).replace(_IOTA, ""))
    word = word.casefold()
    if word.isascii():
        return word
    return visible(word).casefold()


def says_something(word: str) -> bool:
    """Whether a word holds more than marks."""
    return any(unicodedata.category(c)[0] in "LNS" for c in word)
