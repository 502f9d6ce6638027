"""From experiments to a posterior: what synthetic and judged queries say about every variant of every arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tellapart.engine.configuration import Configuration
from tellapart.experiments.experiment import Experiment
from tellapart.experiments.posterior.model import ArmFeatures, Floats, GainPosterior, Models
from tellapart.experiments.posterior.moves import BASIS, CLASSES, class_of, distance, move
from tellapart.experiments.query_set import Provenance
from tellapart.experiments.resampling import Clusters

IMAGINED_QUERIES = 10.0
"""Queries that the expected covariance of a query's differences counts for beside those that were judged. Not tuned:
with twenty judged queries a third of it is expected, with two hundred nearly all is measured."""


@dataclass(frozen=True, slots=True)
class Rival:
    """A variant that could replace the default: name of its arm, its place there, and the configuration."""

    arm: str
    place: int
    configuration: Configuration


@dataclass(frozen=True, slots=True)
class Weighed:
    """All rivals of the default, cheapest first, with the posterior of their gains; `judged` counts the queries."""

    rivals: tuple[Rival, ...]
    posterior: GainPosterior
    judged: int
    synthetic: int


def weigh(experiment: Experiment, models: Models, synthetic: Experiment | None = None) -> Weighed:
    """Compute the posterior of every rival's gain over the default.

    Args:
        experiment: Judged queries, examples, or synthetic queries; may hold no query at all.
        models: What was learned of other collections.
        synthetic: Synthetic queries beside judged ones, asked of the same arms.
    """
    if experiment.query_set.provenance is Provenance.SYNTHETIC:
        experiment, synthetic, judged = experiment, experiment, None
    else:
        judged = experiment if experiment.queries else None
    if synthetic is not None and not synthetic.queries:
        synthetic = None
    rivals = rivals_of(experiment)
    if not rivals:
        nothing = GainPosterior(np.ones(1), np.zeros((1, 0)), np.zeros((1, 0, 0)))
        return Weighed((), nothing, 0, 0)
    model = models.alone if synthetic is None else models.synthetic
    arms = features_of(experiment, rivals, synthetic)
    if judged is None:
        posterior = model.prior(arms)
    else:
        posterior = model.posterior(arms, *measured(judged, rivals, model.error_of_a_query(arms)))
    return Weighed(
        rivals,
        posterior,
        0 if judged is None else judged.independent,
        0 if synthetic is None else synthetic.independent,
    )


def rivals_of(experiment: Experiment) -> tuple[Rival, ...]:
    """List the variants of contenders, the cheapest arm first; each once, and none that is what the default is."""
    found: dict[Configuration, Rival] = {}
    default = experiment.arms[experiment.default].arm.variants[0]
    for name in experiment.order:
        arm = experiment.arms[name].arm
        if name == experiment.default or not arm.contender:
            continue
        for place, variant in enumerate(arm.variants):
            if move(default, variant).any():
                found.setdefault(variant, Rival(name, place, variant))
    return tuple(found.values())


def features_of(experiment: Experiment, rivals: Sequence[Rival], synthetic: Experiment | None) -> ArmFeatures:
    """Describe rivals by their moves from the default and by their gains on synthetic queries.

    Of a rival that was not asked synthetic queries (a second look at 1,000 of them takes long) they show no gain.
    """
    default = experiment.arms[experiment.default].arm.variants[0]
    moves = np.array([move(default, rival.configuration) for rival in rivals]).reshape(-1, len(BASIS))
    kind = class_of(default)
    assert kind in CLASSES
    gains = noise = None
    if synthetic is not None:
        asked = [place for place, rival in enumerate(rivals) if rival.arm in synthetic.arms]
        gains, noise = np.zeros(len(rivals)), np.zeros((len(rivals), len(rivals)))
        gains[asked], noise[np.ix_(asked, asked)] = measured(synthetic, [rivals[place] for place in asked])
    return ArmFeatures.of(
        moves,
        distance(moves),
        code=kind.endswith("code"),
        untrained=kind.startswith("untrained"),
        synthetic=gains,
        noise=noise,
        agreement=None if synthetic is None else _agreement(synthetic, default),
    )


def _agreement(synthetic: Experiment, default: Configuration) -> float | None:
    """Compare what words alone and vectors alone find at the default's granularities; None where one was not asked."""
    levels = "+".join(default.granularities)
    names = f"{levels}/bm25", f"{default.encoder}/{levels}/knn"
    if any(name not in synthetic.arms for name in names):
        return None
    counted = synthetic.query_set.weights_of(synthetic.queries) > 0
    words, vectors = (synthetic.arms[name].values[counted, 0] for name in names)
    return agreement(words, vectors)


def agreement(words: Floats, vectors: Floats) -> float:
    """Correlation of the values of queries (n,) by words and by vectors; 0 where one of them is the same for all."""
    if len(words) < 2 or words.std() == 0 or vectors.std() == 0:
        return 0.0
    return float(np.corrcoef(words, vectors)[0, 1])


def measured(
    experiment: Experiment, rivals: Sequence[Rival], of_a_query: Floats | None = None
) -> tuple[Floats, Floats]:
    """Mean gains of rivals on the queries of an experiment (m,) and the covariance of their errors (m, m).

    `of_a_query` (m, m) is the covariance that a single query's differences are expected to have: a few queries alone
    tell little about it.
    """
    base = experiment.arms[experiment.default].values[:, 0]
    columns = [experiment.arms[rival.arm].values[:, rival.place] - base for rival in rivals]
    weights = experiment.query_set.weights_of(experiment.queries)
    return mean_and_error(np.stack(columns, axis=1) * weights[:, None], experiment.clusters, of_a_query)


def mean_and_error(
    differences: Floats, clusters: Sequence[str], of_a_query: Floats | None = None
) -> tuple[Floats, Floats]:
    """Mean of differences (n, m) and covariance of its errors (m, m), robust to dependence in clusters."""
    sums = Clusters.of(differences, np.array(clusters))
    count = len(sums.sizes)
    residuals = sums.residuals
    seen = (
        residuals.T @ residuals / sums.sizes.sum() ** 2
    )  # of the mean; count / (count - 1) comes with the weights
    if of_a_query is None:
        return sums.means, np.asarray(seen * count / max(count - 1, 1))
    expected = of_a_query / count
    weight = IMAGINED_QUERIES
    return sums.means, np.asarray((weight * expected + count * seen) / (weight + count - 1))
