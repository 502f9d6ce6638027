"""Paired statistics: is one configuration better than another, by how much, and could we have seen it?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tellapart.evaluation.resampling import Clusters, Floats, bootstrap_t, permutation_p, t_quantile

DRAWS = 10_000
"""Resamples behind each interval and each p: p is then known to about .002 near .05."""

CONFIDENCE = 0.95
ALPHA = 0.05

POWER_FACTOR = 2.8016
"""z(.975) + z(.80): standard errors that a difference needs to be seen in 80 % of trials at 5 % two-sided."""

MARGIN = 0.01
"""Non-inferiority: a loss of nDCG up to this is taken for nothing (a requirement, not an estimate)."""

FEW_QUERIES = 30
"""Below so many independent queries the interval's coverage was not shown; whoever prints it must say so."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A paired comparison of two configurations, a - b.

    `low` and `high` bound the mean difference; `p` is that of the sign-flip test, uncorrected. `n` counts
    the independent units: queries, or clusters of them. `detectable` is the difference that n would show
    in 80 % of trials; nan, like the limits, where a single unit leaves the spread unknown.
    """

    difference: float
    low: float
    high: float
    p: float
    n: int
    detectable: float

    def needed(self, difference: float) -> int:
        """How many independent units would show `difference` in 80 % of trials."""
        if difference == 0:
            raise ValueError("no number of queries shows a difference of 0")
        if math.isnan(self.detectable):
            raise ValueError("one query leaves the spread unknown")
        return max(2, math.ceil(self.n * (self.detectable / difference) ** 2))

    def non_inferior(self, margin: float = MARGIN) -> bool:
        """Whether a is at most `margin` worse than b, at the interval's confidence."""
        return self.low > -margin


@dataclass(frozen=True, slots=True)
class TiedGroup:
    """Columns that are not separated from the best mean: `members` includes `best`; `p` (m,) is Holm's."""

    best: int
    members: tuple[int, ...]
    p: tuple[float, ...]


def compare(
    a: ArrayLike,
    b: ArrayLike,
    *,
    clusters: ArrayLike | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> Comparison:
    """Compare two configurations over the same queries in the same order.

    Args:
        a: Value per query (n,).
        b: Value per query (n,).
        clusters: Label per query (n,) of what is resampled together (document, repository).
        draws: Resamples and sign flips.
        seed: Of both.
        confidence: Of the bootstrap-t interval.

    Raises:
        ValueError: The arrays differ in length, are empty, or hold values that are not finite.
    """
    return compare_all(
        np.asarray(a, dtype=np.float64)[:, None],
        b,
        clusters=clusters,
        draws=draws,
        seed=seed,
        confidence=confidence,
    )[0]


def compare_all(
    values: ArrayLike,
    reference: ArrayLike,
    *,
    clusters: ArrayLike | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> tuple[Comparison, ...]:
    """Compare each column of `values` (n, m) with `reference` (n,): one set of resamples for all of them."""
    sums = Clusters.of(_differences(values, reference), clusters)
    count = len(sums.sizes)
    ps = permutation_p(sums, draws=draws, seed=seed)
    errors = sums.standard_errors()
    if count < 2:
        low = high = np.full(len(ps), np.nan)
    else:
        low, high = bootstrap_t(sums, draws=draws, seed=seed, confidence=confidence)
    columns = zip(sums.means, low, high, ps, POWER_FACTOR * errors, strict=True)
    return tuple(
        Comparison(float(mean), float(lower), float(upper), float(p), count, float(detectable))
        for mean, lower, upper, p, detectable in columns
    )


def t_interval(
    a: ArrayLike, b: ArrayLike, *, clusters: ArrayLike | None = None, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Student's interval of the mean difference; with clusters, with their robust error and c - 1 degrees."""
    sums = Clusters.of(_differences(np.asarray(a, dtype=np.float64)[:, None], b), clusters)
    mean, error = float(sums.means[0]), float(sums.standard_errors()[0])
    half = t_quantile((1 + confidence) / 2, len(sums.sizes) - 1) * error if len(sums.sizes) > 1 else math.nan
    return mean - half, mean + half


def holm(ps: Sequence[float]) -> tuple[float, ...]:
    """Holm's adjusted p: sorted, times m, m - 1, ..., 1, running maximum, at most 1.

    `ps` must hold all comparisons made, also those that are not shown.
    """
    order = sorted(range(len(ps)), key=lambda position: (ps[position], position))
    adjusted = [0.0] * len(ps)
    highest = 0.0
    for done, position in enumerate(order):
        highest = max(highest, min(1.0, (len(ps) - done) * ps[position]))
        adjusted[position] = highest
    return tuple(adjusted)


def detectable_difference(spread: float, n: int) -> float:
    """Difference that n queries show in 80 % of trials, if single differences have the deviation `spread`."""
    return POWER_FACTOR * spread / math.sqrt(n)


def needed_queries(spread: float, difference: float) -> int:
    """Queries that show `difference` in 80 % of trials, if single differences have the deviation `spread`."""
    return math.ceil((POWER_FACTOR * spread / difference) ** 2)


def tied_group(
    values: ArrayLike,
    *,
    clusters: ArrayLike | None = None,
    alpha: float = ALPHA,
    draws: int = DRAWS,
    seed: int = 0,
) -> TiedGroup:
    """The configurations (columns of `values` (n, m)) not separated from the one with the best mean.

    Tied is not equal: ask `Comparison.non_inferior` before taking a cheaper member for as good.
    """
    matrix = np.asarray(values, dtype=np.float64)
    best = int(matrix.mean(axis=0).argmax())
    sums = Clusters.of(_differences(matrix, matrix[:, best]), clusters)
    others = [column for column in range(matrix.shape[1]) if column != best]
    raw = permutation_p(sums, draws=draws, seed=seed)
    adjusted = dict(zip(others, holm([float(raw[column]) for column in others]), strict=True))
    ps = tuple(adjusted.get(column, 1.0) for column in range(matrix.shape[1]))
    return TiedGroup(best, tuple(column for column, p in enumerate(ps) if p > alpha), ps)


def _differences(values: ArrayLike, reference: ArrayLike) -> Floats:
    matrix = np.asarray(values, dtype=np.float64)
    base = np.asarray(reference, dtype=np.float64)
    if matrix.ndim != 2 or base.shape != (len(matrix),):
        raise ValueError(f"values of shape {matrix.shape} cannot be paired with {base.shape}")
    if len(matrix) == 0:
        raise ValueError("there is no query to compare on")
    differences = matrix - base[:, None]
    if not np.isfinite(differences).all():
        raise ValueError("a value is not a finite number")
    return differences
