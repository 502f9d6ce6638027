"""The hierarchical model of gains: what is expected of an arm on a collection nobody has judged, and how that varies.

For the arms j of a collection c, with moves from its default (`moves.move`) and gains on synthetic queries s_j, the
gains on people's queries are

    g_cj = z_j . beta + phi_j . b_c + e_cj,    b_c ~ N(0, scale_c diag(spread^2)),    e_cj ~ N(0, scale_c rest^2 d_j)

z are the moves, once more for code, for encoders that know the corpus alone and in proportion to how far words and
vectors agree on this corpus, and the synthetic gain; phi are the moves and the synthetic gain; d_j is how far the arm
is from the default. `b_c` is how collection c differs from others: one draw for all its arms. `scale_c` follows an
inverse gamma distribution with mean near 1, so that collections are t-distributed: some differ from the rest far more
than most do. `beta` is known as well as the development collections tell it (its covariance is kept). Judged queries,
where there are some, are a measurement of g_c with a known error.

Everything but `scale_c` is normal, so a posterior is a mixture of normals over a few values of it (quadrature).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv, ndtr

from tellapart.experiments.posterior.moves import BASIS

Floats = NDArray[np.float64]

DATA = "data/posterior.json"

DEGREES = 2.0
"""Degrees of freedom of the collections' distribution. The fewer, the likelier are the development collections; below 2
a few far values of the scale would decide alone."""

NODES = 9
"""Values of the scale that stand for its distribution, each for a ninth of it."""

OWN = 0.05
"""Deviation of a gain by itself, at distance 1, once gains are measured together. Chosen among 0, .03 and .05 on the
development collections, each left out in turn: with less the 90 % intervals hold too few of the gains.
docs/benchmarks/judging_drawn.md has how many they hold after twenty judged queries."""

HALVINGS = 36
"""Steps of a bisection over twelve deviations either way: to a ten-billionth."""

CURVED = ("words", "words squared", "vectors", "svm")
"""Moves whose gain, and how it varies, is another one for code and for encoders that know the corpus alone."""

AGREEING = ("words", "vectors")
"""Moves whose gain depends on how far words and vectors agree: where they find other things and words find more of the
answers, the vectors may be of no use. Of four traits of a corpus that were tried the one that told where leaving the
default pays; today synthetic gains alone tell it too."""

TYPICAL_AGREEMENT, AGREEMENT_SPREAD = 0.68, 0.145
"""Mean and standard deviation of the correlation over the development collections (bench/posterior.py prints them)."""

COEFFICIENTS = (
    *BASIS,
    *(f"{kind} {name}" for kind in ("untrained", "code", "untrained code") for name in CURVED),
    "synthetic",
    "untrained synthetic",
    *(f"agreement {name}" for name in AGREEING),
    "code encoder",
)
SPREADS = (*BASIS, *(f"untrained {name}" for name in CURVED), "synthetic")


def scale_nodes() -> Floats:
    """Values of the scale (NODES,), equally probable: midpoints of the quantiles of its inverse gamma."""
    shape = DEGREES / 2
    middles = (np.arange(NODES) + 0.5) / NODES
    return np.asarray(shape / gammaincinv(shape, middles)[::-1])


@dataclass(frozen=True, slots=True)
class ArmFeatures:
    """What the model sees of m arms: `means` (m, len(COEFFICIENTS)), `varying` (m, len(SPREADS)).

    `moves` (m, len(BASIS)) and `distances` (m,) are how they differ from the default; `noise` (m, m) is the covariance
    of the errors of the synthetic gains, 0 without any.
    """

    means: Floats
    varying: Floats
    moves: Floats
    distances: Floats
    noise: Floats

    @classmethod
    def of(
        cls,
        moves: Floats,
        distances: Floats,
        *,
        code: bool,
        untrained: bool,
        synthetic: Floats | None = None,
        noise: Floats | None = None,
        agreement: float | None = None,
    ) -> ArmFeatures:
        """Lay out the moves (m, len(BASIS)) and synthetic gains (m,) of a collection's arms.

        `agreement` is the correlation of what words and vectors find of synthetic queries; None counts as typical.
        """
        count = len(moves)
        gains = np.zeros(count) if synthetic is None else synthetic
        curved = moves[:, [BASIS.index(name) for name in CURVED]]
        unknown = np.isin(BASIS, ["other"])  # nothing is expected of it
        by_kind = [curved * untrained, curved * (code and not untrained), curved * (code and untrained)]
        unlike = 0.0 if agreement is None else (agreement - TYPICAL_AGREEMENT) / AGREEMENT_SPREAD
        agreeing = unlike * moves[:, [BASIS.index(name) for name in AGREEING]]
        of_code = moves[:, BASIS.index("encoder")] * code
        means = np.column_stack(
            [np.where(unknown, 0.0, moves), *by_kind, gains, gains * untrained, agreeing, of_code]
        )
        own = np.isin(BASIS, CURVED) & untrained  # has spreads of its own
        return cls(
            means,
            np.column_stack([np.where(own, 0.0, moves), curved * untrained, gains]),
            moves,
            distances,
            np.zeros((count, count)) if noise is None else noise,
        )


@dataclass(frozen=True, slots=True)
class GainModel:
    """What was learned: coefficients with their covariance, spreads of the collections, and the rest.

    `per_query` (len(BASIS) + 1,) are variances of a single query's difference, by move and by distance.
    """

    coefficients: Floats
    covariance: Floats
    spreads: Floats
    rest: float
    per_query: Floats
    collections: tuple[str, ...]

    def prior(self, arms: ArmFeatures) -> GainPosterior:
        """Give what is expected of arms before anybody judged a query."""
        mean = arms.means @ self.coefficients
        return GainPosterior(
            np.full(NODES, 1 / NODES),
            np.tile(mean, (NODES, 1)),
            np.stack([self.covariance_of(arms, scale) for scale in scale_nodes()]),
        )

    def posterior(self, arms: ArmFeatures, gains: Floats, noise: Floats) -> GainPosterior:
        """Give what is expected after measured gains (m,) with the covariance of their errors (m, m).

        How arms hang together was learned arm by arm (`fitting.fit`), which makes a posterior of many arms together too
        sure (Ribatet, Cooley and Davison, Bayesian inference from composite likelihoods, 2012). So each gain may differ
        from what the others suggest by OWN, and measuring one arm tells less about the next.
        """
        prior = self.prior(arms)
        own = np.diag(OWN**2 * arms.distances)
        return GainPosterior(prior.weights, prior.means, prior.covariances + own).given(gains, noise)

    def covariance_of(self, arms: ArmFeatures, scale: float) -> Floats:
        """Covariance (m, m) of the gains on a collection with this scale."""
        among = (arms.varying * self.spreads**2) @ arms.varying.T + np.diag(self.rest**2 * arms.distances)
        slope = self.coefficients[COEFFICIENTS.index("synthetic")]
        unsure = arms.means @ self.covariance @ arms.means.T
        return np.asarray(scale * among + unsure + slope**2 * arms.noise)

    def error_of_a_query(self, arms: ArmFeatures) -> Floats:
        """Covariance (m, m) that the differences of a single judged query are expected to have."""
        return (arms.moves * self.per_query[:-1]) @ arms.moves.T + np.diag(
            self.per_query[-1] * arms.distances
        )

    def encode(self) -> dict[str, object]:
        """Give plain values."""
        return {
            "coefficients": dict(zip(COEFFICIENTS, _rounded(self.coefficients), strict=True)),
            "covariance": [_rounded(row) for row in self.covariance],
            "spreads": dict(zip(SPREADS, _rounded(self.spreads), strict=True)),
            "rest": round(self.rest, 6),
            "per_query": _rounded(self.per_query),
            "collections": list(self.collections),
        }

    @classmethod
    def decode(cls, kept: dict[str, object]) -> GainModel:
        """Read what `encode` gave."""
        values = {name: np.array(list(kept[name].values())) for name in ("coefficients", "spreads")}  # type: ignore[attr-defined]
        return cls(
            values["coefficients"],
            np.array(kept["covariance"]),
            values["spreads"],
            float(kept["rest"]),  # type: ignore[arg-type]
            np.array(kept["per_query"]),
            tuple(kept["collections"]),  # type: ignore[arg-type]
        )


def _rounded(values: Floats) -> list[float]:
    return [float(f"{value:.5g}") for value in values.tolist()]


@dataclass(frozen=True, slots=True)
class Models:
    """The model where synthetic queries were asked, and the one where none were."""

    synthetic: GainModel
    alone: GainModel


RANKED, ADAPTED = "rankers", "adapted"
"""What was learned about rankers, encoders and granularities; and about encoders adapted to a corpus."""


@cache
def shipped_table() -> dict[str, Any]:
    """Read what was learned from the development collections (bench/posterior.py writes it)."""
    text = files("tellapart.experiments").joinpath(DATA).read_text(encoding="utf-8")
    return dict(json.loads(text))


@cache
def load_models(about: str = RANKED) -> Models:
    """Give the models that were learned from the development collections."""
    kept = shipped_table()[about]
    return Models(GainModel.decode(kept["synthetic"]), GainModel.decode(kept["alone"]))


@dataclass(frozen=True, slots=True)
class GainPosterior:
    """Gains of m arms as a mixture of k normals: `weights` (k,), `means` (k, m), `covariances` (k, m, m)."""

    weights: Floats
    means: Floats
    covariances: Floats

    @property
    def expected(self) -> Floats:
        """Expected gain of each arm (m,)."""
        return self.weights @ self.means

    @property
    def deviations(self) -> Floats:
        """Standard deviations (k, m) of the components."""
        return np.sqrt(np.maximum(np.diagonal(self.covariances, axis1=1, axis2=2), 1e-18))

    def below(self, gain: float | Floats) -> Floats:
        """P(gain of the arm < `gain`) for each arm (m,)."""
        return np.asarray(self.weights @ ndtr((gain - self.means) / self.deviations))

    def quantile(self, probability: float) -> Floats:
        """Gain that each arm stays below with this probability (m,), by bisection."""
        reach = 12 * self.deviations.max(axis=0)
        low, high = self.means.min(axis=0) - reach, self.means.max(axis=0) + reach
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            under = self.below(middle) < probability
            low, high = np.where(under, middle, low), np.where(under, high, middle)
        return np.asarray((low + high) / 2)

    def against(self, arm: int) -> GainPosterior:
        """Give the gains over another arm instead of the default."""
        means = self.means - self.means[:, [arm]]
        own = self.covariances[:, arm, :]
        covariances = (
            self.covariances
            - own[:, :, None]
            - own[:, None, :]
            + self.covariances[:, arm, arm][:, None, None]
        )
        return GainPosterior(self.weights, means, covariances)

    def given(self, gains: Floats, noise: Floats) -> GainPosterior:
        """Take measured gains (m,) with the covariance of their errors (m, m) into account."""
        means, covariances, evidence = [], [], []
        for mean, covariance in zip(self.means, self.covariances, strict=True):
            total = covariance + noise
            factor = np.linalg.cholesky(total + np.eye(len(total)) * 1e-10)
            missed = gains - mean
            solved = np.linalg.solve(factor, np.column_stack([missed, covariance]))
            means.append(mean + solved[:, 1:].T @ solved[:, 0])
            covariances.append(covariance - solved[:, 1:].T @ solved[:, 1:])
            evidence.append(-0.5 * solved[:, 0] @ solved[:, 0] - np.log(np.diagonal(factor)).sum())
        logs = np.log(np.maximum(self.weights, 1e-300)) + np.array(evidence)
        weights = np.exp(logs - logs.max())
        return GainPosterior(weights / weights.sum(), np.stack(means), np.stack(covariances))
