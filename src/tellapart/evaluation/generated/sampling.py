"""From all candidates to a sample: equal texts are one query, spread over sources and documents."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tellapart.evaluation.generated.types import Candidate, Source
from tellapart.evaluation.generated.words import Phrase, phrase

MAX_TARGETS = 5
"""A text that more units offer says nothing about any of them: boilerplate. Our choice, not measured."""


@dataclass(frozen=True, slots=True)
class Question:
    """One query with the candidates that offered it: each of their units answers it."""

    query: str
    targets: tuple[Candidate, ...]

    @property
    def source(self) -> Source:
        """What it was made from; of several, the first in the order of `Source`."""
        return self.targets[0].source


def questions(candidates: Iterable[Candidate]) -> list[Question]:
    """Join candidates of the same words, whatever their source; leave out what too many units offer."""
    order = {source: place for place, source in enumerate(Source)}
    by_words: dict[Phrase, list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        by_words[phrase(candidate.query)].append(candidate)
    found = []
    for same in by_words.values():
        same.sort(key=lambda each: (order[each.source], each.document, each.span))
        targets = _distinct(same)
        if len(targets) <= MAX_TARGETS:
            found.append(Question(targets[0].query, targets))
    return found


def _distinct(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Keep one candidate per unit, and in each document those of the foremost source only."""
    source_of: dict[int, Source] = {}
    kept: dict[tuple[int, tuple[int, int]], Candidate] = {}
    for each in candidates:
        if source_of.setdefault(each.document, each.source) is each.source:
            kept.setdefault((each.document, each.span), each)
    return tuple(kept.values())


def offered(found: Sequence[Question]) -> Mapping[str, int]:
    """Count the queries that each source could give."""
    counts = Counter(question.source for question in found)
    return {source.value: counts[source] for source in Source}


def sample(found: Sequence[Question], at_most: int, seed: int) -> list[Question]:
    """Draw queries: sources in turn, in each source one document after the other, no unit twice."""
    rng = np.random.default_rng(seed)
    by_source: dict[Source, list[Question]] = {source: [] for source in Source}
    for position in rng.permutation(len(found)).tolist():
        by_source[found[position].source].append(found[position])
    drawn: list[Question] = []
    used: set[tuple[int, tuple[int, int]]] = set()
    waiting = [iter(_spread(of_source)) for of_source in by_source.values() if of_source]
    while waiting and len(drawn) < at_most:
        for each in list(waiting):
            question = next((q for q in each if not _units(q) & used), None)
            if question is None:
                waiting.remove(each)
            elif len(drawn) < at_most:
                used |= _units(question)
                drawn.append(question)
    return drawn


def _units(question: Question) -> set[tuple[int, tuple[int, int]]]:
    return {(target.document, target.span) for target in question.targets}


def _spread(of_source: Sequence[Question]) -> list[Question]:
    """Order queries so that every document's first one comes before any document's second."""
    seen: Counter[int] = Counter()
    turn = []
    for question in of_source:
        document = question.targets[0].document
        turn.append(seen[document])
        seen[document] += 1
    return [question for _, question in sorted(zip(turn, of_source, strict=True), key=lambda each: each[0])]
