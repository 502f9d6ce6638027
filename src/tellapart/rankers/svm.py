"""The closed form of the exemplar SVM: one linear transform of the query, served by the k-NN index.

With every unit a negative and squared hinge replaced by squared error, the exemplar SVM of Malisiewicz et al.
(ICCV 2011) is a ridge system, which is linear discriminant analysis with a shrunken covariance. With
x~ = [x; 1], positives P, counter-examples J, the other N units U and lambda = 1 / (C n):

    (lambda I + sum_P p x~ x~T + sum_J b x~ x~T + mean_U x~ x~T) t = sum_P p x~ - sum_J b x~ - mean_U x~.

Positives weigh 1 together and units weigh 1 together, as in liblinear with balanced classes; the bias is
regularised, as there. Counter-examples weigh more than a unit does. The spectrum of all units is kept; the
rows by which P, J and U differ from it are put in by Woodbury's identity, O(k d^2) for k of them.

A unit scores x~.t = x.w + b with w = t[:d], so any inner-product search serves it: the penalty on hubs does
not depend on the query and is part of w. Because of the bias w of a single positive q is not quite
(Cov + lambda I)^-1 (q - mean): at the default lambda their cosine was .994-.997 (LSA vectors of five
collections), at small lambda (C = .1, 2,000 units) it is above .999.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tellapart.errors import TellapartError
from tellapart.index.vectors import Moments, Spectrum, VectorReader
from tellapart.rankers.examples import Doubles, Rows, Weighted, extended, live_rows, weigh
from tellapart.rankers.query import Certificate, Query
from tellapart.rankers.vectors import Linear, VectorRanker

# lambda in mean eigenvalues of the covariance: with a tenth of it text queries lose, and a fixed C would whiten harder
# as the corpus grows.
DEFAULT_RATIO = 10.0
# Keeps the system regular where all vectors are equal and the spectrum is zero; eigenvalues of M are <= 2.
_LEAST_RIDGE = 1e-9


@dataclass(frozen=True, slots=True)
class Problem:
    """What to solve: examples with their 1 appended and signed weights, against `negatives` units at lambda.

    `own_rows` and their vectors `own` (r, d) are units that are no negatives; `reverse` asks for -t.
    """

    given: Weighted
    negatives: int
    ridge: float
    own_rows: Rows
    own: Doubles
    reverse: bool

    def moments(self, vectors: VectorReader) -> Moments:
        """Sum over the negatives."""
        whole = vectors.moments()
        return whole - Moments(len(self.own), self.own.sum(axis=0), self.own.T @ self.own)

    def rows(self, vectors: VectorReader) -> Rows:
        """Give the rows of the negatives, ascending."""
        live = np.ones(vectors.n_rows, dtype=bool) if vectors.alive is None else vectors.alive.copy()
        live[self.own_rows] = False
        if np.count_nonzero(live) > self.negatives:
            for first, block in vectors.blocks():
                live[first : first + len(block)] &= block.any(axis=1)
        return np.flatnonzero(live)

    def linear(self, t: Doubles, certificate: Certificate | None = None) -> Linear:
        """Read w and b off the solution (d + 1,)."""
        if self.reverse:
            t = -t
        return Linear(t[:-1], float(t[-1]), certificate)


@dataclass(frozen=True, slots=True)
class ClosedFormSVM:
    """Rank by the exemplar SVM's closed form; `ratio` = lambda in mean eigenvalues, or else a fixed `c`.

    Beside a text query the examples weigh `liked` together, the query 1 - `liked`; counter-examples weigh
    `unliked` together.
    """

    ratio: float = DEFAULT_RATIO
    c: float | None = None
    liked: float = 0.5  # as much as the query; with .25 .010 nDCG@10 more, lsa alone (bench/constants.py)
    unliked: float = 0.25  # with .125 .023 nDCG@10 more, lsa alone (bench/constants.py)

    def __post_init__(self) -> None:
        for name, value in (
            ("lambda", self.ratio),
            ("C", self.c),
            ("weight of counter-examples", self.unliked),
        ):
            if value is not None and not (np.isfinite(value) and value > 0):
                raise TellapartError(f"the SVM's {name} is {value}: give a number above 0")
        if not 0.0 < self.liked < 1.0:
            raise TellapartError(f"the examples' share is {self.liked}: give a number between 0 and 1")

    def ridge(self, spectrum: Spectrum, negatives: int, positives: int = 1) -> float:
        """Return lambda for so many rows: relative to the spectrum, or 1 / (C n)."""
        if self.c is None:
            return max(self.ratio * spectrum.mean_eigenvalue, _LEAST_RIDGE)
        return max(1.0 / (self.c * (negatives + positives)), _LEAST_RIDGE)

    def transform(self, index: VectorReader, query: ArrayLike, *, own_rows: Sequence[int] = ()) -> Linear:
        """Turn one query (d,) into the SVM's w and b."""
        vector = np.asarray(query, dtype=np.float32)
        return self(Query(vector=vector, own_rows=tuple(own_rows)), index)

    def __call__(self, query: Query, vectors: VectorReader) -> Linear:
        """Give w and b of a query and its examples, solved in float64.

        The query's own rows are left out of the negatives exactly as if the corpus never had them (lambda
        relative to the spectrum stays that of the whole corpus). Where they are all there is, the positives
        alone decide. Counter-examples alone give the reverse of liking them.
        """
        problem = self.pose(query, vectors)
        return nothing(vectors) if problem is None else problem.linear(self.solve(problem, vectors))

    def weighted(self, query: Query) -> Weighted:
        """Weigh the text query, the examples and the counter-examples."""
        return weigh(query, text=1.0 - self.liked, liked=self.liked, unliked=self.unliked)

    def pose(self, query: Query, vectors: VectorReader) -> Problem | None:
        """Turn a query into the problem to solve; None where there is no unit, or no vector to look for."""
        given = self.weighted(query)
        if not vectors.n_alive or not len(given):
            return None
        reverse = bool((given.weights < 0).all())
        given = (given.turned() if reverse else given).normalised()
        rows, own = live_rows(vectors, query.own_rows)
        spectrum = vectors.spectrum()
        negatives = spectrum.n - len(own)
        least = 1.0 / negatives if negatives else 0.0
        weights = np.where(given.weights < 0, np.minimum(given.weights, -least), given.weights)
        ridge = self.ridge(spectrum, negatives, len(given))
        return Problem(Weighted(extended(given.vectors), weights), negatives, ridge, rows, own, reverse)

    def solve(self, problem: Problem, vectors: VectorReader) -> Doubles:
        """Solve the ridge system for t (d + 1,)."""
        spectrum, own = vectors.spectrum(), problem.own
        if problem.negatives == 0:
            given = problem.given
            targets, weights = np.sign(given.weights), np.abs(given.weights)
            return _correction(given.vectors.T / problem.ridge, given.vectors, weights, targets)
        if len(own) > vectors.dim // 2:  # a new decomposition costs less than so many updates
            spectrum, own = Spectrum.of(problem.moments(vectors)), own[:0]
        return _updated(spectrum, problem.given, extended(own), problem.ridge)


