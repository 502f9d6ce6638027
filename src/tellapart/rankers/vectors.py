"""Rankers that score a unit by an inner product with its vector: nearest neighbours and the linear SVM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tellapart.errors import TellapartError
from tellapart.index.vectors import VectorIndex
from tellapart.rankers.query import Dense, Query, Spread, Spreads, Units, forbid, standardised, without_own
from tellapart.rankers.svm import DEFAULT_RATIO, ClosedFormSVM, Linear
from tellapart.rankers.types import Ranking, Rows


class Direction(Protocol):
    """Turns a query vector into the linear function that scores units."""

    def __call__(self, query: Query, vectors: VectorIndex) -> Linear:
        """Give w (d,) and b: a unit x scores x . w + b."""
        ...


def towards_query(query: Query, vectors: VectorIndex) -> Linear:
    """Score by the query itself: on unit vectors the cosine."""
    return Linear(_vector(query).astype(np.float64), 0.0)


@dataclass(frozen=True, slots=True)
class AwayFromCorpus:
    """Score by the closed form of the exemplar SVM: the query against all units as negatives."""

    ratio: float = DEFAULT_RATIO

    def __call__(self, query: Query, vectors: VectorIndex) -> Linear:
        """Solve for w and b; the query's own rows are no negatives."""
        if not vectors.n_alive:
            return towards_query(query, vectors)
        return ClosedFormSVM(self.ratio).transform(vectors, _vector(query), own_rows=query.own_rows)


@dataclass(frozen=True, slots=True)
class VectorRanker:
    """Orders units by x . w + b, where `direction` makes w and b of the query."""

    name: str
    direction: Direction

    def spreads(self, query: Query, units: Units) -> Spreads:
        """Mean and deviation over all live units in closed form, from the moments of the vectors."""
        vectors = _vectors(units)
        linear = self.direction(query, vectors)
        moments = vectors.moments()
        mean, std = moments.score_statistics(linear.w)
        return {self.name: Spread(moments.n, mean + linear.b, std)}

    def rank(self, query: Query, units: Units, k: int, spreads: Spreads | None = None) -> Ranking:
        """Give the best k units by the vector index."""
        vectors = _vectors(units)
        linear = self.direction(query, vectors)
        w = linear.w.astype(np.float32)
        found, products = vectors.search(w[None], k, allowed=without_own(query, units))
        n = int(np.count_nonzero(found[0] >= 0))
        scores = (products[0, :n] + np.float32(linear.b)).astype(np.float32)
        return Ranking(found[0, :n], standardised(scores, self.name, spreads), {self.name: scores})

    def scores_of(self, query: Query, units: Units, rows: Rows) -> Dense:
        """Score some rows, (len(rows),)."""
        vectors = _vectors(units)
        linear = self.direction(query, vectors)
        products = vectors.take(rows).astype(np.float64) @ linear.w.astype(np.float32).astype(np.float64)
        return (products + linear.b).astype(np.float32)

    def scores(self, query: Query, units: Units, spreads: Spreads | None = None) -> Dense:
        """Score every row; -inf for those that may not be found."""
        vectors = _vectors(units)
        linear = self.direction(query, vectors)
        dense = vectors.scores(linear.w.astype(np.float32)) + np.float32(linear.b)
        return forbid(standardised(dense, self.name, spreads), units)


def knn() -> VectorRanker:
    """Rank by nearness to the query."""
    return VectorRanker("knn", towards_query)


def svm(ratio: float = DEFAULT_RATIO) -> VectorRanker:
    """Rank by the exemplar SVM; `ratio` is lambda in mean eigenvalues of the covariance."""
    return VectorRanker("svm", AwayFromCorpus(ratio))


def _vectors(units: Units) -> VectorIndex:
    if units.vectors is None:
        raise TellapartError("this ranker needs vectors: add them with 'tellapart index --encoder minilm'")
    return units.vectors


def _vector(query: Query) -> NDArray[np.float32]:
    if query.vector is None:
        raise TellapartError("this ranker needs the query's vector: name an encoder with --encoder")
    return query.vector
