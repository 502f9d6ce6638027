"""Which arms to judge: those of which knowing the gains would be worth most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tellapart.engine.configuration import Configuration
from tellapart.experiments.posterior.evidence import Rival
from tellapart.experiments.posterior.model import Floats, GainPosterior

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
    most: int = MOST_CONTENDERS,
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
        most: How many at most.

    Returns:
        The default first, then what was chosen, then others by what they add.
    """
    gains = np.column_stack([np.zeros(DRAWN_GAINS), drawn_gains(posterior, DRAWN_GAINS)])
    places = [0] if chosen is None else [0, chosen + 1]
    best = gains[:, places].max(axis=1)
    while len(places) < min(most, gains.shape[1]):
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
