"""Words of queries and of what must be hidden: runs of letters and digits, whatever their case."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from tellapart.experiments.synthetic.queries import Span
from tellapart.index.lexical.tokens import STOP_WORDS

WORD = re.compile(r"[^\W_]+")
LETTERS = re.compile(r"[^\W\d_]{2,}")

PHRASE_WORDS = 3
"""Fewer words in a row stand in too many texts to be blanked in all of them."""

Phrase = tuple[str, ...]


def phrase(text: str) -> Phrase:
    """Give the words of a text in order."""
    return tuple(word.casefold() for word in WORD.findall(text))


def content_words(text: str) -> int:
    """Count the distinct words that are neither stop words nor numbers nor single letters."""
    return len({word.casefold() for word in LETTERS.findall(text)} - STOP_WORDS)


def plain(text: str) -> str:
    """Put a text on one line."""
    return " ".join(text.split())


class Phrases:
    """Finds many word sequences (each of PHRASE_WORDS words or more) in one pass over a text."""

    def __init__(self, wanted: Iterable[Phrase]) -> None:
        self._by_start: dict[Phrase, list[Phrase]] = {}
        for each in sorted(set(wanted)):
            if len(each) >= PHRASE_WORDS:
                self._by_start.setdefault(each[:PHRASE_WORDS], []).append(each)

    def find(self, text: str) -> Mapping[Phrase, list[Span]]:
        """Give the spans of every sequence that occurs, from its first word's start to its last one's end."""
        folded = [word.casefold() for word in WORD.findall(text)]
        hits = list(self._hits(folded))
        if not hits:
            return {}
        spans = [match.span() for match in WORD.finditer(text)]
        found: dict[Phrase, list[Span]] = {}
        for place, each in hits:
            found.setdefault(each, []).append((spans[place][0], spans[place + len(each) - 1][1]))
        return found

    def _hits(self, words: list[str]) -> Iterator[tuple[int, Phrase]]:
        for place, start in enumerate(zip(words, words[1:], words[2:], strict=False)):
            for each in self._by_start.get(start, ()):
                if tuple(words[place : place + len(each)]) == each:
                    yield place, each
