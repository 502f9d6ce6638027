"""A scan of all units for those inside the margin, which proves or disproves that a solution is the optimum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tellapart.index.vectors import VectorIndex
from tellapart.index.vectors.candidates import UNIT_ROUNDOFF, float32_error
from tellapart.rankers.examples import Doubles, Rows, extended
from tellapart.rankers.types import ScanKind

# Beyond this share of active units one dense pass is cheaper than asking for the best so many.
MOST_ACTIVE = 0.25
_MORE = 256
_DEEPER = 4
_BLOCK_ROWS = 1_024


@dataclass(frozen=True, slots=True)
class Scan:
    """Live `rows` with a score above -1, ascending, and their `scores`."""

    rows: Rows
    scores: Doubles
    kind: ScanKind


def scan(vectors: VectorIndex, t: Doubles, *, without: Rows, expected: int, exact: bool) -> Scan:
    """Find every unit inside the margin of t (d + 1,), those of `without` left out, asking the vector index.

    It is asked for some more than `expected`, then for 4 times as many until the last one lies outside. What is
    near the margin is scored again in float64. Without `exact` the codes of a large index may overlook some.
    """
    w = t[:-1].astype(np.float32)
    # The index rounds w and the scores to float32.
    edge = -1.0 - float(t[-1]) - 4.0 * UNIT_ROUNDOFF * (float(np.linalg.norm(w)) + 1.0)
    k = expected + len(without) + _MORE
    while k < MOST_ACTIVE * vectors.n_alive:
        found, scores = vectors.search(w[None], k, exact=exact)
        if found[0, -1] < 0 or scores[0, -1] < edge:
            near = found[0][scores[0] >= edge]
            kind: ScanKind = "exact" if exact or not vectors.coded else "approximate"
            return Scan(*_inside(vectors, t, near, without), kind)
        k *= _DEEPER
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
