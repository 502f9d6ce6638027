"""What all of these share: checked inputs, identities as numbers, tiles of the matrix of scores."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tellapart.errors import TellapartError

Scores = NDArray[np.float32]
Rows = NDArray[np.int64]

TILE = 2048
"""Rows and columns worked on at once: 16 MB of scores (our choice, not measured)."""


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
