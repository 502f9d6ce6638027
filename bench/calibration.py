"""What probabilities of hits are worth: calibration error, skill, precision, no answer, near misses, conformal lists.

TELLAPART_DATA=... python bench/calibration.py --work build/calibration --output docs/benchmarks/calibration.md

`--bayesian PYTHON` names a Python that has the package bayesian-bm25, whose probabilities are then in the same table.
What searches found is kept in the work folder.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from judged import data_folder, publish, table
from rerank import DEPTH as LOOKED_AT
from rerank import KeptScores
from tellapart import Index
from tellapart.corpus.document import Kind
from tellapart.encoders.pairs import open_cross_encoder
from tellapart.engine import second_look
from tellapart.engine.configuration import Configuration
from tellapart.errors import TellapartError
from tellapart.experiments import read_query_set
from tellapart.experiments.qrels import Qrels, read_beir
from tellapart.experiments.query_set import QuerySet
from tellapart.index.lexical import analyse_query
from tellapart.scores.calibrating import CalibrationEvidence, observe_synthetic
from tellapart.scores.calibration import CalibrationQuality, HitCalibrator
from tellapart.scores.observing import ObservedQuery, observe
from tellapart.scores.thresholds import lower_quantile, one_each, precision_threshold

SETS = {
    "scifact": "train",
    "cranfield": "test",
    "wikiqa": "dev",
    "cosqa": "dev",
    "med": "test",
    "cisi": "test",
}
LOOKS = {"wikiqa": "ms-marco-minilm"}
"""Sets that are searched with a second look too, and its model; its scores are those that bench/rerank.py kept."""

DRAWS = 200
SPLITS = 50
COVERAGE = 0.9
PRECISIONS = (0.9, 0.75)
FIELDS = ("features", "relevant", "without", "shares")
COSINE = 8
"""Place of the cosine among the features."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--work", type=Path, default=Path("build") / "calibration")
    parser.add_argument("--looked", type=Path, help="work folder of bench/rerank.py, for its second look")
    parser.add_argument("--sets", nargs="+", default=list(SETS))
    parser.add_argument("--encoder", nargs="*", default=["minilm"])
    parser.add_argument("--queries", type=int, default=10_000, help="of a set at most, drawn with seed 0")
    parser.add_argument(
        "--synthetic", nargs="*", default=[], help="sets of which synthetic queries are made too"
    )
    parser.add_argument("--bayesian", metavar="PYTHON", help="one that has the package bayesian-bm25")
    arguments = parser.parse_args()
    quality, precision, refusal, lists, unanswered = [], [], [], [], ""
    for name in arguments.sets:
        with_vectors = tuple(arguments.encoder)
        index = Index.build(
            [data_folder() / name / "corpus.jsonl"],
            arguments.work / name,
            encoders=with_vectors,
            granularities=("paragraph", "function"),
        )
        queries = drawn(read_query_set(index, data_folder() / name, split=SETS[name]), arguments.queries)
        configuration = index.plan().configuration
        observed = kept_observed(arguments.work / f"{name}.json", index, queries, configuration)
        label = f"{name}, {configuration.name} ({len(observed)})"
        for method in ("logistic", "isotonic"):
            evidence = CalibrationEvidence.of(observed, method, "judged", "", 0)
            quality.append([label, f"judged, {method}", *_quality(evidence)])
            if method == "logistic":
                refusal.append([label, *_near_misses(observed, evidence)])
                precision += [[label, *_precision(evidence, wanted)] for wanted in PRECISIONS]
        lists.append([label, *_conformal(observed)])
        if name in arguments.synthetic:
            made = observe_synthetic(index, configuration, 0)
            quality.append([label, f"synthetic ({len(made)})", *_quality(_transferred(made, observed))])
        if arguments.bayesian:
            theirs = _bayesian(arguments.bayesian, index, queries)
            quality.append([label, "bayesian-bm25 0.11, automatic base rate", *_quality(theirs)])
        if name == "wikiqa":
            unanswered = _no_answer(index, queries, configuration, arguments)
        index.close()
    left = [each for each in SETS if each not in arguments.sets]
    left += [] if arguments.synthetic else ["synthetic queries (`--synthetic`)"]
    left += [] if arguments.bayesian else ["bayesian-bm25 (`--bayesian`)"]
    publish(_page(quality, precision, refusal, lists, unanswered) + _left(left), arguments.output)


def _left(names: Sequence[str]) -> str:
    return f"\nNot run this time: {', '.join(names)}.\n" if names else ""


def drawn(queries: QuerySet, at_most: int) -> QuerySet:
    """Keep some of the queries that have an answer."""
    has = queries.answerable()
    if len(has) <= at_most:
        return queries
    kept = set(np.random.default_rng(0).permutation(has)[:at_most].tolist())
    return replace(queries, queries={each: text for each, text in queries.queries.items() if each in kept})


