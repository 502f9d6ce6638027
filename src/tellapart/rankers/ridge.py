"""Ridge regression of relevance on vectors, without a bias: examples should score 1, the rest of the corpus 0.

With c the weighted sum of what is liked less that of what is not, and M the mean of x xT over the other units,

    w = (M + lambda I)^-1 c,

the exemplar SVM's closed form without its bias: of M the mean vector is one direction among others, held back as
the others are, and no mean of the units is taken from the query. That matters for text queries, which do not lie
among the units: the closed form with a bias loses where centring does (docs/svm.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tellapart.errors import TellapartError
from tellapart.index.vectors import Spectrum, VectorReader
from tellapart.rankers.examples import Doubles, live_rows, weigh
from tellapart.rankers.query import Query
from tellapart.rankers.vectors import Linear

DEFAULT_RATIO = 30.0
"""Lambda in mean eigenvalues of M: cross-validation chose 10 to 100 on judged sets (bench/svm_evidence.py)."""

BETA, BETA_OF_ONE = 2.0, 1.0
"""Weight of the examples together, and of one beside words, which loses at 2 (bench/svm_defaults.py)."""


@dataclass(frozen=True, slots=True)
class Ridge:
    """Score by (M + lambda I)^-1 (alpha query + beta mean(liked) - gamma mean(unliked)).

    Without a `beta` the examples weigh twice as much as the words, a single one as much as they.
    """

    ratio: float = DEFAULT_RATIO
    alpha: float = 1.0
    beta: float | None = None
    gamma: float = 0.15

    def __post_init__(self) -> None:
        if not (np.isfinite(self.ratio) and self.ratio > 0):
            raise TellapartError(f"the ridge's lambda is {self.ratio}: give a number above 0")

    def __call__(self, query: Query, vectors: VectorReader) -> Linear:
        """Give the linear function of a query and its examples; its own rows do not count in M."""
        given = weigh(query, text=self.alpha, liked=self.of_liked(query), unliked=self.gamma)
        right = given.weights @ given.vectors
        if not vectors.n_alive or not len(given):
            return Linear(right, 0.0)
        return Linear(self.solve(right, query.own_rows, vectors), 0.0)

    def of_liked(self, query: Query) -> float:
        """Give the weight of the liked examples together."""
        if self.beta is not None:
            return self.beta
        alone = query.vector is not None and query.examples is not None and len(query.examples.liked) == 1
        return BETA_OF_ONE if alone else BETA

    def solve(self, right: Doubles, own_rows: Sequence[int], vectors: VectorReader) -> Doubles:
        """Solve for M without r of its N rows: ((lambda (N - r) / N) I + M - sum o oT / N) w = right.

        That is (M' + lambda I) w = right times N / (N - r), a scale that no ranking sees.
        """
        spectrum, (_, own) = vectors.spectrum(), live_rows(vectors, own_rows)
        left = spectrum.n - len(own)
        if left == 0:
            return right
        ridge = self.ratio * _mean_eigenvalue(spectrum) * left / spectrum.n
        solved = _without_bias(spectrum, ridge, np.column_stack([right, own.T]))
        plain, of_own = solved[:, 0], solved[:, 1:]
        inner = spectrum.n * np.eye(len(own)) - own @ of_own
        w: Doubles = plain + of_own @ np.linalg.solve(inner, own @ plain)
        return w


def _mean_eigenvalue(spectrum: Spectrum) -> float:
    """Mean eigenvalue of M over the directions that n rows can span: M's trace is 1 for unit rows."""
    trace = float(spectrum.values.sum()) - 1.0
    dim = len(spectrum.mean)
    return max(trace, 1e-9) / max(1, min(dim, spectrum.n))


def _without_bias(spectrum: Spectrum, ridge: float, right: Doubles) -> Doubles:
    """Return (ridge I + M)^-1 right for columns (d, m), from the decomposition of [x; 1][x; 1]T.

    Solving the larger system with a bias of its own leaves it 0 where the last row asks for what makes it so.
    """
    columns = np.zeros((len(right) + 1, right.shape[1] + 1))
    columns[:-1, :-1] = right
    columns[-1, -1] = 1.0
    solved = spectrum.solve(ridge, columns)
    bias = solved[:, -1:]
    cleared: Doubles = (solved[:, :-1] - bias * (solved[-1, :-1] / bias[-1]))[:-1]
    return cleared


FEWEST = 2
"""Examples from which on the answer is expanded: with one nothing is gained that shows
(docs/benchmarks/svm_evidence.md, examples alone)."""

EXPANDED_RATIO = 10.0
EXPANDING_UNITS = 10
EXPANDING_WEIGHT = 1.0
"""Lambda in mean eigenvalues, how many first units, and what they weigh together where one example weighs 1: of what
gains on 114 concepts of WordNet the largest that loses nothing on judged sets and intents (bench/svm_expansion.py)."""


@dataclass(frozen=True, slots=True)
class ExpandedRidge:
    """Rank by `ridge`, let its first `units` together weigh `weight` times one example, and rank again.

    The first units are the corpus' own: neither the examples nor units of the same document, and a filter of the
    search does not restrict them.
    """

    ridge: Ridge = field(default_factory=lambda: Ridge(EXPANDED_RATIO))
    alone: Ridge = field(default_factory=Ridge)
    units: int = EXPANDING_UNITS
    weight: float = EXPANDING_WEIGHT

    def __call__(self, query: Query, vectors: VectorReader) -> Linear:
        """Give the linear function of the second ranking, or ridge's where there are fewer than two examples."""
        n = 0 if query.examples is None else np.count_nonzero(query.examples.liked.any(axis=1))
        if n < FEWEST:
            return self.alone(query, vectors)
        first = self.ridge(query, vectors)
        near = self._first_units(query, vectors, first.w)
        if not len(near):
            return first
        pull = self.weight * self.ridge.of_liked(query) / n * near.mean(axis=0)
        return Linear(first.w + self.ridge.solve(pull, query.own_rows, vectors), 0.0)

    def _first_units(self, query: Query, vectors: VectorReader, w: Doubles) -> Doubles:
        allowed = np.ones(vectors.n_rows, dtype=bool)
        allowed[list(query.own_rows)] = False
        rows, _ = vectors.search(w.astype(np.float32)[None], self.units, allowed=allowed)
        return vectors.take(rows[0][rows[0] >= 0]).astype(np.float64)
