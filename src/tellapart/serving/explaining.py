"""Why a unit has the score it has for a query."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import KIND_OF, Granularity
from tellapart.engine import Index
from tellapart.engine.asking import terms_of
from tellapart.engine.relevance import unrelated_cosine
from tellapart.engine.request import SearchRequest
from tellapart.engine.searching import unit_scores
from tellapart.index.lexical.bm25 import defaults
from tellapart.index.snapshot import Snapshot
from tellapart.serving.units import Located

BINS = 40
SHOWN_ENDS, SHOWN_CHARACTERS = 3, 80
"""Units of each end of the SVM's scores, and how much of their text is shown."""


@dataclass(frozen=True, slots=True)
class WordEvidence:
    """A word of the query: in how many units it stands, and what it gives to this unit's BM25 score."""

    word: str
    units: int
    weight: float


@dataclass(frozen=True, slots=True)
class ScoreBins:
    """How many units have which score, in equal bins from low to high."""

    low: float
    high: float
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Taste:
    """What the SVM's direction for a query likes most and least among the units: places, best first and worst first."""

    likes: tuple[str, ...]
    dislikes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """A unit's place among all of its granularity for a query.

    `rank` counts from 1; `score` is None where the ranker cannot find the unit at all; `percentile` is the share of
    units that score lower; `cosine` and what 99 % of unrelated pairs stay below are None where no vectors were used.
    """

    configuration: str
    why: str
    rank: int
    of: int
    score: float | None
    percentile: float
    words: tuple[WordEvidence, ...]
    cosine: float | None
    cosine_percentile: float | None
    unrelated_cosine: float | None
    scores: ScoreBins
    taste: Taste | None


def explain(index: Index, query: str, unit: Located, *, ranker: str = "auto") -> Explanation:
    """Score a query against every unit of one granularity and say where one of them stands, and why."""
    level = unit.granularity
    with index.reading() as snapshot:
        plan, level_queries = index.level_queries(
            snapshot, SearchRequest(query, ranker=ranker, granularity=level.value)
        )
        asked = next(each for each in level_queries if each.granularity is level)
        row = asked.table.row(unit.stored.number, unit.ordinal)
        (scores,) = unit_scores([asked])
        alive = np.ones(len(scores), dtype=bool) if asked.table.alive is None else asked.table.alive
        own = scores[row]
        lexical = snapshot.lexical(level)
        terms = terms_of(query, KIND_OF[level])
        k1, b = defaults(KIND_OF[level])
        given = lexical.weights(terms, [row], k1=k1, b=b)
        words = [
            WordEvidence(
                term, lexical.document_frequency(term), float(given[term][0]) if term in given else 0.0
            )
            for term in dict.fromkeys(terms)
        ]
        cosine = percentile = unrelated = None
        encoder = plan.configuration.encoder
        if encoder is not None and asked.query.vector is not None:
            cosines = snapshot.vectors(encoder, level).scores(asked.query.vector)
            cosine = float(cosines[row])
            percentile = float(np.mean(cosines[alive] < cosine))
            unrelated = unrelated_cosine(snapshot, encoder, level)
        taste = None if encoder is None else _taste(index, snapshot, query, level)
        return Explanation(
            configuration=plan.configuration.name,
            why=plan.why,
            rank=1 + int(np.count_nonzero(scores[alive] > own)),
            of=int(alive.sum()),
            score=float(own) if np.isfinite(own) else None,
            percentile=float(np.mean(scores[alive] < own)),
            words=tuple(sorted(words, key=lambda word: -word.weight)),
            cosine=cosine,
            cosine_percentile=percentile,
            unrelated_cosine=unrelated,
            scores=_bins(scores[alive]),
            taste=taste,
        )


def _bins(scores: NDArray[np.floating]) -> ScoreBins:
    known = scores[np.isfinite(scores)].astype(float)
    if not len(known):
        return ScoreBins(0.0, 0.0, ())
    low, high = float(known.min()), float(known.max())
    counts, _ = np.histogram(known, bins=BINS, range=(low, high if high > low else low + 1))
    return ScoreBins(low, high, tuple(int(count) for count in counts))


def _taste(index: Index, snapshot: Snapshot, query: str, level: Granularity) -> Taste:
    """Score all units with the SVM that has the query as its positive, and give both ends."""
    _, asked = index.level_queries(snapshot, SearchRequest(query, ranker="svm", granularity=level.value))
    own = asked[0]
    scores = own.ranker.scores(own.query, own.units).astype(float)
    if own.table.alive is not None:
        scores = np.where(own.table.alive, scores, np.nan)
    order = np.argsort(-scores, kind="stable")
    order = order[np.isfinite(scores[order])]
    ends = [order[:SHOWN_ENDS], order[::-1][:SHOWN_ENDS]]
    told = []
    for rows in ends:
        numbers, ordinals = own.table.locate(rows)
        stored = snapshot.fetch(index.store, [int(number) for number in numbers])
        units = [
            Located(stored[int(number)], level, int(ordinal))
            for number, ordinal in zip(numbers, ordinals, strict=True)
        ]
        told.append(
            tuple(f"{each.stored.document.id}:{each.lines[0]} {_beginning(each.text)}" for each in units)
        )
    return Taste(*told)


def _beginning(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN_CHARACTERS else line[:SHOWN_CHARACTERS] + "…"
