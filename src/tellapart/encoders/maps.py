"""Linear maps of vectors that were fitted to a corpus, as a file map.npy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tellapart.encoders.protocol import Vectors
from tellapart.errors import TellapartError

VectorMap = NDArray[np.float32]
"""A matrix (e, d) that maps vectors of d dimensions to e."""


def apply_map(vectors: Vectors, by: VectorMap) -> Vectors:
    """Map vectors (n, d) by a matrix (e, d), row by row alike: a row's result is its own."""
    found: Vectors = np.einsum("nd,ed->ne", vectors, by)
    return found


def write_map(by: VectorMap, folder: Path) -> str:
    """Write a map into a folder and give the name of its file."""
    np.save(folder / "map.npy", by, allow_pickle=False)
    return "map.npy"


def read_map(path: Path, *, dim: int, base_dim: int) -> VectorMap:
    """Read a map from `base_dim` to `dim` dimensions.

    Raises:
        TellapartError: It cannot be read, or has other dimensions.
    """
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise TellapartError(f"cannot read {path}: {error}; fit or copy the encoder again") from error
    if not isinstance(found, np.ndarray):
        raise TellapartError(f"{path} holds several arrays, not one map: fit or copy the encoder again")
    if found.dtype != np.float32 or found.shape != (dim, base_dim):
        raise TellapartError(
            f"{path} holds {found.dtype} {found.shape}, config.json and its base ask for float32 {(dim, base_dim)}:"
            " fit or copy the encoder again"
        )
    return found
