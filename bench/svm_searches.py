"""The same question put to `search` itself: what its rankers find with a query's words and three examples."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from svm_draws import example_draws
from svm_sets import judged_collections
from svm_tables import Result
from tellapart.engine import Index

TASK = "3 examples, by search"
RANKERS = ("bm25", "rocchio", "svm", "ridge", "rrf", "hybrid")
TOP = 10


def searches(data: Path, place: Path) -> Iterator[Result]:
    """One draw of three examples a query, every ranker at its defaults."""
    for collection in judged_collections(data, place):
        if collection.encoder != "minilm":
            continue
        draws = example_draws(collection, 3, wrong=False, draws=1)
        if not draws:
            continue
        index = Index.open(place / collection.name.split()[0] / "corpus.jsonl")
        for ranker in RANKERS:
            values = []
            for draw in draws:
                hits = index.search(
                    collection.texts[draw.query],
                    like=[collection.identifiers[row] for row in draw.liked],
                    k=TOP,
                    ranker=ranker,
                    granularity="document",
                    encoder=None if ranker == "bm25" else collection.encoder,
                )
                grades = {
                    collection.identifiers[row]: grade
                    for row, grade in collection.targets[draw.query].items()
                    if row not in draw.liked
                }
                values.append(_ndcg([grades.get(hit.document, 0) for hit in hits], list(grades.values())))
            queries = np.array([draw.query for draw in draws])
            yield Result(
                "judged",
                collection.name,
                collection.encoder,
                TASK,
                ranker,
                queries,
                np.array(values),
                (),
                0.0,
            )
        index.close()


def _ndcg(found: list[int], relevant: list[int]) -> float:
    discounts = 1.0 / np.log2(np.arange(2, TOP + 2))
    ideal = np.sort(relevant)[::-1][:TOP]
    return float(np.array(found) @ discounts[: len(found)] / (ideal @ discounts[: len(ideal)]))
