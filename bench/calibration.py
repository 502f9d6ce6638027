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
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from calibration_figures import (
    COVERAGE,
    DRAWS,
    SPLITS,
    list_figures,
    near_miss_figures,
    precision_figures,
    quality_figures,
    refusal_figures,
)
from judged import data_folder, publish, table
from rerank import DEPTH as LOOKED_AT
from rerank import KeptScores
from tellapart import Index
from tellapart.corpus.document import Kind
from tellapart.encoders.pairs import open_cross_encoder
from tellapart.engine import second_look
from tellapart.engine.configuration import Configuration
from tellapart.experiments import read_query_set
from tellapart.experiments.qrels import Qrels, read_beir
from tellapart.experiments.query_set import QuerySet
from tellapart.index.lexical import analyse_query
from tellapart.scores.calibrating import CalibrationEvidence, observe_synthetic
from tellapart.scores.calibration import HitCalibrator
from tellapart.scores.observing import ObservedQuery, observe

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
            quality.append([label, f"judged, {method}", *quality_figures(evidence)])
            if method == "logistic":
                refusal.append([label, *near_miss_figures(observed, evidence)])
                precision += [[label, *precision_figures(evidence, wanted)] for wanted in PRECISIONS]
        lists.append([label, *list_figures(observed)])
        if name in arguments.synthetic:
            made = observe_synthetic(index, configuration, 0)
            quality.append(
                [label, f"synthetic ({len(made)})", *quality_figures(_transferred(made, observed))]
            )
        if arguments.bayesian:
            theirs = _bayesian(arguments.bayesian, index, queries)
            quality.append([label, "bayesian-bm25 0.11, automatic base rate", *quality_figures(theirs)])
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
            rows.append(["best cosine", *refusal_figures(labels, plain, None)])
        evidence = CalibrationEvidence.of([*found, *nothing], "logistic", "judged", "", 0)
        best = np.array([max(each) for each in evidence.probabilities])
        rows.append([f"best probability, {name}", *refusal_figures(labels, best, plain)])
    head = ["by", "AUROC", "minus that of the cosine", "refused at 90 % of answerable kept"]
    return (
        "\n## Questions without an answer: wikiqa\n\n"
        f"{int(labels.sum())} questions with an answer and {int((~labels).sum())} without, every probability by a fit"
        " on other questions.\n\n" + table(head, rows)
    )


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


if __name__ == "__main__":
    main()
