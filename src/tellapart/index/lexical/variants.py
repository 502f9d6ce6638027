"""Other spellings under which a term is found: without accents, with ä as ae, with the stem of its own language.

Nothing of this is done to the terms themselves, so that an exact match stays one: an index lists, beside its
vocabulary, under which other keys each term is found, and a query looks its words up there, too (see `bm25`).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache

from tellapart.index.lexical.characters import is_unspaced
from tellapart.index.lexical.extra import is_joined, without_signs

SPECIAL = str.maketrans(
    {
        "ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "ŋ": "n", "ə": "e",
        "ك": "ک", "ي": "ی", "ى": "ی", "ة": "ه", "ـ": None,
    }
)  # fmt: skip
"""Letters without a decomposition, as they are typed on other keyboards; the Arabic ones as Persian has them."""

UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe", "đ": "dj", "ə": "a"})
KEPT = "й"
"""Letters of their own that Unicode takes for one with a mark."""

LANGUAGE_SHARE = 0.05
"""A language counts from this share of the documents on; fewer may be mistakes of the detector.
Each language costs one more stem for each word of a query."""

SAMPLED = 200
"""Documents per segment whose language is looked at: the share above is seen within .03 at 95 %."""

ENGLISH = "english"
TELLING_WORDS = 2
PUNCTUATION = ".,;:!?¿¡()[]{}\"'«»„“”‚‘’…;·՞՜।"


def keys(term: str, languages: Sequence[str] = ()) -> set[str]:
    """Give the other keys under which a term is found; none for most English words.

    Args:
        term: As the analyser gives it: in lower case, its English ending taken off.
        languages: Names of PyStemmer's algorithms whose stems are keys, too; each key says of which language it is.
    """
    found = _folded(term) if not term.isascii() else set()
    if is_joined(term):
        found = _folded(without_signs(term))
    if term.isalpha():
        found |= {f"{language}:{stem}" for language in languages for stem in _stemmed(term, language)}
    found.discard(term)
    return found


class Spellings:
    """The terms of a query with their other spellings, to tell which terms of a text they find."""

    def __init__(self, terms: Iterable[str], languages: Sequence[str] = ()) -> None:
        self._languages = languages
        self._known: dict[str, str | None] = {}
        self._asked: dict[str, str] = {}
        for term in terms:
            self._known[term] = term
            for key in (term, *keys(term, languages)):
                self._asked.setdefault(key, term)
        self._characters = tuple(term for term in self._known if len(term) == 1 and is_unspaced(term))

    def asked_by(self, term: str) -> str | None:
        """Give the term of the query that finds this one, None where none does."""
        if term not in self._known:
            others = keys(term, self._languages) if has_keys(term, self._languages) else ()
            found = (self._asked[key] for key in (term, *others) if key in self._asked)
            begins = (each for each in self._characters if term.startswith(each))
            self._known[term] = next(found, None) or next(begins, None)
        return self._known[term]


def has_keys(term: str, languages: Sequence[str]) -> bool:
    """Whether a term may have other keys: most of English have none."""
    return bool(languages) or not term.isascii() or (not term.isalnum() and is_joined(term))


def _folded(term: str) -> set[str]:
    folded = {
        _stem_english(plain) for plain in (_without_marks(term), _without_marks(term.translate(UMLAUTS)))
    }
    return {key for key in folded if key}


def _without_marks(term: str) -> str:
    plain = term.translate(SPECIAL)
    if plain.isascii():
        return plain
    pieces = (c if c in KEPT else unicodedata.normalize("NFD", c) for c in plain)
    return "".join(c for piece in pieces for c in piece if not unicodedata.combining(c) or piece in KEPT)


def _stem_english(term: str) -> str:
    return str(_stemmer("porter").stemWord(term) or term) if term.isascii() and term.isalpha() else term


def _stemmed(term: str, language: str) -> set[str]:
    """Stems of a term and of its form without accents, which people leave out."""
    stemmer = _stemmer(language)
    return {stemmer.stemWord(form) or form for form in {term, _without_marks(term)}}


@cache
def _stemmer(language: str):  # type: ignore[no-untyped-def]  # noqa: ANN202 -- PyStemmer has no types
    import Stemmer

    return Stemmer.Stemmer(language)


def without_function_words(query: str, languages: Sequence[str]) -> str:
    """Leave the function words of a query's own language out; the query itself where nothing would be left.

    A query is too short for the detector. It is taken to be in one of the languages of the documents where two of
    the words that are used there, and not in English, stand in it: "war crimes" asks for no German documents.

    Args:
        query: As typed.
        languages: Those that many documents are in, English aside.
    """
    if not languages:
        return query
    from tellapart.corpus.language import FUNCTION_WORDS

    pieces = [(piece, _bare(piece)) for piece in query.split()]
    dropped: set[str] = set()
    for language in languages:
        words = FUNCTION_WORDS.get(language, frozenset())
        telling = {word for _, word in pieces if len(word) > 1 and word in words} - FUNCTION_WORDS[ENGLISH]
        if len(telling) >= TELLING_WORDS:
            dropped |= words
    return " ".join(piece for piece, word in pieces if word not in dropped) or query


def _bare(piece: str) -> str:
    return unicodedata.normalize("NFC", piece.lower()).strip(PUNCTUATION)


def languages_of(texts: Iterable[str]) -> list[str]:
    """Name the languages other than English of some documents, each with more than a few of them."""
    from tellapart.corpus.language import detect_language

    found: dict[str, int] = {}
    count = 0
    for text in texts:
        count += 1
        language = detect_language(text)
        if language is not None and language != ENGLISH:
            found[language] = found.get(language, 0) + 1
    return sorted(language for language, number in found.items() if number >= LANGUAGE_SHARE * count)
