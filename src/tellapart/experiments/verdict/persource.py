"""What the queries of each source show, since some sources favour some rankers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from tellapart.experiments.queries.querysets import QueryGold
from tellapart.experiments.verdict.verdict import SourceFinding


def by_source(
    gold: QueryGold,
    queries: Sequence[str],
    values: Mapping[str, NDArray[np.float64]],
    overlap: Mapping[str, float],
) -> tuple[SourceFinding, ...]:
    """Average each finding's values (n,) over the queries of every source, in the order of their names."""
    sources = np.array([gold.source(query) for query in queries])
    found = []
    for source in sorted(set(sources.tolist())):
        own = sources == source
        shares = [
            overlap[query] for query, mine in zip(queries, own, strict=True) if mine and query in overlap
        ]
        means = {name: float(of[own].mean()) for name, of in values.items()}
        mean_overlap = sum(shares) / len(shares) if shares else None
        found.append(SourceFinding(source, int(own.sum()), mean_overlap, MappingProxyType(means)))
    return tuple(found)
