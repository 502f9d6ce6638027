"""Does the SVM rank better than nearest neighbours, and when: every way to rank by words, by examples and by both.

    TELLAPART_DATA=... python bench/svm_evidence.py --output docs/benchmarks/svm_evidence.md

One vector a document (or noun, or image). A search has a query's words, examples drawn from what is relevant to
it, or both; what was drawn is left out of every ranking, and the rest is to be found: nDCG@10 for judged
documents, average precision (AP) for WordNet concepts and images, where the targets are the other nouns under a
concept and the other images of a class. Two draws of each size are averaged per query, the same draws for all
methods. Counter-examples are the first 3 wrong hits of k-NN (unjudged counts as wrong), or in `judged top 10` all
of its wrong ones. Each method's settings (lambda in mean eigenvalues, C, weights) are chosen per set and size by
5-fold cross-validation over queries: a query is measured with what was best for the other folds; `expanded-ridge` is
as `search` has it (where its settings come from: svm_expansion.md).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from judged import data_folder, publish
from svm_draws import SIZES, Draw, example_draws, text_draws, top_draws
from svm_methods import Method, by_both, by_examples, by_text, exact, measured, with_wrong
from svm_searches import searches
from svm_sets import Collection, concepts, images, judged_collections
from svm_tables import Result, document
from tellapart.index.vectors import VectorIndex

WRONG_SIZES = (1, 3)
EXACT_QUERIES = 50
"""A run of LinearSVC is 10 to 100 times a closed form: it is measured on so many queries of a set, with one draw."""
EXACT_SIZES = (3,)
SEED = 0


def measure(collection: Collection) -> Iterator[Result]:
    """Every method on one collection."""
    index = VectorIndex([collection.vectors.astype(np.float16)])
    collection = replace(collection, vectors=index.matrix())
    has_text = collection.queries is not None
    for task, draws, methods in _tasks(collection, has_text=has_text):
        if not draws:
            continue
        queries = np.unique([draw.query for draw in draws])
        for method in methods:
            started = time.perf_counter()
            values, settings = measured(method, collection, index, draws)
            each = (time.perf_counter() - started) / len(draws) / len(method.settings)
            yield Result(
                collection.family, collection.name, collection.encoder, task, method.name, queries, values,
                settings, 1e3 * each,
            )  # fmt: skip
        sys.stderr.write(f"{collection.name} {collection.encoder} {task}: {len(queries)} queries\n")


def _tasks(collection: Collection, *, has_text: bool) -> Iterator[tuple[str, list[Draw], Sequence[Method]]]:
    if has_text:
        yield "words", text_draws(collection), by_text()
    for size in SIZES:
        draws = example_draws(collection, size, wrong=False)
        yield f"{size} examples", draws, (*by_examples(), *(by_both() if has_text else ()))
    plain = by_both() if has_text else by_examples()
    for size in WRONG_SIZES:
        draws = example_draws(collection, size, wrong=True)
        yield f"{size} examples, 3 wrong", draws, (*plain, *with_wrong(text=has_text))
    if collection.family == "judged":
        yield "judged top 10", top_draws(collection), (*by_both(), *with_wrong(text=True))
    if collection.encoder != "lsa":
        yield from _exact_tasks(collection, has_text=has_text)


def _exact_tasks(
    collection: Collection, *, has_text: bool
) -> Iterator[tuple[str, list[Draw], Sequence[Method]]]:
    """The same questions for LinearSVC and for what it is compared with, on fewer of them."""
    order = np.random.default_rng(SEED).permutation(len(collection.targets))[:EXACT_QUERIES]
    fewer = set(order.tolist())
    if has_text:
        draws = [draw for draw in text_draws(collection) if draw.query in fewer]
        yield "words, sample", draws, (*by_text(), *exact(text=True))
    for size in EXACT_SIZES:
        draws = example_draws(collection, size, wrong=False, draws=1)
        draws = [draw for draw in draws if draw.query in fewer]
        yield f"{size} examples, sample", draws, (*by_examples(), *exact(text=False))


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--indexes", type=Path, metavar="DIR", help="keep the indexes there")
    options.add_argument("--output", type=Path, metavar="FILE")
    chosen = options.parse_args()
    data = data_folder()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as temporary:
        place = chosen.indexes or Path(temporary)
        results = [
            result
            for collections in (images(data), concepts(data, place), judged_collections(data, place))
            for collection in collections
            for result in measure(collection)
        ]
        results += searches(data, place)
    seconds = time.perf_counter() - started
    publish(document(results, __doc__ or "", seconds), chosen.output)


if __name__ == "__main__":
    main()
