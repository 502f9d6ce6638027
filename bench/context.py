"""What a language model is given: our context against fixed windows and against what others do, on one encoder.

    TELLAPART_DATA=... python bench/context.py --output docs/benchmarks/context.md

Vectors are kept in the user's cache, so that a second run takes some minutes. Questions without an answer are also
tried with a cross-encoder: `tellapart models add ms-marco-minilm`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from context_methods import WINDOWS, baselines
from context_sets import UNANSWERABLE, XQUAD_QUERIES, Collection, chunking, indexed, recall, wikiqa, xquad
from judged import publish, table
from tellapart.encoders.pairs import open_cross_encoder
from tellapart.engine.packing import HEADER
from tellapart.experiments.statistics import Comparison, compare

PAIRS = "ms-marco-minilm"
LOOKED_AT = 10
"""Sentences that the cross-encoder reads for each question."""

SPLITS = 500
COSINE, PASSAGE = "the best cosine of a sentence", "the best score of a passage"
LOGIT = f"the cross-encoder's best of {LOOKED_AT} sentences"
BUDGETS = (500, 1_000, 2_000)
KEPT = 0.9
FEWER = (600, 1_070)
"""Ours, and the best four windows of 254 tokens with their places."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--work", type=Path, default=Path("build/context"), help="Keeps what was measured.")
    parser.add_argument("--only", metavar="COLLECTION", action="append", help="Only this one (repeatable).")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    only = arguments.only or []
    collections = [each for each in (chunking(), xquad(), wikiqa()) if not only or each.name in only]
    measured = [kept(collection, arguments.work) for collection in collections]
    made = "".join(f" --only {name}" for name in only)
    refusals = [
        (each, refusal(each, arguments.work))
        for each in collections
        if any(not answer for _, answer in each.questions)
    ]
    publish(report(collections, measured, refusals, made), arguments.output)


def kept(collection: Collection, work: Path) -> dict[int, dict[str, NDArray[np.float64]]]:
    """Measure a collection, or read what was measured before."""
    file = work / f"{collection.name}.npz"
    if not file.exists():
        values = measure(collection)
        np.savez(
            file, **{f"{budget}/{name}": each for budget, own in values.items() for name, each in own.items()}
        )
    found: dict[int, dict[str, NDArray[np.float64]]] = {}
    with np.load(file) as stored:
        for key in stored.files:
            budget, name = key.split("/", 1)
            found.setdefault(int(budget), {})[name] = stored[key]
    return found


def measure(collection: Collection) -> dict[int, dict[str, NDArray[np.float64]]]:
    """Recall of the answer's characters for every method and budget, per answerable question."""
    with indexed(collection) as index:
        queries = index.encode_queries("minilm", [text for text, _ in collection.questions])
        methods = baselines(index, collection, queries)
        found: dict[int, dict[str, list[float]]] = {budget: {} for budget in (*BUDGETS, *FEWER)}
        for position, (text, answer) in enumerate(collection.questions):
            if not answer:
                continue
            for budget, values in found.items():
                made = index.context(text, tokens=budget, always=True)
                assert made.tokens <= budget
                given = [(each.document, *each.span) for each in made.passages]
                values.setdefault("ours", []).append(recall(answer, given))
                for name, method in methods.items():
                    values.setdefault(name, []).append(recall(answer, method(position, budget)))
        return {
            budget: {name: np.array(each) for name, each in values.items()}
            for budget, values in found.items()
        }


def refusal(collection: Collection, work: Path) -> dict[str, NDArray[np.float64]]:
    """What could tell that nothing answers, for each question; read from `work` if it was measured before."""
    file = work / f"refusal {collection.name}.npz"
    if not file.exists():
        np.savez(file, allow_pickle=False, **measure_refusal(collection))
    with np.load(file) as stored:
        return {name: stored[name] for name in stored.files}


def measure_refusal(collection: Collection) -> dict[str, NDArray[np.float64]]:
    scores: dict[str, list[float]] = {COSINE: [], PASSAGE: [], LOGIT: []}
    pairs = open_cross_encoder(PAIRS)
    with indexed(collection) as index:
        for text, _ in collection.questions:
            near = index.search(text, k=1, ranker="knn", granularity="sentence", encoder="minilm")
            scores[COSINE].append(near.hits[0].score)
            made = index.context(text, tokens=200, always=True)
            scores[PASSAGE].append(made.passages[0].score if made.passages else -10.0)
            looked = index.search(text, k=LOOKED_AT, granularity="sentence")
            scores[LOGIT].append(float(pairs.scores(text, [hit.text for hit in looked.hits]).max()))
    return {name: np.array(values) for name, values in scores.items()}


def held_out(scores: NDArray[np.float64], answerable: NDArray[np.bool_]) -> tuple[float, float]:
    """Share refused and share kept where the threshold is from the other half of the questions; means of SPLITS."""
    draw = np.random.default_rng(0)
    refused, kept_share = [], []
    for _ in range(SPLITS):
        half = draw.permutation(len(scores)) < len(scores) // 2
        threshold = np.quantile(scores[half & answerable], 1 - KEPT)
        refused.append(np.mean(scores[~half & ~answerable] < threshold))
        kept_share.append(np.mean(scores[~half & answerable] >= threshold))
    return float(np.mean(refused)), float(np.mean(kept_share))


