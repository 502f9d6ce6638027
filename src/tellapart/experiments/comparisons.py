"""Every comparison of an experiment's arms: with the reference, with the default, and with the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from tellapart.experiments.experiment import CrossFitted, Experiment, cross_fit
from tellapart.experiments.statistics import (
    DRAWS,
    Comparison,
    Estimate,
    compare_all,
    estimate_means,
    holm,
    tied_group,
)

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ArmStanding:
    """How an arm compares with the reference, the default and the best arm.

    The comparisons are paired; `p_reference` and `p_default` are Holm-corrected over all contenders.
    """

    mean: Estimate
    vs_reference: Comparison
    p_reference: float
    vs_default: Comparison
    p_default: float
    tied_with_best: bool
    non_inferior: bool


@dataclass(frozen=True, slots=True)
class Evidence:
    """An experiment with all its comparisons: what a report shows beside the posterior."""

    experiment: Experiment
    fitted: Mapping[str, CrossFitted]
    standings: Mapping[str, ArmStanding]
    best: str
    seed: int
    draws: int

    @classmethod
    def of(cls, experiment: Experiment, *, seed: int = 0, draws: int = DRAWS) -> Evidence:
        """Cross-fit every arm, and make every comparison there is."""
        fitted = cross_fit(experiment, seed=seed)
        names = tuple(experiment.arms)
        contenders = [place for place, name in enumerate(names) if fitted[name].arm.contender]
        values = _weighted(experiment, fitted, names)
        labels = np.array(experiment.clusters)

        def against(name: str) -> tuple[Comparison, ...]:
            base = values[:, names.index(name)]
            return compare_all(values, base, clusters=labels, draws=draws, seed=seed)

        group = tied_group(values[:, contenders], clusters=labels, draws=draws, seed=seed)
        best = names[contenders[group.best]]
        tied = {names[contenders[member]] for member in group.members}
        means = estimate_means(values, clusters=labels, draws=draws, seed=seed)
        vs_reference, vs_default, vs_best = map(against, (experiment.reference, experiment.default, best))
        p_reference = _corrected(vs_reference, contenders, names.index(experiment.reference))
        p_default = _corrected(vs_default, contenders, names.index(experiment.default))
        standings = {
            name: ArmStanding(
                means[place],
                vs_reference[place],
                p_reference[place],
                vs_default[place],
                p_default[place],
                name in tied,
                name == best or vs_best[place].non_inferior(),
            )
            for place, name in enumerate(names)
        }
        return cls(experiment, fitted, MappingProxyType(standings), best, seed, draws)

    @property
    def rival(self) -> str:
        """The best arm, or the second where the default is the best: what it would take to tell these two."""
        default = self.experiment.default
        others = [name for name, each in self.fitted.items() if each.arm.contender and name != default]
        if self.best != default or not others:
            return self.best
        return max(others, key=lambda name: self.standings[name].mean.mean)

    def weighted(self, names: Sequence[str]) -> Values:
        """Values (n, m) of some arms, times the weights of the queries."""
        return _weighted(self.experiment, self.fitted, names)


def _weighted(experiment: Experiment, fitted: Mapping[str, CrossFitted], names: Sequence[str]) -> Values:
    weights = experiment.query_set.weights_of(experiment.queries)
    return np.stack([fitted[name].values for name in names], axis=1) * weights[:, None]


def _corrected(comparisons: Sequence[Comparison], contenders: Sequence[int], itself: int) -> list[float]:
    """Holm over the contenders but the one that is compared with itself; others keep their p."""
    corrected = [each.p for each in comparisons]
    corrected[itself] = 1.0
    compared = [place for place in contenders if place != itself]
    for place, p in zip(compared, holm([comparisons[place].p for place in compared]), strict=True):
        corrected[place] = p
    return corrected
