"""Rows of unit length, whatever a model returned."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tellapart.encoders.protocol import Vectors
from tellapart.errors import TellapartError

VANISHING = 1e-12
"""A vector shorter than this has no direction that means anything (float32 products lose it)."""


def unit_rows(values: ArrayLike, *, encoder: str) -> Vectors:
    """Scale rows to unit length; a row of zeros (a text without any known token) gets the last axis.

    Args:
        values: (n, dim), any float type.
        encoder: Named in the error.

    Raises:
        TellapartError: A value is NaN or infinite.
    """
    rows = np.array(values, dtype=np.float32, ndmin=2)
    if not np.isfinite(rows).all():
        raise TellapartError(
            f"the encoder {encoder!r} returned NaN or infinite values: its weights are damaged; get them again"
        )
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
    lost = lengths < VANISHING
    if lost.any():
        rows[lost] = 0.0
        rows[lost, -1] = 1.0
        lengths[lost] = 1.0
    rows /= lengths[:, None].astype(np.float32)
    return rows


def stored_precision(rows: Vectors) -> Vectors:
    """Round to what the cache and the index keep (float16), so that a cached vector equals a fresh one."""
    return rows.astype(np.float16).astype(np.float32)