def kept_observed(
    place: Path, index: Index, queries: QuerySet, configuration: Configuration
) -> list[ObservedQuery]:
    """Search, or read what was found before."""
    if not place.exists():
        found = [
            {each: _plain(getattr(one, each)) for each in one.__slots__}
            for one in observe(index, queries, configuration)
        ]
        place.write_text(json.dumps(found))
    rows = json.loads(place.read_text())
    for row in rows:
        for each in FIELDS:
            row[each] = np.array(row[each], dtype=bool if each == "relevant" else float)
        row["without"] = row["without"].reshape(-1, row["features"].shape[1])
        row["reached"] = -math.inf if row["reached"] is None else row["reached"]
    return [ObservedQuery(**row) for row in rows]


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray):
        return value.tolist()
    return None if value == -math.inf else value


def _bayesian(python: str, index: Index, queries: QuerySet) -> CalibrationEvidence:
    """Probabilities of the package for the same words of the same documents."""
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
    nothing = (None,) * len(asked)
    probabilities = tuple(map(tuple, found["probabilities"]))
    return CalibrationEvidence(asked, probabilities, relevant, nothing, nothing, "theirs", "")


def _no_answer(
    index: Index, queries: QuerySet, configuration: Configuration, arguments: argparse.Namespace
) -> str:
    """Tell questions with an answer from those without, by the best probability of a fit on other questions."""
    judged = read_beir(data_folder() / "wikiqa", SETS["wikiqa"])
    has = {
        query for query, grades in judged.qrels.grades.items() if any(grade > 0 for grade in grades.values())
    }
    texts = {query: judged.queries.texts[query] for query in judged.qrels.grades if query not in has}
    without = QuerySet(texts, Qrels({query: {"nowhere": 1} for query in texts}))
    rows, plain = [], None
    ways = {configuration.name: configuration}
    if arguments.looked:
        kept = KeptScores(open_cross_encoder(LOOKS["wikiqa"]), arguments.looked / "scores.json", 0)
        second_look.open_cross_encoder = lambda name: kept  # type: ignore[assignment,return-value]
        parameters = replace(configuration.parameters, rerank=LOOKS["wikiqa"], depth=LOOKED_AT)
        looking = replace(configuration, parameters=parameters)
        ways[looking.name] = looking
    for number, (name, way) in enumerate(ways.items()):
        suffix = "-looked" if number else ""
        found = kept_observed(arguments.work / f"wikiqa{suffix}.json", index, queries, way)
        nothing = kept_observed(arguments.work / f"wikiqa-nothing{suffix}.json", index, without, way)
        labels = np.r_[np.ones(len(found), bool), np.zeros(len(nothing), bool)]
        if plain is None:
            plain = np.array([each.features[:, COSINE].max() for each in (*found, *nothing)])
            rows.append(["best cosine", *_refusal_figures(labels, plain, None)])
        evidence = CalibrationEvidence.of([*found, *nothing], "logistic", "judged", "", 0)
        best = np.array([max(each) for each in evidence.probabilities])
        rows.append([f"best probability, {name}", *_refusal_figures(labels, best, plain)])
    head = ["by", "AUROC", "minus that of the cosine", "refused at 90 % of answerable kept"]
    return (
        "\n## Questions without an answer: wikiqa\n\n"
        f"{int(labels.sum())} questions with an answer and {int((~labels).sum())} without, every probability by a fit"
        " on other questions.\n\n" + table(head, rows)
    )


def _refusal_figures(labels: np.ndarray, values: np.ndarray, plain: np.ndarray | None) -> list[str]:
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


def _precision(evidence: CalibrationEvidence, wanted: float) -> list[str]:
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


def _page(
    quality: Sequence[Sequence[str]],
    precision: Sequence[Sequence[str]],
    refusal: Sequence[Sequence[str]],
    lists: Sequence[Sequence[str]],
    unanswered: str,
) -> str:
    return (
        "# Calibration\n\n"
        "Probabilities of the first ten hits of every query, each by a fit on queries of other clusters (5 folds).\n"
        f"Intervals: 95 %, {DRAWS} resamples of queries, which raise ECE. *By chance*: the error of perfect\n"
        "probabilities of these values. Synthetic: fitted on queries made from the corpus, applied to people's.\n\n"
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
        + "\n## Precision: asked and obtained\n\n"
        f"Half of the queries set the threshold (95 % confidence), the other half are searched; {SPLITS} splits.\n"
        "*Below*: splits in which the other half had less than was asked; its own sampling makes some.\n\n"
        + table(
            ["set (queries)", "asked", "obtained", "below", "queries that show a hit", "refused"], precision
        )
        + unanswered
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
