"""What would be chosen on each development collection by a model that knows the others only, and what that costs."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from posterior import Setting, configuration_of, fitted, measured_arms
from tellapart.experiments.experiment import assign_folds, cross_fitted
from tellapart.experiments.posterior.choice import Decision, choose, leave_for
from tellapart.experiments.posterior.evidence import Rival, Weighed, mean_and_error
from tellapart.experiments.posterior.model import ArmFeatures, Floats, GainModel, GainPosterior
from tellapart.experiments.statistics import Comparison, compare

SEED = 0
REPETITIONS = 50
JUDGED = (5, 20, 50)
"""Judged queries that are added; beside none and all of them."""


@dataclass(frozen=True)
class Outcome:
    """One setting: what was chosen without judgements, and regret by number of judged queries.

    `predicted` (m, 5) are the expected gains with the limits of the 50 and 90 % intervals, which include the error of
    the gains `obtained` (m,).
    """

    setting: Setting
    decision: Decision
    best: float
    default: float
    chosen: float
    versus: Comparison
    alone: float
    alone_choice: str
    judged: Mapping[int, Floats]
    judged_alone: Mapping[int, Floats]
    left: Mapping[int, float]
    every_query: float
    every_query_choice: str
    predicted: Floats
    obtained: Floats


Models = Mapping[bool, GainModel]
"""With and without synthetic queries."""


def models_without(every: Sequence[Setting]) -> dict[str, Models]:
    """Fit what the other collections tell, for each collection."""
    whole = {kind: fitted(every, synthetic=kind) for kind in (True, False)}
    found = {}
    for name in dict.fromkeys(each.collection for each in every):
        found[name] = {
            kind: fitted(every, synthetic=kind, without=name, start=whole[kind]) for kind in (True, False)
        }
        sys.stderr.write(f"without {name}\n")
    return found


def outcome(setting: Setting, every: Sequence[Setting], models: Models) -> Outcome:
    others = [each for each in every if each.collection != setting.collection]
    features = {kind: measured_arms(setting, others, synthetic=kind) for kind in (True, False)}
    prior = {kind: models[kind].prior(features[kind].arms) for kind in (True, False)}
    human = setting.human
    _, best, means = reached(setting)
    decision = decided(setting, prior[True])
    chosen = decision.choice
    random = np.random.default_rng(SEED)
    differences, clusters = setting.differences(human), np.array(human.clusters)
    judged, left = ({True: {}, False: {}} for _ in range(2))
    for count in JUDGED:
        drawn = [drawing(len(differences), count, random) for _ in range(REPETITIONS)]
        for kind in (True, False):
            choices = [
                chosen_name(
                    setting,
                    updated(models[kind], features[kind].arms, differences[rows], clusters[rows]),
                )
                for rows in drawn
            ]
            judged[kind][count] = np.array([best - means[choice] for choice in choices])
            left[kind][count] = float(np.mean([choice != setting.default for choice in choices]))
    everything = decided(setting, updated(models[True], features[True].arms, differences, clusters)).choice
    alone = decided(setting, prior[False]).choice
    labels = np.array(human.clusters)
    return Outcome(
        setting,
        decision,
        best,
        means[setting.default],
        means[chosen],
        compare(human.column(chosen), human.column(setting.default), clusters=labels, seed=SEED),
        means[alone],
        alone,
        judged[True],
        judged[False],
        left[True],
        means[everything],
        everything,
        *predictions(prior[True], features[True].gains, features[True].noise),
    )


def reached(setting: Setting) -> tuple[Floats, float, dict[str, float]]:
    """Values (n, m) of default and rivals on people's queries, the cross-fitted mean of the best, the mean of each."""
    names = (setting.default, *setting.rivals)
    values = np.stack([setting.human.column(name) for name in names], axis=1)
    best = float(cross_fitted(values, assign_folds(setting.human.clusters, seed=SEED)).mean())
    return values, best, dict(zip(names, values.mean(axis=0).tolist(), strict=True))


def drawing(count: int, wanted: int, random: np.random.Generator) -> np.ndarray:
    """Rows of some queries, all there are where these are fewer."""
    return random.permutation(count)[:wanted]


def updated(model: GainModel, arms: ArmFeatures, differences: Floats, clusters: np.ndarray) -> GainPosterior:
    """Take judged queries into account."""
    return model.posterior(
        arms, *mean_and_error(differences, clusters.tolist(), model.error_of_a_query(arms))
    )


def decided(setting: Setting, posterior: GainPosterior) -> Decision:
    """Choose."""
    return choose(Weighed(rivals_of(setting), posterior, 0, 0), setting.default)


def chosen_name(setting: Setting, posterior: GainPosterior) -> str:
    """Name what is chosen."""
    place, _ = leave_for(rivals_of(setting), posterior)
    return setting.default if place is None else setting.rivals[place]


def rivals_of(setting: Setting) -> tuple[Rival, ...]:
    """Without costs the order is that of the grid."""
    return tuple(Rival(name, 0, configuration_of(name)) for name in setting.rivals)


def predictions(prior: GainPosterior, gains: Floats, noise: Floats) -> tuple[Floats, Floats]:
    """Expected gains with their intervals, widened by the error of what was obtained, and that."""
    wide = GainPosterior(prior.weights, prior.means, prior.covariances + noise)
    columns = [wide.expected, *(wide.quantile(edge) for edge in (0.25, 0.75, 0.05, 0.95))]
    return np.stack(columns, axis=1), gains


def coverage(outcomes: Sequence[Outcome]) -> tuple[float, float]:
    """Share of the obtained gains inside the 50 and the 90 % intervals, every setting counted alike."""
    inside = np.array(
        [
            [
                np.mean(
                    (each.obtained > each.predicted[:, low]) & (each.obtained < each.predicted[:, low + 1])
                )
                for low in (1, 3)
            ]
            for each in outcomes
        ]
    )
    return float(inside[:, 0].mean()), float(inside[:, 1].mean())
