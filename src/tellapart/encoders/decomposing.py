"""Leading directions of a sparse matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

POWER_ITERATIONS = 4
OVERSAMPLES = 64
"""Of the randomised decomposition (Halko et al. 2011)."""


def right_directions(matrix: csr_matrix, wanted: int, seed: int) -> NDArray[np.float32]:
    """Right singular vectors (terms, k) of the largest singular values; exact where the matrix is small."""
    from sklearn.utils.extmath import randomized_svd

    smallest = min(matrix.shape)
    if smallest <= wanted + OVERSAMPLES:
        _, strengths, right = np.linalg.svd(matrix.toarray().astype(np.float64), full_matrices=False)
    else:
        _, strengths, right = randomized_svd(
            matrix, wanted, n_oversamples=OVERSAMPLES, n_iter=POWER_ITERATIONS, random_state=seed
        )
    kept = int((strengths[:wanted] > strengths[0] * 1e-6).sum())
    right = right[: max(kept, 1)]
    signs = np.sign(right[np.arange(len(right)), np.abs(right).argmax(axis=1)])
    return np.ascontiguousarray((right * signs[:, None]).T, dtype=np.float32)
