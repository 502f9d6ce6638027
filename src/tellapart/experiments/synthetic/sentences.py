"""First or inner sentence -> the rest of what it stands in, the sentence blanked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import blake2b

from tellapart.corpus.types import Granularity
from tellapart.experiments.synthetic.material import Material
from tellapart.experiments.synthetic.types import QueryCandidate, QuerySource, Span
from tellapart.experiments.synthetic.words import content_words, plain

MIN_CONTENT = 4
MIN_WORDS, MAX_WORDS = 5, 40
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


def _unit(material: Material, span: Span, sentence: str) -> Span | None:
    """The smallest unit above a sentence that says something without it, if the sentence says something itself."""
    return material.around(span) if content_words(sentence) >= MIN_CONTENT else None


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
            and MIN_WORDS <= words <= MAX_WORDS
            and _ENDS.search(sentence)
            and not _MARKUP.search(sentence)
        ):
            found.append(((start, end), sentence))
    return found


def _ticket(sentence: str, seed: int) -> bytes:
    return blake2b(sentence.encode(), digest_size=8, salt=seed.to_bytes(8, "little", signed=True)).digest()
