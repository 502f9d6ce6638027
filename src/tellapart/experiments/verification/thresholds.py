"""Operating points from pair scores: ROC, equal error rate, detection cost, thresholds (accept strictly above)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellapart.errors import TellapartError
from tellapart.experiments.verification.pairs import PairScores

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Roc:
    """The corners (n,) of the curve of true against false accepts, from (0, 0) to (1, 1).

    Between corners it is straight: level or upright, slanted where genuine and impostor scores tie.
    """

    far: Floats
    tar: Floats

    @property
    def area(self) -> float:
        """Chance that a genuine pair scores above an impostor, ties counted half."""
        return float((np.diff(self.far) * (self.tar[1:] + self.tar[:-1])).sum() / 2)


def roc(pairs: PairScores) -> Roc:
    """Give the curve's corners: two for each distinct genuine score, before and after it is accepted."""
    _, first, counts = np.unique(-pairs.genuine, return_index=True, return_counts=True)
    after = np.cumsum(counts) / len(pairs.genuine)
    before = np.concatenate([[0.0], after[:-1]])
    far = np.stack([pairs.above[first], pairs.at_least[first]], axis=1).ravel() / pairs.impostors
    tar = np.stack([before, after], axis=1).ravel()
    return Roc(np.concatenate([[0.0], far, [1.0]]), np.concatenate([[0.0], tar, [1.0]]))


def equal_error_rate(pairs: PairScores) -> float:
    """Where false accepts equal false rejects; linear interpolation between the corners of the ROC."""
    curve = roc(pairs)
    gap = curve.far - (1 - curve.tar)
    after = int(np.argmax(gap >= 0))
    before = after - 1
    share = -gap[before] / (gap[after] - gap[before])
    return float(curve.far[before] + share * (curve.far[after] - curve.far[before]))


def min_dcf(pairs: PairScores, *, target: float = 0.01, miss: float = 1.0, false_alarm: float = 1.0) -> float:
    """Least detection cost over all thresholds, as a share of the cost of not looking at the score (<= 1).

    Args:
        pairs: Genuine and impostor scores.
        target: Prior probability that a pair is genuine.
        miss: Cost of rejecting a genuine pair.
        false_alarm: Cost of accepting an impostor.
    """
    if not (0 < target < 1 and miss > 0 and false_alarm > 0):
        raise ValueError(f"target {target} must lie between 0 and 1, costs {miss}, {false_alarm} above 0")
    curve = roc(pairs)
    costs = miss * target * (1 - curve.tar) + false_alarm * (1 - target) * curve.far
    return float(costs.min() / min(miss * target, false_alarm * (1 - target)))


SUPPORT = 30
"""Impostors that must lie beyond a threshold for its rate to mean anything (the rule of 30: +-30 % at 90 %)."""

ROUNDING = 1e-12
"""Lets .29 x 100 count as 29."""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What a threshold does: `far` and `tar` are the shares of impostors and of genuine pairs above it.

    `low` and `high` bound `tar` at 95 % over resampled identities; nan where pairs had none.
    """

    threshold: float
    far: float
    tar: float
    low: float = math.nan
    high: float = math.nan


def errors_allowed(far: float, impostors: int, *, support: int = SUPPORT) -> int:
    """How many impostors may pass: floor(far x impostors).

    Raises:
        TellapartError: The rate is none, or fewer than `support` impostors would have to carry it.
    """
    if not 0 < far <= 1:
        raise TellapartError(f"a rate of {far:g} is none: give one above 0 and at most 1")
    allowed = math.floor(far * impostors * (1 + ROUNDING))
    if allowed < support:
        raise TellapartError(
            f"a rate of {far:g} cannot be measured on {impostors:,} impostors: {support} of them must exceed the"
            f" threshold; give {math.ceil(support / far):,} or ask for {support / max(impostors, 1):.2g} or more"
        )
    return allowed


def threshold_at_far(pairs: PairScores, far: float, *, support: int = SUPPORT) -> float:
    """Give the lowest observed threshold that at most the share `far` of the impostors exceeds.

    With k = floor(far x impostors), it is the impostor score number k + 1, falling: an order statistic, never
    interpolated. Raises TellapartError where fewer than `support` errors would carry it.
    """
    return _number(pairs, errors_allowed(far, pairs.impostors, support=support))


def guaranteed_threshold(pairs: PairScores, far: float) -> float:
    """Give a threshold with P(a new impostor exceeds it) <= far, if impostors are exchangeable (conformal).

    The ceil((1 - far)(n + 1))-th smallest of n impostor scores; impossible below far = 1 / (n + 1).
    """
    count = pairs.impostors
    rank = math.ceil((1 - far) * (count + 1) * (1 - ROUNDING))
    if not 0 < far <= 1 or rank > count:
        raise TellapartError(
            f"{count:,} impostors cannot guarantee a rate of {far:g}: ask for {1 / (count + 1):.2g} or more"
        )
    return _number(pairs, count - max(rank, 1))


def tar_at_far(
    pairs: PairScores, far: float, *, support: int = SUPPORT, draws: int = 0, seed: int = 0
) -> Acceptance:
    """Share of genuine pairs accepted where at most `far` of the impostors are.

    Args:
        pairs: Genuine and impostor scores.
        far: The rate of false accepts that is allowed.
        support: Errors that must carry the rate.
        draws: Resamples of identities for the interval; 0 = none. Pairs share people, so resampled pairs
            would give intervals that are too narrow.
        seed: Of the resamples.
    """
    threshold = threshold_at_far(pairs, far, support=support)
    exceeding = int(np.searchsorted(-pairs.highest, -threshold, side="left"))
    low, high = _interval(pairs, far, draws, seed) if draws else (math.nan, math.nan)
    return Acceptance(
        threshold, exceeding / pairs.impostors, float((pairs.genuine > threshold).mean()), low, high
    )


def _number(pairs: PairScores, exceeding: int) -> float:
    """Impostor score that comes after `exceeding` higher ones."""
    if exceeding >= pairs.impostors:
        return -math.inf
    if exceeding >= len(pairs.highest):
        raise TellapartError(
            f"only the {len(pairs.highest):,} highest impostor scores were kept, this threshold is number"
            f" {exceeding + 1:,} or later: ask for a smaller rate, or keep more of them with kept=..."
        )
    return float(pairs.highest[exceeding])


def _interval(pairs: PairScores, far: float, draws: int, seed: int) -> tuple[float, float]:
    """Percentile limits of TAR at `far` when identities are drawn with replacement.

    A pair of one identity counts as often as it was drawn, a pair of two as the product; copies of one
    identity are never impostors of each other.
    """
    if not len(pairs.sizes):
        raise TellapartError("these pairs do not say whose they are: an interval needs PairScores.within")
    random = np.random.default_rng(seed)
    values = []
    for _ in range(draws):
        drawn = np.bincount(
            random.integers(0, len(pairs.sizes), len(pairs.sizes)), minlength=len(pairs.sizes)
        )
        vectors = drawn * pairs.sizes
        impostors = (int(vectors.sum()) ** 2 - int((vectors**2).sum())) / 2
        passed = np.cumsum(drawn[pairs.highest_of[:, 0]] * drawn[pairs.highest_of[:, 1]])
        threshold = _number(pairs, int(np.searchsorted(passed, far * impostors, side="right")))
        weights = drawn[pairs.genuine_of]
        if weights.any():
            values.append(float(weights[pairs.genuine > threshold].sum() / weights.sum()))
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
