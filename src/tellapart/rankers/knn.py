"""Nearest neighbours: units by the inner product of their vector with the query's, a cosine on unit rows."""

from __future__ import annotations

import numpy as np

from tellapart.index.vectors import VectorIndex
from tellapart.rankers.query import Query
from tellapart.rankers.vectors import Linear, VectorRanker, query_vector


def towards_query(query: Query, vectors: VectorIndex) -> Linear:
    """Score by the query itself."""
    return Linear(query_vector(query).astype(np.float64), 0.0)


def knn() -> VectorRanker:
    """Rank by nearness to the query."""
    return VectorRanker("knn", towards_query)
