"""Figures of bench/calibration.py, each a row of its tables: quality, precision, refusal, near misses."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from scipy.stats import binom
from sklearn.metrics import roc_auc_score

from tellapart import Index
from tellapart.corpus.document import Kind
from tellapart.engine.hit_features import COMPARED_HITS, FEATURES, answer_features
from tellapart.errors import TellapartError
from tellapart.experiments.query_set import QuerySet
from tellapart.index.lexical import analyse_query
from tellapart.scores.calibrating import answer_threshold, fitted_maps
from tellapart.scores.calibration import (
    HitCalibrator,
    brier_skill,
    cross_fitted,
    errors_by_chance,
    expected_calibration_error,
)
from tellapart.scores.evidence import CalibrationEvidence, HitTable
from tellapart.scores.observing import ObservedQuery
from tellapart.scores.thresholds import CONFIDENCE, one_each, precision_threshold

DRAWS = 200
"""Resamples of queries behind an interval."""
SPLITS = 100
"""Draws of queries that set a threshold; it is tried on the others."""
CALIBRATING = 1 / 3
"""Share of the queries that calibrates. Not a half: of few queries the other half is then the worse the better the
first was, and every promise that luck brought about looks broken."""


def refusal_figures(
    labels: np.ndarray, values: np.ndarray, plain: np.ndarray | None, draws: int = DRAWS
) -> list[str]:
    """How well values tell queries with an answer from those without: AUROC, its gain over `plain`, share refused."""
    draw, areas, gains = np.random.default_rng(0), [], []
    for _ in range(draws):
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


def precision_figures(observed: Sequence[ObservedQuery], asked: Sequence[float]) -> list[list[str]]:
    """Calibrate on some queries, ask, and look at the others: a row for each precision that was asked."""
    draw = np.random.default_rng(0)
    own = [observed[at] for at in one_each([each.cluster for each in observed])]
    hits = HitTable.of(own)
    strength = HitCalibrator().fit(hits.features, hits.relevant, hits.clusters).strength_
    sizes = [len(each.features[:COMPARED_HITS]) for each in own]
    features = np.split(hits.features, np.cumsum(sizes)[:-1])
    relevant = np.split(hits.relevant, np.cumsum(sizes)[:-1])
    obtained: dict[float, list[tuple[float, float]]] = {each: [] for each in asked}
    why: dict[float, list[str]] = {each: [] for each in asked}
    for split in range(SPLITS):
        order = draw.permutation(len(own))
        count = round(len(own) * CALIBRATING)
        known, new = order[:count], order[count:]
        rows = np.concatenate([features[at] for at in known])
        labels = np.concatenate([relevant[at] for at in known])
        groups = np.repeat(np.arange(count), [sizes[at] for at in known])
        calibrator = HitCalibrator(regularisation=strength)
        said = cross_fitted(calibrator, rows, labels, groups, seed=split)
        calibrator.fit(rows, labels)
        parts = np.split(said, np.cumsum([sizes[at] for at in known])[:-1])
        later = np.split(
            calibrator.predict_proba(np.concatenate([features[at] for at in new]))[:, 1],
            np.cumsum([sizes[at] for at in new])[:-1],
        )
        for wanted in asked:
            try:
                found = precision_threshold(parts, [relevant[at] for at in known], wanted)
            except TellapartError as error:
                why[wanted].append(
                    "too few queries" if "cannot be promised" in str(error) else _why(str(error))
                )
                continue
            shown = [
                relevant[at][p >= found.threshold].mean()
                for at, p in zip(new, later, strict=True)
                if (p >= found.threshold).any()
            ]
            obtained[wanted].append((float(np.mean(shown)) if shown else 1.0, len(shown) / len(new)))
    return [_precision_row(wanted, obtained[wanted], why[wanted]) for wanted in asked]


def _why(error: str) -> str:
    return "needs more queries" if "needs about" in error else "the best hits are not that good"


def _precision_row(wanted: float, obtained: Sequence[tuple[float, float]], why: Sequence[str]) -> list[str]:
    reason = max(set(why), key=why.count) if why else ""
    row = [f"{wanted:g}", f"{len(obtained)} of {SPLITS}"]
    if not obtained:
        return [*row, "", "", "", "", reason]
    below = sum(precision < wanted for precision, _ in obtained)
    mean, shown = np.mean(obtained, axis=0)
    p = float(binom.sf(below - 1, SPLITS, 1 - CONFIDENCE))
    return [*row, f"{mean:.3f}", f"{below} of {SPLITS}", f"{p:.2f}", f"{shown:.0%}", reason]


def quality_figures(evidence: CalibrationEvidence) -> list[str]:
    """Calibration error and skill of the first hit and of ten, with what perfect probabilities would show."""
    first = _arrays(evidence, 1)
    every = _arrays(evidence, 10)
    error, chance = _against_chance(first)
    tenth, by_chance = _against_chance(every)
    return [
        f"{error:.3f}",
        _spread(chance),
        f"{(chance >= error).mean():.2f}",
        f"{error - chance.mean():+.3f}",
        _interval(first, brier_skill),
        f"{tenth:.3f}",
        _spread(by_chance),
        _interval(every, brier_skill),
    ]


def _against_chance(values: tuple[list[np.ndarray], list[np.ndarray]]) -> tuple[float, np.ndarray]:
    """Calibration error, and errors of perfect probabilities of the same values (draws,)."""
    predicted, relevant = (np.concatenate(each) for each in values)
    return expected_calibration_error(predicted, relevant), errors_by_chance(predicted)


def _spread(values: np.ndarray) -> str:
    low, high = np.percentile(values, [2.5, 97.5])
    return f"{values.mean():.3f} [{low:.3f}, {high:.3f}]"


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


def ceiling_figures(observed: Sequence[ObservedQuery], evidence: CalibrationEvidence) -> list[str]:
    """Skill of the first hit as it is, and what maps that were fitted on the very same hits would reach."""
    from sklearn.isotonic import IsotonicRegression
    from sklearn.linear_model import LogisticRegression

    features = np.stack([each.features[0] for each in observed])
    relevant = np.array([each.relevant[0] for each in observed], dtype=float)
    said = np.array([each[0] for each in evidence.probabilities])

    def oracle(values: np.ndarray) -> float:
        return brier_skill(IsotonicRegression().fit_transform(values, relevant), relevant)

    alone = {
        name: max(oracle(values), oracle(-values)) for name, values in zip(FEATURES, features.T, strict=True)
    }
    best = max(alone, key=lambda name: alone[name])
    scaled = (features - features.mean(axis=0)) / np.maximum(features.std(axis=0), 1e-9)
    together = LogisticRegression(C=100.0, max_iter=5000).fit(scaled, relevant).predict_proba(scaled)[:, 1]
    return [
        f"{brier_skill(said, relevant):.3f}",
        f"{alone[best]:.3f} ({best})",
        f"{oracle(said):.3f}",
        f"{brier_skill(together, relevant):.3f}",
    ]


def near_miss_figures(observed: Sequence[ObservedQuery], evidence: CalibrationEvidence) -> list[str]:
    kept = [at for at, each in enumerate(observed) if each.found and len(each.without)]
    said = np.array([[evidence.answered[i], evidence.misses[i]] for i in kept], dtype=float)
    cosine = FEATURES.index("cosine")
    plain = np.array(
        [
            [observed[i].features[:COMPARED_HITS, cosine].max(), observed[i].without[:, cosine].max()]
            for i in kept
        ]
    )

    def auroc(values: np.ndarray) -> float:
        labels = np.r_[np.ones(len(values)), np.zeros(len(values))]
        return float(roc_auc_score(labels, values.T.ravel()))

    draw = np.random.default_rng(0)
    drawn = []
    for _ in range(DRAWS):
        chosen = draw.integers(len(kept), size=len(kept))
        drawn.append(auroc(said[chosen]) - auroc(plain[chosen]))
    low, high = np.percentile(drawn, [2.5, 97.5])
    ours, theirs = auroc(said), auroc(plain)
    return [f"{ours:.3f}", f"{theirs:.3f}", f"{ours - theirs:+.3f} [{low:+.3f}, {high:+.3f}]"]


def answer_probabilities(known: Sequence[ObservedQuery], asked: Sequence[ObservedQuery]) -> np.ndarray:
    """Probability that there is an answer, of each query that is asked, by maps fitted on those that are known."""
    relevance, answer = fitted_maps(known, "logistic")
    first = [each.features[:COMPARED_HITS] for each in asked]
    lists = [answer_features(each, relevance.log_odds(each)) for each in first]
    return answer.probabilities(np.stack(lists))


def foreign_figures(
    known: Sequence[ObservedQuery],
    foreign: Sequence[ObservedQuery],
    others: Sequence[ObservedQuery],
    people: Sequence[ObservedQuery],
) -> list[str]:
    """Queries of other collections and people's own that get an answer, learned without and with those of the list.

    Of people's those count whose answer is among the first ten hits.
    """
    row = []
    for learned in (list(known), [*known, *foreign]):
        own = CalibrationEvidence.of(learned, "logistic", "", "", 0).independent()
        threshold, _, _ = answer_threshold(own)
        for asked in (others, [each for each in people if each.found]):
            row.append(f"{np.mean(answer_probabilities(learned, asked) >= threshold):.1%}")
    return row


def transferred(known: Sequence[ObservedQuery], observed: Sequence[ObservedQuery]) -> CalibrationEvidence:
    """Predict judged queries by a fit on other ones."""
    hits = HitTable.of(known)
    fitted = HitCalibrator().fit(hits.features, hits.relevant, hits.clusters, hits.weights)
    probabilities = [fitted.predict_proba(each.features[:COMPARED_HITS])[:, 1].tolist() for each in observed]
    relevant = tuple(tuple(each.relevant[:COMPARED_HITS].tolist()) for each in observed)
    return evidence_of([each.cluster for each in observed], probabilities, relevant, "transferred")


FEW = (20, 40, 100)
"""Judged queries, of which there may be no more."""
FEW_DRAWS = 5


def few_figures(observed: Sequence[ObservedQuery], made: Sequence[ObservedQuery]) -> list[str]:
    """ECE and skill of the first hit, fitted on synthetic queries, and on some judged ones for other clusters."""
    row = []
    for size in (0, *FEW):
        if 2 * size > len(observed):
            row.append("")
            continue
        found = []
        for draw in range(FEW_DRAWS if size else 1):
            order = np.random.default_rng(draw).permutation(len(observed))
            known = [observed[at] for at in order[:size]] if size else made
            taken = {each.cluster for each in known} if size else set()
            said = transferred(known, [each for each in observed if each.cluster not in taken])
            first, relevant = (np.concatenate(each) for each in _arrays(said, 1))
            found.append((expected_calibration_error(first, relevant), brier_skill(first, relevant)))
        error, skill = np.mean(found, axis=0)
        row.append(f"{error:.3f}, {skill:+.2f}")
    return row


def evidence_of(
    clusters: Sequence[str],
    probabilities: Sequence[Sequence[float]],
    relevant: tuple[tuple[bool, ...], ...],
    provenance: str,
) -> CalibrationEvidence:
    """Put probabilities of another origin into the same form."""
    nothing = (None,) * len(clusters)
    said = tuple(map(tuple, probabilities))
    return CalibrationEvidence(tuple(clusters), said, relevant, nothing, nothing, (), nothing, provenance, "")


def bayesian_evidence(python: str, index: Index, queries: QuerySet) -> CalibrationEvidence:
    """Probabilities of the package bayesian-bm25, in a Python that has it, for the same words of the same documents."""
    with index.reading():
        numbers = index.store.identifiers()
        texts = {numbers[number]: index.stored(number).document.text for number in numbers}
    asked = queries.answerable()
    given = {
        "documents": [analyse_query(text, Kind.PROSE) for text in texts.values()],
        "queries": [analyse_query(queries.queries[query], Kind.PROSE) for query in asked],
    }
    script = Path(__file__).with_name("bayesian.py")
    done = subprocess.run(
        [python, str(script)], input=json.dumps(given), capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"bayesian-bm25: {done.stderr.strip().splitlines()[-1]}")
    found, names = json.loads(done.stdout), list(texts)
    relevant = tuple(
        tuple(queries.qrels.grades[query].get(names[at], 0) > 0 for at in row)
        for query, row in zip(asked, found["documents"], strict=True)
    )
    return evidence_of(asked, found["probabilities"], relevant, "theirs")
