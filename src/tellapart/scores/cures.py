"""Corrections of vectors that are often recommended, each tried on this corpus: what they gain in nDCG@10.

Hubs, a common direction and copies are no faults by themselves; what counts is whether mending them finds more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import Granularity
from tellapart.engine import Index
from tellapart.experiments.measures import Measure, evaluate_run
from tellapart.experiments.qrels import Qrels
from tellapart.experiments.query_set import QuerySet
from tellapart.experiments.statistics import Comparison, compare_all, holm
from tellapart.rankers.run import RankedDocuments, Run

Vectors = NDArray[np.float32]

NEIGHBOURS = 10
"""Of CSLS, as its authors use it (Conneau et al. 2018)."""

RIDGE = 1.0
"""Of the whitening, in mean eigenvalues: halves the strongest directions and leaves the weakest.
Other strengths were not measured."""

MEASURE = Measure.parse("nDCG@10")
DEPTH = 100
BLOCK = 1024


@dataclass(frozen=True, slots=True)
class TriedCure:
    """A correction and its gain over the vectors as they are, paired by query; p is Holm-corrected over all cures."""

    name: str
    mean: float
    gain: Comparison
    p: float


def try_cures(
    index: Index, encoder: str, level: Granularity, queries: QuerySet, *, seed: int = 0
) -> tuple[float, list[TriedCure]]:
    """Search by the nearest vectors as they are and after each correction.

    Returns:
        Mean nDCG@10 as they are, and every cure with its difference.
    """
    with index.reading() as snapshot:
        vectors, table = snapshot.vectors(encoder, level), snapshot.units(level)
        units = vectors.matrix()
        if vectors.alive is not None:
            units[~vectors.alive] = 0
        asked = queries.answerable()
        encoded = index.encode_queries(encoder, [queries.queries[query] for query in asked])
        identifiers = index.store.identifiers()
        documents = np.repeat(table.documents, np.diff(table.offsets))
    there = units.any(axis=1)
    units, documents = units[there], documents[there]

    def values(scores: NDArray[np.float32]) -> NDArray[np.float64]:
        rankings = {}
        for query, row in zip(asked, scores, strict=True):
            order = np.argpartition(-row, min(DEPTH, len(row) - 1))[:DEPTH]
            order = order[np.argsort(-row[order], kind="stable")]
            names = [identifiers[int(documents[at])] for at in order]
            names = [each for each in dict.fromkeys(names) if not (queries.ignore_same_id and each == query)]
            rankings[query] = RankedDocuments(tuple(names), -np.arange(len(names), dtype=np.float64))
        judged = Qrels({query: queries.qrels.grades[query] for query in asked})
        return evaluate_run(Run(rankings), judged, [MEASURE]).values[MEASURE]

    plain = values(encoded @ units.T)
    tried = {name: values(cure(encoded, units)) for name, cure in CURES.items()}
    found = compare_all(np.stack(list(tried.values()), axis=1), plain, seed=seed)
    adjusted = holm([each.p for each in found])
    return float(plain.mean()), [
        TriedCure(name, float(own.mean()), gain, p)
        for (name, own), gain, p in zip(tried.items(), found, adjusted, strict=True)
    ]


def centred(queries: Vectors, units: Vectors) -> Vectors:
    """Cosines after the mean of the units was taken from everything."""
    mean = units.mean(axis=0)
    return _normed(queries - mean) @ _normed(units - mean).T


def whitened(queries: Vectors, units: Vectors) -> Vectors:
    """Cosines after shrunken whitening: (covariance + ridge)^-1/2 of what is centred."""
    mean = units.mean(axis=0)
    values, directions = np.linalg.eigh(np.cov((units - mean).astype(np.float64), rowvar=False))
    scales = 1 / np.sqrt(np.maximum(values, 0) + RIDGE * max(float(values.mean()), 1e-12))
    move = ((directions * scales) @ directions.T).astype(np.float32)
    return _normed((queries - mean) @ move) @ _normed((units - mean) @ move).T


def csls(queries: Vectors, units: Vectors) -> Vectors:
    """Twice the cosine less the mean cosine of a unit with its nearest units, which hubs have much of."""
    near = np.zeros(len(units), dtype=np.float32)
    count = min(NEIGHBOURS, len(units) - 1)
    for first in range(0, len(units), BLOCK):
        scores = units[first : first + BLOCK] @ units.T
        scores[np.arange(len(scores)), first + np.arange(len(scores))] = -np.inf
        near[first : first + BLOCK] = np.partition(scores, -count, axis=1)[:, -count:].mean(axis=1)
    return np.asarray(2 * (queries @ units.T) - near, dtype=np.float32)


def without_copies(queries: Vectors, units: Vectors) -> Vectors:
    """Cosines where of units with the same vector only the first can be found."""
    _, first = np.unique(units.round(4), axis=0, return_index=True)
    scores = np.full((len(queries), len(units)), -np.inf, dtype=np.float32)
    scores[:, first] = queries @ units[first].T
    return scores


CURES: dict[str, Callable[[Vectors, Vectors], Vectors]] = {
    "centring": centred,
    "shrunken whitening": whitened,
    "CSLS against hubs": csls,
    "dropping copies": without_copies,
}


def _normed(rows: Vectors) -> Vectors:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12), dtype=np.float32)
