"""Queries from prose: title -> body, heading -> section, sentence -> the rest of what it stands in; each blanked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import blake2b

import numpy as np

from tellapart.corpus.document import Granularity
from tellapart.corpus.prose.split import plain_title
from tellapart.corpus.units import SEPARATOR
from tellapart.experiments.synthetic.material import Material
from tellapart.experiments.synthetic.phrases import LETTERS, PHRASE_WORDS, WORD, content_words, phrase, plain
from tellapart.experiments.synthetic.queries import QueryCandidate, QuerySource, Span
from tellapart.index.lexical.tokens import STOP_WORDS

TITLE_CONTENT = 2
"""Content words of a title or heading, at least."""


def titles(material: Material) -> Iterator[QueryCandidate]:
    """Give the document's title, if it has one that is not a file's name."""
    title = plain(material.document.title)
    words = phrase(title)
    if len(words) < PHRASE_WORDS or content_words(title) < TITLE_CONTENT:
        return
    start, end = material.whole
    body = (
        start + len(material.document.title)
        if material.document.text.startswith(material.document.title)
        else start
    )
    if material.says_more((body, end)):
        yield QueryCandidate(QuerySource.TITLE, title, material.number, material.whole, hidden=(title,))


LOOKED_AT = 8
"""Lines of a section in which its heading is looked for: headings may stand together at its beginning."""


def headings(material: Material) -> Iterator[QueryCandidate]:
    """Give the heading of each section that has text."""
    if material.is_code:
        return
    for ordinal, label in enumerate(material.tree.levels[Granularity.SECTION].labels):
        heading = label.rpartition(SEPARATOR)[2]
        if len(phrase(heading)) < PHRASE_WORDS or content_words(heading) < TITLE_CONTENT:
            continue
        unit = material.tree.span(Granularity.SECTION, ordinal)
        line = _line(material.document.text, unit, heading)
        if line and material.says_more(unit, line):
            yield QueryCandidate(
                QuerySource.HEADING, heading, material.number, unit, hidden=(heading,), masks=(line,)
            )


def _line(text: str, unit: Span, heading: str) -> Span | None:
    """Find the line that is the heading; None where markup makes it another one."""
    start, wanted = unit[0], phrase(heading)
    for _ in range(LOOKED_AT):
        stop = text.find("\n", start, unit[1])
        end = stop if stop >= 0 else unit[1]
        if phrase(plain_title(text[start:end].strip("# \t="))) == wanted:
            return start, end
        if stop < 0:
            return None
        start = end + 1
    return None


SENTENCE_CONTENT = 4
SENTENCE_MIN_WORDS, SENTENCE_MAX_WORDS = 5, 40
_ENDS = re.compile(r"[.!?]['\")\]]*$")
_MARKUP = re.compile(r"^[\s#>*+|=~`-]|https?://|[|{}<>]|\]\(")


def first_sentences(material: Material) -> Iterator[QueryCandidate]:
    """Give the document's first sentence, its title and headings left out."""
    for span, sentence in _sentences(material)[:1]:
        unit = _unit(material, span, sentence)
        if unit:
            yield _candidate(material, QuerySource.FIRST_SENTENCE, unit, span, sentence)


def inner_sentences(material: Material) -> Iterator[QueryCandidate]:
    """Give one of the other sentences of each unit, the same one for the same text wherever it stands."""
    drawn: dict[Span, tuple[bytes, Span, str]] = {}
    for span, sentence in _sentences(material)[1:]:
        unit = _unit(material, span, sentence)
        if unit:
            ticket = (_ticket(sentence, material.seed), span, sentence)
            drawn[unit] = min(drawn.get(unit, ticket), ticket)
    for unit, (_, span, sentence) in drawn.items():
        yield _candidate(material, QuerySource.INNER_SENTENCE, unit, span, sentence)


FRAGMENT_WORDS = (6, 12)
"""Fewest and most words of a fragment: about a clause. Not measured."""


def fragments(material: Material) -> Iterator[QueryCandidate]:
    """Give some words in a row of each paragraph, where a text is written without sentences."""
    for unit, span in _clauses(material):
        text = plain(material.document.text[slice(*span)])
        yield _candidate(material, QuerySource.FRAGMENT, unit, span, text)


def _clauses(material: Material) -> Iterator[tuple[Span, Span]]:
    """Unit and span of some words in a row, one for each paragraph of a text that has no sentence."""
    if material.is_code or _sentences(material):
        return
    text = material.document.text
    for start, end in material.tree.spans(Granularity.PARAGRAPH):
        words = list(WORD.finditer(text, start, end))
        random = np.random.default_rng([material.seed, material.number, start])
        count = int(random.integers(FRAGMENT_WORDS[0], FRAGMENT_WORDS[1] + 1))
        if len(words) <= count:
            continue
        first = int(random.integers(0, len(words) - count + 1))
        span = words[first].start(), words[first + count - 1].end()
        unit = _unit(material, span, text[slice(*span)])
        if unit:
            yield unit, span


KEYWORDS = (2, 8)
"""Fewest and most words that are kept of a sentence: what nine tenths of people's queries have on the development
collections of questions and web queries."""


def keywords(material: Material) -> Iterator[QueryCandidate]:
    """Give some content words of a sentence of each unit, or of a fragment: what somebody types who knows no more."""
    drawn: dict[Span, tuple[bytes, Span]] = {}
    for span, sentence in _sentences(material):
        unit = _unit(material, span, sentence)
        if unit:
            ticket = _ticket(f"keywords {sentence}", material.seed), span
            drawn[unit] = min(drawn.get(unit, ticket), ticket)
    found = {unit: span for unit, (_, span) in drawn.items()} or dict(_clauses(material))
    for unit, span in found.items():
        text = plain(material.document.text[slice(*span)])
        words = [word for word in dict.fromkeys(LETTERS.findall(text.casefold())) if word not in STOP_WORDS]
        random = np.random.default_rng([material.seed, material.number, span[0]])
        count = int(random.integers(KEYWORDS[0], KEYWORDS[1] + 1))
        kept = sorted(random.permutation(len(words))[:count].tolist())
        query = " ".join(words[place] for place in kept)
        yield QueryCandidate(
            QuerySource.KEYWORDS, query, material.number, unit, hidden=(text,), masks=(span,)
        )


def _unit(material: Material, span: Span, sentence: str) -> Span | None:
    """The smallest unit above a sentence that says something without it, if the sentence says something itself."""
    return material.around(span) if content_words(sentence) >= SENTENCE_CONTENT else None


def _candidate(
    material: Material, source: QuerySource, unit: Span, span: Span, sentence: str
) -> QueryCandidate:
    return QueryCandidate(source, sentence, material.number, unit, hidden=(sentence,), masks=(span,))


def _sentences(material: Material) -> list[tuple[Span, str]]:
    """Sentences that end as such and are neither very short nor very long, with their spans."""
    if material.is_code:
        return []
    text, title = material.document.text, plain(material.document.title)
    found = []
    for start, end in material.tree.spans(Granularity.SENTENCE):
        sentence = plain(text[start:end])
        words = len(sentence.split())
        if (
            sentence != title
            and SENTENCE_MIN_WORDS <= words <= SENTENCE_MAX_WORDS
            and _ENDS.search(sentence)
            and not _MARKUP.search(sentence)
        ):
            found.append(((start, end), sentence))
    return found


def _ticket(sentence: str, seed: int) -> bytes:
    return blake2b(sentence.encode(), digest_size=8, salt=seed.to_bytes(8, "little", signed=True)).digest()
