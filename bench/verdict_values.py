"""Values per query of every variant of the grid on the development collections, kept for the verdict's benches.

    TELLAPART_DATA=... python bench/verdict_values.py

Once with the queries that people judged, once with queries made from the corpus (seed 0); DIR/values keeps both.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from development import COLLECTIONS, PLACE, Collection, build
from judged import data_folder
from tellapart.engine import Index
from tellapart.experiments import Experiment, Measure, read_query_set, run_synthetic, run_texts, text_arms
from tellapart.experiments.arms import COMPARED, Arms

MEASURE = Measure.parse("nDCG@10")
LISTS = ("queries", "clusters", "sources", "names")


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


def read(kept: Path) -> Values:
    """Read what was measured before."""
    with np.load(kept) as arrays:
        lists = {name: tuple(arrays[name].tolist()) for name in LISTS}
        return Values(**lists, values=arrays["values"], spans=arrays["spans"])


def keep(experiment: Experiment, kept: Path) -> Values:
    """Flatten variants to columns and keep them."""
    names, columns, spans = [], [], []
    query_set, queries = experiment.query_set, experiment.queries
    for each in experiment.arms.values():
        for position, configuration in enumerate(each.arm.variants):
            given = ",".join(f"{key}={value:g}" for key, value in configuration.parameters.given().items())
            name = f"{configuration.name}({given})" if given else configuration.name
            if name in names:
                continue
            names.append(name)
            columns.append(each.values[:, position])
            spans.append(np.full(len(queries), np.nan) if each.spans is None else each.spans[:, position])
    result = Values(
        queries,
        experiment.clusters,
        tuple(query_set.source(query) for query in queries),
        tuple(names),
        np.stack(columns, axis=1),
        np.stack(spans, axis=1),
    )
    kept.parent.mkdir(parents=True, exist_ok=True)
    lists = {name: np.array(getattr(result, name)) for name in LISTS}
    np.savez(kept, values=result.values, spans=result.spans, **lists)
    sys.stderr.write(f"{kept.stem}: {len(queries)} queries\n")
    return result


def human(collection: Collection, data: Path, place: Path) -> Values:
    """Values of the judged queries."""
    kept = place / "values" / f"human-{collection.name}.npz"
    if kept.is_file():
        return read(kept)
    index = build(collection, data, place)
    query_set = read_query_set(index, data / collection.name, split=collection.split)
    return keep(run_texts(index, query_set, _arms(index), MEASURE), kept)


def made(collection: Collection, data: Path, place: Path) -> Values:
    """Values of synthetic queries."""
    kept = place / "values" / f"synthetic-{collection.name}.npz"
    if kept.is_file():
        return read(kept)
    index = build(collection, data, place)
    experiment = run_synthetic(index, _arms(index), MEASURE)
    if not experiment.queries:
        sys.exit(f"{collection.name} offers no query")
    return keep(experiment, kept)


def _arms(index: Index) -> Arms:
    return text_arms(index, rankers=(*COMPARED, "rrf"))


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--indexes", type=Path, metavar="DIR", default=PLACE)
    options.add_argument("--only", action="append", metavar="NAME")
    chosen = options.parse_args()
    data = data_folder()
    for collection in COLLECTIONS:
        if not chosen.only or collection.name in chosen.only:
            human(collection, data, chosen.indexes)
            made(collection, data, chosen.indexes)


if __name__ == "__main__":
    main()
