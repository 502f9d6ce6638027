"""How much more likely a score is for the same identity than for two: likelihood ratios, and what follows of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tellapart.identities.answers import Floats

LEAST_GENUINE = 5
"""Genuine scores below which nothing is fitted: one for each way to err (two coefficients) and some to spare."""

FITTED = 20_000
"""Scores of each kind that are fitted to, at most: two parameters need no more, and it takes .1 s."""

PRIOR = 0.5
"""What is assumed before looking, where nobody says otherwise: as likely as not."""

MOST = 20.0
"""Natural log odds beyond which a fit is not believed: 1 in 500 million was never observed here."""


@dataclass(frozen=True, slots=True)
class Odds:
    """log P(score | same) / P(score | different) = slope x score + intercept, at most what was observed supports.

    `limit` is the log of how many scores it was fitted on: rarer things were not seen.
    """

    slope: float
    intercept: float
    limit: float

    @classmethod
    def fit(cls, genuine: Floats, impostor: Floats) -> Odds | None:
        """Fit by logistic regression with both kinds weighing the same; None where there is too little."""
        if len(genuine) < LEAST_GENUINE or len(impostor) < LEAST_GENUINE:
            return None
        from sklearn.linear_model import LogisticRegression

        genuine, impostor = _at_most(genuine), _at_most(impostor)
        scores = np.concatenate([genuine, impostor])
        centre, spread = float(scores.mean()), max(float(scores.std()), 1e-6)
        same = np.r_[np.ones(len(genuine)), np.zeros(len(impostor))]
        fitted = LogisticRegression(class_weight="balanced").fit(((scores - centre) / spread)[:, None], same)
        slope = max(float(fitted.coef_[0, 0]) / spread, 0.0)
        return cls(slope, float(fitted.intercept_[0]) - slope * centre, float(np.log(len(scores))))

    def log_ratio(self, scores: Floats | float) -> Floats:
        """Give log likelihood ratios, cut where nothing was observed."""
        limit = min(self.limit, MOST)
        return np.clip(self.slope * np.asarray(scores, dtype=np.float64) + self.intercept, -limit, limit)

    def same(self, score: float, prior: float) -> float:
        """P(same identity | score) for a pair that is of one identity with probability `prior`."""
        return float(_logistic(self.log_ratio(score) + np.log(prior) - np.log1p(-prior)))

    def among(self, scores: Floats, identities: int, prior: float) -> tuple[Floats, float]:
        """P(identity i | scores) of the best identities (k,), and P(none of them).

        Before looking, the view shows one of the `identities` with probability `prior`, each alike; identities beyond
        the best have a likelihood ratio of at most the last one's and at most 1.
        """
        ratios = np.exp(self.log_ratio(scores))
        each = prior / identities
        others = max(identities - len(scores), 0) * min(1.0, float(ratios[-1])) if len(ratios) else 0.0
        total = (1 - prior) + each * (float(ratios.sum()) + others)
        return each * ratios / total, float((1 - prior) / total)


def _at_most(scores: Floats) -> Floats:
    if len(scores) <= FITTED:
        return scores
    return np.asarray(np.random.default_rng(0).choice(scores, FITTED, replace=False))


def _logistic(value: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-value)))
