"""Paired differences under resampling: bootstrap-t intervals and sign-flip permutation tests.

Queries that share a document or a repository are not independent, so everything here works on clusters:
without any, each query is a cluster of its own and the formulas reduce to the usual ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

BLOCK_CELLS = 1 << 20
"""Cells (draws x clusters) worked on at once: 8 MB as float64, whatever the number of draws."""

ENUMERATED = 12
"""Up to so many non-zero differences all 4,096 sign patterns are counted instead of drawn."""

TOLERANCE = 1e-12
"""Sums that differ by less than this share of the absolute sum are equal: the order of adding moves them."""


@dataclass(frozen=True, slots=True)
class Clusters:
    """Differences of m comparisons summed within c clusters: `sums` (c, m), `sizes` (c,), `means` (m,)."""

    sums: Floats
    sizes: Floats
    means: Floats

    @classmethod
    def of(cls, differences: Floats, clusters: ArrayLike | None) -> Clusters:
        """Sum differences (n, m) over the clusters whose labels (n,) are given; None = each its own."""
        means = differences.mean(axis=0)
        if clusters is None:
            return cls(differences, np.ones(len(differences)), means)
        labels = np.asarray(clusters)
        if labels.shape != (len(differences),):
            raise ValueError(f"{len(differences)} queries but cluster labels of shape {labels.shape}")
        _, members = np.unique(labels, return_inverse=True)
        sizes = np.bincount(members).astype(np.float64)
        sums = np.zeros((len(sizes), differences.shape[1]))
        np.add.at(sums, members, differences)
        return cls(sums, sizes, means)

    def with_singles(self, differences: Floats) -> Clusters:
        """Add clusters of one query each, with these differences (k, m)."""
        sums = np.concatenate([self.sums, differences])
        sizes = np.concatenate([self.sizes, np.ones(len(differences))])
        return Clusters(sums, sizes, sums.sum(axis=0) / sizes.sum())

    @property
    def residuals(self) -> Floats:
        """Sums (c, m) of the differences' deviations from their mean."""
        return self.sums - self.sizes[:, None] * self.means

    def standard_errors(self) -> Floats:
        """Standard error of each mean (m,), robust to dependence within clusters; nan for one cluster."""
        count = len(self.sizes)
        if count < 2:
            return np.full(len(self.means), np.nan)
        squares = (self.residuals**2).sum(axis=0)
        errors: Floats = np.sqrt(squares * count / (count - 1)) / self.sizes.sum()
        # Equal differences leave rounding dust, not spread.
        dust = TOLERANCE * np.abs(self.sums).sum(axis=0) / self.sizes.sum()
        return np.where(errors <= dust, 0.0, errors)


def bootstrap_t(clusters: Clusters, *, draws: int, seed: int, confidence: float) -> tuple[Floats, Floats]:
    """Bootstrap-t limits of each mean: (m,) and (m,).

    Clusters are drawn with replacement, one draw for all comparisons; the studentised deviations of the
    resampled means give the quantiles (Efron and Tibshirani 1993, 12.5). Where so many resamples have no
    spread that a quantile is infinite, Student's quantiles take the place of both.
    """
    errors = clusters.standard_errors()
    pivots = np.concatenate([_pivots(clusters, counts) for counts in _drawn_counts(clusters, draws, seed)])
    tail = (1 - confidence) / 2
    low, high = np.quantile(pivots, [tail, 1 - tail], axis=0, method="inverted_cdf")
    student = t_quantile(1 - tail, len(clusters.sizes) - 1)
    sound = np.isfinite(low) & np.isfinite(high)
    low, high = np.where(sound, low, -student), np.where(sound, high, student)
    return clusters.means - high * errors, clusters.means - low * errors


def _drawn_counts(clusters: Clusters, draws: int, seed: int) -> Iterator[Floats]:
    """How often each cluster was drawn: blocks of (draws, c)."""
    random = np.random.default_rng(seed)
    count = len(clusters.sizes)
    block = max(1, BLOCK_CELLS // count)
    for start in range(0, draws, block):
        rows = min(block, draws - start)
        cells = random.integers(0, count, size=(rows, count), dtype=np.int32)
        cells += np.arange(0, rows * count, count, dtype=np.int32)[:, None]
        yield np.bincount(cells.ravel(), minlength=rows * count).reshape(rows, count).astype(np.float64)


def _pivots(clusters: Clusters, counts: Floats) -> Floats:
    """Studentised deviations (draws, m) of resampled means from the mean seen."""
    residuals, sizes = clusters.residuals, clusters.sizes[:, None]
    groups = len(sizes)
    total = counts @ sizes
    deviation = (counts @ residuals) / total
    squares = counts @ residuals**2 - 2 * deviation * (counts @ (residuals * sizes))
    squares += deviation**2 * (counts @ sizes**2)
    scale = (residuals**2).sum(axis=0) / groups
    squares = np.where(squares <= TOLERANCE * groups * scale, 0.0, squares)
    errors = np.sqrt(squares * groups / (groups - 1)) / total
    with np.errstate(divide="ignore", invalid="ignore"):
        pivots: Floats = deviation / errors
    return np.where((errors == 0) & (np.abs(deviation) <= np.sqrt(TOLERANCE * scale)), 0.0, pivots)


def t_quantile(probability: float, degrees: int) -> float:
    """Quantile of Student's t."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, probability))


def permutation_p(clusters: Clusters, *, draws: int, seed: int) -> Floats:
    """Two-sided p (m,) of each mean under random signs of the cluster sums.

    p = (1 + number of |mean flipped| >= |mean seen|) / (1 + draws): the pattern seen is one of them, so p is
    never 0. Up to ENUMERATED non-zero sums, p is the exact share of all patterns.
    """
    ps = np.ones(clusters.sums.shape[1])
    large: list[int] = []
    for column, sums in enumerate(clusters.sums.T):
        moved = sums[sums != 0]
        if len(moved) <= ENUMERATED:
            ps[column] = _enumerated_p(moved)
        else:
            large.append(column)
    if large:
        ps[large] = _drawn_p(clusters.sums[:, large], draws, seed)
    return ps


def _enumerated_p(sums: Floats) -> float:
    patterns = (np.arange(1 << len(sums))[:, None] >> np.arange(len(sums))) & 1
    flipped = np.abs((1 - 2 * patterns) @ sums)
    return float((flipped >= _threshold(sums[:, None])).mean())


def _drawn_p(sums: Floats, draws: int, seed: int) -> Floats:
    random = np.random.default_rng(seed)
    threshold, total = _threshold(sums), sums.sum(axis=0)
    block = max(1, BLOCK_CELLS // len(sums))
    reached = np.zeros(sums.shape[1], dtype=np.int64)
    for start in range(0, draws, block):
        rows = min(block, draws - start)
        packed = np.frombuffer(random.bytes(rows * ((len(sums) + 7) // 8)), dtype=np.uint8)
        kept = np.unpackbits(packed.reshape(rows, -1), axis=1, count=len(sums)).astype(np.float64)
        reached += (np.abs(2 * (kept @ sums) - total) >= threshold).sum(axis=0)
    return np.asarray((1 + reached) / (1 + draws), dtype=np.float64)


def _threshold(sums: Floats) -> Floats:
    return np.asarray(np.abs(sums.sum(axis=0)) - TOLERANCE * np.abs(sums).sum(axis=0), dtype=np.float64)
