"""Thresholds with a finite-sample statement, found on queries with known answers.

Every statement is about new queries like those (exchangeable with them) and is refused where there are too few. Queries
that depend on each other count once: of each cluster one query is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tellapart.errors import TellapartError

Floats = NDArray[np.float64]

CONFIDENCE = 0.95
"""Of a precision: of 20 calibrations at most one gives a threshold that does not keep it, as is usual; an argument of
`precision_threshold`."""

STEPS = 40
"""Thresholds that are tried for a precision, each accepting a fortieth of the queries more: fewer leave a
lower threshold unseen, more change little since they are tested in order."""

MOST_TIMES = 100
"""So many times as many queries are the most that is said to be missing."""

LEAST_VARIANCE = 0.01
"""Of expected shares: keeps a few very certain hits from looking easier than many certain ones."""

ROUNDING = 1e-12
"""Lets .29 x 100 count as 29."""


@dataclass(frozen=True, slots=True)
class KeptThreshold:
    """Keep what lies at or above `threshold`; `statement` says what then holds, `queries` on how many it rests."""

    threshold: float
    statement: str
    queries: int


def one_each(clusters: Sequence[str], seed: int = 0) -> NDArray[np.int64]:
    """Positions of one query of each cluster, drawn at random: these are independent."""
    order = np.random.default_rng(seed).permutation(len(clusters))
    drawn = {clusters[position]: position for position in order.tolist()}
    return np.array(sorted(drawn.values()), dtype=np.int64)


def lower_quantile(values: ArrayLike, share: float, what: str = "queries") -> float:
    """Give the largest observed value that at most `share` of new values lie below, on average (conformal).

    The floor(share (n + 1))-th smallest of n values: P(a new value < it) <= share if all n + 1 are exchangeable
    (Vovk, Gammerman and Shafer 2005). Never interpolated.

    Args:
        values: Observed ones (n,), -inf where nothing was reached.
        share: Allowed below, between 0 and 1.
        what: Name of the values, for the error.

    Raises:
        TellapartError: n < 1 / share - 1: no observed value can carry it; or the quantile is -inf.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    if not 0 < share < 1:
        raise TellapartError(f"a share of {share:g} is impossible: give one between 0 and 1")
    rank = math.floor(share * (len(ordered) + 1) * (1 + ROUNDING))
    if rank < 1:
        needed = math.ceil(1 / share - 1 - ROUNDING)
        raise TellapartError(
            f"{1 - share:g} cannot be promised on {len(ordered):,} {what}: needs {needed - len(ordered):,} more"
        )
    found = float(ordered[rank - 1])
    if found == -math.inf:
        reached = float(np.isfinite(ordered).mean())
        raise TellapartError(
            f"{1 - share:g} cannot be reached: only {reached:.0%} of {len(ordered):,} {what} find an answer at all;"
            f" ask for less, or find a better configuration with 'tellapart evaluate'"
        )
    return found


def recall_threshold(best: ArrayLike, recall: float) -> KeptThreshold:
    """Give a threshold that the best relevant hit of a new query reaches with probability `recall` or more.

    Args:
        best: Highest probability of a relevant hit of each independent query (n,); -inf where it has none.
        recall: Wanted share of queries that keep a relevant hit.
    """
    values = np.asarray(best, dtype=np.float64)
    threshold = lower_quantile(values, 1 - recall)
    basis = f"order statistic of {len(values):,}"
    statement = f"at most {1 - recall:.0%} of the queries lose their best relevant hit ({basis})"
    return KeptThreshold(threshold, statement, len(values))


def false_accept_threshold(misses: ArrayLike, rate: float) -> KeptThreshold:
    """Give a threshold that the best hit of a new query without an answer exceeds with probability `rate` or less.

    Args:
        misses: Probability of the best hit of independent queries whose answer is not in the corpus (n,).
        rate: Allowed share of these that is answered all the same.
    """
    values = np.asarray(misses, dtype=np.float64)
    highest = -lower_quantile(-values, rate, "queries without an answer")
    threshold = float(np.nextafter(highest, np.inf))
    statement = (
        f"at most {rate:.0%} of queries without an answer get one (order statistic of {len(values):,})"
    )
    return KeptThreshold(threshold, statement, len(values))


