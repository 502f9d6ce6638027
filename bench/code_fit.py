"""The conditional logit of the structure ranker: fitting, folds of whole repositories or languages, calibration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from code_data import Judged
from tellapart.rankers.structure_weights import Weights
from tellapart.scores.calibration import log_odds

RIDGE = 10.0
"""Penalty on standardised weights. Chosen of {3, 10, 30, 100} on the development repositories, where it hardly
mattered (nDCG@10 .875, .876, .873, .868)."""

FOLDS, SEED = 5, 0
Vector = NDArray[np.float64]


def fit_kind(judged: Sequence[Judged], columns: NDArray[np.int64]) -> Vector:
    """Maximise the sum over queries of log P(some relevant file), P = softmax of X w over the candidates."""
    useful = [each for each in judged if each.relevant.any()]
    x = np.concatenate([each.features[:, columns] for each in useful])
    deviations = x.std(axis=0)
    deviations[deviations == 0] = 1
    x = (x - x.mean(axis=0)) / deviations
    sizes = [len(each.features) for each in useful]
    starts = np.cumsum([0, *sizes[:-1]])
    owner = np.repeat(np.arange(len(useful)), sizes)
    relevant = np.concatenate([each.relevant for each in useful]).astype(float)

    def loss(w: Vector) -> tuple[float, Vector]:
        scores = x @ w
        grown = np.exp(scores - np.maximum.reduceat(scores, starts)[owner])
        p = grown / np.add.reduceat(grown, starts)[owner]
        found = np.add.reduceat(p * relevant, starts)
        value = -np.log(found).sum() + RIDGE / 2 * w @ w
        return float(value), x.T @ (p - p * relevant / found[owner]) + RIDGE * w

    fitted: Vector = minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B").x / deviations
    return fitted


def fit(
    judged: Sequence[Judged], names: Sequence[str], kept: Sequence[str] = (), *, one: bool = False
) -> Weights:
    """Fit both kinds of query (or `one` for both); features that are not kept weigh 0."""
    columns = np.array([at for at, name in enumerate(names) if not kept or name in kept])
    both = []
    for symbol in (False, True):
        own = [each for each in judged if one or each.asked.symbol == symbol]
        w = np.zeros(len(names))
        w[columns] = fit_kind(own, columns)
        both.append(w)
    return Weights(tuple(names), *both, 0.0, 1.0)


def folds(judged: Sequence[Judged], key: Callable[[Judged], str], count: int = FOLDS) -> NDArray[np.int64]:
    """Number the fold of each query; what has one key stays together."""
    groups = sorted({key(each) for each in judged})
    np.random.default_rng(SEED).shuffle(groups)
    fold = {group: at % count for at, group in enumerate(groups)}
    return np.array([fold[key(each)] for each in judged])


@dataclass(frozen=True)
class CrossFitted:
    """Out of fold: nDCG@10 of each query (files by score, each as its first unit), and the weights it was scored by."""

    values: Vector
    weights: Sequence[Weights]


def cross_fit(
    judged: Sequence[Judged],
    names: Sequence[str],
    fold: NDArray[np.int64],
    kept: Sequence[str] = (),
    *,
    one: bool = False,
) -> CrossFitted:
    """Score every query by weights fitted without its fold."""
    by_fold = {
        number: fit([each for each, f in zip(judged, fold, strict=True) if f != number], names, kept, one=one)
        for number in sorted(set(fold.tolist()))
    }
    own = [by_fold[number] for number in fold.tolist()]
    values = [each.value(each.features @ w.of(each.asked)) for each, w in zip(judged, own, strict=True)]
    return CrossFitted(np.array(values), own)


def shares(each: Judged, weights: Weights) -> Vector:
    """P(file | query) of the candidates."""
    scores = each.features @ weights.of(each.asked)
    grown: Vector = np.exp(scores - scores.max())
    return grown / grown.sum()


def calibrate(p: Vector, relevant: NDArray[np.bool_]) -> tuple[float, float]:
    """Fit Platt's map on log odds of P: intercept and slope."""
    odds = log_odds(p)

    def loss(w: Vector) -> tuple[float, Vector]:
        z = w[0] + w[1] * odds
        gradient = 1 / (1 + np.exp(-z)) - relevant
        return float((np.logaddexp(0, z) - relevant * z).sum()), np.array([gradient.sum(), gradient @ odds])

    intercept, slope = minimize(loss, np.array([0.0, 1.0]), jac=True, method="L-BFGS-B").x
    return float(intercept), float(slope)
