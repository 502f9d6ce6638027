"""What probabilities of hits are worth: calibration error, skill, precision, no answer, near misses.

TELLAPART_DATA=... python bench/calibration.py --work build/calibration --output docs/benchmarks/calibration.md

`--bayesian PYTHON` names a Python that has bayesian-bm25[scorer], whose probabilities are then in the same table.
What searches found, and the figures of each set, are kept in the work folder: a run that was cut goes on where it was,
`--sets` makes some of them, and the page has all that were made.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from calibration_figures import (
    FEW,
    FEW_DRAWS,
    SPLITS,
    answer_probabilities,
    bayesian_evidence,
    ceiling_figures,
    few_figures,
    foreign_figures,
    near_miss_figures,
    precision_figures,
    quality_figures,
    refusal_figures,
    transferred,
)
from calibration_queries import (
    ELSEWHERE,
    SETS,
    drawn,
    kept_foreign,
    kept_observed,
    kept_others,
    kept_synthetic,
    read_observed,
)
from judged import data_folder, publish, table
from rerank import DEPTH as LOOKED_AT
from rerank import KeptScores
from tellapart import Index
from tellapart.encoders import pairs
from tellapart.engine.configuration import Configuration
from tellapart.engine.hit_features import COMPARED_HITS, FEATURES
from tellapart.experiments import read_query_set
from tellapart.experiments.query_set import QuerySet
from tellapart.experiments.synthetic.queries import QuerySource
from tellapart.scores.evidence import CalibrationEvidence
from tellapart.scores.observing import ObservedQuery

LOOKS = {"wikiqa": "ms-marco-minilm"}
"""Sets that are searched with a second look too, and its model; its scores are those that bench/rerank.py kept."""

PRECISIONS = (0.9, 0.75)
TABLES = ("quality", "ceiling", "precision", "refusal", "foreign")
COSINE, SECOND = FEATURES.index("cosine"), FEATURES.index("best second look")


CEILINGS = """
## How much skill there is

Skill of the first hit's probability, and what maps would reach that know the answers: a step map of the best
single feature, or of the probabilities, and a logistic regression of all features, each fitted on the very hits it is
judged on. They are upper bounds of such maps, not results. Where they stay below .25, none of these maps gets there.
On cosqa many functions that answer were never judged and count as wrong; on cranfield the best hit is often the paper
whose author asked, which counts as wrong by convention.

"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--work", type=Path, default=Path("build") / "calibration")
    parser.add_argument("--looked", type=Path, help="work folder of bench/rerank.py, for its second look")
    parser.add_argument("--sets", nargs="+", default=list(SETS))
    parser.add_argument("--encoder", nargs="*", default=["minilm"])
    parser.add_argument("--queries", type=int, default=500, help="of a split at most, drawn with seed 0")
    parser.add_argument("--bayesian", metavar="PYTHON", help="one that has the package bayesian-bm25")
    arguments = parser.parse_args()
    for name in arguments.sets:
        place = arguments.work / f"{name.replace(', ', '-')}-figures.json"
        if not place.exists():
            place.write_text(json.dumps(_figures(name, arguments)))
    made = {name: arguments.work / f"{name.replace(', ', '-')}-figures.json" for name in SETS}
    found = {name: json.loads(place.read_text()) for name, place in made.items() if place.exists()}
    if len(found) == len(SETS):
        place = arguments.work / "elsewhere.json"
        if not place.exists():
            place.write_text(json.dumps({name: _elsewhere(name, arguments.work) for name in SETS}))
        for name, row in json.loads(place.read_text()).items():
            found[name]["quality"].append(row)
    few = {name: _few(name, arguments.work) for name in found}
    parts = {part: [row for of in found.values() for row in of[part]] for part in TABLES}
    unanswered = "".join(of["unanswered"] for of in found.values())
    left = [name for name in SETS if name not in found]
    left += [] if any("bayesian" in row[1] for row in parts["quality"]) else ["bayesian-bm25 (`--bayesian`)"]
    publish(_page(few=list(few.values()), unanswered=unanswered, **parts) + _left(left), arguments.output)


