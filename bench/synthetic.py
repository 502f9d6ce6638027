"""Queries that corpora give about themselves: how many, how lexical, what blanking takes from each ranker, how long.

    python bench/synthetic.py --indexes DIR --output docs/benchmarks/synthetic.md

DIR holds indexes (one folder each) with vectors of minilm. `blanked` is measured in the index in which what a query
was made from is blanked, `as it is` in the index itself: the difference is what a leak would be worth. Document
judgements, nDCG@10, paragraphs and functions, every parameter at its default.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from development import PLACE
from judged import MEASURE, publish, table
from tellapart.engine import Index
from tellapart.experiments.measures import evaluate_run
from tellapart.experiments.synthetic import SyntheticQueries, generate, leaks
from tellapart.index.store import FILE

RANKERS = ("bm25", "knn", "hybrid")
ENCODER = "minilm"
SEED = 0

Values = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Outcome:
    """One corpus: its synthetic queries, values per query in the blanked index and in the index itself."""

    name: str
    documents: int
    generated: SyntheticQueries
    blanked: Values
    plain: Values
    leaks: int
    making: float
    masking: float


def measure(folder: Path) -> Outcome:
    index = Index.open(folder)
    started = time.perf_counter()
    generated = generate(index, seed=SEED, encoders=[ENCODER])
    made = time.perf_counter()
    with generated.masked_index() as masked:
        ready = time.perf_counter()
        found = leaks(generated, masked, index)
        blanked = _values(masked, generated)
    outcome = Outcome(
        folder.name,
        index.store.count(),
        generated,
        blanked,
        _values(index, generated),
        len(found),
        made - started,
        ready - made,
    )
    index.close()
    return outcome


def _values(index: Index, generated: SyntheticQueries) -> Values:
    gold = generated.query_set
    found = {}
    for ranker in RANKERS:
        run = index.run(gold.queries, ranker=ranker, encoder=None if ranker == "bm25" else ENCODER)
        found[ranker] = evaluate_run(run, gold.qrels, [MEASURE]).values[MEASURE]
    return found


def quality(outcomes: Iterable[Outcome]) -> str:
    rows = []
    for outcome in outcomes:
        gold = outcome.generated.query_set
        source_of = np.array([gold.source(query) for query in gold.qrels.grades])
        overlap = np.array([outcome.generated.query_set.overlap[query] for query in gold.qrels.grades])
        for source in dict.fromkeys(source_of.tolist()):
            mine = source_of == source
            row = [outcome.name, source, str(mine.sum()), f"{outcome.generated.offered[source]:,}"]
            row.append(f"{overlap[mine].mean():.2f}")
            for values in (outcome.blanked, outcome.plain):
                row += [f"{values[ranker][mine].mean():.3f}" for ranker in RANKERS]
            rows.append(row)
    head = ["corpus", "source", "queries", "offered", "overlap"]
    head += [f"{ranker}, {where}" for where in ("blanked", "as it is") for ranker in RANKERS]
    return table(head, rows)


def costs(outcomes: Iterable[Outcome]) -> str:
    head = ["corpus", "documents", "queries", "documents blanked", "leaks", "making, s", "blanked index, s"]
    return table(
        head,
        [
            [
                outcome.name,
                f"{outcome.documents:,}",
                f"{len(outcome.generated.query_set.queries):,}",
                f"{len(outcome.generated.replaced):,}",
                str(outcome.leaks),
                f"{outcome.making:.1f}",
                f"{outcome.masking:.1f}",
            ]
            for outcome in outcomes
        ],
    )


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--indexes", type=Path, metavar="DIR", default=PLACE)
    options.add_argument("--only", action="append", metavar="NAME")
    options.add_argument("--output", type=Path)
    chosen = options.parse_args()
    folders = sorted(path.parent for path in chosen.indexes.glob(f"*/{FILE}"))
    outcomes = [measure(folder) for folder in folders if not chosen.only or folder.name in chosen.only]
    text = f"""# Synthetic queries

Made by `python bench/synthetic.py`, seed {SEED}, at most 1,000 queries, {ENCODER}, nDCG@10 by document.
Overlap is the share of a query's terms that its source unit holds once what the query was made from is blanked.

{quality(outcomes)}
The leak detector found {sum(outcome.leaks for outcome in outcomes)} leaks. Seconds on a shared core, vectors of what is
not blanked from the cache:

{costs(outcomes)}"""
    publish(text, chosen.output)


if __name__ == "__main__":
    main()
