"""Why a unit has the score it has for a query."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tellapart.corpus.document import KIND_OF
from tellapart.engine import Index
from tellapart.engine.asking import terms_of
from tellapart.engine.relevance import unrelated_cosine
from tellapart.engine.request import SearchRequest
from tellapart.index.lexical.bm25 import defaults
from tellapart.serving.units import Located


@dataclass(frozen=True, slots=True)
class WordEvidence:
    """A word of the query: in how many units it stands, and what it gives to this unit's BM25 score."""

    word: str
    units: int
    weight: float


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


def explain(index: Index, query: str, unit: Located, *, ranker: str = "auto") -> Explanation:
    """Score a query against every unit of one granularity and say where one of them stands, and why."""
    level = unit.granularity
    with index.reading() as snapshot:
        plan, level_queries = index.level_queries(
            snapshot, SearchRequest(query, ranker=ranker, granularity=level.value)
        )
        asked = next(each for each in level_queries if each.granularity is level)
        row = asked.table.row(unit.stored.number, unit.ordinal)
        scores = asked.ranker.scores(asked.query, asked.units)
        alive = np.ones(len(scores), dtype=bool) if asked.table.alive is None else asked.table.alive
        own = scores[row]
        lexical = snapshot.lexical(level)
        terms = terms_of(query, KIND_OF[level])
        k1, b = defaults(KIND_OF[level])
        given = lexical.weights(terms, row, k1=k1, b=b)
        words = [
            WordEvidence(term, lexical.document_frequency(term), given.get(term, 0.0))
            for term in dict.fromkeys(terms)
        ]
        cosine = percentile = unrelated = None
        encoder = plan.configuration.encoder
        if encoder is not None and asked.query.vector is not None:
            cosines = snapshot.vectors(encoder, level).scores(asked.query.vector)
            cosine = float(cosines[row])
            percentile = float(np.mean(cosines[alive] < cosine))
            unrelated = unrelated_cosine(snapshot, encoder, level)
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
        )
