"""Where sentences start: language-independent rules in linear time.

A regular expression finds the places where a sentence could end; a rule looks at the word before and at
what follows and decides. Nothing looks further than a few dozen characters from its candidate, so the time is
linear in the text whatever it holds.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TITLES = _words(
    # Before a name: the full stop after one of these never ends a sentence.
    "dr mr mrs ms mx prof rev fr sr hon gen col maj capt cmdr lt sgt adm gov sen rep pres messrs mme mlle "
    "hr frau dipl ing sra srta dra don st ste mt ft"
)

POINTERS = _words(
    # Before what they point at or explain (a number, a name, an example): never final either.
    "fig figs eq eqs eqn eqns ref refs sect secs chap vol vols pp pg art nos nr tab tabl cf viz vs v e.g eg i.e "
    "ie ca approx resp incl excl esp suppl app par para ed eds trans et bzw z.b d.h u.a vgl s.o s.u p.ex "
    "ej p.ej cit op ibid abs"
)

BEFORE_NUMBERS = _words(
    # Words of their own as well ("say no. The ..."): a full stop is theirs only before a number.
    "no p sec art min max fig n num nº line ch jan feb mar apr jun jul aug sep sept oct nov dec"
)

FINAL_TOO = _words(
    # At the end of a phrase, so often at the end of a sentence as well: what follows decides.
    "al etc inc ltd co corp bros jr sr llc plc dept univ assoc ave blvd rd a.m p.m am pm u.s u.k u.n e.u u.s.a "
    "ph.d m.d b.a m.a b.sc m.sc ph.d d.c usw usf etc sp spp subsp var str est jan feb mar apr jun jul aug sep "
    "sept oct nov dec mon tue wed thu fri sat sun wt vol no assn intl natl"
)

OPENERS = _words(
    # Capitalised function words: after an abbreviation or an initial they say that a sentence begins.
    "The This These Those That There Then Thus Therefore Though Through To Together Under Until Upon Using "
    "In It Its If Is Into Instead Indeed I We Our Here However Hence He She They His Her Him Their At An A As "
    "After Although And Also Additionally All Among Another Any Are Both But Because Before Between By Can Compared "
    "Conversely Consistent Could Despite Did Do Does During Each Even Every Finally First For From Further "
    "Furthermore Given Has Have How Importantly Interestingly Let Like Many May More Moreover Most My Nevertheless "
    "No None Nor Not Now Of On Once One Only Or Other Overall Results Conclusions Methods Recent Recently Second "
    "Several Similarly Since So Some Still Subsequently Such Surprisingly Taken Two Three Unlike Was Were What When "
    "Whereas Where Whether Which While Who Why Will With Within Without Would Yet You Your Yes "
    "Der Die Das Dem Den Des Ein Eine Einen Es Er Sie Wir Ich Ihr Im Auf Aus Bei Bis Für Nach Mit Von Vor Zu Zum "
    "Und Aber Als Wenn Wie Was Wer Dies Diese Dieser Dabei Damit Dann Auch "
    "Le La Les Un Une Il Elle Ils Elles Nous Vous Ce Cette Ces En Dans Mais Et Pour Par Sur Avec Au Aux Si "
    "El Los Las Una Unos Ella Ellos Esto Este Esta Pero Y Con Por Para Al Se No Lo "
    "Gli Uno Questo Questa Nel Nella Ma O Os As Um Uma Ele Ela Mas Não Het De Een Wij Zij Dit Dat Maar"
)

MONTHS = _words(
    # "am 3. Oktober", "3. oktober": an ordinal before a month is no sentence's end.
    "januar jänner februar märz april mai juni juli august september oktober november dezember "
    "januari februari maart mei augustus december marts maj desember tammikuuta"
)

BEFORE_NAMES = _words(
    # Lower-case words that stand before a person's initial: "by J. Smith" goes on, "vitamin C. Trials" does not.
    "by and of from with to see with in for as or the per against via de von van der und et y e di da le la "
    "author authors editor president senator judge"
)


LONGEST_SENTENCE = 1_000
"""Characters beyond which a sentence is cut at a clause: about one encoder window of 256 tokens, and more than
all but a handful of scifact's 45,952 judged sentences have (`bench/sentences.py`)."""

