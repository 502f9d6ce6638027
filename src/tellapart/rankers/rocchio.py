"""Relevance feedback by means of vectors (Rocchio 1971); k-NN is the case of a query without examples."""

from __future__ import annotations

from dataclasses import dataclass

from tellapart.errors import TellapartError
from tellapart.index.vectors import VectorIndex
from tellapart.rankers.examples import Doubles, live_rows, weigh
from tellapart.rankers.query import Query
from tellapart.rankers.vectors import Linear, VectorRanker


@dataclass(frozen=True, slots=True)
class Rocchio:
    """Score by alpha query + beta mean(liked) - gamma mean(unliked).

    The defaults are those of Manning, Raghavan and Schütze (2008, section 9.1.1). `centred` measures every
    vector from the mean of the other units. Counter-examples alone give the reverse of liking them.
    """

    alpha: float = 1.0
    beta: float = 0.75
    gamma: float = 0.15
    centred: bool = False

    def __call__(self, query: Query, vectors: VectorIndex) -> Linear:
        """Give the linear function of a query and its examples.

        Raises:
            TellapartError: there are counter-examples, and gamma is 0.
        """
        given = weigh(query, text=self.alpha, liked=self.beta, unliked=self.gamma)
        if self.gamma == 0 and query.examples is not None and len(query.examples.unliked):
            raise TellapartError("a centroid has no use for counter-examples: rank by rocchio or svm")
        w = given.weights @ given.vectors
        if self.centred and len(given):
            w = w - given.weights.sum() * self._mean(vectors, query.own_rows)
        return Linear(w, 0.0)

    def _mean(self, vectors: VectorIndex, own_rows: tuple[int, ...]) -> Doubles:
        moments, (_, own) = vectors.moments(), live_rows(vectors, own_rows)
        mean: Doubles = (moments.total - own.sum(axis=0)) / max(moments.n - len(own), 1)
        return mean


def knn() -> VectorRanker:
    """Rank by nearness to the query; with examples, to where Rocchio moves it."""
    return VectorRanker("knn", Rocchio())
