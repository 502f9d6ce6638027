"""Mean and second moment of vectors: what the SVM and score statistics need to know of all units."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tellapart.index.vectors.stored import StoredRows, blocks

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Moments:
    """Sums over `n` rows: `total` (d,) of x and `gram` (d, d) of x xT, float64; sums add and subtract."""

    n: int
    total: Doubles
    gram: Doubles

    @classmethod
    def none(cls, dim: int) -> Moments:
        """Return the moments of no row at all."""
        return cls(0, np.zeros(dim), np.zeros((dim, dim)))

    @classmethod
    def of(cls, segments: Iterable[StoredRows], dim: int) -> Moments:
        """Sum over all rows blockwise in float64; rows of zeros (units without a vector) do not count."""
        n, total, gram = 0, np.zeros(dim), np.zeros((dim, dim))
        for _, part in blocks(segments):
            rows = part.astype(np.float64)
            n += int(rows.any(axis=1).sum())
            total += rows.sum(axis=0)
            gram += rows.T @ rows
        return cls(n, total, gram)

    def __add__(self, other: Moments) -> Moments:
        return Moments(self.n + other.n, self.total + other.total, self.gram + other.gram)

    def __sub__(self, other: Moments) -> Moments:
        if self.n == other.n:  # leave no rounding behind where no row is left
            return Moments.none(self.dim)
        return Moments(self.n - other.n, self.total - other.total, self.gram - other.gram)

    @property
    def dim(self) -> int:
        """Dimensions of the vectors."""
        return len(self.total)

    @property
    def mean(self) -> Doubles:
        """Mean vector (d,); zeros where there is no row."""
        return self.total / max(self.n, 1)

    @property
    def second(self) -> Doubles:
        """Mean of x xT (d, d), not centred."""
        return self.gram / max(self.n, 1)

    @property
    def covariance(self) -> Doubles:
        """Population covariance (d, d)."""
        mean = self.mean
        return self.second - np.outer(mean, mean)

    def score_statistics(self, query: ArrayLike) -> tuple[float, float]:
        """Mean and standard deviation of x . query over all rows: q.mu and sqrt(qT Cov q), no row read."""
        direction = np.asarray(query, dtype=np.float64)
        mean = float(direction @ self.mean)
        variance = float(direction @ self.gram @ direction) / max(self.n, 1) - mean * mean
        return mean, float(np.sqrt(max(variance, 0.0)))


@dataclass(frozen=True, slots=True)
class Spectrum:
    """Eigenvalues (d + 1,) and eigenvectors (columns, (d + 1, d + 1)) of the mean of [x; 1][x; 1]T.

    One decomposition serves every regularisation: (lambda I + M)^-1 costs two products per vector.
    """

    n: int
    values: Doubles
    vectors: Doubles
    mean: Doubles
    mean_eigenvalue: float

    @classmethod
    def of(cls, moments: Moments) -> Spectrum:
        """Decompose; `mean_eigenvalue` is that of the covariance, over the directions that n rows can span."""
        mean = moments.mean
        augmented = np.ones((moments.dim + 1, moments.dim + 1))
        augmented[:-1, :-1] = moments.second
        augmented[:-1, -1] = augmented[-1, :-1] = mean
        values, vectors = np.linalg.eigh(augmented)
        directions = max(1, min(moments.dim, moments.n - 1))
        spread = float(np.trace(moments.second) - mean @ mean) / directions
        return cls(moments.n, np.maximum(values, 0.0), vectors, mean, max(spread, 0.0))

    def solve(self, ridge: float, right: Doubles) -> Doubles:
        """Return (ridge I + M)^-1 right for vectors (d + 1,) or columns (d + 1, m)."""
        weights = 1.0 / (ridge + self.values)
        projected = self.vectors.T @ right
        return self.vectors @ (weights * projected if right.ndim == 1 else weights[:, None] * projected)
