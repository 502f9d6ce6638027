"""From all candidates to a sample: equal texts are one query, spread over sources and documents."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tellapart.experiments.synthetic.types import QueryCandidate, QuerySource, Span
from tellapart.experiments.synthetic.words import Phrase, phrase

MAX_TARGETS = 5
"""A text that more units offer says nothing about any of them: boilerplate. Our choice, not measured."""

RARE_SHARE = 0.1
"""Of the sample for queries that consist of words of their unit and every ranker answers. Our choice, not measured."""

ORDER = (QuerySource.MODEL, *(source for source in QuerySource if source is not QuerySource.MODEL))
"""Whose turn it is: what a language model was asked for is not to be left out for want of a unit."""


@dataclass(frozen=True, slots=True)
class SyntheticQuestion:
    """One query with the candidates that offered it: each of their units answers it."""

    query: str
    targets: tuple[QueryCandidate, ...]

    @property
    def source(self) -> QuerySource:
        """What it was made from; of several, the first in the order of `QuerySource`."""
        return self.targets[0].source


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
