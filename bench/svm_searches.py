"""The same question put to `search` itself: what its rankers find with a query's words and three examples."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from svm_draws import TOP, example_draws, worth_of_hits
from svm_sets import judged_collections
from svm_tables import Result
from tellapart.engine import Index

TASK = "3 examples, by search"
RANKERS = ("bm25", "rocchio", "svm", "ridge", "rrf", "hybrid")


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
                values.append(worth_of_hits(collection, draw, [hit.document for hit in hits]))
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