_WORD_REACH = 24
"""How far back the word before a full stop is looked for; longer words are no abbreviations."""

_CASE_SAMPLE = 4_096
"""Characters looked at to learn whether a text uses capitals at all (cranfield and med do not)."""

_CLOSERS = r"\"'”’»›)\]}*_`"
_TERMINATORS = r".!?…؟۔։።‽"
_WIDE = r"。！？｡।॥။។༎"

# The pattern begins with one class, so that the engine skips to its members; the look-behind lets a run of
# terminators be tried only from its first character, and the possessive quantifiers never give back: "....."
# repeated a million times stays linear.
_CANDIDATE = re.compile(
    rf"[{_TERMINATORS}{_WIDE}](?:(?<=[{_WIDE}])(?P<wide>[{_WIDE}{_TERMINATORS}]*+[」』）】》〉”’\"'\])]*+)\s*+"
    rf"|(?<![{_TERMINATORS}][{_TERMINATORS}])[{_TERMINATORS}]*+"
    rf"(?P<close>[{_CLOSERS}]*+)"
    r"(?P<cite>\[\^?\d[\d,;–\- ]{0,20}\]|\d{1,3}(?:[,–-]\d{1,3}){0,6})?"
    r"(?P<space>\s++))"
)
_FOLLOWING = re.compile(r"(?P<open>(?:[>\"'“‘«‹(\[{*_`¿¡„‚]|\s(?<=>\s))*)(?P<word>[^\W_]+(?:[-'’][^\W_]+)*)?")
_WIDE_CLOSERS = frozenset("」』）】》〉”’\"'])")
_CONTINUES = re.compile(r"[、，,：；;と]|って|という|の")
_ACRONYM = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]{1,2}$")
_ENUMERATOR = re.compile(r"[(\[]?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,5})(?:\.\d{1,3})*$")
_CLAUSE = re.compile(r"[;:,،、，；：。)\]}]\s*")


def sentence_starts(text: str, begin: int = 0, end: int | None = None) -> list[int]:
    """Offsets at which the sentences of `text[begin:end]` start; white space belongs to the one before.

    The first start is `begin`, the others are characters that are not white space. Line breaks are white
    space like any other; a sentence above LONGEST_SENTENCE characters is cut at a clause, else at white
    space, else anywhere.
    """
    stop = len(text) if end is None else end
    starts = [begin]
    uncased: bool | None = None
    for match in _CANDIDATE.finditer(text, begin, stop):
        place = match.end()
        if uncased is None:
            uncased = _is_uncased(text, begin, stop)
        if place < stop and _ends(text, match, starts[-1], uncased):
            starts.append(place)
    if stop - begin <= LONGEST_SENTENCE:
        return starts
    return list(cut_long(text, starts, stop))


def cut_long(text: str, starts: list[int], stop: int) -> Iterator[int]:
    """Give the starts back with further ones inside each unit above LONGEST_SENTENCE characters."""
    ends = [*starts[1:], stop]
    for start, end in zip(starts, ends, strict=True):
        yield start
        while end - start > LONGEST_SENTENCE:
            start = _cut(text, start, end)
            if start >= end:
                break
            yield start


def _cut(text: str, start: int, end: int) -> int:
    """The best place for a cut in the second half of the next LONGEST_SENTENCE characters."""
    half, limit = start + LONGEST_SENTENCE // 2, start + LONGEST_SENTENCE
    place = text.rfind("\n", half, limit) + 1
    if not place:
        clauses = [match.end() for match in _CLAUSE.finditer(text, half, limit)]
        place = clauses[-1] if clauses else _last_space(text, half, limit)
    while place < end and text[place].isspace():
        place += 1
    return place


def _last_space(text: str, low: int, high: int) -> int:
    """Behind the last white space of the range, else its end, but not before a combining mark."""
    if text[high - 1].isspace():
        return high
    words = text[low:high].rsplit(None, 1)
    if len(words) == 2:
        return high - len(words[1])
    place = high
    while place > low and place < len(text) and unicodedata.combining(text[place]):
        place -= 1
    return place if place > low else high


