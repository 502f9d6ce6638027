"""The one rule: leave the default for what is expected to be better and hardly ever worse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from tellapart.engine.configuration import Configuration
from tellapart.experiments.posterior.evidence import Rival, Weighed
from tellapart.experiments.posterior.model import Floats, GainPosterior
from tellapart.experiments.posterior.moves import vector_share, weight_beside
from tellapart.experiments.statistics import MARGIN

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
        weight = weight_beside(default, rival.configuration)
        if weight is not None:
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


MOST_CONTENDERS = 3
"""Arms that are judged together: three make three pairs, and a fourth would make six for little more that is worth
knowing."""

DRAWN_GAINS = 4_000
"""Draws of the posterior. The worth of an arm, some .01 with a deviation of .04, is known to .0006."""

SEED = 0
"""The same posterior names the same contenders."""


@dataclass(frozen=True, slots=True)
class Contender:
    """An arm worth judging.

    `name` is the arm's, `configuration` the variant meant, `best` the probability that it is the best of the contenders
    on people's queries.
    """

    name: str
    configuration: Configuration
    best: float


def contend(
    rivals: Sequence[Rival],
    posterior: GainPosterior,
    default: tuple[str, Configuration],
    chosen: int | None = None,
) -> tuple[Contender, ...]:
    """Name the arms whose judgement is worth most: what is in use, then one after the other.

    The value of perfect information about a set S of arms is what somebody gains who knows their gains g and takes
    the best, over taking what is expected to be best now: E[max g_j over S] - max E[g_j] (Raiffa and Schlaifer, Applied
    Statistical Decision Theory, 1961, 4.5; Howard, Information value theory, 1966). An arm that is surely worse is
    worth nothing, and so is one that gains whenever another one of S does. The set is built greedily, which is
    near the best set because the value is submodular (Nemhauser, Wolsey and Fisher 1978).

    Args:
        rivals: What could replace the default.
        posterior: Of their gains.
        default: Its name and configuration.
        chosen: Place of the rival that was chosen; None where the default was.

    Returns:
        The default first, then what was chosen, then others by what they add.
    """
    gains = np.column_stack([np.zeros(DRAWN_GAINS), drawn_gains(posterior, DRAWN_GAINS)])
    places = [0] if chosen is None else [0, chosen + 1]
    best = gains[:, places].max(axis=1)
    while len(places) < min(MOST_CONTENDERS, gains.shape[1]):
        added = np.maximum(gains, best[:, None]).mean(axis=0)
        added[places] = -np.inf
        places.append(int(added.argmax()))
        best = np.maximum(best, gains[:, places[-1]])
    first = np.bincount(gains[:, places].argmax(axis=1), minlength=len(places)) / len(gains)
    named = [default, *((rival.arm, rival.configuration) for rival in rivals)]
    return tuple(Contender(*named[place], share) for place, share in zip(places, first.tolist(), strict=True))


def drawn_gains(posterior: GainPosterior, count: int) -> Floats:
    """Draw gains (count, m) of all rivals together."""
    random = np.random.default_rng(SEED)
    components = random.choice(len(posterior.weights), size=count, p=posterior.weights)
    drawn = posterior.means[components]
    for component in np.unique(components):
        own = components == component
        values, vectors = np.linalg.eigh(posterior.covariances[component])
        factor = vectors * np.sqrt(np.maximum(values, 0.0))
        drawn[own] += random.normal(size=(int(own.sum()), len(values))) @ factor.T
    return drawn
