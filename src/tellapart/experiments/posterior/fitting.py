"""Learning the model from collections that have both synthetic and judged queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize, nnls

from tellapart.experiments.posterior.model import (
    COEFFICIENTS,
    NODES,
    SPREADS,
    ArmFeatures,
    Floats,
    GainModel,
    scale_nodes,
)

COEFFICIENT_SPREAD = 0.3
"""Standard deviation of the coefficients before any collection is seen: a gain of .3 for all of the score moved. Not
measured: wide against what is found."""

LEAST, MOST = 1e-4, 1.0
"""Limits of the spreads."""

TYPICAL, BROAD = 0.05, 2.0
"""Spreads before any collection is seen: a factor of e**2 either way of .05. Wide against what is found;
it keeps a spread that no collection speaks about from going anywhere."""

ROUNDS, STEPS, SETTLED = 12, 15, 0.02
"""Rounds of coefficients and spreads in turn, steps of the spreads in each, and the change of a log spread at which
they count as settled: after some six rounds."""

JITTER = 1e-9
"""Added to variances: arms that never differ have none."""


@dataclass(frozen=True, slots=True)
class MeasuredArms:
    """One development collection with one default: its arms, their gains on judged queries (m,) and the errors (m, m).

    `query_covariance` (m, m) is the covariance of a single query's differences.
    """

    collection: str
    arms: ArmFeatures
    gains: Floats
    noise: Floats
    query_covariance: Floats


def fit(measured: Sequence[MeasuredArms], start: GainModel | None = None) -> GainModel:
    """Fit by maximum likelihood: coefficients (with a normal prior) and spreads in turn.

    The likelihood is composite: every arm by itself, the arms of a collection sharing the weight of one observation.
    So a collection counts once, however many arms it has, and what is fitted is what is used: how far the gain of an
    arm is from what was expected. (With the joint likelihood the small differences between neighbours, which are
    measured most exactly, outweigh the large ones, and synthetic queries get far too little weight.)

    The coefficients maximise the expected log likelihood given what is known of each collection's scale (EM); the
    spreads maximise the likelihood with the coefficients held fixed. `start` is a model of nearly the same collections,
    which saves rounds.
    """
    coefficients = np.zeros(len(COEFFICIENTS)) if start is None else start.coefficients
    spreads = np.full(len(SPREADS) + 1, TYPICAL) if start is None else np.array([*start.spreads, start.rest])
    logs = np.log(np.clip(spreads, LEAST, MOST))
    bounds = [(np.log(LEAST), np.log(MOST))] * len(logs)
    for _ in range(ROUNDS):
        coefficients, _ = _coefficients(measured, coefficients, np.exp(logs))
        found = minimize(
            lambda at, beta: _loss(measured, beta, at),
            logs,
            args=(coefficients,),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": STEPS},
        )
        settled = float(np.abs(found.x - logs).max()) < SETTLED
        logs = found.x
        if settled:
            break
    coefficients, covariance = _coefficients(measured, coefficients, np.exp(logs))
    spreads = np.exp(logs)
    names = tuple(dict.fromkeys(each.collection for each in measured))
    return GainModel(coefficients, covariance, spreads[:-1], float(spreads[-1]), _per_query(measured), names)


@dataclass(frozen=True, slots=True)
class _Scales:
    """The arms of a collection, each by itself, at every scale.

    Gains unexplained (m,), variances (NODES, m), P(scale) for each arm (NODES, m), and the log likelihood of each (m,).
    """

    missed: Floats
    variances: Floats
    weights: Floats
    evidence: Floats

    @classmethod
    def of(cls, each: MeasuredArms, beta: Floats, spreads: Floats) -> _Scales:
        arms = each.arms
        among = arms.varying**2 @ spreads[:-1] ** 2 + spreads[-1] ** 2 * arms.distances
        slope = beta[COEFFICIENTS.index("synthetic")]
        fixed = np.diagonal(each.noise) + slope**2 * np.diagonal(arms.noise) + JITTER
        variances = scale_nodes()[:, None] * among + fixed
        missed = each.gains - arms.means @ beta
        logs = -0.5 * missed**2 / variances - 0.5 * np.log(variances) - np.log(NODES)
        evidence = np.logaddexp.reduce(logs, axis=0)
        return cls(missed, variances, np.exp(logs - evidence), evidence)


def _loss(measured: Sequence[MeasuredArms], beta: Floats, logs: Floats) -> tuple[float, Floats]:
    """Minus the log likelihood of log spreads, with a broad prior around a typical one, and its gradient."""
    spreads = np.exp(logs)
    apart = logs - np.log(TYPICAL)
    loss, gradient = 0.5 * float(apart @ apart) / BROAD**2, apart / BROAD**2
    for each in measured:
        scales = _Scales.of(each, beta, spreads)
        pulls = (scales.missed**2 / scales.variances - 1) / scales.variances
        slopes = (scales.weights * scale_nodes()[:, None] * pulls).sum(axis=0)
        columns = np.column_stack([each.arms.varying**2, each.arms.distances])
        gradient -= spreads**2 * (slopes @ columns) / len(slopes)
        loss -= float(scales.evidence.mean())
    return loss, gradient


def _coefficients(measured: Sequence[MeasuredArms], beta: Floats, spreads: Floats) -> tuple[Floats, Floats]:
    precision = np.eye(len(beta)) / COEFFICIENT_SPREAD**2
    right = np.zeros(len(beta))
    for each in measured:
        scales = _Scales.of(each, beta, spreads)
        weights = (scales.weights / scales.variances).sum(axis=0) / len(each.gains)
        precision += (each.arms.means * weights[:, None]).T @ each.arms.means
        right += each.arms.means.T @ (weights * each.gains)
    covariance = np.asarray(np.linalg.inv(precision), dtype=np.float64)
    return covariance @ right, covariance


HALF_OF_T2 = 0.8165
"""Half of a t distribution with 2 degrees of freedom lies within so many times its scale."""


def with_encoder(model: GainModel, measured: Sequence[MeasuredArms]) -> GainModel:
    """Learn what changing the encoder gains, from arms that do; everything else the model knows is held fixed.

    Of each collection, what the other coefficients leave unexplained is regressed on the share of the vectors. The
    coefficient is the mean of these slopes over prose, its variance theirs over their number, and half of the
    collections lie in the interval of 50 % that the spread gives. Code has a mean of its own; collections of code vary
    more and are few, so the variance of its coefficient is that of one more collection. By moments, because the
    arms of one more encoder must not outweigh in the likelihood what tells about the other moves.
    """
    at, of_code = COEFFICIENTS.index("encoder"), COEFFICIENTS.index("code encoder")
    coefficients, covariance, spreads = (
        model.coefficients.copy(),
        model.covariance.copy(),
        model.spreads.copy(),
    )
    coefficients[[at, of_code]] = 0.0
    slopes: dict[bool, list[float]] = {False: [], True: []}
    for each in measured:
        share = each.arms.means[:, at]
        missed = each.gains - each.arms.means @ coefficients
        code = bool(each.arms.means[:, of_code].any())
        slopes[code].append(float(share @ missed / (share @ share)))
    prose, code_slopes = np.array(slopes[False]), np.array(slopes[True])
    for place in (at, of_code):
        covariance[place], covariance[:, place] = 0.0, 0.0
    coefficients[at] = prose.mean()
    covariance[at, at] = prose.var(ddof=1) / len(prose)
    spreads[SPREADS.index("encoder")] = np.median(np.abs(prose - prose.mean())) / HALF_OF_T2
    covariance[of_code, of_code] = COEFFICIENT_SPREAD**2
    if len(code_slopes) > 1:
        coefficients[of_code] = code_slopes.mean() - prose.mean()
        covariance[of_code, of_code] = code_slopes.var(ddof=1) * (1 + 1 / len(code_slopes))
    return replace(model, coefficients=coefficients, covariance=covariance, spreads=spreads)


def _per_query(measured: Sequence[MeasuredArms]) -> Floats:
    """Variances by move and by distance that come nearest to what single queries show, none below 0."""
    rows, wanted = [], []
    for each in measured:
        moves = each.arms.moves
        above = np.triu_indices(len(moves))
        columns = [np.outer(column, column)[above] for column in moves.T]
        rows.append(np.column_stack([*columns, np.diag(each.arms.distances)[above]]))
        wanted.append(each.query_covariance[above])
    found, _ = nnls(np.concatenate(rows), np.concatenate(wanted))
    return np.asarray(np.maximum(found, LEAST), dtype=np.float64)
