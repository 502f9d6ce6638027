"""Leave-one-out retrieval among labelled vectors: R@1 and MAP@R."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tellapart.errors import TellapartError
from tellapart.experiments.verification.blocks import Rows, Scores, checked_vectors

BLOCK_CELLS = 1 << 22
"""Scores worked on at once: 16 MB (our choice, not measured)."""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Values of each vector that has another of its label: `rows` (n,) says which vectors these are.

    `recall_at_1` (n,) is 1 where the nearest other vector has the same label. `map_at_r` (n,) is, with R
    others of the same label, the mean over ranks 1..R of the precision where the rank is a hit, else 0
    (Musgrave et al. 2020).
    """

    rows: Rows
    recall_at_1: NDArray[np.float64]
    map_at_r: NDArray[np.float64]


def nearest_neighbours(vectors: ArrayLike, labels: ArrayLike) -> Neighbours:
    """Rank all other unit vectors (n, d) for each one; equal scores go by row.

    Raises:
        TellapartError: No label occurs twice.
    """
    rows, names = checked_vectors(vectors, labels)
    _, numbers, sizes = np.unique(names, return_inverse=True, return_counts=True)
    others = sizes[numbers] - 1
    asked = np.flatnonzero(others > 0)
    if not len(asked):
        raise TellapartError("no two vectors share a label: there is nothing to retrieve")
    block = max(1, BLOCK_CELLS // len(rows))
    parts = [
        _values(rows, numbers, asked[start : start + block], others) for start in range(0, len(asked), block)
    ]
    first, precision = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Neighbours(asked, first, precision)


def _values(rows: Scores, numbers: Rows, asked: Rows, others: Rows) -> tuple[NDArray[np.float64], ...]:
    scores = rows[asked] @ rows.T
    scores[np.arange(len(asked)), asked] = -np.inf
    wanted = others[asked]
    top = _top(scores, int(wanted.max()))
    hits = numbers[top] == numbers[asked][:, None]
    ranks = np.arange(1, hits.shape[1] + 1)
    counted = hits & (ranks <= wanted[:, None])
    precision = np.where(counted, np.cumsum(counted, axis=1) / ranks, 0.0).sum(axis=1) / wanted
    return hits[:, 0].astype(np.float64), precision


def _top(scores: Scores, depth: int) -> Rows:
    """Columns of the `depth` highest scores of each row, best first, equal ones by column."""
    floor = np.partition(scores, -depth, axis=1)[:, -depth, None]
    above, level = scores > floor, scores == floor
    missing = depth - above.sum(axis=1, keepdims=True)
    chosen = above | (level & (np.cumsum(level, axis=1) <= missing))
    columns = np.nonzero(chosen)[1].reshape(len(scores), depth)
    order = np.argsort(-np.take_along_axis(scores, columns, axis=1), axis=1, kind="stable")
    return np.take_along_axis(columns, order, axis=1)
