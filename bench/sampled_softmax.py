"""A step over sampled centres costs what the sample costs, whatever the classes.

`python bench/sampled_softmax.py --output docs/benchmarks/sampled_softmax.md`; all sizes are in memory at once, those
that do not fit are left out.
"""

from __future__ import annotations

import argparse
import gc
import platform
import statistics
import sys
from pathlib import Path

import numpy as np
import torch

from judged import publish, table
from sharded_softmax import BATCH, DIM, Step, fused, inputs, interleaved, ratio
from tellapart.learning.centres.sampling import Sampling, distinct
from tellapart.learning.centres.shard import put_rows

COUNTS = (100_000, 1_000_000, 4_000_000, 10_000_000)
OVERHEAD = 1.2
"""Memory asked for beyond weights and momentum."""


def fitting() -> list[int]:
    """The numbers of classes whose weights and momentum fit in memory together."""
    available = int(Path("/proc/meminfo").read_text().split("MemAvailable:")[1].split()[0]) * 1024
    return [
        c for number, c in enumerate(COUNTS) if sum(COUNTS[: number + 1]) * 8 * DIM * OVERHEAD < available
    ]


def steps(counts: list[int], sampled: int, rounds: int) -> str:
    systems = {str(count): fused(count, sampled=sampled) for count in counts}
    for step in systems.values():
        for _ in range(3):
            step()
    times = interleaved(systems, rounds)
    draws = interleaved({str(count): drawing(count, sampled) for count in counts}, rounds)
    rows = [
        [
            f"{int(name):,}",
            f"{statistics.median(times[name]) * 1e3:.1f}",
            ratio(times, name, str(counts[0])),
            f"{statistics.median(draws[name]) * 1e3:.2f}",
        ]
        for name in systems
    ]
    head = ["classes", "median ms", f"time / {counts[0]:,} classes", "of it, drawing the sample, ms"]
    return table(head, rows)


def drawing(count: int, sampled: int) -> Step:
    positives = inputs(count)[1].unique()
    return lambda: (Sampling(sampled / count).draw(positives, count, rank=0, step=0), None)[1]


def scatters(counts: list[int], sampled: int, rounds: int) -> str:
    targets = [torch.zeros(count, DIM) for count in counts]
    values = torch.ones(sampled, DIM)
    draw = np.random.default_rng(0)
    rows = []
    for target in targets:
        # other rows in every round, as in training: the same ones again would come from the cache
        places = [torch.from_numpy(distinct(len(target), sampled, draw)) for _ in range(2 * (rounds + 1))]
        times = interleaved(
            {
                "floats": lambda target=target, places=places: target.index_copy_(0, places.pop(), values),
                "rows": lambda target=target, places=places: put_rows(target, places.pop(), values),
            },
            rounds,
        )
        rows.append([f"{len(target):,}", *(f"{statistics.median(times[name]) * 1e3:.1f}" for name in times)])
    return table(["classes", "index_copy_, median ms", "whole rows, median ms"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sampled", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=35)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    counts = fitting()
    whole = steps(counts, options.sampled, options.rounds)
    gc.collect()
    publish(
        "# Softmax over sampled centres\n\n"
        f"`python bench/sampled_softmax.py {' '.join(sys.argv[1:])}`\n\n"
        f"{options.sampled:,} sampled centres, batch {BATCH}, d = {DIM}, CosFace, float32, momentum .9, lazy rule, "
        f"torch {torch.__version__}, {platform.machine()}, {options.threads} thread(s), {options.rounds} rounds; "
        "sizes interleaved step by step, the sample drawn anew in every step, ratios are the median of the rounds' "
        "(and their range).\n\n## One step\n\n"
        + whole
        + "\n## Writing the sampled rows back\n\nTorch's `index_copy_` moves single floats, and a step needs it twice. "
        "`put_rows` copies a row as one piece. Here in common pages; the centres' own memory is in large ones where "
        "the system grants them.\n\n" + scatters(counts, options.sampled, options.rounds),
        options.output,
    )


if __name__ == "__main__":
    main()
