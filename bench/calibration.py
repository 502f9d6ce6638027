"""What probabilities of hits are worth: calibration error, skill, near misses, sizes of conformal lists.

TELLAPART_DATA=... python bench/calibration.py --output docs/benchmarks/calibration.md
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from judged import data_folder, publish, table
from tellapart import Index
from tellapart.experiments import read_query_set
from tellapart.scores.calibrating import CalibrationEvidence, observe_synthetic
from tellapart.scores.calibration import CalibrationQuality, HitCalibrator
from tellapart.scores.observing import ObservedQuery, observe
from tellapart.scores.thresholds import lower_quantile, one_each

SETS = {
    "scifact": "train",
    "cranfield": "test",
    "wikiqa": "section-dev",
    "cisi": "test",
    "cacm": "test",
    "med": "test",
}
CORPUS = {"wikiqa": "sections.jsonl"}
DRAWS = 200
SPLITS = 50
COVERAGE = 0.9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--sets", nargs="+", default=["cranfield", "cisi", "med"])
    parser.add_argument("--encoder", nargs="*", default=[])
    parser.add_argument(
        "--synthetic", nargs="*", default=[], help="sets of which synthetic queries are made too"
    )
    arguments = parser.parse_args()
    quality, refusal, lists = [], [], []
    with tempfile.TemporaryDirectory() as work:
        for name in arguments.sets:
            folder = data_folder() / name
            corpus = folder / CORPUS.get(name, "corpus.jsonl")
            with_vectors = tuple(arguments.encoder)
            index = Index.build([corpus], Path(work) / name, encoders=with_vectors)
            queries = read_query_set(index, folder, split=SETS[name])
            configuration = index.plan().configuration
            observed = observe(index, queries, configuration)
            label = f"{name}, {configuration.name} ({len(observed)})"
            for method in ("logistic", "isotonic"):
                evidence = CalibrationEvidence.of(observed, method, "judged", "", 0)
                quality.append([label, f"judged, {method}", *_quality(evidence)])
                if method == "logistic":
                    refusal.append([label, *_near_misses(observed, evidence)])
            lists.append([label, *_conformal(observed)])
            if name in arguments.synthetic:
                made = observe_synthetic(index, configuration, 0)
                quality.append([label, f"synthetic ({len(made)})", *_quality(_transferred(made, observed))])
            index.close()
    publish(_page(quality, refusal, lists), arguments.output)


def _page(
    quality: Sequence[Sequence[str]], refusal: Sequence[Sequence[str]], lists: Sequence[Sequence[str]]
) -> str:
    return (
        "# Calibration\n\n"
        "Probabilities of the first ten hits of every query, each by a fit on queries of other clusters (5 folds).\n"
        f"Intervals: 95 %, {DRAWS} resamples of queries, which raise ECE. *By chance*:\n"
        "the error of perfect probabilities of these values.\n"
        "Synthetic (`--synthetic SET`): fitted on queries made from the corpus, applied to people's.\n\n"
        + table(
            [
                "set (queries)",
                "fitted on",
                "ECE, first hit",
                "by chance",
                "skill, first hit",
                "ECE, ten hits",
                "skill, ten hits",
            ],
            quality,
        )
        + "\n## Near misses\n\nEach query as it is against the same after its answers were taken out of the list, for\n"
        "queries whose answer is among the first ten hits. AUROC of the best probability, of the best score, and the\n"
        "paired difference over resampled queries.\n\n"
        + table(["set (queries)", "probability", "score", "difference"], refusal)
        + f"\n## Lists that hold an answer\n\nAsked: {COVERAGE:.0%}, of queries with an answer in 100 hits.\n"
        "Half of the queries set the threshold, the others are searched;\n"
        f"means over {SPLITS} splits. The fixed length is the smallest that covers as often on the second half.\n\n"
        + table(
            ["set (queries)", "coverage", "mean length", "fixed length of the same coverage", "shorter by"],
            lists,
        )
        + "\nNot run: vectors (`--encoder lsa`, `--encoder minilm`), synthetic queries, cosqa, questions of wikiqa\n"
        "that have no answer, bayesian-bm25.\n"
    )


def _transferred(made: Sequence[ObservedQuery], observed: Sequence[ObservedQuery]) -> CalibrationEvidence:
    """Predict judged queries by a fit on synthetic ones."""
    fitted = HitCalibrator().fit(
        np.concatenate([each.features for each in made]),
        np.concatenate([each.relevant for each in made]),
        sample_weight=np.repeat([each.weight for each in made], [len(each.features) for each in made]),
    )
    probabilities = tuple(tuple(fitted.predict_proba(each.features)[:, 1].tolist()) for each in observed)
    relevant = tuple(tuple(each.relevant.tolist()) for each in observed)
    nothing = (None,) * len(observed)
    clusters = tuple(each.cluster for each in observed)
    return CalibrationEvidence(clusters, probabilities, relevant, nothing, nothing, "synthetic", "")


def _quality(evidence: CalibrationEvidence) -> list[str]:
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


def _near_misses(observed: Sequence[ObservedQuery], evidence: CalibrationEvidence) -> list[str]:
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


def _conformal(observed: Sequence[ObservedQuery]) -> list[str]:
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


if __name__ == "__main__":
    main()
