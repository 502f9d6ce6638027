"""From candidates to the exact top k: the same rows and scores whichever engine proposed them.

Every engine proposes more rows than asked for, with an estimate of each score and a floor under which all
rows it did not propose must lie. The proposed rows are then scored exactly (float64 sums rounded to float32)
and sorted by score, ties by row; the result stands if the k-th exact score clears the floor by the engine's
error. Otherwise the caller asks for more. So ties and duplicates are cut at the same row by every engine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellapart.index.vectors.stored import Floats, StoredRows, widen

Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]

# Worst relative error of a float32 sum of d products is d * 2^-24 times |x| |q| (Higham, 2002, eq. 3.5).
UNIT_ROUNDOFF = 2.0**-24

# How far an estimate of fast scan may be off, in standard deviations of its error over the proposed rows.
# On 400k anisotropic synthetic rows 1 to 4 all gave recall@10 1.00 for queries and SVM directions, at 206 to
# 638 rows proposed; 3 leaves a margin for data less kind, and keeps .998 in `bench/knn_speed.py`.
DEVIATIONS = 3.0

# While in doubt look so many times deeper, if need be FARTHEST times at once: with several examples among a million
# rows that is faster than one step at a time, and than as far as it takes.
DEEPER = 4
FARTHEST = 2


@dataclass(frozen=True, slots=True)
class CandidateRows:
    """Proposed `rows` with `estimates` of their scores; rows not proposed are estimated at most `floor`.

    `error` bounds |estimate - score|; None = unknown, to be read off the proposed rows themselves.
    """

    rows: Rows
    estimates: Floats
    floor: float
    error: float | None


@dataclass(frozen=True, slots=True)
class Top:
    """Exact best rows, `certain` unless rows not proposed might belong among them.

    `lacking` is by how much the floor would have to be lower for that; inf where the rows do not say.
    """

    rows: Rows
    scores: Floats
    certain: bool
    lacking: float = 0.0


NOTHING = CandidateRows(np.empty(0, np.int64), np.empty(0, np.float32), -np.inf, 0.0)


def float32_error(query: Floats) -> float:
    """Bound on the error of a float32 inner product of a unit row with `query`."""
    return float(query.size * UNIT_ROUNDOFF * np.linalg.norm(query))


def exact_scores(stored: StoredRows, query: Floats) -> tuple[Floats, Mask]:
    """Inner products (n,) summed in float64 and rounded to float32, and which rows have a vector at all."""
    wide = widen(stored).astype(np.float64)
    products = np.einsum("ij,j->i", wide, query.astype(np.float64))
    found = products != 0.0
    if not found.all():  # a row of zeros, or only orthogonal
        found[~found] = wide[~found].any(axis=1)
    return products.astype(np.float32), found


def nearly_exact_scores(stored: StoredRows, query: Floats, k: int) -> tuple[Floats, Mask]:
    """Give `exact_scores` of the k best and of all that may be among them, and float32 products of the others.

    Those are lower than the k best by more than they can be off.
    """
    wide = widen(stored)
    products = wide @ query
    found = products != 0.0
    if not found.all():
        found[~found] = wide[~found].any(axis=1)
    near = np.arange(len(products))
    if len(near) > k:
        ranked = products if found.all() else np.where(found, products, np.float32(-np.inf))
        lowest = np.partition(ranked, len(ranked) - k)[len(ranked) - k]
        near = np.flatnonzero(ranked >= lowest - 2.0 * float32_error(query))
    products[near] = np.einsum("ij,j->i", wide[near].astype(np.float64), query.astype(np.float64))
    return products, found


def best_first(rows: Rows, scores: Floats, k: int) -> tuple[Rows, Floats]:
    """Return the k best by descending score, ties by ascending row."""
    order = np.lexsort((rows, -scores))[:k]
    return rows[order], scores[order]


def strongest(rows: Rows, estimates: Floats, depth: int) -> tuple[Rows, Floats, float]:
    """Return the `depth` largest estimates in any order, and the floor they leave for the rest."""
    if len(rows) <= depth:
        return rows, estimates, -np.inf
    kept = np.argpartition(estimates, len(estimates) - depth)[len(estimates) - depth :]
    return rows[kept], estimates[kept], float(estimates[kept].min())


def settle(
    parts: list[CandidateRows], query: Floats, k: int, score: Callable[[Rows], tuple[Floats, Mask]]
) -> Top:
    """Score all candidates exactly and say whether the k best of them are the k best of all.

    `score` returns exact scores of rows, or nearly exact ones of those that are not among the k best, and which of them
    have a vector.
    """
    rows = np.concatenate([part.rows for part in parts]) if len(parts) > 1 else parts[0].rows
    scores, found = score(rows)
    reach, start = -np.inf, 0
    for part in parts:
        stop = start + len(part.rows)
        if part.floor > -np.inf:
            reach = max(reach, part.floor + _error(part, scores[start:stop]))
        start = stop
    if not found.all():
        rows, scores = rows[found], scores[found]
    best, top = best_first(rows, scores, k)
    certain = reach == -np.inf or (len(best) == k and float(top[-1]) > reach)
    return Top(best, top, certain, reach - float(top[-1]) if len(best) == k else np.inf)


def deeper(proposed: CandidateRows, depth: int, lacking: float) -> int:
    """Say how deep to look next: as many times 4 as the floor needs, which falls about as much with each.

    Every look costs a scan however deep, so one that goes deep at once is cheaper than several on the way.
    """
    fourth, times = depth // DEEPER, 1
    if np.isfinite(lacking) and len(proposed.rows) > fourth:
        fall = float(np.partition(proposed.estimates, -fourth)[-fourth]) - proposed.floor
        if fall > 0:
            times = min(max(int(np.ceil(lacking / fall)), 1), FARTHEST)
    return int(depth * DEEPER**times)


def _error(part: CandidateRows, scores: Floats) -> float:
    if part.error is not None:
        return part.error
    if not len(scores):  # all that was proposed is deleted or not asked for
        return np.inf
    errors = scores - part.estimates
    # Equal rows have equal errors and no spread; the mean keeps their ties from looking settled.
    return DEVIATIONS * float(max(np.std(errors), np.mean(errors)))
