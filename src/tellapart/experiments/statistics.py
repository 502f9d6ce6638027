"""Paired statistics: is one configuration better than another, by how much, and could we have seen it?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from tellapart.errors import TellapartError
from tellapart.experiments.resampling import Clusters, Floats, bootstrap_t, permutation_p

DRAWS = 10_000
"""Resamples behind each interval and each p: p is then known to about .002 near .05."""

CONFIDENCE = 0.95
ALPHA = 0.05

POWER_FACTOR = 2.8016
"""z(.975) + z(.80): standard errors that a difference needs to be seen in 80 % of trials at 5 % two-sided."""

MARGIN = 0.01
"""Non-inferiority: a loss of nDCG up to this is taken for nothing (a requirement, not an estimate)."""

IMAGINED = 0.37
IMAGINED_WEIGHT = 10
"""Two queries are imagined beside those asked when an interval is made, one won and one lost by a typical difference.

As Agresti and Coull (1998) add trials to a proportion: where nearly all queries answer both systems alike, those
asked may show no difference at all, and their own interval would be empty. A typical difference is the mean of the
absolute ones that are not 0 and of ten more of 1 - 1/log2(3), what nDCG changes where the only answer falls from
first to second. `bench/verdict_statistics.py` shows the coverage with them; without, it is far too low where few of 50
queries differ.
"""

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

    @property
    def worse(self) -> bool:
        """Whether a is worse than b: both the test and the interval say so, whose limits need not agree."""
        return self.p <= ALPHA and self.difference < 0 and not self.high >= 0

    def detectable_among(self, comparisons: int) -> float:
        """The difference that would be shown in 80 % of trials if Holm corrects for so many comparisons.

        The smallest p of m comparisons is tested at 5 % / m, so more comparisons need a larger difference.
        """
        return self.detectable * power_factor(comparisons) / POWER_FACTOR

    def needed(self, difference: float, *, among: int = 1) -> int:
        """How many independent units would show `difference` in 80 % of trials, among so many comparisons."""
        if difference == 0:
            raise ValueError("no number of queries shows a difference of 0")
        if math.isnan(self.detectable):
            raise ValueError("one query leaves the spread unknown")
        return max(2, math.ceil(self.n * (self.detectable_among(among) / difference) ** 2))

    def non_inferior(self, margin: float = MARGIN) -> bool:
        """Whether a is at most `margin` worse than b, at the interval's confidence."""
        return self.low > -margin


def power_factor(comparisons: int) -> float:
    """Standard errors that a difference needs to be seen in 80 % of trials at 5 % / comparisons, two-sided."""
    normal = NormalDist()
    return normal.inv_cdf(1 - ALPHA / (2 * max(comparisons, 1))) + normal.inv_cdf(0.8)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and the limits of its interval, nan where a single unit leaves the spread unknown."""

    mean: float
    low: float
    high: float


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
        TellapartError: The arrays differ in length, are empty, or hold values that are not finite.
    """
    return compare_all(
        np.atleast_2d(_numbers(a)).T,
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
    if count < 2:
        low = high = detectable = np.full(len(ps), np.nan)
    else:
        padded = _with_imagined(sums)
        low, high = bootstrap_t(padded, draws=draws, seed=seed, confidence=confidence)
        detectable = POWER_FACTOR * padded.standard_errors()
    columns = zip(sums.means, low, high, ps, detectable, strict=True)
    return tuple(
        Comparison(float(mean), float(lower), float(upper), float(p), count, float(shown))
        for mean, lower, upper, p, shown in columns
    )


def estimate_means(
    values: ArrayLike,
    *,
    clusters: ArrayLike | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> tuple[Estimate, ...]:
    """Give the mean of each column of `values` (n, m), which lie between 0 and 1, with a bootstrap-t interval.

    A query of 0 and one of 1 are imagined beside them, and the limits stay between 0 and 1.
    """
    matrix = np.asarray(values, dtype=np.float64)
    sums = Clusters.of(_differences(matrix, np.zeros(len(matrix))), clusters)
    if len(sums.sizes) < 2:
        return tuple(Estimate(float(mean), math.nan, math.nan) for mean in sums.means)
    ends = np.repeat([[0.0], [1.0]], matrix.shape[1], axis=1)
    low, high = bootstrap_t(sums.with_singles(ends), draws=draws, seed=seed, confidence=CONFIDENCE)
    limits = zip(sums.means, np.maximum(low, 0.0), np.minimum(high, 1.0), strict=True)
    return tuple(Estimate(*map(float, each)) for each in limits)


def _with_imagined(sums: Clusters) -> Clusters:
    moved = sums.sums != 0
    count = moved.sum(axis=0)
    typical = np.divide(
        np.abs(sums.sums).sum(axis=0),
        (moved * sums.sizes[:, None]).sum(axis=0),
        out=np.zeros(len(count)),
        where=count > 0,
    )
    size = (count * typical + IMAGINED_WEIGHT * IMAGINED) / (count + IMAGINED_WEIGHT)
    return sums.with_singles(np.stack([-size, size]))


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


def tied_group(
    values: ArrayLike,
    *,
    clusters: ArrayLike | None = None,
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
    return TiedGroup(best, tuple(column for column, p in enumerate(ps) if p > ALPHA), ps)


def _numbers(values: ArrayLike) -> Floats:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TellapartError(f"values hold something that is no number: {error}") from error


def _differences(values: ArrayLike, reference: ArrayLike) -> Floats:
    matrix = _numbers(values)
    base = _numbers(reference)
    if matrix.ndim != 2 or base.shape != (len(matrix),):
        raise TellapartError(
            f"{len(matrix)} values cannot be paired with {base.size}: give one for each query on both sides"
        )
    if len(matrix) == 0:
        raise TellapartError("there is no query to compare on: give one value for each query")
    differences = matrix - base[:, None]
    if not np.isfinite(differences).all():
        raise TellapartError("a value is not a finite number: leave its query out on both sides")
    return differences