def precision_threshold(
    probabilities: Sequence[ArrayLike],
    relevant: Sequence[ArrayLike],
    precision: float,
    *,
    confidence: float = CONFIDENCE,
) -> KeptThreshold:
    """Give the lowest threshold found at which shown hits are relevant with at least this precision.

    Precision is the mean, over the queries that still show a hit, of the share of their shown hits that is relevant.
    Learn then test with fixed sequences (Angelopoulos et al. 2021): thresholds that accept more and more queries are
    tested in order, each at the full level, until one fails. The first of them is the one that the probabilities
    themselves, without the judgements, expect to pass most easily. The p-value is exact for 0 or 1 and valid for any
    share (`mean_below_p`).

    Args:
        probabilities: Of the hits of each independent query.
        relevant: Whether each hit is.
        precision: Wanted, between 0 and 1.
        confidence: Probability, over draws of the queries, that no threshold with a lower precision is given.

    Raises:
        TellapartError: Too few queries, or no threshold reaches it; the message says how many more may do.
    """
    if not 0 < precision < 1:
        raise TellapartError(f"a precision of {precision:g} cannot be promised: give one between 0 and 1")
    level, count = 1 - confidence, len(probabilities)
    needed = math.ceil(math.log(level) / math.log(precision))
    if count < needed:
        raise TellapartError(
            f"a precision of {precision:g} cannot be promised on {count:,} queries: needs {needed - count:,} more"
        )
    scored, labels = _padded(probabilities, -np.inf), _padded(relevant, 0.0)
    best = np.sort(scored.max(axis=1))[::-1]
    thresholds = np.unique(best[np.unique(np.linspace(needed, count, STEPS).astype(int)) - 1])[::-1]
    thresholds = thresholds[thresholds > -np.inf]
    expected = [_ease(_shown_means(scored, scored, each), precision) for each in thresholds]
    start = int(np.argmax(expected)) if expected else 0
    held: float | None = None
    for threshold in thresholds[start:]:
        if mean_below_p(_shown_means(scored, labels, threshold), precision) > level:
            break
        held = float(threshold)
    if held is None:
        first = _shown_means(scored, labels, thresholds[start]) if expected else np.zeros(1)
        raise TellapartError(_not_reached(first, precision, confidence, count))
    basis = f"{confidence:.0%} confidence, {count:,} queries"
    statement = f"of shown hits {precision:.0%} or more are relevant ({basis})"
    return KeptThreshold(held, statement, count)


def _not_reached(shares: Floats, precision: float, confidence: float, count: int) -> str:
    """Say what is missing: more queries where the most certain hits are good enough, otherwise a better ranking."""
    said = (
        f"a precision of {precision:g} was not reached with {confidence:.0%} confidence on {count:,} queries"
    )
    reached = float(shares.mean())
    if reached <= precision:
        return (
            f"{said}: the most certain hits reach {reached:.2f}; ask for less, or find a better configuration"
        )
    more = 1
    while mean_below_p(np.repeat(shares, 1 + more), precision) > 1 - confidence and more < MOST_TIMES:
        more += 1
    return f"{said}: the most certain hits reach {reached:.2f}, which needs about {count * more:,} more like these"


def mean_below_p(values: Floats, mean: float) -> float:
    """P-value of the hypothesis that values in [0, 1] have a mean of at most `mean`.

    The binomial tail where all values are 0 or 1; else the smaller of Hoeffding's bound and e times the binomial tail
    (Bentkus 2004; Bates et al. 2021, proposition 4).
    """
    from scipy.stats import binom

    count = len(values)
    if not count:
        return 1.0
    observed = float(values.mean())
    successes = float(values.sum())
    if bool(((values == 0) | (values == 1)).all()):
        return float(binom.sf(successes - 1, count, mean))
    if observed <= mean:
        return 1.0
    divergence = observed * math.log(observed / mean)
    if observed < 1:
        divergence += (1 - observed) * math.log((1 - observed) / (1 - mean))
    bentkus = math.e * float(binom.sf(math.floor(successes + ROUNDING) - 1, count, mean))
    return min(math.exp(-count * divergence), bentkus, 1.0)


def _padded(rows: Sequence[ArrayLike], filler: float) -> Floats:
    """Put lists of different lengths below each other (n, longest)."""
    lists = [np.asarray(each, dtype=np.float64) for each in rows]
    table = np.full((len(lists), max(map(len, lists), default=0) or 1), filler)
    for row, each in zip(table, lists, strict=True):
        row[: len(each)] = each
    return table


def _shown_means(scored: Floats, values: Floats, threshold: float) -> Floats:
    """Mean of the values of the shown hits of each query that shows any at this threshold."""
    shown = scored >= threshold
    counts = shown.sum(axis=1)
    sums = np.where(shown, values, 0.0).sum(axis=1)
    return np.asarray(sums[counts > 0] / counts[counts > 0], dtype=np.float64)


def _ease(expected: Floats, precision: float) -> float:
    """Standard errors by which the expected precision exceeds the wanted one."""
    mean = float(expected.mean())
    return (mean - precision) * math.sqrt(len(expected) / max(mean * (1 - mean), LEAST_VARIANCE))
