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

    def map(self, pull: float) -> NDArray[np.float32]:
        """Give (S / mean eigenvalue + pull I)^(-1/2) sqrt(1 + pull), symmetric (d, d); a large pull is the identity."""
        mean = self.variances.mean() or 1.0
        gains = np.sqrt((1 + pull) / (self.variances / mean + pull))
        return np.asarray((self.directions * gains) @ self.directions.T, dtype=np.float32)
