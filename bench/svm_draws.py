"""Who is asked what: draws of examples and counter-examples for each query, and what a ranking of the rest is worth."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svm_sets import Collection, Floats
from tellapart.experiments.measures import discounts

SIZES = (1, 2, 3, 5, 10)
DRAWS = 2
WRONG = 3
"""Counter-examples: the first so many wrong hits of k-NN, which a user would mark."""
TOP = 10
SEED = 0


@dataclass(frozen=True)
class Draw:
    """One search: the query, rows it is to be like and unlike, rows left out of the ranking (those and more)."""

    query: int
    liked: tuple[int, ...]
    unliked: tuple[int, ...]
    hidden: tuple[int, ...]


def text_draws(collection: Collection) -> list[Draw]:
    """One search a query, by its words alone."""
    return [Draw(query, (), (), ()) for query in range(len(collection.targets))]


def example_draws(collection: Collection, size: int, *, wrong: bool, draws: int = DRAWS) -> list[Draw]:
    """`size` targets a query as examples, the others to be found; the same first examples at every size.

    With `wrong` the first wrong hits are counter-examples; they are hidden from every ranking that is compared.
    """
    made = []
    for query, targets in enumerate(collection.targets):
        if len(targets) <= size:
            continue
        rows = np.array(sorted(targets))
        for draw in range(draws):
            name = f"{collection.name} {query} {draw}".encode()
            order = np.random.default_rng([SEED, zlib.crc32(name)]).permutation(rows)
            liked = tuple(order[:size].tolist())
            unliked = first_wrong(collection, query, liked) if wrong else ()
            made.append(Draw(query, liked, unliked, (*liked, *unliked)))
    return made


def top_draws(collection: Collection) -> list[Draw]:
    """The first ten hits of k-NN for the words, judged: the right ones liked, the others not."""
    made = []
    for query, targets in enumerate(collection.targets):
        top = _nearest(collection, query, ())[:TOP].tolist()
        liked = tuple(row for row in top if row in targets)
        if liked and len(targets) > len(liked):
            made.append(Draw(query, liked, tuple(row for row in top if row not in targets), tuple(top)))
    return made


def first_wrong(collection: Collection, query: int, liked: Sequence[int]) -> tuple[int, ...]:
    """The first wrong hits for the words, or where there are none for the mean of the examples."""
    targets = collection.targets[query]
    order = _nearest(collection, query, liked)
    return tuple([row for row in order.tolist() if row not in targets][:WRONG])


def _nearest(collection: Collection, query: int, liked: Sequence[int]) -> NDArray[np.int64]:
    if collection.queries is not None:
        direction = collection.queries[query]
    else:
        direction = collection.vectors[list(liked)].mean(axis=0)
    scores = collection.vectors @ direction
    depth = min(len(scores), max(map(len, collection.targets)) + WRONG + TOP)
    near = np.argpartition(-scores, depth - 1)[:depth]
    return near[np.lexsort((near, -scores[near]))]


def worth(collection: Collection, draw: Draw, scores: Floats) -> float:
    """NDCG@10 where targets are judged documents, else average precision, of all items not hidden; scores (n,)."""
    hidden = list(draw.hidden)
    grades = collection.grades(draw.query)
    grades[hidden] = 0
    seen = scores.copy()
    seen[hidden] = -np.inf
    return (_ndcg if collection.family == "judged" else _average_precision)(seen, grades)


def worth_of_hits(collection: Collection, draw: Draw, documents: Sequence[str]) -> float:
    """NDCG@10 of the documents that a search found, without the examples, which it leaves out."""
    targets = collection.targets[draw.query].items()
    grades = {collection.identifiers[row]: grade for row, grade in targets if row not in draw.liked}
    found = np.array([grades.get(document, 0) for document in documents[:TOP]], dtype=np.int64)
    return _gain(found, np.array(list(grades.values())))


def by_query(draws: Sequence[Draw], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the draws of each query, in the order of the queries."""
    queries = np.array([draw.query for draw in draws])
    unique, inverse = np.unique(queries, return_inverse=True)
    return np.bincount(inverse, weights=values) / np.bincount(inverse, minlength=len(unique))


def _ndcg(scores: Floats, grades: NDArray[np.int64]) -> float:
    depth = min(TOP, len(scores))
    top = np.argpartition(-scores, depth - 1)[:depth]
    top = top[np.lexsort((top, -scores[top]))]
    return _gain(grades[top], grades[grades > 0])


def _gain(found: NDArray[np.int64], relevant: NDArray[np.int64]) -> float:
    ideal = np.sort(relevant)[::-1][:TOP]
    return float(found @ discounts(len(found)) / (ideal @ discounts(len(ideal))))


def _average_precision(scores: Floats, grades: NDArray[np.int64]) -> float:
    """Ties count against: the rank of a target is the number of items that score as high."""
    reached = scores[grades > 0]
    ranks = np.sort(len(scores) - np.searchsorted(np.sort(scores), reached))
    return float((np.arange(1, len(ranks) + 1) / ranks).mean())
