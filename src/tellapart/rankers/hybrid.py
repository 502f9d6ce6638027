"""Words and vectors together: a weighted sum of z-scores, and reciprocal rank fusion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellapart.rankers.bm25 import BM25, lexical_spread
from tellapart.rankers.query import Dense, Query, Ranking, Rows, Spread, Spreads, Units, forbid, without_own
from tellapart.rankers.vectors import VectorRanker

FIRST_DEPTH = 200
"""Candidates asked of each side at first; the stopping rule asks for more until the result is exact."""

DEEPER = 4


@dataclass(frozen=True, slots=True)
class Hybrid:
    """`weight` x z(vectors) + (1 - weight) x z(BM25), z taken over all live units of the granularity.

    Exact although only the top of each side is looked at: nothing outside both tops can score above
    the sum of their last entries (the threshold algorithm, Fagin, Lotem and Naor 2003).
    """

    lexical: BM25
    semantic: VectorRanker
    weight: float
    name: str = "hybrid"

    def spreads(self, query: Query, units: Units) -> Spreads:
        """Spread of both sides."""
        return {**self.lexical.spreads(query, units), **self.semantic.spreads(query, units)}

    def rank(self, query: Query, units: Units, k: int, spreads: Spreads | None = None) -> Ranking:
        """Give the best k units."""
        dense = units.lexical.scores(query.terms, k1=self.lexical.k1, b=self.lexical.b)
        word_spread, vector_spread = self._both(query, units, dense, spreads)
        allowed = without_own(query, units)
        may = allowed if allowed is not None else units.alive
        reachable = units.n_rows if may is None else int(np.count_nonzero(may))
        depth = max(FIRST_DEPTH, 2 * k)
        while True:
            words = _top(dense, depth, may)
            near = self.semantic.rank(query, units, depth).rows
            rows = np.union1d(words, near)
            raw = self.semantic.scores_of(query, units, rows)
            by_words, by_vectors = word_spread.standardise(dense[rows]), vector_spread.standardise(raw)
            fused = self.fuse(by_vectors, by_words)
            order = np.lexsort((rows, -fused))[:k]
            last = self.fuse(_least(by_vectors, rows, near), _least(by_words, rows, words))
            if depth >= reachable or (len(order) == k and fused[order[-1]] >= last):
                break
            depth *= DEEPER
        components = {self.lexical.name: dense[rows][order], self.semantic.name: raw[order]}
        return Ranking(rows[order], fused[order], components)

    def scores(self, query: Query, units: Units, spreads: Spreads | None = None) -> Dense:
        """Score every row."""
        dense = units.lexical.scores(query.terms, k1=self.lexical.k1, b=self.lexical.b)
        word_spread, vector_spread = self._both(query, units, dense, spreads)
        by_vectors = vector_spread.standardise(self.semantic.scores(query, units))
        return forbid(self.fuse(by_vectors, word_spread.standardise(dense)), units)

    def _both(
        self, query: Query, units: Units, dense: Dense, spreads: Spreads | None
    ) -> tuple[Spread, Spread]:
        if spreads is not None:
            return spreads[self.lexical.name], spreads[self.semantic.name]
        return lexical_spread(dense, units), self.semantic.spreads(query, units)[self.semantic.name]

    def fuse(self, by_vectors: Dense, by_words: Dense) -> Dense:
        """Join standardised scores, of one query or of many."""
        return (np.float32(self.weight) * by_vectors + np.float32(1 - self.weight) * by_words).astype(
            np.float32
        )


def _least(scores: Dense, rows: Rows, top: Rows) -> Dense:
    """Lowest score (1,) of one side's top; what is outside cannot score more on that side."""
    return (
        scores[np.searchsorted(rows, top)].min(keepdims=True) if len(top) else np.full(1, np.inf, np.float32)
    )


def _top(dense: Dense, depth: int, may: NDArray[np.bool_] | None) -> Rows:
    """Rows of the `depth` highest scores among those that may be found."""
    if may is not None:
        dense = np.where(may, dense, np.float32(-np.inf))
    if depth >= len(dense):
        rows = np.arange(len(dense))
    else:
        rows = np.argpartition(dense, len(dense) - depth)[len(dense) - depth :]
    return np.sort(rows[dense[rows] > -np.inf]).astype(np.int64)


@dataclass(frozen=True, slots=True)
class ReciprocalRankFusion:
    """Sum of 1 / (constant + rank) over both sides (Cormack, Clarke and Büttcher 2009)."""

    lexical: BM25
    semantic: VectorRanker
    constant: int = 60
    name: str = "rrf"

    def spreads(self, query: Query, units: Units) -> Spreads:
        """Give none: ranks compare between granularities as they are."""
        return {}

    def rank(self, query: Query, units: Units, k: int, spreads: Spreads | None = None) -> Ranking:
        """Give the best k units of the two lists fused."""
        depth = max(FIRST_DEPTH, 5 * k)
        sides = (self.lexical.rank(query, units, depth), self.semantic.rank(query, units, depth))
        rows = np.union1d(sides[0].rows, sides[1].rows)
        fused = np.zeros(len(rows))
        components: dict[str, Dense] = {}
        for side, name in zip(sides, (self.lexical.name, self.semantic.name), strict=True):
            at = np.searchsorted(rows, side.rows)
            fused[at] += 1.0 / (self.constant + np.arange(1, len(side) + 1))
            values = np.full(len(rows), np.nan, dtype=np.float32)
            values[at] = side.scores
            components[name] = values
        order = np.lexsort((rows, -fused))[:k]
        scores = fused[order].astype(np.float32)
        return Ranking(rows[order], scores, {name: values[order] for name, values in components.items()})

    def scores(self, query: Query, units: Units, spreads: Spreads | None = None) -> Dense:
        """Score every row by its two ranks; rows that neither side ranks get -inf."""
        ranking = self.rank(query, units, units.n_rows)
        dense = np.full(units.n_rows, -np.inf, dtype=np.float32)
        dense[ranking.rows] = ranking.scores
        return dense
