"""Hubs: units that are among the nearest of far more units than others are (Radovanović et al., JMLR 2010)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tellapart.index.vectors import VectorIndex
from tellapart.scores.diagnostic import Concern, Diagnostic

NEIGHBOURS = 10
SAMPLE = 4_000
"""Units looked at, among themselves: the skew of a sample understates that of all, and costs .3 s."""

FEWEST = 100
"""Fewer units than this have no distribution to speak of."""

MUCH_SKEW = 3.0
"""Skew of the 10-occurrences above which hubs are listed as worth a look. Our choice, not measured; the effect on a
corpus is what `evaluate` measures between knn and svm."""

BLOCK = 512


def hubness(vectors: VectorIndex, *, seed: int = 0) -> Diagnostic:
    """Measure how unevenly units occur among the nearest neighbours of others."""
    rows = _sample(vectors, seed)
    if len(rows) < FEWEST:
        counts, value = np.zeros(0), None
        shown = f"not measured: {len(rows)} units"
    else:
        counts = occurrences(rows)
        value = skew(counts)
        shown = (
            f"skew {value:.1f} among {len(rows):,} units; the largest hub is near {counts.max():,.0f} of them,"
            f" {float((counts == 0).mean()):.0%} are near none"
        )
    return Diagnostic(
        name="hubness",
        value=value,
        shown=shown,
        verdict=_verdict(value),
        healthy=f"below {MUCH_SKEW:.0f}",
        meaning="a hub turns up for many queries whatever they say; units near none are found by words only",
        action="the svm holds hubs back, hybrid lets words decide: measure both on your queries",
        verify="tellapart evaluate",
    )


def occurrences(vectors: NDArray[np.float32], k: int = NEIGHBOURS) -> NDArray[np.float64]:
    """Count for each row (n,) of how many other rows it is among the k nearest by inner product."""
    counts = np.zeros(len(vectors))
    for first in range(0, len(vectors), BLOCK):
        scores = vectors[first : first + BLOCK] @ vectors.T
        own = np.arange(len(scores))
        scores[own, first + own] = -np.inf
        near = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        counts += np.bincount(near.ravel(), minlength=len(vectors))
    return counts


def skew(counts: NDArray[np.float64]) -> float:
    """Third standardised moment; 0 where all are equal."""
    deviations = counts - counts.mean()
    spread = float(np.sqrt((deviations**2).mean()))
    return float((deviations**3).mean() / spread**3) if spread else 0.0


def _sample(vectors: VectorIndex, seed: int) -> NDArray[np.float32]:
    rows = np.arange(vectors.n_rows) if vectors.alive is None else np.flatnonzero(vectors.alive)
    if len(rows) > SAMPLE:
        rows = np.sort(np.random.default_rng(seed).choice(rows, SAMPLE, replace=False))
    taken = vectors.take(rows)
    return taken[taken.any(axis=1)]


def _verdict(value: float | None) -> Concern:
    if value is None:
        return Concern.UNKNOWN
    return Concern.LOOK if value > MUCH_SKEW else Concern.FINE