def svm(form: ClosedFormSVM | None = None) -> VectorRanker:
    """Rank by the exemplar SVM's closed form."""
    return VectorRanker("svm", form or ClosedFormSVM())


def nothing(vectors: VectorReader) -> Linear:
    """Give the function that finds nothing."""
    return Linear(np.zeros(vectors.dim), 0.0)


def _updated(spectrum: Spectrum, given: Weighted, own: Doubles, ridge: float) -> Doubles:
    """Solve the system for examples (vectors with their 1) and a corpus without the rows `own`.

    Without r of N rows the corpus' mean of x~ x~T is (N M - sum o oT) / (N - r). So times (N - r) / N the system
    has the matrix (lambda (N - r) / N) I + M, which the spectrum solves, and each own row is one more example
    of weight -1 / N whose target is -1.
    """
    share = (spectrum.n - len(own)) / spectrum.n
    rows = np.vstack([given.vectors, own])
    weights = np.concatenate([share * np.abs(given.weights), np.full(len(own), -1.0 / spectrum.n)])
    targets = np.concatenate([np.sign(given.weights), np.full(len(own), -1.0)])
    mean = np.append(spectrum.mean, 1.0)
    solved = spectrum.solve(ridge * share, np.column_stack([mean, rows.T]))
    hubs = solved[:, 0]
    return _correction(solved[:, 1:], rows, weights, targets + rows @ hubs) - hubs


def _correction(inverse_rows: Doubles, rows: Doubles, weights: Doubles, targets: Doubles) -> Doubles:
    """Solve (A + sum w z zT) t = sum w target z by Woodbury's identity, given A^-1 zT as columns.

    t is A^-1 zT s with (I + W Z A^-1 ZT) s = W target: no inverse of W, which may hold zeros.
    """
    inner = np.eye(len(rows)) + weights[:, None] * (rows @ inverse_rows)
    solved: Doubles = inverse_rows @ np.linalg.solve(inner, weights * targets)
    return solved
