r"""When to say that nothing here answers: what each share of answered queries costs, and what the kept rule does.

    TELLAPART_DATA=... python bench/refusing.py --work build/calibration --looked build/rerank \
        --output docs/benchmarks/refusing.md

What searches found is kept in the work folder, which bench/calibration.py shares; the scores of the cross-encoder are
those that bench/rerank.py kept in its own.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from calibration import LOOKS, looked_again
from calibration_figures import answer_probabilities
from calibration_queries import SETS, drawn, kept_foreign, kept_observed, kept_synthetic
from judged import data_folder, publish, table
from tellapart import Index
from tellapart.engine.hit_features import COMPARED_HITS
from tellapart.experiments import read_query_set
from tellapart.experiments.statistics import compare
from tellapart.scores.calibrating import ANSWERED, LIKELY, answer_threshold
from tellapart.scores.evidence import CalibrationEvidence
from tellapart.scores.observing import ObservedQuery
from tellapart.scores.thresholds import recall_threshold

SHARES = (0.98, 0.95, 0.9, 0.85, 0.8)
COSTS = (1, 2, 3, 5)
"""How many lists that do not answer are as bad as one wrong refusal."""

QUERIES, SPLITS = 500, 200
FEWEST = 100
"""Queries with an answer below which half of them cannot carry a share of .98."""

LOOKING = "wikiqa"
ONCE = ("wikiqa train", "scifact", "cosqa", "cranfield", "xquad-en")
"""Of each collection one row: regrets are averaged over these."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--work", type=Path, default=Path("build") / "calibration")
    parser.add_argument("--looked", type=Path, default=Path("build") / "rerank")
    arguments = parser.parse_args()
    found: dict[str, list[ObservedQuery]] = {}
    foreign: dict[str, list[ObservedQuery]] = {}
    for name, (folder, splits) in SETS.items():
        with Index.build(
            [data_folder() / folder / "corpus.jsonl"],
            arguments.work / folder,
            encoders=("minilm",),
            granularities=("paragraph", "function"),
        ) as index:
            configuration = index.plan().configuration
            queries = {}
            other = kept_foreign(arguments.work / f"{folder}-foreign.json", index, configuration)
            for split in splits:
                queries[split] = drawn(read_query_set(index, data_folder() / folder, split=split), QUERIES)
                place = arguments.work / f"{folder}-{split}.json"
                label = f"{name} {split}" if len(splits) > 1 else name
                found[label] = kept_observed(place, index, queries[split], configuration, COMPARED_HITS)
                foreign[label] = other
            if name == LOOKING:
                place = arguments.work / f"{folder}-synthetic.json"
                made = kept_synthetic(place, index, configuration)
                looked = looked_again(index, queries["dev"], configuration, arguments.work, arguments.looked)
    evidence = {
        label: CalibrationEvidence.of([*each, *foreign[label]], "logistic", "judged", "", 0)
        for label, each in found.items()
    }
    evidence[LOOKED] = CalibrationEvidence.of(looked, "logistic", "judged", "", 0)
    costs = {label: costs_of(each) for label, each in evidence.items() if answered(each) >= FEWEST}
    kept_rules = rules(found["wikiqa train"], made, foreign["wikiqa dev"], found["wikiqa dev"], evidence)
    publish(page(costs, kept_rules), arguments.output)


RULE_HEAD = ["learned from", "asked", "threshold", "kept, of all with an answer", "of those found", "refused"]
LOOKED = f"wikiqa dev, {LOOKS[LOOKING]}"


def answered(evidence: CalibrationEvidence) -> int:
    return sum(each is not None for each in evidence.answered)


