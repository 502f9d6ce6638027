"""Figures of bench/calibration.py, each a row of its tables: quality, precision, refusal, near misses, lists."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from sklearn.metrics import roc_auc_score

from tellapart.errors import TellapartError
from tellapart.scores.calibrating import CalibrationEvidence
from tellapart.scores.calibration import CalibrationQuality
from tellapart.scores.observing import ObservedQuery
from tellapart.scores.thresholds import lower_quantile, one_each, precision_threshold

DRAWS = 200
"""Resamples of queries behind an interval."""
SPLITS = 50
"""Halvings of the queries into those that set a threshold and those that it is tried on."""
COVERAGE = 0.9


def refusal_figures(labels: np.ndarray, values: np.ndarray, plain: np.ndarray | None) -> list[str]:
    draw, areas, gains = np.random.default_rng(0), [], []
    for _ in range(DRAWS):
        rows = draw.integers(len(labels), size=len(labels))
        areas.append(roc_auc_score(labels[rows], values[rows]))
        gains.append(areas[-1] - (0 if plain is None else roc_auc_score(labels[rows], plain[rows])))
    area = roc_auc_score(labels, values)
    low, high = np.percentile(areas, [2.5, 97.5])
    gain = ""
    if plain is not None:
        less, more = np.percentile(gains, [2.5, 97.5])
        gain = f"{area - roc_auc_score(labels, plain):+.3f} [{less:+.3f}, {more:+.3f}]"
    refused = (values[~labels] < np.quantile(values[labels], 0.1)).mean()
    return [f"{area:.3f} [{low:.3f}, {high:.3f}]", gain, f"{refused:.0%}"]


def precision_figures(evidence: CalibrationEvidence, wanted: float) -> list[str]:
    """Ask on one half of the queries, look at the other: obtained precision, how often below, queries that show any."""
    draw, obtained, shown, refused = np.random.default_rng(0), [], [], 0
    count = len(evidence.probabilities)
    for _ in range(SPLITS):
        order = draw.permutation(count)
        half = count // 2
        known, new = order[:half], order[half:]
        try:
            found = precision_threshold(
                [evidence.probabilities[at] for at in known], [evidence.relevant[at] for at in known], wanted
            )
        except TellapartError:
            refused += 1
            continue
        shares = []
        for at in new:
            kept = np.array(evidence.probabilities[at]) >= found.threshold
            if kept.any():
                shares.append(np.array(evidence.relevant[at], dtype=float)[kept].mean())
        if shares:
            obtained.append(float(np.mean(shares)))
            shown.append(len(shares) / len(new))
    if not obtained:
        return [f"{wanted:g}", "refused", "", "", f"{refused} of {SPLITS}"]
    below = float(np.mean(np.array(obtained) < wanted))
    return [
        f"{wanted:g}",
        f"{np.mean(obtained):.3f}",
        f"{below:.0%}",
        f"{np.mean(shown):.0%}",
        f"{refused} of {SPLITS}",
    ]


def quality_figures(evidence: CalibrationEvidence) -> list[str]:
    first = _arrays(evidence, 1)
    every = _arrays(evidence, 10)
    draw = np.random.default_rng(0)
    chance = np.mean(
        [
            CalibrationQuality.of(p := np.concatenate(first[0]), draw.uniform(size=len(p)) < p).ece
            for _ in range(50)
        ]
    )
    return [
        _interval(first, lambda p, y: CalibrationQuality.of(p, y).ece),
        f"{chance:.3f}",
        _interval(first, lambda p, y: CalibrationQuality.of(p, y).skill),
        _interval(every, lambda p, y: CalibrationQuality.of(p, y).ece),
        _interval(every, lambda p, y: CalibrationQuality.of(p, y).skill),
    ]


def _arrays(evidence: CalibrationEvidence, first: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    return (
        [np.array(each[:first]) for each in evidence.probabilities],
        [np.array(each[:first], dtype=float) for each in evidence.relevant],
    )


def _interval(
    values: tuple[list[np.ndarray], list[np.ndarray]], figure: Callable[[np.ndarray, np.ndarray], float]
) -> str:
    predicted, relevant = values
    draw = np.random.default_rng(0)
    drawn = []
    for _ in range(DRAWS):
        chosen = draw.integers(len(predicted), size=len(predicted))
        drawn.append(
            figure(
                np.concatenate([predicted[i] for i in chosen]), np.concatenate([relevant[i] for i in chosen])
            )
        )
    low, high = np.percentile(drawn, [2.5, 97.5])
    return f"{figure(np.concatenate(predicted), np.concatenate(relevant)):.3f} [{low:.3f}, {high:.3f}]"


def near_miss_figures(observed: Sequence[ObservedQuery], evidence: CalibrationEvidence) -> list[str]:
    kept = [
        position
        for position, each in enumerate(observed)
        if each.relevant.any() and len(each.without) and evidence.misses[position] is not None
    ]
    probability = np.array([[max(evidence.probabilities[i]), evidence.misses[i]] for i in kept], dtype=float)
    score = np.array([[observed[i].features[0, 0], observed[i].without[0, 0]] for i in kept])

    def auroc(values: np.ndarray) -> float:
        labels = np.r_[np.ones(len(values)), np.zeros(len(values))]
        return float(roc_auc_score(labels, values.T.ravel()))

    draw = np.random.default_rng(0)
    drawn = []
    for _ in range(DRAWS):
        chosen = draw.integers(len(kept), size=len(kept))
        drawn.append(auroc(probability[chosen]) - auroc(score[chosen]))
    low, high = np.percentile(drawn, [2.5, 97.5])
    ours, plain = auroc(probability), auroc(score)
    return [f"{ours:.3f}", f"{plain:.3f}", f"{ours - plain:+.3f} [{low:+.3f}, {high:+.3f}]"]


def list_figures(observed: Sequence[ObservedQuery]) -> list[str]:
    """Coverage and length on half of the queries; only those whose answer is among the first 100 hits."""
    own = [observed[i] for i in one_each([each.cluster for each in observed])]
    found = [each for each in own if math.isfinite(each.reached)]
    draw = np.random.default_rng(0)
    covered, lengths, fixed = [], [], []
    for _ in range(SPLITS):
        order = draw.permutation(len(found))
        half = len(order) // 2
        threshold = lower_quantile([found[i].reached for i in order[:half]], 1 - COVERAGE)
        tested = [found[i] for i in order[half:]]
        covered.append(np.mean([each.reached >= threshold for each in tested]))
        lengths.append(np.mean([(each.shares >= threshold).sum() for each in tested]))
        ranks = np.sort([(each.shares > each.reached).sum() + 1 for each in tested])
        fixed.append(ranks[max(math.ceil(float(covered[-1]) * len(ranks)) - 1, 0)])
    length, same = float(np.mean(lengths)), float(np.mean(fixed))
    return [f"{np.mean(covered):.3f}", f"{length:.1f}", f"{same:.1f}", f"{1 - length / same:.0%}"]
