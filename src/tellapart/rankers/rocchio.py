"""Relevance feedback by means of vectors (Rocchio 1971); k-NN is the case of a query without examples."""

from __future__ import annotations

from dataclasses import dataclass

from tellapart.index.vectors import VectorReader
from tellapart.rankers.examples import weigh
from tellapart.rankers.query import Query
from tellapart.rankers.vectors import Linear, VectorRanker


@dataclass(frozen=True, slots=True)
class Rocchio:
    """Score by alpha query + beta mean(liked) - gamma mean(unliked).

    The defaults are those of Manning, Raghavan and Schütze (2008, section 9.1.1). Counter-examples alone give
    the reverse of liking them.
    """

    alpha: float = 1.0
    beta: float = 0.75
    gamma: float = 0.15

    def __call__(self, query: Query, vectors: VectorReader) -> Linear:
        """Give the linear function of a query and its examples."""
        given = weigh(query, text=self.alpha, liked=self.beta, unliked=self.gamma)
        return Linear(given.weights @ given.vectors, 0.0)


def knn() -> VectorRanker:
    """Rank by nearness to the query; with examples, to where Rocchio moves it."""
    return VectorRanker("knn", Rocchio())
