"""First or inner sentence -> the rest of what it stands in, the sentence blanked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import blake2b

from tellapart.corpus.types import Granularity
from tellapart.evaluation.generated.material import Material
from tellapart.evaluation.generated.types import Candidate, Source, Span
from tellapart.evaluation.generated.words import content_words, plain

MIN_CONTENT = 4
MIN_WORDS, MAX_WORDS = 5, 40
INNER = 2
"""Inner sentences of one document: more of them would be dependent. Our choice, not measured."""

_ENDS = re.compile(r"[.!?]['\")\]]*$")
_MARKUP = re.compile(r"^[\s#>*+|=~`-]|https?://|[|{}<>]|\]\(")


def first_sentences(material: Material) -> Iterator[Candidate]:
    """Give the document's first sentence, its title and headings left out."""
    found = _sentences(material)
    if found:
        yield from _candidate(material, Source.FIRST_SENTENCE, *found[0])


def inner_sentences(material: Material) -> Iterator[Candidate]:
    """Give a few of the other sentences, the same ones for the same text wherever it stands."""
    later = sorted(_sentences(material)[1:], key=lambda each: _draw(each[1], material.seed))
    for span, sentence in later[:INNER]:
        yield from _candidate(material, Source.INNER_SENTENCE, span, sentence)


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


def _candidate(material: Material, source: Source, span: Span, sentence: str) -> Iterator[Candidate]:
    unit = material.around(span) if content_words(sentence) >= MIN_CONTENT else None
    if unit:
        yield Candidate(source, sentence, material.number, unit, hidden=(sentence,), masks=(span,))


def _draw(sentence: str, seed: int) -> bytes:
    return blake2b(sentence.encode(), digest_size=8, salt=seed.to_bytes(8, "little", signed=True)).digest()
