"""One among many: R@1 and MAP@R of labelled vectors, leave-one-out, and open-set identification (1:N)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tellapart.errors import TellapartError
from tellapart.experiments.verification.pairs import TILE, Rows, Scores, checked_vectors
from tellapart.experiments.verification.thresholds import SUPPORT, Acceptance, errors_allowed

BLOCK_CELLS = 1 << 22
"""Scores worked on at once: 16 MB, which fits beside the vectors in any memory. It changes time, never a result."""


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


@dataclass(frozen=True, slots=True)
class Identification:
    """Probes against a gallery.

    `ranks` (e,) and `scores` (e,) of the own identity of each enrolled probe (rank 1 = best; equal scores go
    by the identity's order); `unknown` (u,) the highest score that each unenrolled probe reaches, falling.
    """

    ranks: Rows
    scores: NDArray[np.float64]
    unknown: NDArray[np.float64]

    def cmc(self, depth: int) -> NDArray[np.float64]:
        """Share of the enrolled probes whose identity is within rank 1..depth: (depth,), closed set."""
        return np.array([(self.ranks <= rank).mean() for rank in range(1, depth + 1)])

    def dir_at_fpir(self, fpir: float, *, rank: int = 1, support: int = SUPPORT) -> Acceptance:
        """Detection and identification rate where at most `fpir` of the unknown probes are let in.

        A threshold of 1:1 must not be used here: over N identities its false accepts add up. `far` of the
        answer is the FPIR seen, `tar` the DIR: identity within `rank` and its score above the threshold.

        Raises:
            TellapartError: Too few unknown probes for this rate, or no enrolled one.
        """
        allowed = errors_allowed(fpir, len(self.unknown), support=support)
        threshold = float(self.unknown[allowed]) if allowed < len(self.unknown) else -math.inf
        if not len(self.ranks):
            raise TellapartError("no probe is enrolled in the gallery: give probes of known identities")
        detected = (self.ranks <= rank) & (self.scores > threshold)
        return Acceptance(threshold, float((self.unknown > threshold).mean()), float(detected.mean()))


def identify_all(
    probes: ArrayLike,
    probe_labels: ArrayLike,
    gallery: ArrayLike,
    gallery_labels: ArrayLike,
    *,
    tile: int = TILE,
) -> Identification:
    """Compare probes (n, d) with a gallery (m, d) of unit vectors; an identity scores as its best vector."""
    rows, names = checked_vectors(probes, probe_labels)
    kept, kept_names = checked_vectors(gallery, gallery_labels)
    identities, numbers = np.unique(kept_names, return_inverse=True)
    order = np.argsort(numbers, kind="stable")
    kept, starts = kept[order], np.searchsorted(numbers[order], np.arange(len(identities)))
    place = {name: number for number, name in enumerate(identities.tolist())}
    own = np.array([place.get(name, -1) for name in names.tolist()], dtype=np.int64)
    parts = [
        _block(rows[start : start + tile], own[start : start + tile], kept, starts)
        for start in range(0, len(rows), tile)
    ]
    ranks, scores, best = (np.concatenate(part) for part in zip(*parts, strict=True))
    known = own >= 0
    unknown = np.sort(best[~known].astype(np.float64))[::-1]
    return Identification(ranks[known], scores[known].astype(np.float64), unknown)


def _block(rows: Scores, own: Rows, gallery: Scores, starts: Rows) -> tuple[Rows, Scores, Scores]:
    """Rank and score of the own identity, and the best score, of a block of probes."""
    scores = np.maximum.reduceat(rows @ gallery.T, starts, axis=1)
    mine = scores[np.arange(len(rows)), np.maximum(own, 0)]
    earlier = np.arange(scores.shape[1]) < own[:, None]
    ahead = (scores > mine[:, None]) | ((scores == mine[:, None]) & earlier)
    return 1 + ahead.sum(axis=1), mine, scores.max(axis=1)
