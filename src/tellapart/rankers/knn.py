"""Nearest neighbours: units by the inner product of their vector with the query's, a cosine on unit rows."""

from __future__ import annotations

from tellapart.rankers.rocchio import Rocchio
from tellapart.rankers.vectors import VectorRanker


def knn() -> VectorRanker:
    """Rank by nearness to the query; with examples, to where Rocchio moves it."""
    return VectorRanker("knn", Rocchio())
