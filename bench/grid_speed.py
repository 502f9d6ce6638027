"""How long a grid of 24 configurations takes on a judged collection, vectors present.

    TELLAPART_DATA=... python bench/grid_speed.py --index DIR --collection scifact --split train

Encoding of the queries, all parameters tried, and the verdict with its statistics are part of it.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from judged import data_folder, publish, table
from tellapart.engine import Index
from tellapart.evaluation.candidates import make_grid
from tellapart.evaluation.evaluate import MEASURE, Asked, Wishes, conclude
from tellapart.evaluation.gold import read_gold
from tellapart.evaluation.grid import measure_grid

RANKERS = ("bm25", "knn", "svm", "hybrid")


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--index", type=Path, metavar="DIR", required=True)
    options.add_argument("--collection", default="scifact")
    options.add_argument("--split", default="train")
    options.add_argument("--granularity", action="append", metavar="NAME", default=[])
    options.add_argument("--output", type=Path, metavar="FILE")
    chosen = options.parse_args()
    index = Index.open(chosen.index)
    started = time.perf_counter()
    read = read_gold(index, data_folder() / chosen.collection, split=chosen.split)
    grid = make_grid(index, granularities=chosen.granularity, rankers=RANKERS)
    ready = time.perf_counter()
    values = measure_grid(index, read.gold, grid, MEASURE)
    measured = time.perf_counter()
    conclude(Asked(index, read.gold), values, Wishes())
    ended = time.perf_counter()
    variants = sum(len(candidate.variants) for candidate in grid.candidates)
    seconds = [ready - started, measured - ready, ended - measured, ended - started]
    row = [chosen.collection, f"{len(values.queries):,}", f"{len(grid.candidates)} ({variants})"]
    text = (
        f"# Speed of the grid\n\n`python bench/grid_speed.py`, {os.cpu_count()} cores, seconds; in brackets the"
        " variants with all parameters tried.\n\n"
        + table(
            ["set", "queries", "configurations", "reading", "grid", "verdict", "together"],
            [[*row, *(f"{each:.1f}" for each in seconds)]],
        )
    )
    publish(text, chosen.output)


if __name__ == "__main__":
    main()