def _is_uncased(text: str, begin: int, stop: int) -> bool:
    """Whether a text of some length is written without capitals, so that they cannot say what starts."""
    sample = text[begin : min(stop, begin + _CASE_SAMPLE)]
    return sample.islower() or (len(sample) > 40 and sample.isupper())


def _ends(text: str, match: re.Match[str], sentence: int, uncased: bool) -> bool:
    """Decide whether the candidate is the end of a sentence that started at `sentence`."""
    start, end = match.span()
    wide, close, cite, space = match.groups()
    if wide is not None:
        return not (text[start + len(wide)] in _WIDE_CLOSERS and _CONTINUES.match(text, end))
    if text[end] in _TERMINATORS:
        return False  # leaders (". . . .") and spaced ellipses end where their last dot does
    mark, after = text[start], _FOLLOWING.match(text, end)
    assert after is not None  # every part of the pattern may be empty
    if cite and not _is_citation(text, match):
        return False
    single = end - start - len(space) - len(close) - len(cite or "")
    if mark != "." or single > 1:
        return _strong_end(text, match, after, uncased, dots=mark in ".…")
    return _full_stop_ends(text, start, close, after, sentence, uncased)


def _is_citation(text: str, match: re.Match[str]) -> bool:
    """Whether digits right after the mark are a reference ("shown.12 We") and no decimal (".5 and")."""
    before = text[match.start() - 1] if match.start() else " "
    follows = text[match.end() : match.end() + 1]
    return (before.isalpha() or before in ")]%") and not follows.islower()


def _strong_end(text: str, match: re.Match[str], after: re.Match[str], uncased: bool, *, dots: bool) -> bool:
    """An exclamation or question mark, or several dots."""
    word = after["word"] or ""
    lower = word[:1].islower()
    if not word:
        return not dots or text[match.end()] not in ",;:)"
    if lower and not uncased:
        return not dots and not match["close"] and text[match.start()] in "?؟"
    return True


def _full_stop_ends(
    text: str, dot: int, close: str, after: re.Match[str], sentence: int, uncased: bool
) -> bool:
    """One full stop at `dot`, by far the most frequent and the most doubtful mark."""
    before = text[max(sentence, dot - _WORD_REACH) : dot]
    tokens = before.split()
    bare = not before or before[-1].isspace()
    last = tokens[-1] if tokens else ""
    word = after["word"] or ""
    if dot - len(last) <= sentence and _ENUMERATOR.match(last) and not close:
        return False
    if last and not last.strip(".") and word[:1].isdigit():
        return False  # the page number that leaders lead to
    if word and not _may_start(text, after, word, uncased or bare):
        return False
    if close:
        return True
    return not _is_abbreviation(last.lstrip("([{\"'“‘«*_`"), tokens, word, after["open"], text)


def _may_start(text: str, after: re.Match[str], word: str, uncased: bool) -> bool:
    """Whether a sentence may begin with this word: a capital, a digit, a caseless script, or `mRNA`, `p53`."""
    if uncased or not word[0].islower():
        return True
    return not word.islower() or any(character.isdigit() for character in word)


def _is_abbreviation(last: str, tokens: list[str], word: str, opening: str, text: str) -> bool:
    """Whether the full stop belongs to the word before it and the sentence goes on."""
    if len(last) > 1 and last.isalpha() and last.isupper():
        return False  # "MS", "HR", "ART" are acronyms, not the abbreviations they look like
    key = last.lower()
    opens = word in OPENERS
    if key in TITLES or key in POINTERS:
        return True
    numeric = word[:1].isdigit()
    if numeric and key in BEFORE_NUMBERS:
        return True
    if key in FINAL_TOO or _ACRONYM.match(last):
        return not opens
    if len(last) == 1 and last.isupper():
        return not opens and _before_name(tokens)
    if last.isdigit() and len(last) <= 2:
        return word.lower() in MONTHS
    return False


def _before_name(tokens: list[str]) -> bool:
    """Whether the word before an initial is one that names follow."""
    if len(tokens) < 2:
        return True
    previous = tokens[-2]
    return not previous[0].islower() or previous in BEFORE_NAMES or previous[-1] in ".,;:"
