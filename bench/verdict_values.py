"""Values per query of every variant of the grid on the development collections, kept for the verdict's benches."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tellapart.engine import Index
from tellapart.evaluation.candidates import COMPARED, make_grid
from tellapart.evaluation.grid import measure_grid
from tellapart.evaluation.measures import Measure
from tellapart.evaluation.querysets import QueryGold

MEASURE = Measure.parse("nDCG@10")


@dataclass(frozen=True)
class Values:
    """`values` (n, m) and `spans` (n, m), nan without passages, of variants named `names`; one row a query."""

    queries: tuple[str, ...]
    clusters: tuple[str, ...]
    sources: tuple[str, ...]
    names: tuple[str, ...]
    values: NDArray[np.float64]
    spans: NDArray[np.float64]

    def column(self, name: str) -> NDArray[np.float64]:
        """Give one variant's values."""
        return self.values[:, self.names.index(name)]


def measured(index: Index, gold: QueryGold, kept: Path, rankers: tuple[str, ...] = (*COMPARED, "rrf")) -> Values:
    """Measure everything, or read what was measured before."""
    if kept.is_file():
        with np.load(kept) as arrays:
            lists = {name: tuple(arrays[name].tolist()) for name in ("queries", "clusters", "sources", "names")}
            return Values(**lists, values=arrays["values"], spans=arrays["spans"])
    started = time.perf_counter()
    grid = measure_grid(index, gold, make_grid(index, rankers=rankers), MEASURE)
    names, columns, spans = [], [], []
    for each in grid.measured:
        for position, configuration in enumerate(each.candidate.variants):
            given = ",".join(f"{key}={value:g}" for key, value in configuration.parameters.given().items())
            name = f"{configuration.name}({given})" if given else configuration.name
            if name in names:
                continue
            names.append(name)
            columns.append(each.values[:, position])
            spans.append(np.full(len(grid.queries), np.nan) if each.spans is None else each.spans[:, position])
    result = Values(
        grid.queries,
        tuple(gold.cluster(query) for query in grid.queries),
        tuple(gold.source(query) for query in grid.queries),
        tuple(names),
        np.stack(columns, axis=1),
        np.stack(spans, axis=1),
    )
    kept.parent.mkdir(parents=True, exist_ok=True)
    lists = {name: np.array(getattr(result, name)) for name in ("queries", "clusters", "sources", "names")}
    np.savez(kept, values=result.values, spans=result.spans, **lists)
    sys.stderr.write(f"{kept.stem}: {len(grid.queries)} queries, {time.perf_counter() - started:.0f} s\n")
    return result