def held_out(evidence: CalibrationEvidence, share: float) -> tuple[float, float]:
    """Share kept and share refused where the threshold is of the other half of the queries; means of SPLITS.

    Refused: of the questions that people judged to have no answer, or of the near misses where there are none.
    """
    best = np.array([each for each in evidence.answered if each is not None])
    without = np.array(evidence.unanswered or [each for each in evidence.misses if each is not None])
    draw = np.random.default_rng(0)
    kept, refused = [], []
    for _ in range(SPLITS):
        order = draw.permutation(len(best))
        known, new = best[order[: len(best) // 2]], best[order[len(best) // 2 :]]
        threshold = min(recall_threshold(known, share).threshold, LIKELY)
        kept.append(np.mean(new >= threshold))
        refused.append(np.mean(without < threshold))
    return float(np.mean(kept)), float(np.mean(refused))


def costs_of(evidence: CalibrationEvidence) -> dict[float, tuple[float, float]]:
    return {share: held_out(evidence, share) for share in SHARES}


def rules(
    train: Sequence[ObservedQuery],
    made: Sequence[ObservedQuery],
    foreign: Sequence[ObservedQuery],
    dev: Sequence[ObservedQuery],
    evidence: dict[str, CalibrationEvidence],
) -> list[list[str]]:
    """What the rule that `calibrate` keeps does to the questions of wikiqa dev."""
    rows = []
    near = [each for each in train if each.answerable]
    for learned, known in (
        (f"train, judged: {len(near)} with an answer, {len(train) - len(near)} without", train),
        (f"train, judged: {len(near)} with an answer", near),
        (f"synthetic: {len(made)}", made),
    ):
        said = answer_probabilities([*known, *foreign], dev)
        own = CalibrationEvidence.of([*known, *foreign], "logistic", "", "", 0).independent()
        has = np.array([each.answerable for each in dev])
        found = np.array([each.found for each in dev])
        for share in (0.95, ANSWERED):
            threshold, _, _ = answer_threshold(own, share)
            assert threshold is not None
            below = said < threshold
            rows.append(
                [
                    learned,
                    f"{share:g}",
                    f"{threshold:.2f}",
                    f"{1 - below[has].mean():.0%}",
                    f"{1 - below[found].mean():.0%}",
                    f"{below[~has].mean():.0%}",
                ]
            )
    for name in ("wikiqa dev", LOOKED):
        own = evidence[name]
        for share in (0.95, ANSWERED):
            threshold, _, _ = answer_threshold(own.independent(), share)
            kept, refused = held_out(own, share)
            rows.append(
                [
                    f"{name}, cross-fitted",
                    f"{share:g}",
                    f"{threshold:.2f}",
                    "",
                    f"{kept:.0%}",
                    f"{refused:.0%}",
                ]
            )
    return rows


def page(costs: dict[str, dict[float, tuple[float, float]]], kept: Sequence[Sequence[str]]) -> str:
    head = ["collection", *(f"{share:g}" for share in SHARES)]
    shares = [
        [label, *(f"{held:.0%} / {refused:.0%}" for held, refused in own.values())]
        for label, own in costs.items()
    ]
    regrets = []
    once = [own for label, own in costs.items() if label in ONCE]
    for cost in COSTS:
        table_of = np.array(
            [[cost * (1 - held) + 1 - refused for held, refused in own.values()] for own in once]
        )
        regret = table_of - table_of.min(axis=1, keepdims=True)
        at = SHARES.index(ANSWERED)
        least = compare(regret[:, SHARES.index(0.95)], regret[:, at])
        regrets.append(
            [
                f"{cost}",
                *(f"{each:.3f}" for each in regret.mean(axis=0)),
                f"{least.difference:+.3f} [{least.low:+.3f}, {least.high:+.3f}], {least.p:.3f}",
            ]
        )
    return f"""# Saying that nothing answers

Made by `python bench/refusing.py`. `calibrate` keeps a threshold for the probability that the corpus holds an answer:
of queries whose answer is among the first ten hits a given share lies above it (`--answered`, {ANSWERED:g} unless told
otherwise). Probabilities are of fits on queries of other clusters; development data only.

## What each share costs

Kept, of queries whose answer is among the first ten hits / refused, of wikiqa's questions without an answer, elsewhere
of near misses (queries after their answers were taken out of the corpus, neighbours left in, which is harder). The
threshold is of one half of the queries, the figures are of the other ({SPLITS} splits).

{table(head, shares)}
Regret: what a share costs more than the best of these shares for the same collection, in lists that do not answer a
query, mean of {", ".join(ONCE)}. Queries with and without an
answer are equally frequent, and a wrong refusal is as bad as so many lists that do not answer.
Last column: .95, which was kept before, minus {ANSWERED:g}, paired by collection, with interval and p.
So few collections cannot separate them: which share is best depends on how bad a wrong refusal is.
{ANSWERED:g} is a middle.

{table(["a wrong refusal is as bad as", *(f"{share:g}" for share in SHARES), f".95 minus {ANSWERED:g}"], regrets)}
## The kept rule on wikiqa dev

126 questions with an answer, 170 without. Learned and threshold from other questions: those of train, or queries made
from the corpus. *Cross-fitted*: within dev, five folds, threshold from the other half.

{table(RULE_HEAD, kept)}"""


if __name__ == "__main__":
    main()
