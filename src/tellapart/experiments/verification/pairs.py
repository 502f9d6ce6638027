"""Genuine and impostor scores of all pairs, kept in memory that does not grow with the number of impostors.

Every curve and rate here changes only where a genuine score is passed. So all that is kept of the impostors is
how many of them reach each genuine score, and the highest ones themselves (for thresholds): exact, and no N x N.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tellapart.errors import TellapartError

Scores = NDArray[np.float32]
Rows = NDArray[np.int64]

TILE = 2048
"""Rows and columns worked on at once: 16 MB of scores. It changes time, never a result."""


def checked_vectors(vectors: ArrayLike, labels: ArrayLike) -> tuple[Scores, NDArray[np.generic]]:
    """Give vectors (n, d) float32 and labels (n,), or refuse them with the row that is wrong."""
    rows = np.ascontiguousarray(vectors, dtype=np.float32)
    names = np.asarray(labels)
    if rows.ndim != 2 or names.shape != (len(rows),):
        raise ValueError(f"vectors of shape {rows.shape} cannot carry labels of shape {names.shape}")
    if names.dtype.kind == "f":
        raise ValueError("labels are floats, which cannot tell large numbers apart: give integers or strings")
    sound = np.isfinite(rows).all(axis=1)
    if not sound.all():
        row = int(np.flatnonzero(~sound)[0])
        raise TellapartError(
            f"vector {row} (of {names[row]!s}) is not finite: leave it out or encode it again"
        )
    return rows, names


def tiles(rows: int, columns: int, tile: int, *, upper: bool) -> Iterator[tuple[slice, slice]]:
    """Cut a matrix into tiles, row by row; `upper`: only those that hold a cell above the diagonal."""
    for top in range(0, rows, tile):
        for left in range(top if upper else 0, columns, tile):
            yield slice(top, min(top + tile, rows)), slice(left, min(left + tile, columns))


KEPT = 1 << 20
"""Highest impostors kept: 16 MB with their identities; they carry FAR 1e-4 of ten billion pairs."""


@dataclass(frozen=True, slots=True)
class _Tile:
    """Scores (r, c) of some rows and columns, whose identities are numbered; `strangers` (r, c) are impostors."""

    scores: Scores
    strangers: NDArray[np.bool_]
    rows: Rows
    columns: Rows


@dataclass(frozen=True, slots=True)
class PairScores:
    """Scores of pairs, higher = more alike.

    `genuine` (g,) falls; `at_least` and `above` (g,) count the impostors that reach and that exceed each of
    them, out of `impostors`; `highest` (h,) are the highest impostor scores, falling. `genuine_of` (g,) and
    `highest_of` (h, 2) number the identities behind them, `sizes` (i,) counts each identity's vectors; all three
    are empty where only scores were given.
    """

    genuine: NDArray[np.float64]
    at_least: NDArray[np.int64]
    above: NDArray[np.int64]
    impostors: int
    highest: NDArray[np.float64]
    genuine_of: Rows
    highest_of: Rows
    sizes: Rows

    @classmethod
    def of(cls, genuine: ArrayLike, impostors: ArrayLike) -> PairScores:
        """Take scores that were computed elsewhere: (g,) and (m,)."""
        scores = np.sort(np.asarray(genuine, dtype=np.float64).ravel())[::-1]
        others = np.sort(np.asarray(impostors, dtype=np.float64).ravel())
        _refuse_hopeless(len(scores), len(others))
        if not (np.isfinite(scores).all() and np.isfinite(others).all()):
            raise TellapartError("a score is not a finite number: leave the pair out or compute it again")
        none = np.zeros(0, dtype=np.int64)
        reach, exceed = _counts(others, scores)
        return cls(scores, reach, exceed, len(others), others[::-1].copy(), none, none.reshape(0, 2), none)

    @classmethod
    def within(
        cls, vectors: ArrayLike, labels: ArrayLike, *, kept: int = KEPT, tile: int = TILE
    ) -> PairScores:
        """Compare every two rows of unit vectors (n, d) once; equal labels (n,) make a pair genuine."""
        rows, names = checked_vectors(vectors, labels)
        _, numbers = np.unique(names, return_inverse=True)
        sizes = np.bincount(numbers)
        genuine, owners = _genuine(rows, numbers, rows, numbers, upper=True)
        impostors = (len(rows) ** 2 - int((sizes.astype(np.int64) ** 2).sum())) // 2
        return _collected(genuine, owners, impostors, _tiles(rows, numbers, None, tile), kept, sizes)

    @classmethod
    def between(
        cls,
        probes: ArrayLike,
        probe_labels: ArrayLike,
        gallery: ArrayLike,
        gallery_labels: ArrayLike,
        *,
        kept: int = KEPT,
        tile: int = TILE,
    ) -> PairScores:
        """Compare every probe (n, d) with every gallery row (m, d)."""
        left, left_names = checked_vectors(probes, probe_labels)
        right, right_names = checked_vectors(gallery, gallery_labels)
        _, numbers = np.unique(np.concatenate([left_names, right_names]), return_inverse=True)
        mine, theirs = numbers[: len(left)], numbers[len(left) :]
        genuine, owners = _genuine(left, mine, right, theirs, upper=False)
        found = _tiles(left, mine, (right, theirs), tile)
        impostors = len(left) * len(right) - len(genuine)
        return _collected(genuine, owners, impostors, found, kept, np.zeros(0, dtype=np.int64))


def _genuine(
    left: Scores, mine: Rows, right: Scores, theirs: Rows, *, upper: bool
) -> tuple[NDArray[np.float64], Rows]:
    """Scores of the pairs of one identity, identity by identity, and whose they are."""
    scores = [np.zeros(0)]
    owners = [np.zeros(0, dtype=np.int64)]
    order, other = np.argsort(mine, kind="stable"), np.argsort(theirs, kind="stable")
    for number in np.intersect1d(mine, theirs).tolist():
        a = order[slice(*np.searchsorted(mine[order], [number, number + 1]))]
        b = other[slice(*np.searchsorted(theirs[other], [number, number + 1]))]
        block = left[a] @ right[b].T
        found = block[np.triu_indices(len(a), 1)] if upper else block.ravel()
        scores.append(found.astype(np.float64))
        owners.append(np.full(len(found), number))
    return np.concatenate(scores), np.concatenate(owners)


def _tiles(left: Scores, mine: Rows, other: tuple[Scores, Rows] | None, tile: int) -> Iterator[_Tile]:
    """Compare two sets of vectors, or (`other` None) the rows of one, each pair once."""
    right, theirs = other or (left, mine)
    for rows, columns in tiles(len(left), len(right), tile, upper=other is None):
        strangers = mine[rows, None] != theirs[columns]
        if other is None and rows == columns:
            strangers = np.triu(strangers, 1)
        yield _Tile(left[rows] @ right[columns].T, strangers, mine[rows], theirs[columns])


def _collected(
    genuine: NDArray[np.float64], owners: Rows, impostors: int, found: Iterator[_Tile], kept: int, sizes: Rows
) -> PairScores:
    _refuse_hopeless(len(genuine), impostors)
    order = np.argsort(-genuine, kind="stable")
    genuine, owners = genuine[order], owners[order]
    at_least, above = np.zeros((2, len(genuine)), dtype=np.int64)
    best = _Best(kept)
    for tile in found:
        rising = np.sort(tile.scores[tile.strangers])
        best.add(tile, rising)
        reach, exceed = _counts(rising, genuine)
        at_least += reach
        above += exceed
    highest = best.scores.astype(np.float64)
    return PairScores(genuine, at_least, above, impostors, highest, owners, best.identities, sizes)


def _counts(rising: NDArray[np.floating], levels: NDArray[np.float64]) -> tuple[Rows, Rows]:
    """How many of the rising scores reach, and how many exceed, each level."""
    keys = levels.astype(rising.dtype)  # levels came from scores of this type: exact
    reach = len(rising) - np.searchsorted(rising, keys, side="left")
    exceed = len(rising) - np.searchsorted(rising, keys, side="right")
    return reach, exceed


class _Best:
    """The highest scores of a stream of tiles, with the two identities of each; of equal ones, the first seen."""

    def __init__(self, kept: int) -> None:
        self.kept = kept
        self.floor = -np.inf
        self.scores = np.zeros(0, dtype=np.float32)
        self.identities = np.zeros((0, 2), dtype=np.int64)

    def add(self, tile: _Tile, rising: Scores) -> None:
        if len(rising) > self.kept:
            self.floor = max(self.floor, float(rising[-self.kept]))
        rows, columns = np.nonzero(tile.strangers & (tile.scores >= self.floor))
        identities = np.stack([tile.rows[rows], tile.columns[columns]], axis=1)
        scores = np.concatenate([self.scores, tile.scores[rows, columns]])
        order = np.argsort(-scores, kind="stable")[: self.kept]
        self.scores = scores[order]
        self.identities = np.concatenate([self.identities, identities])[order]
        if len(order) == self.kept:
            self.floor = float(self.scores[-1])


def _refuse_hopeless(genuine: int, impostors: int) -> None:
    if not genuine:
        raise TellapartError("no two vectors belong to the same identity: give at least two of one of them")
    if not impostors:
        raise TellapartError("all vectors belong to one identity: give at least two identities")
