"""What the words of a text become in the index: stems in prose, identifiers whole and in parts in code.

The analysis of a distinct word is done once and remembered, so a text costs a dictionary lookup per word.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count, islice
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import Kind
from tellapart.index.lexical.characters import cut, fold, says_something, visible
from tellapart.index.lexical.extra import extra_terms
from tellapart.index.lexical.questions import without_beginning
from tellapart.index.lexical.variants import without_function_words

ANALYSER_VERSION = 3
"""Raised whenever the same text would give other terms: an index of another version must be rebuilt."""

_STOP_WORDS = """
a an and are as at be but by for if in into is it no not of on or such
that the their then there these they this to was will with
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())
"""The 33 English stop words of Lucene and Anserini (bench/quality.py prints what BM25 reaches with them)."""

BLOCK = 1 << 20
"""Characters that are cut at a time; bounds memory however long a text is."""

_ASCII_PARTS = re.compile(r"[A-Z]{2,}s(?![a-z])|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_UNSTEMMED = 2
_JOINER = "\u200c"
_ENDINGS = frozenset(("t", "re", "ve", "ll", "d", "m"))
"""What belongs to the word before an apostrophe in English: don't, you're, it'll."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Terms of a text in order, and the offset of the word each came from (non-decreasing)."""

    terms: list[str]
    starts: NDArray[np.int64]


class Numbered(defaultdict[str, int]):
    """Gives every new key the next number."""

    def __init__(self) -> None:
        super().__init__(count().__next__)  # not __missing__, which is called in Python


@dataclass(frozen=True, slots=True)
class TokenIds:
    """Terms of a text as numbers of the analyser's vocabulary, and where their words begin."""

    ids: NDArray[np.int32]
    starts: NDArray[np.int64]


class Analyser:
    """Turns text into terms, keeping a vocabulary; one instance per writer, not for several threads."""

    def __init__(self) -> None:
        self._vocabulary = Numbered()
        self._listed: list[str] = []
        self._lexicons = {kind: _Lexicon(kind, self._vocabulary) for kind in Kind}

    def tokens(self, text: str, kind: Kind, *, query: bool = False) -> Tokens:
        """Analyse a text: terms with repetition, in order; see `token_ids`."""
        numbers = self.token_ids(text, kind, query=query)
        vocabulary = self.vocabulary
        return Tokens([vocabulary[number] for number in numbers.ids.tolist()], numbers.starts)

    def _with_extra(
        self, block: str, kind: Kind, numbers: NDArray[np.int32], starts: NDArray[np.int64], offset: int
    ) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Put the extra terms of a block (see `is_extra`) where they stand between the others."""
        extra = extra_terms(block, kind)
        if extra:
            places = np.fromiter((place for place, _ in extra), np.int64, len(extra))
            at = np.searchsorted(starts, places)
            more = np.fromiter((self._vocabulary[term] for _, term in extra), np.int32, len(extra))
            numbers, starts = np.insert(numbers, at, more), np.insert(starts, at, places)
        return numbers, starts + offset

    def token_ids(self, text: str, kind: Kind, *, query: bool = False) -> TokenIds:
        """Analyse a text into term numbers, stable for the life of this analyser.

        Of scripts without spaces a text has every pair of characters and the last one of each run, so that each
        character begins exactly one term; a `query` of several characters has the pairs only.
        """
        lexicon = self._lexicons[kind]
        parts = []
        for offset, block in blocks(text):
            found = cut(block, kind, query=query)
            which, numbers = lexicon.expand(found.raw)
            parts.append(self._with_extra(block, kind, numbers, found.starts[which], offset))
        if not parts:
            return TokenIds(np.zeros(0, np.int32), np.zeros(0, np.int64))
        return TokenIds(np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts]))

    @property
    def vocabulary(self) -> list[str]:
        """All terms met so far; the position is the term's number. Not to be changed."""
        self._listed.extend(islice(self._vocabulary, len(self._listed), None))
        return self._listed

    @property
    def memory(self) -> int:
        """Bytes held, about."""
        entries = len(self._vocabulary) + sum(len(lexicon) for lexicon in self._lexicons.values())
        return entries * BYTES_PER_ENTRY


BYTES_PER_ENTRY = 170
"""A short string (some 60), its slot in a dictionary and its numbers in the lexicon."""


KEPT_WORDS = 1 << 13
"""Words of queries whose terms stay in memory, some 2 MB: questions share most of theirs."""


def analyse_query(text: str, kind: Kind, languages: Sequence[str] = ()) -> list[str]:
    """Give the terms of a query, to be matched against units of one kind; repetition counts.

    A query in one of the `languages` of the documents, English aside, loses the function words of that language. Code
    is indexed with its stop words, so that `is not` can be found; a longer question about code loses its own, which
    would match any code: nDCG@10 .359 -> .499 on mbpp train, .393 -> .381 on cosqa dev. How a question begins is left
    out of both.
    """
    return list(_analysed(text, kind, tuple(languages)))


@lru_cache(maxsize=64)  # asked for each granularity, and for what else reads the words of a query
def _analysed(text: str, kind: Kind, languages: tuple[str, ...]) -> list[str]:
    placed: list[tuple[int, str]] = []
    for offset, block in blocks(text := without_function_words(without_beginning(text), languages)):
        found = cut(block, kind, query=True)
        placed += zip((found.starts + offset).tolist(), found.raw, strict=True)
    located = [(place, term) for place, word in placed for term in _terms_of(word, kind)]
    extra = extra_terms(text, kind)
    terms = [term for _, term in (sorted([*located, *extra], key=itemgetter(0)) if extra else located)]
    if kind is Kind.PROSE:
        return terms
    return [term for term in terms if term not in STOP_WORDS] or terms


@lru_cache(maxsize=KEPT_WORDS)
def _terms_of(word: str, kind: Kind) -> tuple[str, ...]:
    return tuple((_prose_terms if kind is Kind.PROSE else _code_terms)((word,))[0])


def analyse_parts(parts: Sequence[str]) -> list[str]:
    """Stem lower-case parts of an identifier as those of code are stemmed; each once, in order."""
    return list(dict.fromkeys(map(_stemmed_part, parts)))


@lru_cache(maxsize=KEPT_WORDS)
def _stemmed_part(part: str) -> str:
    return analyse_all_parts([[part]])[0][0]


def analyse_all_parts(names: Sequence[Sequence[str]]) -> list[list[str]]:
    """Stem the lower-case parts of many identifiers, as `analyse_parts` does for each."""
    distinct = {part for parts in names for part in parts}
    long = [part for part in distinct if len(part) > _UNSTEMMED and part not in STOP_WORDS]
    stems = dict(zip(long, _stem(long), strict=True))
    return [list(dict.fromkeys([stems.get(part, part) for part in parts])) for parts in names]


def blocks(text: str) -> Iterator[tuple[int, str]]:
    """Pieces of at most BLOCK characters with their offsets, divided between words where there is a gap."""
    start = 0
    while len(text) - start > BLOCK:
        end = _gap_before(text, start + BLOCK)
        yield start, text[start:end]
        start = end
    if start < len(text):
        yield start, text[start:] if start else text


def _gap_before(text: str, end: int) -> int:
    """A place between words shortly before `end`; `end` itself where there is none near."""
    for position in range(end, end - 1000, -1):
        if not (text[position - 1].isalnum() or text[position - 1] in "_'\u2019+"):
            return position
    return end


class _Lexicon:
    """The words of one kind met so far, each with the numbers of its terms."""

    def __init__(self, kind: Kind, vocabulary: Numbered) -> None:
        self._words = Numbered()
        self._vocabulary = vocabulary
        self._terms_of = _prose_terms if kind is Kind.PROSE else _code_terms
        self._counts = np.zeros(0, dtype=np.int64)
        self._first = np.zeros(0, dtype=np.int64)
        self._terms = np.zeros(0, dtype=np.int32)

    def __len__(self) -> int:
        return len(self._words)

    def expand(self, raw: list[str]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Replace words by their terms: index of the word behind each term, number of each term."""
        words = np.fromiter(map(self._words.__getitem__, raw), np.int64, len(raw))
        self._learn()
        counts = self._counts[words]
        ends = np.cumsum(counts)
        which = np.repeat(np.arange(len(words)), counts)
        return which, self._terms[np.arange(len(which)) + (self._first[words] - ends + counts)[which]]

    def _learn(self) -> None:
        """Analyse the words that were not met before."""
        if len(self._words) == len(self._counts):
            return
        found, each = self._terms_of(list(islice(self._words, len(self._counts), None)))
        counts = np.array(each, dtype=np.int64)
        terms = np.fromiter(map(self._vocabulary.__getitem__, found), np.int32, len(found))
        self._first = np.concatenate([self._first, len(self._terms) + np.cumsum(counts) - counts])
        self._counts = np.concatenate([self._counts, counts])
        self._terms = np.concatenate([self._terms, terms])


_Terms = tuple[list[str], list[int]]
"""The terms of some words one behind the other, and how many each word has."""


def _prose_terms(words: Sequence[str]) -> _Terms:
    plain = [word for word in words if word.isascii() and word.isalnum()]
    stem_of = dict(zip(plain, _stem(plain), strict=True)).get
    terms: list[str] = []
    counts: list[int] = []
    for word in words:
        if word in STOP_WORDS:
            counts.append(0)
        elif (stem := stem_of(word)) is not None:
            terms.append(stem)
            counts.append(1)
        else:
            odd = _odd_prose_terms(word)
            terms += odd
            counts.append(len(odd))
    return terms, counts


def _odd_prose_terms(word: str) -> tuple[str, ...]:
    """Terms of a word with an apostrophe, a sign or characters beyond ASCII; one with joiners whole and in parts."""
    if _JOINER in word:
        parts = [term for part in word.split(_JOINER) if part for term in _odd_prose_terms(part)]
        whole = _odd_prose_terms(word.replace(_JOINER, ""))
        return tuple(dict.fromkeys((*whole, *parts)))
    word = fold(word)
    if word.endswith("++") and word[0].isalnum() and word.count("+") == 2:
        return (word,)
    if word.endswith("#") and len(word) == 2:
        return (word,)
    return tuple(term for part in re.split("[+#]", word) for term in _apostrophes_apart(part))


def _apostrophes_apart(word: str) -> list[str]:
    """Drop the possessive, join English endings (don't, we'll); others (O'Brien, l'amour) whole and in parts."""
    first, *rest = word.split("'")
    pieces = [first]
    for ending in rest:
        if ending in _ENDINGS:
            pieces[-1] += ending
        elif ending != "s":
            pieces.append(ending)
    pieces = [piece for piece in pieces if says_something(piece)]
    parts = _stem([piece for piece in pieces if piece not in STOP_WORDS])
    return ["'".join(pieces), *parts] if len(pieces) > 1 else parts


def _code_terms(words: Sequence[str]) -> _Terms:
    """Give whole identifiers and parts, stemmed.

    Questions and names differ by endings: stems give nDCG@10 .358 -> .381 on cosqa dev, .457 -> .499 on
    mbpp train. Short words stay as they are: Porter would make `is` and `as` the variables `i` and `a`.
    """
    terms: list[str] = []
    counts: list[int] = []
    for word in words:
        if word.islower() and word.isalpha() and word.isascii():
            terms.append(word)
            counts.append(1)
        else:
            parts = _identifier_terms(word)
            terms += parts
            counts.append(len(parts))
    long = [term for term in set(terms).difference(STOP_WORDS) if len(term) > _UNSTEMMED]
    stem_of = dict(zip(long, _stem(long), strict=True)).get
    return list(map(stem_of, terms, terms)), counts


def _identifier_terms(word: str) -> tuple[str, ...]:
    """The whole identifier without underscores (parse_json = parseJson), then its parts if several."""
    if word.isascii():  # as below, without looking for what only other characters bring along
        lower = [part.lower() for part in _ASCII_PARTS.findall(word)]
        whole = "".join(lower)
        if len(lower) > 1 and not word[0].isdigit():
            return (whole, *lower)
        return (whole,) if whole else ()
    word = visible(word)
    parts = [fold(part) for part in identifier_parts(word)]
    if len(parts) > 1 and not word[0].isdigit():
        return ("".join(parts), *parts)
    whole = "".join(parts)
    return (whole,) if says_something(whole) else ()


def identifier_parts(word: str) -> list[str]:
    """Divide an identifier at underscores, digits and capitals: parse, JSON, v, 2 of parseJSON_v2."""
    if word.isascii():
        return _ASCII_PARTS.findall(word)
    word = visible(word)
    shape = "".join(map(_shape, word))
    return [word[match.start() : match.end()] for match in _ASCII_PARTS.finditer(shape)]


def _shape(character: str) -> str:
    """Stand-in of a character by which identifiers are divided."""
    if character.isdigit():
        return "0"
    if character.isupper() or character.istitle():
        return "A"
    return "_" if character == "_" else "a"


def _stem(words: Sequence[str]) -> list[str]:
    if not words:
        return []
    import Stemmer

    stems = Stemmer.Stemmer("porter", 0).stemWords(list(words))
    return [stem or word for stem, word in zip(stems, words, strict=True)]  # Porter leaves nothing of "s"
