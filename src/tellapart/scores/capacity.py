"""What single vectors can tell: two units at once by one query, and whether queries lie among the units at all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import Granularity
from tellapart.engine import Index
from tellapart.engine.relevance import unrelated_cosine
from tellapart.index.vectors import VectorReader
from tellapart.scores.vectors import BLOCK, FEWEST, Concern, Diagnostic, sampled

Vectors = NDArray[np.float32]

PAIRS = 1_000
"""Pairs of units drawn: their share is known to .03."""

FEW_PAIRS = 0.9
"""Below so many pairs found at once, one question in ten about two things misses one of them: worth a look."""

FEW_NEAR = 0.05
"""Share of queries far from every unit above which the list of one in twenty is not to be believed."""


def capacity(vectors: VectorReader, *, seed: int = 0) -> Diagnostic:
    """Say how many pairs of units the best single query finds together, first and second, among a sample.

    In the manner of LIMIT (Weller et al. 2025): a vector of d numbers cannot put every pair of documents on top. The
    query tried is the mean of both units, which is the nearest to both.
    """
    rows, value = sampled(vectors, seed), None
    shown = f"not measured: {len(rows)} units"
    if len(rows) >= FEWEST:
        draw = np.random.default_rng(seed)
        left = draw.integers(len(rows), size=PAIRS)
        right = (left + draw.integers(1, len(rows), size=PAIRS)) % len(rows)
        value = float(np.mean(_found_together(rows, left, right)))
        shown = f"{value:.0%} of {PAIRS:,} pairs among {len(rows):,} units"
    return Diagnostic(
        name="two at once",
        value=value,
        shown=shown,
        verdict=Concern.UNKNOWN if value is None else Concern.LOOK if value < FEW_PAIRS else Concern.FINE,
        healthy=f"{FEW_PAIRS:.0%} or more",
        meaning="of two units that one question asks for, the best single vector puts both on top",
        action="ask for two things in two searches, or let words decide too: hybrid",
        verify="tellapart evaluate",
    )


def _found_together(rows: Vectors, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.bool_]:
    found = []
    for first in range(0, len(left), BLOCK):
        one, other = left[first : first + BLOCK], right[first : first + BLOCK]
        scores = (rows[one] + rows[other]) @ rows.T
        at = np.arange(len(one))
        least = np.minimum(scores[at, one], scores[at, other])
        scores[at, one] = scores[at, other] = -np.inf
        found.append(scores.max(axis=1) < least)
    return np.concatenate(found)


def distant_queries(index: Index, encoder: str, level: Granularity, texts: Sequence[str]) -> Diagnostic:
    """Say how many queries are no nearer to any unit than one in a hundred pairs of unrelated units to each other."""
    with index.reading() as snapshot:
        nearest = snapshot.vectors(encoder, level).search(index.encode_queries(encoder, list(texts)), 1)[1]
        bound = unrelated_cosine(snapshot, encoder, level)
    best = np.array([each[0] if len(each) else -1.0 for each in nearest])
    value = float(np.mean(best <= bound))
    return Diagnostic(
        name="queries out of distribution",
        value=value,
        shown=f"{value:.0%} of {len(texts):,} queries have no unit nearer than {bound:.2f}",
        verdict=Concern.LOOK if value > FEW_NEAR else Concern.FINE,
        healthy=f"{FEW_NEAR:.0%} or fewer",
        meaning="such queries are as far from every unit as unrelated units are from each other: the encoder does not"
        " read them, or nothing here answers",
        action="search these by words, try another encoder, or let 'calibrate' say when nothing answers",
        verify="tellapart evaluate",
    )
