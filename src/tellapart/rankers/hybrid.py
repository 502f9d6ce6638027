"""Words and vectors together: a weighted sum of z-scores, and reciprocal rank fusion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tellapart.rankers.bm25 import BM25, lexical_spread
from tellapart.rankers.query import (
    Dense,
    Mask,
    Query,
    Ranking,
    Rows,
    Spread,
    Spreads,
    Units,
    forbid,
    without_own,
)
from tellapart.rankers.vectors import VectorRanker, vectors_of

FIRST_DEPTH = 48
"""Units of each side that are looked at first, as many as asked for at least. With more of the nearest their codes
leave more queries open, with half as many too many units could be lifted. What is open is scanned, which is slower."""

DEEPER = 4

MOST_LIFTED = 2_000
"""Units whose vectors are read because their words might lift them among the best: a millisecond. Where there are
more, more of the nearest are asked for instead."""

RANKED_DEPTH = 200
"""Units of each side that reciprocal rank fusion joins, five times those asked for at least. At rank 200 a unit gets a
quarter of what the first one gets."""


@dataclass(frozen=True, slots=True)
class Hybrid:
    """`weight` x z(vectors) + (1 - weight) x z(BM25), z taken over all live units of the granularity.

    Exact although only few vectors are read: what is not among the nearest units is at most as near as the last of
    them, so that only units with words enough can still be among the best (after the threshold algorithm: Fagin, Lotem
    and Naor 2003). Those are looked up.
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
        by_words = word_spread.standardise(dense)
        allowed = without_own(query, units)
        may = allowed if allowed is not None else units.alive
        if self._only_words(query, units):
            may = dense > 0 if may is None else may & (dense > 0)
        depth = max(FIRST_DEPTH, k)
        while True:
            near = self.semantic.rank(query, units, depth).rows
            rows = np.union1d(_top(dense, depth, may), near)
            raw = self.semantic.scores_of(query, units, rows)
            fused = self.fuse(vector_spread.standardise(raw), by_words[rows])
            unseen = self._nearest_unseen(query, units, raw[np.searchsorted(rows, near)], depth)
            reach = self.fuse(vector_spread.standardise(unseen), by_words)
            lifted = np.setdiff1d(_allowed(reach >= _kth(fused, k), may), rows)
            if len(near) < depth:  # no other unit has a vector: they are as near as each other
                lifted = lifted[np.lexsort((lifted, -by_words[lifted]))[:k]]
            if len(lifted) <= MOST_LIFTED or len(near) < depth:
                break
            depth *= DEEPER
        if len(lifted):
            raw = np.concatenate([raw, self.semantic.scores_of(query, units, lifted)])
            rows = np.concatenate([rows, lifted])
            fused = self.fuse(vector_spread.standardise(raw), by_words[rows])
        order = np.lexsort((rows, -fused))[:k]
        components = {self.lexical.name: dense[rows][order], self.semantic.name: raw[order]}
        return Ranking(rows[order], fused[order], components)

    def scores(self, query: Query, units: Units, spreads: Spreads | None = None) -> Dense:
        """Score every row."""
        dense = units.lexical.scores(query.terms, k1=self.lexical.k1, b=self.lexical.b)
        word_spread, vector_spread = self._both(query, units, dense, spreads)
        by_vectors = vector_spread.standardise(self.semantic.scores(query, units))
        fused = forbid(self.fuse(by_vectors, word_spread.standardise(dense)), units)
        return np.where(dense > 0, fused, np.float32(-np.inf)) if self._only_words(query, units) else fused

    def _only_words(self, query: Query, units: Units) -> bool:
        """Whether the query says nothing to the encoder: then a unit without any of its words is not found at all."""
        return not self.semantic.linear(query, vectors_of(units)).w.any()

    def _both(
        self, query: Query, units: Units, dense: Dense, spreads: Spreads | None
    ) -> tuple[Spread, Spread]:
        if spreads is not None:
            return spreads[self.lexical.name], spreads[self.semantic.name]
        return lexical_spread(dense, units), self.semantic.spreads(query, units)[self.semantic.name]

    def _nearest_unseen(self, query: Query, units: Units, near: Dense, depth: int) -> Dense:
        """Give the highest score (1,) by vectors that a unit outside the nearest, which score `near`, can have.

        One without a vector scores the bias, and is never among them.
        """
        bias = np.float32(self.semantic.linear(query, vectors_of(units)).b)
        return np.array([bias if len(near) < depth else max(bias, near.min())], dtype=np.float32)

    def fuse(self, by_vectors: Dense, by_words: Dense) -> Dense:
        """Join standardised scores, of one query or of many."""
        return (np.float32(self.weight) * by_vectors + np.float32(1 - self.weight) * by_words).astype(
            np.float32
        )


def _kth(scores: Dense, k: int) -> np.float32:
    """The k-th highest score, -inf where there are fewer."""
    if len(scores) < k:
        return np.float32(-np.inf)
    return np.float32(np.partition(scores, len(scores) - k)[len(scores) - k])


def _top(dense: Dense, depth: int, may: Mask | None) -> Rows:
    """Rows of the `depth` highest scores above 0 among those that may be found."""
    rows = _allowed(dense > 0, may)
    if len(rows) <= depth:
        return rows
    return rows[np.argpartition(dense[rows], len(rows) - depth)[len(rows) - depth :]]


def _allowed(which: Mask, may: Mask | None) -> Rows:
    """Rows of a mask that may be found."""
    return np.flatnonzero(which if may is None else which & may)


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
        depth = max(RANKED_DEPTH, 5 * k)
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
