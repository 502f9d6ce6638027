"""Proof that the index in which generated queries are evaluated does not hold what they were made from."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tellapart.corpus.types import Granularity
from tellapart.corpus.units import contexts
from tellapart.errors import CorruptIndexError
from tellapart.experiments.synthetic.types import QuerySource, SyntheticQueries
from tellapart.experiments.synthetic.words import PHRASE_WORDS, phrase
from tellapart.index.store import StoredDocument

if TYPE_CHECKING:
    from tellapart.engine.facade import Index


@dataclass(frozen=True, slots=True)
class Leak:
    """A unit whose indexed text still holds what a query was made from."""

    query: str
    document: str
    granularity: Granularity
    ordinal: int
    text: str


def leaks(generated: SyntheticQueries, masked: Index, original: Index) -> tuple[Leak, ...]:
    """Look for every query's blanked texts in all units, contexts included, of all documents they were blanked in.

    Case and white space do not count. This reads what `masked` has in its store and compares texts as such; it
    shares nothing with the search for word sequences that the blanking relies on.
    """
    wanted = _needles(generated, original)
    found: list[Leak] = []
    with masked.reading():
        for identifier, needles in sorted(wanted.items()):
            stored = masked.store.document(identifier)
            if stored is None:
                raise CorruptIndexError(f"document {identifier!r} is missing from {masked.folder}")
            found += _in_document(stored, needles)
    return tuple(sorted(found, key=lambda leak: (leak.query, leak.document, leak.granularity, leak.ordinal)))


def _needles(generated: SyntheticQueries, original: Index) -> Mapping[str, dict[str, set[str]]]:
    """Texts that must be gone, by document and query: what was blanked there, and the query itself."""
    wanted: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    texts: dict[str, str] = {}
    with original.reading():
        for query, blanks in generated.blanks.items():
            for blank in blanks:
                if blank.document not in texts:
                    stored = original.store.document(blank.document)
                    texts[blank.document] = stored.document.text if stored else ""
                needles = wanted[blank.document][query]
                needles.add(_normal(texts[blank.document][blank.start : blank.end]))
                if _hides_words(generated, query):
                    needles.add(_normal(generated.query_set.queries[query]))
    return wanted


def _hides_words(generated: SyntheticQueries, query: str) -> bool:
    """Whether the query's own words had to be blanked: those of an identifier may stand apart anywhere."""
    words = phrase(generated.query_set.queries[query])
    return generated.query_set.source(query) != QuerySource.IDENTIFIER and len(words) >= PHRASE_WORDS


def _in_document(stored: StoredDocument, needles: Mapping[str, set[str]]) -> Iterator[Leak]:
    document, tree = stored.document, stored.tree
    wanted = {
        query: [
            (each, re.compile(rf"(?<!\w){re.escape(each)}(?!\w)")) for each in sorted(texts) if phrase(each)
        ]
        for query, texts in needles.items()
    }
    for granularity in tree.levels:
        around = contexts(document, tree, granularity)
        for ordinal, (start, end) in enumerate(tree.spans(granularity)):
            text = _normal(f"{around[ordinal]}\n{document.text[start:end]}")
            for query, those in wanted.items():
                if any(each in text and pattern.search(text) for each, pattern in those):
                    yield Leak(query, document.id, granularity, ordinal, text)


def _normal(text: str) -> str:
    return " ".join(text.casefold().split())
