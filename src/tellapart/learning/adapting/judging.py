"""What a map is worth on queries: nDCG@10 with one right document each, near-duplicates of it left out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tellapart.encoders.adapted import apply_map
from tellapart.encoders.protocol import Vectors
from tellapart.encoders.rows import unit_rows
from tellapart.learning.adapting.pairs import NEAR, Pairs
from tellapart.learning.adapting.units import of_documents

CUTOFF = 10
BLOCK = 256


def mapped(vectors: Vectors, matrix: NDArray[np.float32] | None) -> Vectors:
    """Send unit vectors (n, d) through a map, None = as they are."""
    if matrix is None or not len(vectors):
        return vectors
    return unit_rows(apply_map(vectors, matrix), encoder="adapted")


def values(pairs: Pairs, rows: NDArray[np.int64], matrix: NDArray[np.float32] | None) -> NDArray[np.float64]:
    """nDCG@10 of some queries (r,): documents score as their best unit; what the map is compared with is None."""
    units, queries = mapped(pairs.units, matrix), mapped(pairs.queries[rows], matrix)
    found = []
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        scores = of_documents(queries[start : start + BLOCK], units, pairs.starts)
        # which documents could answer as well is decided by the vectors as they were
        near = of_documents(pairs.units[pairs.answer[block]], pairs.units, pairs.starts) >= NEAR
        own = scores[np.arange(len(block)), pairs.document[block]]
        ranks = 1 + ((scores > own[:, None]) & ~near).sum(axis=1)
        found.append(np.where(ranks <= CUTOFF, 1 / np.log2(ranks + 1), 0.0))
    return np.concatenate([*found, np.zeros(0)])
