"""What an entropy rule says about the weight of the vectors in a hybrid, for comparison: it looks at scores alone.

The entropy weight method (Hwang and Yoon, Multiple Attribute Decision Making, 1981, 3.3): of several criteria that rate
the same things, one whose ratings are nearly equal tells little. Here words and vectors rate units. Of each the first
`DEPTH` scores of a query are scaled from 0 to 1 and divided by their sum, p; its say is 1 - H(p) / log(DEPTH), one less
the normalised entropy; and the weight of the vectors is their part of what both say.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellapart.engine.configuration import Configuration
from tellapart.experiments.experiment import Experiment
from tellapart.experiments.posterior.moves import vector_share, weight_beside
from tellapart.experiments.statistics import compare

DEPTH = 100
"""Scores of each side that are looked at: about what users fuse. Over all units BM25, which most of them do not match,
would always say most."""

Weights = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class EntropyRule:
    """What the rule would have chosen, and what that would have been worth on these queries.

    `weight` is the mean over the queries, `lowest` and `highest` hold nine tenths of them. `difference` is that from
    the default's weight, paired, every query answered with the measured weight next to its own; `low`, `high`, `p` are
    its interval (95 %) and sign-flip p.
    """

    weight: float
    lowest: float
    highest: float
    difference: float
    low: float
    high: float
    p: float


def entropy_weights(words: NDArray[np.float32], vectors: NDArray[np.float32]) -> Weights:
    """Give the weight of the vectors (queries,) by the rule, from scores (queries, units) of both sides."""
    of_words, of_vectors = _say(words), _say(vectors)
    both = of_words + of_vectors
    share: Weights = np.divide(of_vectors, both, out=np.full(len(both), 0.5), where=both > 0)
    return share


def _say(scores: NDArray[np.float32]) -> Weights:
    depth = min(DEPTH, scores.shape[1])
    if depth < 2:
        return np.zeros(len(scores))
    top = np.partition(scores, scores.shape[1] - depth, axis=1)[:, -depth:].astype(np.float64)
    top -= top.min(axis=1, keepdims=True)
    total = top.sum(axis=1, keepdims=True)
    p = np.divide(top, total, out=np.full(top.shape, 1 / depth), where=total > 0)
    entropy = -(p * np.log(np.maximum(p, 1e-300))).sum(axis=1)
    said: Weights = np.maximum(1 - entropy / np.log(depth), 0.0)
    return said


def entropy_rule(experiment: Experiment, *, seed: int = 0) -> EntropyRule | None:
    """Judge the rule on the queries of an experiment; None where the default is no hybrid, or few weights are tried."""
    default = experiment.arms[experiment.default].arm.variants[0]
    wanted = experiment.entropy_weights
    if default.ranker != "hybrid" or len(wanted) != len(experiment.queries) or not len(wanted):
        return None
    columns = _columns(experiment, default)
    if len(columns) < 3:
        return None
    weights = np.array(sorted(columns))
    values = np.stack([columns[weight] for weight in weights.tolist()], axis=1)
    nearest = np.abs(weights[None] - wanted[:, None]).argmin(axis=1)
    own = experiment.query_set.weights_of(experiment.queries)
    chosen = values[np.arange(len(values)), nearest] * own
    base = experiment.arms[experiment.default].values[:, 0] * own
    found = compare(chosen, base, clusters=np.array(experiment.clusters), seed=seed)
    low, high = np.quantile(wanted, [0.05, 0.95]).tolist()
    mean = float((wanted * own).mean())
    return EntropyRule(mean, low, high, found.difference, found.low, found.high, found.p)


def _columns(experiment: Experiment, default: Configuration) -> dict[float, Weights]:
    """Values (n,) of words alone, vectors alone and the weights between, with the default's encoder and units."""
    columns = {vector_share(default): experiment.arms[experiment.default].values[:, 0]}
    for measured in experiment.arms.values():
        for place, each in enumerate(measured.arm.variants):
            weight = weight_beside(default, each)
            if weight is not None:
                columns.setdefault(weight, measured.values[:, place])
    return columns
