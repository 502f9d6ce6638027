"""The one rule: leave the default for what is expected to be better and hardly ever worse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from tellapart.engine.configuration import Configuration
from tellapart.experiments.posterior.contenders import Contender, contend
from tellapart.experiments.posterior.evidence import Rival, Weighed
from tellapart.experiments.posterior.model import Floats, GainPosterior
from tellapart.experiments.posterior.moves import vector_share
from tellapart.experiments.statistics import MARGIN
from tellapart.rankers.registry import Parameters

RISK = 0.1
"""Probability of losing more than MARGIN that is accepted when the default is left: a requirement, not an estimate."""

LEAST_JUDGED = 5
"""Judged queries with fewer of which the default is kept: what fewer do was never measured (bench/verdict.py)."""


@dataclass(frozen=True, slots=True)
class ExpectedGain:
    """What an arm is expected to gain over the default on people's queries, in the measure.

    `half` and `low` to `high` are the intervals that hold the gain with 50 and 90 %; `better` is the probability that
    there is a gain at all, `loss` that of losing more than .01.
    """

    expected: float
    half: tuple[float, float]
    low: float
    high: float
    better: float
    loss: float

    @property
    def safe(self) -> bool:
        """Whether the default may be left for it."""
        return self.expected > MARGIN and self.loss <= RISK


@dataclass(frozen=True, slots=True)
class WeightGain:
    """A point of the curve over the weight of the vectors in `hybrid`: expected gain over the default, 90 % interval.

    Weight 0 is BM25 alone, weight 1 nearest neighbours alone; the default's own weight gains 0 by definition.
    """

    weight: float
    expected: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Decision:
    """The choice, and what is expected of every arm.

    Attributes:
        choice: Name of the arm to use.
        rival: Name of the arm that is used instead of the default, or came closest to it; None without any.
        gains: By name of the arm: what its best variant is expected to gain.
        variants: By name of the arm: that variant.
        as_good: How many arms may stand for the choice: safe, and not more than .01 behind it in nine of ten cases.
        judged: Independent queries that people judged.
        synthetic: Independent synthetic queries.
        weights: The curve over the weight of the vectors; empty where the default is no hybrid.
        contenders: What is worth judging next, the default first.
    """

    choice: str
    rival: str | None
    gains: Mapping[str, ExpectedGain]
    variants: Mapping[str, Configuration]
    as_good: int
    judged: int
    synthetic: int
    weights: tuple[WeightGain, ...] = ()
    contenders: tuple[Contender, ...] = ()

    @property
    def ahead(self) -> ExpectedGain | None:
        """What the rival is expected to gain."""
        return None if self.rival is None else self.gains[self.rival]


def choose(weighed: Weighed, default: str, configuration: Configuration | None = None) -> Decision:
    """Take the safe rival with the largest expected gain, or the cheapest that is as good; else keep the default.

    Safe means: expected to gain more than .01 (less counts for nothing), and losing more than .01 with a probability of
    at most 10 %. With one to four judged queries the default is kept.
    `configuration` is that of the default; with it the curve over the weight and the contenders are told.
    """
    rivals, posterior = weighed.rivals, weighed.posterior
    gains = expected_gains(posterior)
    best_of = {
        name: max(
            (place for place, rival in enumerate(rivals) if rival.arm == name),
            key=lambda place: gains[place].expected,
        )
        for name in dict.fromkeys(rival.arm for rival in rivals)
    }
    chosen, as_good = (None, 0) if 0 < weighed.judged < LEAST_JUDGED else leave_for(rivals, posterior)
    if chosen is not None:
        best_of[rivals[chosen].arm] = chosen
    by_arm = {name: gains[place] for name, place in best_of.items()}
    ahead = max(by_arm, key=lambda name: by_arm[name].expected) if by_arm else None
    choice = default if chosen is None else rivals[chosen].arm
    return Decision(
        choice,
        ahead if chosen is None else choice,
        MappingProxyType(by_arm),
        MappingProxyType({name: rivals[place].configuration for name, place in best_of.items()}),
        as_good,
        weighed.judged,
        weighed.synthetic,
        () if configuration is None else _weight_curve(rivals, gains, configuration),
        () if configuration is None else contend(rivals, posterior, (default, configuration), chosen),
    )


def expected_gains(posterior: GainPosterior) -> list[ExpectedGain]:
    """Summarise the posterior of each rival."""
    edges = [posterior.quantile(probability) for probability in (0.05, 0.25, 0.75, 0.95)]
    columns: list[Floats] = [posterior.expected, *edges, 1 - posterior.below(0.0), posterior.below(-MARGIN)]
    return [
        ExpectedGain(mean, (quarter, three_quarters), low, high, better, loss)
        for mean, low, quarter, three_quarters, high, better, loss in zip(
            *(column.tolist() for column in columns), strict=True
        )
    ]


def _weight_curve(
    rivals: tuple[Rival, ...], gains: list[ExpectedGain], default: Configuration
) -> tuple[WeightGain, ...]:
    """Gains of words alone, vectors alone and all weights between, with the default's encoder and granularity."""
    if default.ranker != "hybrid":
        return ()
    found = {vector_share(default): WeightGain(vector_share(default), 0.0, 0.0, 0.0)}
    for rival, gain in zip(rivals, gains, strict=True):
        each = rival.configuration
        plain = Configuration(
            each.encoder, each.granularities, each.ranker, Parameters(weight=each.parameters.weight)
        )
        alike = each.granularities == default.granularities and each.encoder in (None, default.encoder)
        if alike and each == plain and each.ranker in ("bm25", "knn", "hybrid"):
            weight = vector_share(each)
            found.setdefault(weight, WeightGain(weight, gain.expected, gain.low, gain.high))
    return tuple(found[weight] for weight in sorted(found))


def leave_for(rivals: tuple[Rival, ...], posterior: GainPosterior) -> tuple[int | None, int]:
    """Place of the rival to use, None for the default; and how many arms are as good as it."""
    expected, loss = posterior.expected, posterior.below(-MARGIN)
    safe = np.flatnonzero((expected > MARGIN) & (loss <= RISK)).tolist()
    if not safe:
        return None, 0
    best = max(safe, key=lambda place: expected[place])
    behind = posterior.against(best).below(-MARGIN)
    good = [place for place in safe if behind[place] <= RISK or place == best]
    cheapest = rivals[good[0]].arm
    own = [place for place in good if rivals[place].arm == cheapest]
    return max(own, key=lambda place: expected[place]), len({rivals[place].arm for place in good})
