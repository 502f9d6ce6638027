"""How long a grid of 24 configurations and more takes on scifact (809 judged claims), vectors present.

    TELLAPART_DATA=... python bench/grid_speed.py --output docs/benchmarks/grid_speed.md

Encoding of the queries, all parameters tried, timing of the configurations and the statistics are part of it.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from development import COLLECTIONS, PLACE, build
from judged import data_folder, publish, table
from tellapart.experiments import decide, read_query_set, run_texts, text_arms
from tellapart.experiments.costs import with_costs

GRANULARITIES = ("sentence", "paragraph", "section", "document")


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--indexes", type=Path, metavar="DIR", default=PLACE)
    options.add_argument("--output", type=Path, metavar="FILE")
    chosen = options.parse_args()
    data = data_folder()
    collection = next(each for each in COLLECTIONS if each.name == "scifact")
    index = build(collection, data, chosen.indexes, levels=GRANULARITIES, suffix="-all")
    started, worked = time.perf_counter(), time.process_time()
    query_set = read_query_set(index, data / collection.name, split=collection.split)
    arms = text_arms(index, granularities=GRANULARITIES)
    ready = time.perf_counter()
    experiment = run_texts(index, query_set, arms)
    measured = time.perf_counter()
    decide(with_costs(experiment, index))
    ended, spent = time.perf_counter(), time.process_time() - worked
    variants = sum(len(arm.variants) for arm in arms)
    seconds = [ready - started, measured - ready, ended - measured, ended - started, spent]
    row = [collection.name, f"{len(experiment.queries):,}", f"{len(arms.arms)} ({variants})"]
    text = (
        f"# Speed of the grid\n\n`python bench/grid_speed.py`, {os.cpu_count()} cores, seconds; in brackets the"
        " variants with all parameters tried.\n\n"
        + table(
            ["set", "queries", "configurations", "reading", "grid", "verdict", "together", "processor"],
            [[*row, *(f"{each:.1f}" for each in seconds)]],
        )
    )
    publish(text, chosen.output)


if __name__ == "__main__":
    main()