def _figures(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Rows of one set: of quality, precision and refusal, and the section on questions without an answer."""
    folder, splits = SETS[name]
    index = Index.build(
        [data_folder() / folder / "corpus.jsonl"],
        arguments.work / folder,
        encoders=tuple(arguments.encoder),
        granularities=("paragraph", "function"),
    )
    configuration = index.plan().configuration
    parts, queries = {}, {}
    for split in splits:
        queries[split] = drawn(read_query_set(index, data_folder() / folder, split=split), arguments.queries)
        place = arguments.work / f"{folder}-{split}.json"
        parts[split] = kept_observed(place, index, queries[split], configuration, COMPARED_HITS)
    observed = [each for part in parts.values() for each in part if each.answerable]
    label, quality = f"{name} ({len(observed)})", []
    foreign = kept_foreign(arguments.work / f"{folder}-foreign.json", index, configuration)
    others = kept_others(arguments.work / f"{folder}-others.json", index, configuration, folder)
    evidence = {
        method: CalibrationEvidence.of([*observed, *foreign], method, "judged", "", 0)
        for method in ("logistic", "isotonic")
    }
    quality += [[label, f"judged, {method}", *quality_figures(each)] for method, each in evidence.items()]
    made = kept_synthetic(arguments.work / f"{folder}-synthetic.json", index, configuration)
    quality.append([label, f"synthetic ({len(made)})", *quality_figures(transferred(made, observed))])
    telling = [each for each in made if not each.query.startswith(QuerySource.RARE_TERMS)]
    row = f"synthetic, without rare terms ({len(telling)})"
    quality.append([label, row, *quality_figures(transferred(telling, observed))])
    for split, asked in queries.items() if arguments.bayesian else ():
        theirs = bayesian_evidence(arguments.bayesian, index, asked)
        row = f"bayesian-bm25 0.11, automatic base rate ({len(theirs.clusters)} of {split})"
        quality.append([label, row, *quality_figures(theirs)])
    found = {
        "quality": quality,
        "ceiling": [[label, *ceiling_figures(observed, evidence["logistic"])]],
        "precision": [[label, *row] for row in precision_figures(observed, PRECISIONS)],
        "refusal": [[label, *near_miss_figures(observed, evidence["logistic"])]],
        "foreign": [
            [label, learned, *foreign_figures(known, foreign, others, observed)]
            for learned, known in (
                ("judged", [each for part in parts.values() for each in part]),
                ("synthetic", made),
            )
        ],
        "unanswered": _no_answer(index, queries["dev"], parts, foreign, configuration, arguments)
        if name == "wikiqa"
        else "",
    }
    index.close()
    return found


def _observed(work: Path, folder: str, splits: Sequence[str]) -> list[ObservedQuery]:
    """Read what was found for queries with an answer."""
    every = [each for split in splits for each in read_observed(work / f"{folder}-{split}.json")]
    return [each for each in every if each.answerable]


def _few(name: str, work: Path) -> list[str]:
    """A row of what some judged queries say, against synthetic ones; made once."""
    place = work / f"{name.replace(', ', '-')}-few.json"
    if not place.exists():
        observed, made = _observed(work, *SETS[name]), read_observed(work / f"{SETS[name][0]}-synthetic.json")
        place.write_text(json.dumps([f"{name} ({len(observed)})", *few_figures(observed, made)]))
    return list(json.loads(place.read_text()))


def _elsewhere(name: str, work: Path) -> list[str]:
    """A row of quality: fitted on people's queries of the other collections, each weighing as much."""
    others = [
        _observed(work, folder, splits)
        for other, (folder, splits) in SETS.items()
        if folder != SETS[name][0] and other != "cranfield, sources"
    ]
    mean = sum(map(len, others)) / len(others)
    known = [
        replace(each, weight=mean / len(part), cluster=f"{place} {each.cluster}")
        for place, part in enumerate(others)
        for each in part
    ]
    own = _observed(work, *SETS[name])
    return [f"{name} ({len(own)})", "people's queries elsewhere", *quality_figures(transferred(known, own))]


def _left(names: Sequence[str]) -> str:
    return f"\nNot run this time: {', '.join(names)}.\n" if names else ""


def looked_again(
    index: Index, dev: QuerySet, configuration: Configuration, work: Path, looked: Path
) -> list[ObservedQuery]:
    """Search wikiqa's development questions with a second look, by the scores that bench/rerank.py kept."""
    kept = KeptScores(pairs.open_cross_encoder(LOOKS["wikiqa"]), looked / "scores.json", 0)
    pairs.open_cross_encoder = lambda name: kept  # type: ignore[assignment,return-value]
    parameters = replace(configuration.parameters, rerank=LOOKS["wikiqa"], depth=LOOKED_AT)
    looking = replace(configuration, parameters=parameters)
    return kept_observed(work / "wikiqa-dev-looked.json", index, dev, looking, COMPARED_HITS)


def _no_answer(
    index: Index,
    dev: QuerySet,
    parts: Mapping[str, Sequence[ObservedQuery]],
    foreign: Sequence[ObservedQuery],
    configuration: Configuration,
    arguments: argparse.Namespace,
) -> str:
    """Tell questions of the development split that have an answer from those that have none."""
    tested = parts["dev"]
    labels = np.array([each.answerable for each in tested])
    plain = np.array([each.features[:COMPARED_HITS, COSINE].max() for each in tested])
    rows = [["best cosine", "", *refusal_figures(labels, plain, None)]]
    near = [each for each in parts["train"] if each.answerable]
    for told, known in (("near misses", near), ("near misses and unanswered questions", parts["train"])):
        said = answer_probabilities([*known, *foreign], tested)
        rows.append(["probability of an answer", f"{told} of train", *refusal_figures(labels, said, plain)])
    if arguments.looked:
        found = looked_again(index, dev, configuration, arguments.work, arguments.looked)
        best = np.array([each.features[0, SECOND].max() for each in found])
        row = [f"best score of {LOOKED_AT} of {LOOKS['wikiqa']}", ""]
        rows.append([*row, *refusal_figures(labels, best, plain)])
    head = ["by", "learned from", "AUROC", "minus that of the cosine", "refused at 90 % of answerable kept"]
    return (
        "\n## Questions without an answer: wikiqa dev\n\n"
        f"{int(labels.sum())} questions with an answer and {int((~labels).sum())} without; all sentences of all\n"
        f"sections are the corpus. *Train*: {len(near)} questions with an answer, {len(parts['train']) - len(near)} "
        "without.\n\n" + table(head, rows)
    )


def _page(
    quality: Sequence[Sequence[str]],
    few: Sequence[Sequence[str]],
    ceiling: Sequence[Sequence[str]],
    precision: Sequence[Sequence[str]],
    refusal: Sequence[Sequence[str]],
    foreign: Sequence[Sequence[str]],
    unanswered: str,
) -> str:
    return (
        "# Calibration\n\n"
        "Probabilities of the first ten hits of every query with an answer, by the default configuration, each by a\n"
        "fit on queries of other clusters (5 folds). Intervals: 95 %; of skill, over resampled queries. *By chance*:\n"
        "the error that perfect probabilities of these values show with so many hits, and how often they show as much\n"
        "as was found (p): a small p says that the probabilities are wrong, not only few. *Beyond chance*: found less\n"
        "the mean by chance. Synthetic: fitted on queries made from the corpus, applied to people's; without rare\n"
        "terms: only the kinds of queries that the verdict asks. *People's queries elsewhere*: fitted on those of\n"
        "the other collections. bayesian-bm25 ranks with its own BM25.\n\n"
        + table(
            [
                "set (queries)",
                "fitted on",
                "ECE, first hit",
                "by chance",
                "p",
                "beyond chance",
                "skill, first hit",
                "ECE, ten hits",
                "by chance",
                "skill, ten hits",
            ],
            quality,
        )
        + "\n## How many judged queries\n\n"
        "ECE and skill of the first hit, fitted on synthetic queries, or on so many judged ones and applied to those\n"
        f"of other clusters: mean of {FEW_DRAWS} draws.\n\n"
        + table(["set (queries)", "synthetic", *(f"{size} judged" for size in FEW)], few)
        + CEILINGS
        + table(
            [
                "set (queries)",
                "as it is, cross-fitted",
                "best feature, isotonic on the same hits",
                "as it is, then isotonic on the same hits",
                "all features, fitted on the same hits",
            ],
            ceiling,
        )
        + "\n## Precision: asked and obtained\n\n"
        f"A third of the queries calibrates (map and threshold, 95 % confidence), the others are searched;\n"
        f"{SPLITS} draws. *Below*: draws in which a promise was given and the others had less than was asked. At most\n"
        "one in twenty draws may be; p: how often so many or more would be below if it were one in twenty. In the\n"
        "other draws it is refused.\n\n"
        + table(
            [
                "set (queries)",
                "asked",
                "promised",
                "obtained",
                "below",
                "p",
                "queries that show a hit",
                "why refused, most often",
            ],
            precision,
        )
        + unanswered
        + "\n## Near misses\n\n"
        "Each query as it is against the same after its answers were taken out of its 100 hits and\n"
        "all neighbours left in, for queries whose answer is among the first ten hits. AUROC of the probability that\n"
        "there is an answer, learned from other queries and their near misses, of the best cosine, and the paired\n"
        "difference over resampled queries.\n\n"
        + table(["set (queries)", "probability of an answer", "best cosine", "difference"], refusal)
        + "\n## Queries about something else\n\n"
        f"{ELSEWHERE} queries of each other collection (30 of med), asked of this one: how many get an answer, and\n"
        "how many of people's queries do whose answer is among the first ten hits (of the judged the very ones\n"
        "learned from).\n"
        "*Without*: learned from near misses and judged queries alone; *with*: from the list of queries about other\n"
        "things too that `calibrate` asks, none of which is tried here. Collections have topics in common: wikiqa and\n"
        "xquad-en are encyclopaedias, scifact and med are medicine.\n\n"
        + table(
            [
                "set (queries)",
                "fitted on",
                "others, without",
                "people's, without",
                "others, with",
                "people's, with",
            ],
            foreign,
        )
    )


if __name__ == "__main__":
    main()