Measured = dict[int, dict[str, NDArray[np.float64]]]
"""Values per question of a collection, by budget and method."""


def by_budget(collections: Sequence[Collection], measured: Sequence[Measured], budget: int) -> str:
    """Every method at one budget: its mean, and ours minus it."""
    rows = []
    for name in measured[0][budget]:
        row = [name]
        for values in measured:
            own, ours = values[budget][name], values[budget]["ours"]
            beside = f"{own.mean():.3f} ({difference(compare(ours, own))})"
            row.append(f"**{ours.mean():.3f}**" if name == "ours" else beside)
        rows.append(row)
    pairs = zip(collections, measured, strict=True)
    return table([f"{budget:,} tokens", *(f"{c.name} ({len(v[budget]['ours'])})" for c, v in pairs)], rows)


def against_best_window(measured: Sequence[Measured], budget: int) -> list[str]:
    """Ours over all collections against the window that is best on each of them."""
    ours = np.concatenate([values[budget]["ours"] for values in measured])
    windows = [[values[budget][f"windows of {size}"] for size in WINDOWS] for values in measured]
    best = np.concatenate([max(each, key=lambda own: own.mean()) for each in windows])
    found = compare(ours, best)
    return [f"{budget:,}", f"{ours.mean():.3f}", f"{best.mean():.3f}", difference(found), f"{found.p:.4f}"]


def in_fewer_tokens(collection: Collection, values: Measured) -> list[str]:
    """Ours in fewer tokens than the windows take."""
    few, many = FEWER
    ours, fixed = values[few]["ours"], values[many]["windows of 254"]
    return [collection.name, f"{fixed.mean():.3f}", f"{ours.mean():.3f}", difference(compare(ours, fixed))]


def refused_of(collection: Collection, scores: dict[str, NDArray[np.float64]]) -> list[list[str]]:
    """What thresholds on each score refuse."""
    answerable = np.array([bool(answer) for _, answer in collection.questions])
    rows = []
    for name, each in scores.items():
        own = np.mean(each[~answerable] < np.quantile(each[answerable], 1 - KEPT))
        apart, kept_apart = held_out(each, answerable)
        rows.append([collection.name, name, f"{own:.0%}", f"{apart:.0%}", f"{kept_apart:.0%}"])
    return rows


def difference(found: Comparison) -> str:
    return f"{found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"


def report(
    collections: Sequence[Collection],
    measured: Sequence[Measured],
    refusals: Sequence[tuple[Collection, dict[str, NDArray[np.float64]]]],
    made: str,
) -> str:
    parts = [by_budget(collections, measured, budget) for budget in BUDGETS]
    pooled = [against_best_window(measured, budget) for budget in BUDGETS]
    fewer = [in_fewer_tokens(*each) for each in zip(collections, measured, strict=True)]
    refused = [row for each in refusals for row in refused_of(*each)]
    return f"""# Context for language models

Made by `python bench/context.py{made}`. Share of the answer's characters that stand in what a language model is given,
at a budget of tokens (bundled tokenizer), minilm for all. Every passage of every method is charged {HEADER} tokens for
the place above it; ours is counted as it is sent. In brackets: ours minus the other, paired, bootstrap-t intervals,
uncorrected. Ours uses words and vectors, sentences and paragraphs; the others rank their pieces by cosine.

Depths and sizes of ours were chosen on chunking_evaluation, so the figures there may be too high;
xquad-en and wikiqa had no part in it.

Adaptive-k cuts windows of 128 at the largest gap of the similarities; sentence-window gives three sentences on either
side; auto-merging gives the 256 tokens around when more than half of their four parts were found.
xquad-en: {XQUAD_QUERIES} of its questions, drawn once. wikiqa: the development questions with an answer and
{UNANSWERABLE} without one, over the sections that they are about.

{chr(10).join(parts)}
## Against the best fixed window

For each collection the window is chosen that is best on that very collection and budget; ours is the same everywhere.

{table(["tokens", "ours", "best window", "difference", "p"], pooled)}
## Fewer tokens for the same

The best four windows of 254 tokens (1,070 tokens with their places) against ours in 600.

{table(["collection", "windows", "ours in 600", "difference"], fewer)}
{_unanswerable(refused)}"""


def _unanswerable(refused: Sequence[Sequence[str]]) -> str:
    if not refused:
        return ""
    return f"""## Questions without an answer

Share of the questions without an answer that are refused by a threshold at which 90 % of the answerable ones are kept:
with the threshold from the same questions, and from the other half of them (mean of {SPLITS} splits, with the share
that is kept then). What `calibrate` keeps, and does to questions over all of wikiqa: [refusing](refusing.md).
The cross-encoder is `{PAIRS}` of the shelf; it reads the best sentences of the hybrid.

{table(["collection", "score", "refused", "held out", "kept there"], refused)}"""


if __name__ == "__main__":
    main()
