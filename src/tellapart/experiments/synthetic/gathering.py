"""Asking every source for queries, joining those of equal texts, and drawing a sample over sources and documents."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tellapart.corpus.document import Kind
from tellapart.experiments.synthetic.from_code import comments, docstrings, identifiers
from tellapart.experiments.synthetic.from_commits import commits
from tellapart.experiments.synthetic.from_prose import (
    first_sentences,
    fragments,
    headings,
    inner_sentences,
    keywords,
    titles,
)
from tellapart.experiments.synthetic.from_units import QueryWriter, RareTerms
from tellapart.experiments.synthetic.masks import Occurrences
from tellapart.experiments.synthetic.material import Material
from tellapart.experiments.synthetic.phrases import Phrase, phrase
from tellapart.experiments.synthetic.queries import QueryCandidate, QuerySource, Span, SyntheticQuestion
from tellapart.index.snapshot import Snapshot
from tellapart.progress import Progress

if TYPE_CHECKING:
    from tellapart.engine.facade import Index

MAX_TARGETS = 5
"""A text that more units offer says nothing about any of them: boilerplate. Not
measured; it is half of the first ten hits."""

RARE_SHARE = 0.1
"""Of the sample for queries that consist of words of their unit and every ranker answers: they
hardly tell rankers apart. Not measured at half or twice."""

ORDER = (QuerySource.MODEL, *(source for source in QuerySource if source is not QuerySource.MODEL))
"""Whose turn it is: what a language model was asked for is not to be left out for want of a unit."""


def questions(candidates: Iterable[QueryCandidate]) -> list[SyntheticQuestion]:
    """Join candidates of the same words, whatever their source; leave out what too many units offer."""
    by_words: dict[Phrase, list[QueryCandidate]] = defaultdict(list)
    for candidate in candidates:
        by_words[phrase(candidate.query)].append(candidate)
    found = []
    for same in by_words.values():
        targets = _distinct(same)
        if len(targets) <= MAX_TARGETS:
            found.append(SyntheticQuestion(targets[0].query, targets))
    return found


def completed(question: SyntheticQuestion, others: Iterable[QueryCandidate]) -> SyntheticQuestion:
    """Add candidates of the same words to a question that was drawn."""
    return SyntheticQuestion(question.query, _distinct([*question.targets, *others]))


def _distinct(candidates: Sequence[QueryCandidate]) -> tuple[QueryCandidate, ...]:
    """Keep one candidate per unit, and in each document those of the foremost source only; the foremost first."""
    order = {source: place for place, source in enumerate(QuerySource)}
    candidates = sorted(candidates, key=lambda each: (order[each.source], each.document, each.span))
    source_of: dict[int, QuerySource] = {}
    kept: dict[tuple[int, Span], QueryCandidate] = {}
    for each in candidates:
        if source_of.setdefault(each.document, each.source) is each.source:
            kept.setdefault((each.document, each.span), each)
    return tuple(kept.values())


def offered(found: Sequence[SyntheticQuestion]) -> Mapping[str, int]:
    """Count the queries that each source could give."""
    counts = Counter(question.source for question in found)
    return {source.value: counts[source] for source in QuerySource}


def sample(found: Sequence[SyntheticQuestion], at_most: int, seed: int) -> list[SyntheticQuestion]:
    """Draw queries: sources in turn, in each source one document after the other, no unit twice.

    Rare terms come last, and have a tenth of the room if there is enough of everything.
    """
    rng = np.random.default_rng(seed)
    by_source: dict[QuerySource, list[SyntheticQuestion]] = {source: [] for source in ORDER}
    for position in rng.permutation(len(found)).tolist():
        by_source[found[position].source].append(found[position])
    rare = _spread(by_source.pop(QuerySource.RARE_TERMS))
    used: set[tuple[int, Span]] = set()
    room = at_most - min(len(rare), int(at_most * RARE_SHARE))
    drawn = _turns([_spread(of_source) for of_source in by_source.values()], room, used)
    return drawn + _turns([rare], at_most - len(drawn), used)


def _turns(
    of_sources: Sequence[Sequence[SyntheticQuestion]], room: int, used: set[tuple[int, Span]]
) -> list[SyntheticQuestion]:
    """Take the next question of each source in turn whose units no other has."""
    waiting = [iter(each) for each in of_sources]
    drawn: list[SyntheticQuestion] = []
    while waiting and len(drawn) < room:
        for each in list(waiting):
            question = next((q for q in each if not _units(q) & used), None)
            if question is None:
                waiting.remove(each)
            elif len(drawn) < room:
                used |= _units(question)
                drawn.append(question)
    return drawn


def _units(question: SyntheticQuestion) -> set[tuple[int, Span]]:
    return {(target.document, target.span) for target in question.targets}


def _spread(of_source: Sequence[SyntheticQuestion]) -> list[SyntheticQuestion]:
    """Order queries so that every document's first one comes before any document's second."""
    seen: Counter[int] = Counter()
    turn = []
    for question in of_source:
        document = question.targets[0].document
        turn.append(seen[document])
        seen[document] += 1
    return [question for _, question in sorted(zip(turn, of_source, strict=True), key=lambda each: each[0])]


READ_DOCUMENTS = 20_000
"""Documents in which sources are looked for; of more, so many are drawn. Twenty for each
query of a set, to have a choice among sources."""

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
    QuerySource.FRAGMENT: fragments,
    QuerySource.KEYWORDS: keywords,
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
