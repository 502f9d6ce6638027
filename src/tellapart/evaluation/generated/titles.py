"""Title -> body: the title blanked in the text, and in what is indexed beside it."""

from __future__ import annotations

from collections.abc import Iterator

from tellapart.evaluation.generated.material import Material
from tellapart.evaluation.generated.types import Candidate, Source
from tellapart.evaluation.generated.words import PHRASE_WORDS, Phrases, content_words, phrase, plain

MIN_CONTENT = 2


def titles(material: Material) -> Iterator[Candidate]:
    """Give the document's title, if it has one that is not a file's name."""
    title = plain(material.document.title)
    words = phrase(title)
    if len(words) < PHRASE_WORDS or content_words(title) < MIN_CONTENT:
        return
    own = [span for spans in Phrases([words]).find(material.document.text).values() for span in spans]
    if material.says_more(material.whole, *own):
        yield Candidate(Source.TITLE, title, material.number, material.whole, hidden=(title,))
