"""BM25: how often, and how rarely elsewhere, a unit uses the words of the query."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tellapart.rankers.query import (
    Dense,
    Query,
    Ranking,
    Spread,
    Spreads,
    Units,
    forbid,
    standardised,
    without_own,
)


@dataclass(frozen=True, slots=True)
class BM25:
    """Lucene's BM25 with its two parameters (Robertson et al. 1994; Lucene's idf)."""

    k1: float
    b: float
    name: str = "bm25"

    def spreads(self, query: Query, units: Units) -> Spreads:
        """Mean and deviation over all live units, those without a shared word counting 0."""
        return {self.name: lexical_spread(units.lexical.scores(query.terms, k1=self.k1, b=self.b), units)}

    def rank(self, query: Query, units: Units, k: int, spreads: Spreads | None = None) -> Ranking:
        """Give the best k units that share a word with the query."""
        allowed = without_own(query, units)
        rows, scores = units.lexical.top(query.terms, k, k1=self.k1, b=self.b, allowed=allowed)
        return Ranking(rows, standardised(scores, self.name, spreads), {self.name: scores})

    def scores(self, query: Query, units: Units, spreads: Spreads | None = None) -> Dense:
        """Score every row; -inf where no word is shared."""
        dense = units.lexical.scores(query.terms, k1=self.k1, b=self.b)
        z = standardised(dense, self.name, spreads)
        return forbid(np.where(dense > 0, z, np.float32(-np.inf)), units)


def lexical_spread(dense: Dense, units: Units) -> Spread:
    """Mean and deviation of dense BM25 scores over the live units."""
    n_alive = units.n_rows if units.alive is None else int(np.count_nonzero(units.alive))
    if not n_alive:
        return Spread(0, 0.0, 0.0)
    wide = dense.astype(np.float64)
    total, squares = float(dense.sum(dtype=np.float64)), float(np.dot(wide, wide))
    mean = total / n_alive
    return Spread(n_alive, mean, float(np.sqrt(max(squares / n_alive - mean * mean, 0.0))))
