"""What a map is worth on queries: nDCG@10 with one right document each, near-duplicates of it left out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tellapart.encoders.maps import VectorMap, apply_map
from tellapart.encoders.protocol import Vectors
from tellapart.encoders.rows import unit_rows
from tellapart.learning.adapting.pairs import NEAR, Pairs
from tellapart.learning.adapting.units import of_documents

CUTOFF = 10
BLOCK = 256


def mapped(vectors: Vectors, vector_map: VectorMap | None) -> Vectors:
    """Send unit vectors (n, d) through a map, None = as they are."""
    if vector_map is None or not len(vectors):
        return vectors
    return unit_rows(apply_map(vectors, vector_map), encoder="adapted")


def ranks(pairs: Pairs, rows: NDArray[np.int64], vector_map: VectorMap | None) -> NDArray[np.int64]:
    """Rank of the right document for some queries (r,) after a map, None = no map."""
    return ranks_among(pairs, rows, mapped(pairs.queries[rows], vector_map), mapped(pairs.units, vector_map))


def ranks_among(pairs: Pairs, rows: NDArray[np.int64], queries: Vectors, units: Vectors) -> NDArray[np.int64]:
    """Rank of the right document for some queries (r, d) among units (u, d): documents score as their best unit."""
    found = []
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        scores = of_documents(queries[start : start + BLOCK], units, pairs.starts)
        # which documents could answer as well is decided by the vectors as they were
        near = of_documents(pairs.units[pairs.answer[block]], pairs.units, pairs.starts) >= NEAR
        own = scores[np.arange(len(block)), pairs.document[block]]
        found.append(1 + ((scores > own[:, None]) & ~near).sum(axis=1))
    return np.concatenate([*found, np.zeros(0, dtype=np.int64)])


def values(found: NDArray[np.int64]) -> NDArray[np.float64]:
    """Turn ranks into nDCG@10."""
    return np.where(found <= CUTOFF, 1 / np.log2(found + 1), 0.0)
