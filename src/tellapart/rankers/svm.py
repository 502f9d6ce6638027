"""The closed form of the exemplar SVM: one linear transform of the query, served by the k-NN index.

With every unit a negative and squared hinge replaced by squared error, the exemplar SVM of Malisiewicz et al.
(ICCV 2011) is a ridge system, which is linear discriminant analysis with a shrunken covariance. With
x~ = [x; 1], N units, M the mean of x~ x~T, m its last column (the mean of x~), positive weight a = C n
(n = N + 1), negative weight e = C n / N each and lambda = 1 / (C n):

    (I + a q~ q~T + e sum x~ x~T) t = a q~ - e sum x~,    so    t = g (1 + q~.h) / (1 + q~.g) - h,
    g = (lambda I + M)^-1 q~,  h = (lambda I + M)^-1 m.

The bias is regularised, as in liblinear. A unit scores x~.t = x.w + b with w = t[:d]: the penalty on hubs,
x~.h, does not depend on the query and is part of w, so no second index is needed. Because of the bias w is
not quite (Cov + lambda I)^-1 (q - mean): at the default lambda their cosine was .994-.997 (LSA vectors of
five collections), at small lambda (C = .1, 2,000 units) it is above .999.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tellapart.errors import TellapartError
from tellapart.index.vectors import Spectrum, VectorIndex
from tellapart.rankers.query import Query
from tellapart.rankers.vectors import Linear, VectorRanker, query_vector

# lambda in mean eigenvalues of the covariance: with MiniLM, 10 tied with k-NN over 668 queries of six collections and
# gained .061 nDCG@10 on CISI (p .003); 1 lost .033. A fixed C would whiten harder as the corpus grows.
DEFAULT_RATIO = 10.0
# Keeps the system regular where all vectors are equal and the spectrum is zero; eigenvalues of M are <= 2.
_LEAST_RIDGE = 1e-9

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ClosedFormSVM:
    """Rank by the exemplar SVM's closed form; `ratio` = lambda in mean eigenvalues, or else a fixed `c`."""

    ratio: float = DEFAULT_RATIO
    c: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("lambda", self.ratio), ("C", self.c)):
            if value is not None and not (np.isfinite(value) and value > 0):
                raise TellapartError(f"the SVM's {name} is {value}: give a number above 0")

    def ridge(self, spectrum: Spectrum, negatives: int) -> float:
        """Return lambda for so many negatives: relative to the spectrum, or 1 / (C n)."""
        ridge = self.ratio * spectrum.mean_eigenvalue if self.c is None else 1.0 / (self.c * (negatives + 1))
        return max(ridge, _LEAST_RIDGE)

    def transform(self, index: VectorIndex, query: ArrayLike, *, own_rows: Sequence[int] = ()) -> Linear:
        """Turn a query (d,) into the SVM's w and b, solved in float64.

        `own_rows` are live rows that are the query itself: they are left out of the negatives exactly as if
        the corpus never had them (lambda relative to the spectrum stays that of the whole corpus).
        """
        spectrum = index.spectrum()
        positive = np.append(np.asarray(query, dtype=np.float64), 1.0)
        own = self._own(index, own_rows)
        g, h = _solutions(spectrum, positive, own, self.ridge(spectrum, spectrum.n - len(own)))
        t = g * ((1.0 + positive @ h) / (1.0 + positive @ g)) - h
        return Linear(t[:-1], float(t[-1]))

    def _own(self, index: VectorIndex, own_rows: Sequence[int]) -> Doubles:
        rows = np.unique(np.asarray(own_rows, dtype=np.int64))
        if len(rows) and (rows[0] < 0 or rows[-1] >= index.n_rows):
            raise ValueError(f"own rows {rows.tolist()} outside of {index.n_rows} rows")
        if index.alive is not None:
            rows = rows[index.alive[rows]]
        vectors = index.take(rows).astype(np.float64)
        vectors = vectors[vectors.any(axis=1)]
        return np.hstack([vectors, np.ones((len(vectors), 1))])

    def __call__(self, query: Query, vectors: VectorIndex) -> Linear:
        """Give the linear function of a query; its own rows are no negatives."""
        vector = query_vector(query)
        if not vectors.n_alive or not vector.any():
            return Linear(np.zeros(len(vector)), 0.0)
        return self.transform(vectors, vector, own_rows=query.own_rows)


def svm(ratio: float = DEFAULT_RATIO) -> VectorRanker:
    """Rank by the exemplar SVM; `ratio` is lambda in mean eigenvalues of the covariance."""
    return VectorRanker("svm", ClosedFormSVM(ratio))


def _solutions(spectrum: Spectrum, positive: Doubles, own: Doubles, ridge: float) -> tuple[Doubles, Doubles]:
    """Return (lambda I + M')^-1 of q~ and of the mean of x~, M' and the mean taken without `own` (r, d + 1).

    Without r rows M' = (N M - sum o oT) / (N - r), so that (lambda I + M')^-1 is (N - r) / N times the
    inverse of (lambda (N - r) / N I + M - sum o oT / N): a shifted ridge, then Woodbury for r rows.
    """
    n, r = spectrum.n, len(own)
    if n == r:  # no negatives are left
        return positive / ridge, np.zeros_like(positive)
    share = (n - r) / n
    total = n * np.append(spectrum.mean, 1.0) - own.sum(axis=0)
    right = np.column_stack([positive, total / (n - r)])
    solved = spectrum.solve(ridge * share, right)
    if r:
        inverse_own = spectrum.solve(ridge * share, own.T)
        inner = n * np.eye(r) - own @ inverse_own
        solved = solved + inverse_own @ np.linalg.solve(inner, own @ solved)
    return share * solved[:, 0], share * solved[:, 1]
