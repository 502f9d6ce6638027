"""Asking every source for the queries it can make from a corpus."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tellapart.corpus.types import Kind
from tellapart.experiments.synthetic.comments import comments
from tellapart.experiments.synthetic.commits import commits
from tellapart.experiments.synthetic.docstrings import docstrings
from tellapart.experiments.synthetic.headings import headings
from tellapart.experiments.synthetic.identifiers import identifiers
from tellapart.experiments.synthetic.material import Material
from tellapart.experiments.synthetic.models import QueryWriter
from tellapart.experiments.synthetic.occurrences import Occurrences
from tellapart.experiments.synthetic.rare import RareTerms
from tellapart.experiments.synthetic.sampling import SyntheticQuestion, completed
from tellapart.experiments.synthetic.sentences import first_sentences, inner_sentences
from tellapart.experiments.synthetic.titles import titles
from tellapart.experiments.synthetic.types import QueryCandidate, QuerySource
from tellapart.experiments.synthetic.words import Phrase, phrase
from tellapart.index.snapshot import Snapshot
from tellapart.progress import Progress

if TYPE_CHECKING:
    from tellapart.engine.facade import Index

READ_DOCUMENTS = 20_000
"""Documents in which sources are looked for; of more, so many are drawn. Our choice: twenty for each query."""

DRAWN_SHARE = 4
"""Units drawn for each source that any text would do for, as a part of the queries wanted: one of several sources."""

FROM_TEXT: dict[QuerySource, Callable[[Material], Iterator[QueryCandidate]]] = {
    QuerySource.DOCSTRING: docstrings,
    QuerySource.TITLE: titles,
    QuerySource.HEADING: headings,
    QuerySource.IDENTIFIER: identifiers,
    QuerySource.COMMENT: comments,
    QuerySource.FIRST_SENTENCE: first_sentences,
    QuerySource.INNER_SENTENCE: inner_sentences,
}


class Gatherer:
    """Makes candidates of the chosen sources; `wanted` is how many queries there shall be in the end."""

    def __init__(
        self,
        index: Index,
        sources: Collection[QuerySource],
        wanted: int,
        seed: int,
        writer: QueryWriter | None,
        progress: Progress,
    ) -> None:
        self.index = index
        self.sources = sources
        self.drawn = max(1, wanted // DRAWN_SHARE)
        self.seed = seed
        self.writer = writer
        self.progress = progress
        texts = sorted(n for n, kind in index.store.kinds().items() if kind is not Kind.IMAGE)
        self.offered = len(texts)
        self.documents = self._drawn(texts)

    def _drawn(self, numbers: list[int]) -> list[int]:
        if len(numbers) > READ_DOCUMENTS:
            drawn = np.random.default_rng(self.seed).choice(len(numbers), READ_DOCUMENTS, replace=False)
            numbers = [numbers[place] for place in sorted(drawn.tolist())]
        return numbers

    def candidates(self, snapshot: Snapshot) -> Iterator[QueryCandidate]:
        """Read the documents once, and ask about units drawn from some of them."""
        from_units = self._from_units(snapshot)
        order = np.random.default_rng(self.seed).permutation(len(self.documents))[: self.drawn]
        asked = {self.documents[place] for place in order.tolist()} if from_units else set()
        each = math.ceil(self.drawn / max(len(asked), 1))
        with self.progress("looking for queries", len(self.documents)) as advance:
            for number in self.documents:
                material = Material(self.index.stored(number), self.seed)
                yield from self._from_text(material)
                for draw in from_units if number in asked else ():
                    yield from draw(material, each)
                advance(1)
        if QuerySource.COMMIT in self.sources:
            yield from commits(self.index, self.seed, self.progress)

    def completed(
        self, asked: Sequence[SyntheticQuestion], where: Mapping[Phrase, Occurrences]
    ) -> list[SyntheticQuestion]:
        """Add the answers that stand in documents which were not drawn, but hold the words of a question."""
        drawn = set(self.documents)
        places = {phrase(question.query): place for place, question in enumerate(asked)}
        beyond = {number for words in places if words in where for number in where[words].spans} - drawn
        others: dict[int, list[QueryCandidate]] = defaultdict(list)
        for number in sorted(beyond):
            for candidate in self._from_text(Material(self.index.stored(number), self.seed)):
                place = places.get(phrase(candidate.query))
                if place is not None:
                    others[place].append(candidate)
        return [completed(question, others[place]) for place, question in enumerate(asked)]

    def _from_text(self, material: Material) -> Iterator[QueryCandidate]:
        for source, make in FROM_TEXT.items():
            if source in self.sources:
                yield from make(material)

    def _from_units(
        self, snapshot: Snapshot
    ) -> Sequence[Callable[[Material, int], Iterator[QueryCandidate]]]:
        """Sources that any unit would do for."""
        found: list[Callable[[Material, int], Iterator[QueryCandidate]]] = []
        if QuerySource.RARE_TERMS in self.sources:
            found.append(RareTerms(snapshot))
        if self.writer and QuerySource.MODEL in self.sources:
            found.append(self.writer)
        return found
