"""Title -> body: the title blanked in the text, and in what is indexed beside it."""

from __future__ import annotations

from collections.abc import Iterator

from tellapart.experiments.synthetic.material import Material
from tellapart.experiments.synthetic.types import QueryCandidate, QuerySource
from tellapart.experiments.synthetic.words import PHRASE_WORDS, content_words, phrase, plain

MIN_CONTENT = 2


def titles(material: Material) -> Iterator[QueryCandidate]:
    """Give the document's title, if it has one that is not a file's name."""
    title = plain(material.document.title)
    words = phrase(title)
    if len(words) < PHRASE_WORDS or content_words(title) < MIN_CONTENT:
        return
    start, end = material.whole
    body = (
        start + len(material.document.title)
        if material.document.text.startswith(material.document.title)
        else start
    )
    if material.says_more((body, end)):
        yield QueryCandidate(QuerySource.TITLE, title, material.number, material.whole, hidden=(title,))
