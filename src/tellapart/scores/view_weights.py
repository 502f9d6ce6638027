"""How much each view of a relation counts: weights learned from pairs, held at what other relations have."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

VIEWS = ("cosine", "step", "bend", "role", "common", "names it", "is named")
"""What is compared; `RelationModel.directions` and `name_views` say how."""

SHRINKAGES = (0.25, 1.0, 4.0, math.inf)
"""Strengths that are chosen among: how strongly weights are held at what is typical, 1 = as firmly as other relations
agree; the last stands for the plain cosine. Steps of two standard errors: less is not told apart by few pairs."""

FOLDS = 5

EVIDENCE_NATS = 2.0
"""Log likelihood that holding on less strongly must gain on pairs left out: odds of seven to one."""

SYMMETRIC_NATS = 4.0
"""The same for a symmetric relation, where both are first made as sharp as fits. Such a relation mostly is likeness
itself, and with 2 nats five pairs lost some of its precision. Directed relations between glosses would lose with 4 what
five pairs gain."""

SHARPNESS = (0.05, 30.0)
"""Between these the factor of all weights is sought that makes answers most likely; wide."""

PLAIN = np.array([4.0, *[0.0] * (len(VIEWS) - 1)])
"""The plain cosine as weights, as sharp as four of its standard deviations; not measured."""

LEAST_SPREAD = 0.3
"""Of a typical weight: nearly all of 14 relations differ less from each other than that, so that a handful that happen
to agree promises no more."""


@dataclass(frozen=True, slots=True)
class TypicalWeights:
    """What weights of the standardised views relations have: mean (7,) and standard deviation (7,)."""

    mean: Floats
    spread: Floats

    @classmethod
    def of(cls, weights: ArrayLike) -> Self:
        """Describe the weights of some relations (n, 7); nan where a relation says nothing of a view."""
        rows = np.ma.masked_invalid(np.asarray(weights, dtype=np.float64))
        return cls(rows.mean(axis=0).filled(0), np.maximum(rows.std(axis=0).filled(0), LEAST_SPREAD))


DIRECTED = TypicalWeights(np.array([1.5, 0.6, 0.3, 0.2, -0.3, 0.2, 0.0]), np.full(7, 0.3))
SYMMETRIC = TypicalWeights(np.array([1.5, 0.0, 0.3, 0.1, -0.6, 0.0, 0.0]), np.full(7, 0.3))
"""Weights of 14 directed and of three symmetric relations, up to 100 pairs each: bench/relations.py prints them.
docs/benchmarks/relations.md shows what they are worth on relations of other domains."""


def chosen_shrinkage(pairs: Sequence[Floats], typical: TypicalWeights, *, symmetric: bool) -> float:
    """Choose how strongly to hold on to what is typical: the likelihood of pairs that the weights have not seen."""
    folds = np.random.default_rng(0).permutation(len(pairs)) % min(FOLDS, len(pairs))
    losses = []
    for shrinkage in SHRINKAGES:
        total = 0.0
        for fold in range(folds.max() + 1):
            known = [each for each, own in zip(pairs, folds, strict=True) if own != fold]
            weights = fitted_weights(known, shrinkage, typical)
            if symmetric:
                weights = weights * _sharpness(known, weights)
            total += sum(
                _loss(views @ weights) for views, own in zip(pairs, folds, strict=True) if own == fold
            )
        losses.append(total)
    best = int(np.argmin(losses))
    # of two that explain about as well the one that learns less: the gain must pay for its noise
    needed = SYMMETRIC_NATS if symmetric else EVIDENCE_NATS
    return SHRINKAGES[max(at for at, loss in enumerate(losses) if loss <= losses[best] + needed)]


def _loss(scores: Floats) -> float:
    """Minus the log likelihood of the first of some scores (1 + m,) among all."""
    return float(np.log(np.exp(scores - scores.max()).sum()) + scores.max() - scores[0])


def _sharpness(pairs: Sequence[Floats], weights: Floats) -> float:
    """Find the factor of the weights that makes the pairs' answers most likely."""
    from scipy.optimize import minimize_scalar

    scores = [views @ weights for views in pairs]
    found = minimize_scalar(
        lambda factor: sum(_loss(factor * each) for each in scores), bounds=SHARPNESS, method="bounded"
    )
    return float(found.x)


def fitted_weights(pairs: Sequence[Floats], shrinkage: float, typical: TypicalWeights) -> Floats:
    """Fit the conditional logit: each (1 + m, 7) holds the views of an answer, then of all that it competes with."""
    from scipy.optimize import minimize

    if math.isinf(shrinkage):
        return PLAIN
    hold = shrinkage / typical.spread**2

    def loss(weights: Floats) -> tuple[float, Floats]:
        total, gradient = 0.0, np.zeros_like(weights)
        for views in pairs:
            scores = views @ weights
            scores -= scores.max()
            shares = np.exp(scores)
            shares /= shares.sum()
            total -= float(np.log(max(shares[0], 1e-300)))
            gradient += shares @ views - views[0]
        away = weights - typical.mean
        return total + 0.5 * float(hold @ away**2), gradient + hold * away

    return np.asarray(minimize(loss, typical.mean, jac=True, method="L-BFGS-B").x, dtype=np.float64)
