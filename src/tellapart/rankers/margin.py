"""A scan of all units for those inside the margin, which proves or disproves that a solution is the optimum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tellapart.index.vectors import VectorIndex
from tellapart.index.vectors.candidates import UNIT_ROUNDOFF, float32_error
from tellapart.rankers.examples import Doubles, Rows, extended
from tellapart.rankers.types import ScanKind

# The index is asked for so many more rows than are expected inside the margin.
_MORE = 256
# A heap of more rows than this costs more than scoring all rows by matrix products (1M rows, 20,000 wanted: 3 s
# against .3 s; 100k rows, 2,500 wanted: the same).
_LARGEST_HEAP = 2_048
_BLOCK_ROWS = 1_024


@dataclass(frozen=True, slots=True)
class Scan:
    """Live `rows` with a score above -1, ascending, and their `scores`."""

    rows: Rows
    scores: Doubles
    kind: ScanKind


def scan(vectors: VectorIndex, t: Doubles, *, without: Rows, expected: int, exact: bool) -> Scan:
    """Find every unit inside the margin of t (d + 1,), those of `without` left out.

    The vector index is asked for some more than `expected`. Where they all lie inside, or many are expected,
    all rows are scored. What is near the margin is scored again in float64. Unless `exact`, the index may use
    codes, which may overlook some.
    """
    w = t[:-1].astype(np.float32)
    # The index rounds w and the scores to float32.
    edge = -1.0 - float(t[-1]) - 4.0 * UNIT_ROUNDOFF * (float(np.linalg.norm(w)) + 1.0)
    k = expected + len(without) + _MORE
    if k <= _LARGEST_HEAP and w.any():
        found, scores = vectors.search(w[None], k, exact=exact)
        if found[0, -1] < 0 or scores[0, -1] < edge:
            kind: ScanKind = "exact" if exact or not vectors.coded else "approximate"
            return Scan(*_inside(vectors, t, found[0][scores[0] >= edge], without), kind)
    dense = vectors.scores(w) >= edge - float32_error(w)
    near = np.flatnonzero(dense if vectors.alive is None else dense & vectors.alive)
    return Scan(*_inside(vectors, t, near, without), "exact")


def _inside(vectors: VectorIndex, t: Doubles, near: Rows, without: Rows) -> tuple[Rows, Doubles]:
    rows, values = [np.empty(0, np.int64)], [np.empty(0)]
    near = np.setdiff1d(near, without)
    for start in range(0, len(near), _BLOCK_ROWS):
        some = near[start : start + _BLOCK_ROWS]
        block = vectors.take(some)
        scores = extended(block) @ t
        inside = (scores > -1.0) & block.any(axis=1)
        rows.append(some[inside])
        values.append(scores[inside])
    return np.concatenate(rows), np.concatenate(values)
