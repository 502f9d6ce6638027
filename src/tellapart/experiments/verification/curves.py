"""ROC, equal error rate and detection cost, exact from the counts at the genuine scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
