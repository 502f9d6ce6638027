"""What a query is made from, and what a set of synthetic queries holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from tellapart.encoders.protocol import Encoder
from tellapart.experiments.query_set import QuerySet
from tellapart.index.store import StoredDocument
from tellapart.progress import Progress, silent

if TYPE_CHECKING:
    from tellapart.engine.facade import Index

Span = tuple[int, int]
"""Code points [start, end) of a document's text."""


class QuerySource(StrEnum):
    """What a query was made from. Of one text that is several of these, the first here counts."""

    DOCSTRING = "docstring"
    TITLE = "title"
    HEADING = "heading"
    COMMIT = "commit"
    IDENTIFIER = "identifier"
    COMMENT = "comment"
    FIRST_SENTENCE = "first-sentence"
    INNER_SENTENCE = "inner-sentence"
    FRAGMENT = "fragment"
    KEYWORDS = "keywords"
    RARE_TERMS = "rare-terms"
    MODEL = "llm"


@dataclass(frozen=True, slots=True)
class QueryCandidate:
    """A query that one document offers.

    `document` is its number in the store, `span` the source unit: what answers the query. `hidden` are texts
    blanked wherever their words stand in the corpus, `masks` spans blanked in this document, `name` an identifier
    blanked wherever it stands in this document.
    """

    source: QuerySource
    query: str
    document: int
    span: Span
    hidden: tuple[str, ...] = ()
    masks: tuple[Span, ...] = ()
    name: str = ""


@dataclass(frozen=True, slots=True)
class SyntheticQuestion:
    """One query with the candidates that offered it: each of their units answers it."""

    query: str
    targets: tuple[QueryCandidate, ...]

    @property
    def source(self) -> QuerySource:
        """What it was made from; of several, the first in the order of `QuerySource`."""
        return self.targets[0].source


@dataclass(frozen=True, slots=True)
class Blank:
    """A span of a document that is blanked for a query; an empty one where only the title holds its words."""

    document: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class SyntheticQueries:
    """Queries made from a corpus, what answers them, and the documents blanked so that nothing gives them away.

    In `query_set`, `overlap` is the share of a query's terms that stand in the blanked source unit (its context
    included). `offered` says how many queries each source could have given; `blanks`
    says what was blanked for each query, in its own documents and in others that repeat it; `replaced` are the
    blanked versions of documents; `objects` are encoders that no name opens.
    """

    query_set: QuerySet
    offered: Mapping[str, int]
    folder: Path
    encoders: tuple[str, ...]
    replaced: tuple[StoredDocument, ...] = ()
    blanks: Mapping[str, tuple[Blank, ...]] = field(default_factory=lambda: MappingProxyType({}))
    objects: Mapping[str, Encoder] = field(default_factory=lambda: MappingProxyType({}))

    @contextmanager
    def masked_index(self, *, progress: Progress = silent) -> Iterator[Index]:
        """Open the index in which these queries are to be evaluated: a copy with the blanked documents.

        It lives as long as the `with` statement. Vectors of blanked units are made here, with the encoders that
        were named; `lsa` is fitted anew on the text with blanks.
        """
        from tellapart.encoders.cache import open_cache
        from tellapart.engine.facade import Index
        from tellapart.engine.opened import folder_store
        from tellapart.index.masking import masked_copy

        original = Index.open(self.folder, encoders=self.objects)
        try:
            encoders = {name: original.encoder(name) for name in self.encoders}
            with masked_copy(
                self.folder,
                folder_store(original.store),
                self.replaced,
                encoders,
                cache=open_cache(),
                progress=progress,
            ) as home:
                masked = Index.open(home, encoders=self.objects)
                try:
                    yield masked
                finally:
                    masked.close()
        finally:
            original.close()
