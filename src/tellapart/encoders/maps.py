"""Maps of vectors that were fitted to a corpus: linear (map.npy), or residual with one hidden layer (map.npz)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tellapart.encoders.protocol import Vectors
from tellapart.errors import TellapartError

Matrix = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ResidualMap:
    """x + tanh(x first' + bias) second': `first` (h, d), `bias` (h,), `second` (d, h)."""

    first: Matrix
    bias: Matrix
    second: Matrix


VectorMap = Matrix | ResidualMap


def apply_map(vectors: Vectors, by: VectorMap) -> Vectors:
    """Map vectors (n, d) by a matrix (e, d) or a residual map, row by row alike: a row's result is its own."""
    if isinstance(by, ResidualMap):
        hidden = np.tanh(np.einsum("nd,hd->nh", vectors, by.first) + by.bias)
        changed: Vectors = vectors + np.einsum("nh,dh->nd", hidden, by.second)
        return changed
    found: Vectors = np.einsum("nd,ed->ne", vectors, by)
    return found


def width(by: VectorMap) -> int:
    """Dimensions of what comes out."""
    return len(by.second) if isinstance(by, ResidualMap) else len(by)


def write_map(by: VectorMap, folder: Path) -> str:
    """Write a map into a folder and give the name of its file."""
    if isinstance(by, ResidualMap):
        np.savez(folder / "map.npz", first=by.first, bias=by.bias, second=by.second)
        return "map.npz"
    np.save(folder / "map.npy", by, allow_pickle=False)
    return "map.npy"


def read_map(path: Path, *, dim: int, base_dim: int) -> VectorMap:
    """Read a map from `base_dim` to `dim` dimensions.

    Raises:
        TellapartError: It cannot be read, or has other dimensions.
    """
    try:
        content = np.load(path, allow_pickle=False)
        if path.suffix == ".npz":
            with content:
                arrays = {name: content[name] for name in ("first", "bias", "second")}
        else:
            arrays = {"map": content}
    except (OSError, ValueError, KeyError) as error:
        raise TellapartError(f"cannot read {path}: {error}; fit or copy the encoder again") from error
    hidden = len(arrays.get("bias", ()))
    wanted = {"map": (dim, base_dim), "first": (hidden, base_dim), "bias": (hidden,), "second": (dim, hidden)}
    for name, array in arrays.items():
        if array.dtype != np.float32 or array.shape != wanted[name]:
            raise TellapartError(
                f"{path} holds {array.dtype} {array.shape}, config.json and its base ask for float32 {wanted[name]}:"
                " fit or copy the encoder again"
            )
    return ResidualMap(**arrays) if hidden else arrays["map"]
