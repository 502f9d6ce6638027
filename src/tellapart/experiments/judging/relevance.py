"""How likely a pooled document is relevant: a small logistic model that learns from the answers as they come."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from tellapart.experiments.judging.pools import Floats

PRIOR = (-2.5, 3.0, -0.5, 0.0)
"""Constant, strength, relevant ones seen so far in the query, rejected ones.

Between what logistic fits find on sparse collections (cosqa: -3.2, 2.0, -3.3, .0) and dense ones (cacm: -1.2,
1.7, .2, -.2).
"""

PRIOR_PRECISION = 0.3
"""One over the variance of each coefficient around PRIOR: some ten answers outweigh it; 1 was tried, and worse."""

STEPS = 8
"""Steps of a fit, which starts where the last one ended."""


@dataclass(slots=True)
class Relevance:
    """P(relevant) of a document from how high the leaders rank it and what the query's other answers were.

    Nothing in it tells one leader from another, so what is asked next never favours one of them: the
    evidence depends on that.
    """

    coefficients: Floats = field(default_factory=lambda: np.array(PRIOR))
    _rows: list[tuple[float, float, float, float]] = field(default_factory=list)
    _relevant: list[bool] = field(default_factory=list)

    def probability(self, strength: ArrayLike, found: ArrayLike, rejected: ArrayLike) -> Floats:
        """P(relevant) where the leaders' mean discount is `strength` and so many answers are known."""
        a, b, c, d = self.coefficients
        exponent = a + b * np.asarray(strength) + c * np.asarray(found) + d * np.asarray(rejected)
        return np.asarray(1 / (1 + np.exp(-exponent)))

    def learn(self, strength: float, found: int, rejected: int, *, relevant: bool) -> None:
        """Take one answer, with what was known of its query before it."""
        self._rows.append((1.0, strength, float(found), float(rejected)))
        self._relevant.append(relevant)

    def refit(self) -> None:
        """Move the coefficients to the mode given all answers and the prior.

        The curvature is bounded by that at p = 1/2, which makes every step an ascent (Boehning 1992).
        """
        rows, relevant = np.array(self._rows), np.array(self._relevant, dtype=np.float64)
        if not len(rows):
            return
        prior, beta = np.array(PRIOR), self.coefficients
        curve = rows.T @ rows / 4 + PRIOR_PRECISION * np.eye(len(beta))
        for _ in range(STEPS):
            p = 1 / (1 + np.exp(-(rows @ beta)))
            slope = rows.T @ (relevant - p) - PRIOR_PRECISION * (beta - prior)
            beta = beta + np.linalg.solve(curve, slope)
        self.coefficients = beta
