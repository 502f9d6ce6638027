"""Nearest neighbours: units by the inner product of their vector with the query's, a cosine on unit rows."""

from __future__ import annotations

import numpy as np

from tellapart.index.vectors import VectorIndex
from tellapart.index.vectors.candidates import Mask
from tellapart.index.vectors.halves import Floats
from tellapart.rankers.types import Ranking


def knn(index: VectorIndex, query: Floats, k: int, *, allowed: Mask | None = None) -> Ranking:
    """Rank the k nearest live units for one query vector (d,); `allowed` (rows,) restricts them."""
    return knn_batch(index, query[None], k, allowed=allowed)[0]


def knn_batch(
    index: VectorIndex, queries: Floats, k: int, *, allowed: Mask | None = None, exact: bool = False
) -> list[Ranking]:
    """Rank for many queries (m, d) at once; `exact` bypasses approximate candidates."""
    rows, scores = index.search(queries, k, allowed=allowed, exact=exact)
    found = np.count_nonzero(rows >= 0, axis=1)
    return [Ranking(rows[i, :n], scores[i, :n]) for i, n in enumerate(found)]
