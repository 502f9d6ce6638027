"""Values per query of every variant of the grid on the development collections, kept for the verdict's benches.

    TELLAPART_DATA=... python bench/verdict_values.py

Once with the queries that people judged, once with queries made from the corpus (seed 0); DIR/values keeps both, with
what the corpus is like.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from development import COLLECTIONS, ENCODERS, LEVELS, PLACE, Collection, sample
from judged import MEASURE, data_folder
from tellapart.engine import Configuration, Index
from tellapart.experiments import Experiment, read_query_set, run_texts, text_arms
from tellapart.experiments.arms import Arm, Arms
from tellapart.experiments.synthetic import log
from tellapart.experiments.synthetic.generate import DRAWINGS, ENOUGH, fresh_queries, generate

RANKERS = ("bm25", "knn", "svm", "hybrid")
AT_MOST = 300
"""Synthetic queries of a collection: a third of what `evaluate` makes."""

LISTS = ("queries", "clusters", "sources", "names", "texts")


@dataclass(frozen=True)
class Values:
    """`values` (n, m) of variants named `names`, one row a query; `strata` (n, 2) are lengths and shared words."""

    queries: tuple[str, ...]
    clusters: tuple[str, ...]
    sources: tuple[str, ...]
    names: tuple[str, ...]
    texts: tuple[str, ...]
    values: NDArray[np.float64]
    strata: NDArray[np.int64]

    def column(self, name: str) -> NDArray[np.float64]:
        """Give one variant's values."""
        return self.values[:, self.names.index(name)]


def read(kept: Path) -> Values:
    """Read what was measured before."""
    with np.load(kept) as arrays:
        lists = {name: tuple(arrays[name].tolist()) for name in LISTS}
        return Values(**lists, values=arrays["values"], strata=arrays["strata"])


def flattened(experiment: Experiment, strata: NDArray[np.int64]) -> Values:
    """Make a column of every variant."""
    names, columns = [], []
    query_set, queries = experiment.query_set, experiment.queries
    for each in experiment.arms.values():
        for position, configuration in enumerate(each.arm.variants):
            given = ",".join(f"{key}={value:g}" for key, value in configuration.parameters.given().items())
            name = f"{configuration.name}({given})" if given else configuration.name
            if name in names:
                continue
            names.append(name)
            columns.append(each.values[:, position])
    return Values(
        queries,
        experiment.clusters,
        tuple(query_set.source(query) for query in queries),
        tuple(names),
        tuple(query_set.queries[query] for query in queries),
        np.stack(columns, axis=1),
        strata,
    )


def keep(values: Values, kept: Path) -> Values:
    """Write values to the disk."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    lists = {name: np.array(getattr(values, name)) for name in LISTS}
    np.savez(kept, values=values.values, strata=values.strata, **lists)
    sys.stderr.write(f"{kept.stem}: {len(values.queries)} queries\n")
    return values


def human(collection: Collection, data: Path, place: Path) -> Values:
    """Values of the judged queries."""
    kept = place / "values" / f"human-{collection.name}.npz"
    if kept.is_file():
        return read(kept)
    index = opened(collection, data, place)
    query_set = read_query_set(index, place / "samples" / collection.name, split=collection.split)
    experiment = run_texts(index, query_set, _arms(index), MEASURE)
    strata = log.strata(index, [query_set.queries[query] for query in experiment.queries])
    return keep(flattened(experiment, strata), kept)


def made(collection: Collection, data: Path, place: Path) -> Values:
    """Values of synthetic queries, drawn as `evaluate` draws them."""
    kept = place / "values" / f"synthetic-{collection.name}.npz"
    if kept.is_file():
        return read(kept)
    index = opened(collection, data, place)
    arms = _arms(index)
    parts: list[Experiment] = []
    strata = []
    known: set[tuple[str, str]] = set()
    while len(parts) < DRAWINGS and len(known) < ENOUGH:
        drawn = generate(index, seed=len(parts), at_most=AT_MOST, encoders=arms.encoders)
        fresh = fresh_queries(drawn.query_set, known, len(parts))
        if not fresh.queries:
            break
        with drawn.masked_index() as masked:
            parts.append(run_texts(masked, fresh, arms, MEASURE))
            strata.append(log.strata(masked, [fresh.queries[query] for query in parts[-1].queries]))
        known |= {(text, fresh.cluster(query)) for query, text in fresh.queries.items()}
    if not parts:
        sys.exit(f"{collection.name} offers no query")
    return keep(flattened(Experiment.joined(parts), np.concatenate(strata)), kept)


def entropy_weights(collection: Collection, data: Path, place: Path) -> dict[str, NDArray[np.float64]]:
    """Weight of the vectors that an entropy rule gives each judged query, by encoder."""
    kept = place / "values" / f"entropy-{collection.name}.npz"
    if not kept.is_file():
        index = opened(collection, data, place)
        query_set = read_query_set(index, place / "samples" / collection.name, split=collection.split)
        levels = _arms(index).arms[0].variants[0].granularities
        found = {}
        for encoder in ENCODERS:
            arm = Arm.fixed(Configuration(encoder, levels, "hybrid"))
            found[encoder] = run_texts(
                index, query_set, Arms((arm,), arm.name, arm.name), MEASURE
            ).entropy_weights
        np.savez(kept, **found)
    with np.load(kept) as arrays:
        return {encoder: arrays[encoder] for encoder in ENCODERS}


def opened(collection: Collection, data: Path, place: Path) -> Index:
    """Open the index of a collection's sample, or make it."""
    folder = place / f"{collection.name}-sample"
    if (folder / "store.sqlite").is_file():
        return Index.open(folder)
    source = place / "sources" / f"{collection.name}-sample"
    source.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(sample(collection, data, place) / "corpus.jsonl", source / "corpus.jsonl")
    return Index.build([source], folder, encoders=ENCODERS, granularities=LEVELS)


def _arms(index: Index) -> Arms:
    return text_arms(index, rankers=RANKERS)


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--indexes", type=Path, metavar="DIR", default=PLACE)
    options.add_argument("--only", action="append", metavar="NAME")
    chosen = options.parse_args()
    data = data_folder()
    for collection in COLLECTIONS:
        if not chosen.only or collection.name in chosen.only:
            started = time.perf_counter()
            human(collection, data, chosen.indexes)
            made(collection, data, chosen.indexes)
            entropy_weights(collection, data, chosen.indexes)
            sys.stderr.write(f"{collection.name}: {time.perf_counter() - started:.0f} s\n")


if __name__ == "__main__":
    main()
