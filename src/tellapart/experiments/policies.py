"""Policies: rules that turn the comparisons of an experiment into a choice.

| policy | for | leaves the default |
|---|---|---|
| `Judged` | queries that people judged, and examples | for what is significantly better |
| `Synthetic` | queries made from the corpus | never; says what they show |
| `EverySource` | adapting an encoder with synthetic queries | for what is better on queries of every source |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tellapart.experiments.experiment import CrossFitted, Experiment, cross_fit
from tellapart.experiments.query_set import Provenance, QuerySet
from tellapart.experiments.statistics import (
    ALPHA,
    DRAWS,
    FEW_QUERIES,
    Comparison,
    Estimate,
    compare_all,
    estimate_means,
    holm,
    tied_group,
)
from tellapart.experiments.transfer import TransferModel, choose_by_transfer, in_measure, load_transfer

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

    @property
    def better_than_default(self) -> bool:
        """Whether both the test and the interval say so."""
        return self.p_default <= ALPHA and self.vs_default.difference > 0 and not self.vs_default.low <= 0


@dataclass(frozen=True, slots=True)
class Evidence:
    """An experiment with all its comparisons: what a policy decides on."""

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
    def few(self) -> bool:
        """Whether there are too few independent queries for any conclusion."""
        return self.experiment.independent < FEW_QUERIES

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


class Case(StrEnum):
    """Why an arm was chosen."""

    FEW = "few"
    """Too few independent queries to leave the default."""
    TIED = "tied"
    """Nothing is significantly better than the default."""
    SYNTHETIC = "synthetic"
    """Synthetic queries do not decide."""
    BETTER = "better"
    """The choice is better than the default."""
    ONE_SOURCE = "one source"
    """Better, but all queries are of one source."""
    WORSE_SOMEWHERE = "worse somewhere"
    """Better on the whole, but worse for the queries of some source."""
    CODE = "code"
    """Better by synthetic queries over code, which approved what people rejected."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The arm chosen and why.

    `rival` is the arm that came closest to replacing the default. `suggested` is the arm that synthetic queries would
    choose if they decided, None where they would keep the default or were not asked. `transfer_error` is how far
    synthetic queries may mislead about it, in the measure. `sources` are those that speak against the rival.
    """

    choice: str
    case: Case
    rival: str
    suggested: str | None = None
    transfer_error: float | None = None
    sources: tuple[str, ...] = ()


@runtime_checkable
class Policy(Protocol):
    """A rule that turns evidence into a decision."""

    def decide(self, evidence: Evidence) -> Decision:
        """Choose an arm."""
        ...


@dataclass(frozen=True, slots=True)
class Judged:
    """Leave the default only for what is significantly better, then take the cheapest that is as good as the best.

    The arm with the best mean must beat the default after Holm over all contenders, with an interval above 0; from then
    on every contender counts that beats the default, is not separated from the best, and is at most the margin worse
    than it at 95 %.
    """

    def decide(self, evidence: Evidence) -> Decision:
        """Choose an arm."""
        default = evidence.experiment.default
        if evidence.few:
            return Decision(default, Case.FEW, evidence.rival)
        if not evidence.standings[evidence.best].better_than_default:
            return Decision(default, Case.TIED, evidence.rival)
        eligible = {
            name
            for name, each in evidence.standings.items()
            if each.better_than_default and each.tied_with_best and each.non_inferior
        }
        choice = next(name for name in evidence.experiment.order if name in eligible)
        return Decision(choice, Case.BETTER, evidence.best)


@dataclass(frozen=True, slots=True)
class Synthetic:
    """Keep the default, and say what synthetic queries show and how far they may mislead.

    They no longer decide by themselves: on collections that had been kept back they left the default four times and
    lost three times. `transfer` is what was learned of how they mislead; None = what the package ships.
    """

    transfer: TransferModel | None = None

    def decide(self, evidence: Evidence) -> Decision:
        """Keep the default."""
        experiment = evidence.experiment
        found = choose_by_transfer(
            experiment, self.transfer or load_transfer(), seed=evidence.seed, draws=evidence.draws
        )
        error = None
        if found.ahead is not None:
            mean = evidence.standings[experiment.default].mean.mean
            error = in_measure(found.ahead.doubt, mean)
        case = Case.FEW if evidence.few else Case.SYNTHETIC
        suggested = None if evidence.few else found.choice
        return Decision(experiment.default, case, suggested or evidence.rival, suggested, error)


@dataclass(frozen=True, slots=True)
class EverySource:
    """Leave the default only for what is better on the whole and worse for no source of queries; never over code.

    For encoders adapted to a corpus by its own synthetic queries. Judged on nine collections
    (docs/benchmarks/adaptation.md): of five recommended encoders people find four better and none worse.
    """

    over_code: bool

    def decide(self, evidence: Evidence) -> Decision:
        """Choose an arm."""
        experiment = evidence.experiment
        found = Judged().decide(evidence)
        if found.case is not Case.BETTER:
            return found
        sources = np.array([experiment.query_set.source(query) for query in experiment.queries])
        gains = evidence.fitted[found.choice].values - evidence.fitted[experiment.default].values
        names = sorted(set(sources.tolist()))
        if len(names) == 1:
            return Decision(experiment.default, Case.ONE_SOURCE, found.choice, sources=tuple(names))
        losing = tuple(name for name in names if gains[sources == name].mean() < 0)
        if losing:
            return Decision(experiment.default, Case.WORSE_SOMEWHERE, found.choice, sources=losing)
        if self.over_code:
            return Decision(experiment.default, Case.CODE, found.choice)
        return found


def policy_for(query_set: QuerySet) -> Policy:
    """Give the policy that fits who says what is relevant."""
    return Synthetic() if query_set.provenance is Provenance.SYNTHETIC else Judged()
