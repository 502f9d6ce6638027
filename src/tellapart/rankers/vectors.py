"""Rankers that score a unit by a linear function of its vector; one search of the vector index serves them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tellapart.errors import TellapartError
from tellapart.index.vectors import VectorReader
from tellapart.index.vectors.candidates import best_first
from tellapart.rankers.query import (
    Certificate,
    Dense,
    Mask,
    Query,
    Ranking,
    Rows,
    Spread,
    Spreads,
    Units,
    forbid,
    standardised,
    without_own,
)


@dataclass(frozen=True, slots=True)
class Linear:
    """A linear score x . w + b of units; w float64 (d,); what a solver proved of it, if one did."""

    w: NDArray[np.float64]
    b: float
    certificate: Certificate | None = None


class Direction(Protocol):
    """Turns a query into the linear function that scores units."""

    def __call__(self, query: Query, vectors: VectorReader) -> Linear:
        """Give w and b; w of zeros finds nothing."""
        ...


@dataclass(frozen=True, slots=True)
class VectorRanker:
    """Orders units by x . w + b, where `direction` makes w and b of the query; those of the last query are kept."""

    name: str
    direction: Direction
    _last: dict[str, tuple[Query, VectorReader, Linear]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def linear(self, query: Query, vectors: VectorReader) -> Linear:
        """Give w and b: a fusion asks for them several times."""
        last = self._last.get("last")
        if last is None or last[0] is not query or last[1] is not vectors:
            last = self._last["last"] = (query, vectors, self.direction(query, vectors))
        return last[2]

    def spreads(self, query: Query, units: Units) -> Spreads:
        """Mean and deviation over all live units in closed form, from the moments of the vectors."""
        vectors = vectors_of(units)
        linear = self.linear(query, vectors)
        moments = vectors.moments()
        mean, std = moments.score_statistics(linear.w)
        return {self.name: Spread(moments.n, mean + linear.b, std)}

    def rank(self, query: Query, units: Units, k: int, spreads: Spreads | None = None) -> Ranking:
        """Give the best k units."""
        found = self.search(query, vectors_of(units), k, allowed=without_own(query, units))
        return Ranking(found.rows, standardised(found.scores, self.name, spreads), found.components)

    def search(self, query: Query, vectors: VectorReader, k: int, *, allowed: Mask | None = None) -> Ranking:
        """Give the best k rows of a vector index; the query's own rows may be among them."""
        linear = self.linear(query, vectors)
        rows, products = vectors.search(linear.w.astype(np.float32)[None], k, allowed=allowed)
        n = int(np.count_nonzero(rows[0] >= 0))
        shifted = (products[0, :n].astype(np.float64) + linear.b).astype(np.float32)
        best, scores = best_first(rows[0, :n], shifted, n)  # rounding after the shift may tie what was not
        return Ranking(best, scores, {self.name: scores})

    def certificate(self, query: Query, units: Units) -> Certificate | None:
        """Say what is proven of the ranking."""
        return self.linear(query, vectors_of(units)).certificate

    def scores_of(self, query: Query, units: Units, rows: Rows) -> Dense:
        """Score some rows, (len(rows),)."""
        vectors = vectors_of(units)
        linear = self.linear(query, vectors)
        products = vectors.take(rows).astype(np.float64) @ linear.w.astype(np.float32).astype(np.float64)
        return (products + linear.b).astype(np.float32)

    def scores(self, query: Query, units: Units, spreads: Spreads | None = None) -> Dense:
        """Score every row; -inf for those that may not be found."""
        vectors = vectors_of(units)
        linear = self.linear(query, vectors)
        dense = vectors.scores(linear.w.astype(np.float32)) + np.float32(linear.b)
        return forbid(standardised(dense, self.name, spreads), units)

    def scores_of_many(
        self, queries: Sequence[Query], vectors: VectorReader
    ) -> tuple[Sequence[Linear], NDArray[np.float32]]:
        """Score every row for many queries in one product: w and b of each, and (queries, rows), no row forbidden."""
        linears = [self.direction(query, vectors) for query in queries]
        scores = vectors.scores_batch(np.stack([linear.w for linear in linears]).astype(np.float32))
        scores += np.array([linear.b for linear in linears], dtype=np.float32)[:, None]
        return linears, scores


def vectors_of(units: Units) -> VectorReader:
    """Give the vectors of a granularity."""
    if units.vectors is None:
        raise TellapartError("this ranker needs vectors: add them with 'tellapart index --encoder minilm'")
    return units.vectors
