"""Quality against the length of what was to be found: are units too short, or too long?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tellapart.experiments.queries.querysets import QueryGold
from tellapart.experiments.verdict.verdict import LengthBin

EDGES = (0, 200, 400, 800, 1600, 3200)
"""Characters where bins begin, the last one open: some 50 tokens, doubling. Our choice, not measured."""


def length_bins(
    gold: QueryGold, queries: Sequence[str], values: NDArray[np.float64]
) -> tuple[LengthBin, ...]:
    """Mean value per bin of the gold passage's length; nothing where no query has a passage."""
    lengths = np.array([_length(gold, query) for query in queries], dtype=np.int64)
    bins = []
    for low, high in zip(EDGES, (*EDGES[1:], None), strict=True):
        inside = (lengths > low) & (lengths <= high if high is not None else True)
        if inside.any():
            shortest, longest = int(lengths[inside].min()), int(lengths[inside].max())
            bins.append(LengthBin(shortest, longest, int(inside.sum()), float(values[inside].mean())))
    return tuple(bins)


def _length(gold: QueryGold, query: str) -> int:
    """Length of the first passage; 0 = none."""
    spans = gold.spans.get(query, ())
    return spans[0].end - spans[0].start if spans else 0
