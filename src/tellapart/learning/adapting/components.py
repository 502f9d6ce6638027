"""The map: relevant component analysis (Shental et al. 2002), shrunk towards the identity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellapart.encoders.protocol import Vectors


@dataclass(frozen=True, slots=True)
class Components:
    """Spectrum of the differences between queries and their answers: `variances` (d,), `directions` (d, d)."""

    variances: NDArray[np.float64]
    directions: NDArray[np.float64]

    @classmethod
    def of(cls, queries: Vectors, answers: Vectors) -> Components:
        """Decompose the second moment of q - a over pairs of rows (n, d).

        The mean difference stays in it: that queries as such point elsewhere than texts is one of the directions.
        """
        differences = queries.astype(np.float64) - answers
        variances, directions = np.linalg.eigh(differences.T @ differences / max(1, len(differences)))
        return cls(variances.clip(0), directions)

    @classmethod
    def within(cls, vectors: Vectors, labels: NDArray[np.int64]) -> Components:
        """Decompose the scatter of vectors (n, d) around the means of their labels (n,), counting from 0."""
        means = class_means(vectors, labels)
        return cls.of(vectors, np.asarray(means[labels], dtype=np.float32))

    def map(self, pull: float) -> NDArray[np.float32]:
        """Give (S / mean eigenvalue + pull I)^(-1/2) sqrt(1 + pull), symmetric (d, d); a large pull is the identity."""
        mean = self.variances.mean() or 1.0
        gains = np.sqrt((1 + pull) / (self.variances / mean + pull))
        return np.asarray((self.directions * gains) @ self.directions.T, dtype=np.float32)


def class_means(vectors: Vectors, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Average the vectors (n, d) of each label (n,): (labels, d)."""
    sums = np.zeros((int(labels.max()) + 1, vectors.shape[1]))
    np.add.at(sums, labels, vectors)
    return sums / np.bincount(labels)[:, None]
