"""How long `inspect` looks at vectors, and what memory it takes beside them: 10,000 and 100,000 units of 384 numbers.

python bench/inspect_speed.py --output docs/benchmarks/inspect_speed.md
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from judged import publish, table
from tellapart.index.vectors import VectorIndex
from tellapart.scores.capacity import capacity
from tellapart.scores.vectors import common_direction, copies, effective_rank, hubness, without_vector

SIZES = (10_000, 100_000)
DIMENSIONS = 384
CENTRES = 200
RUNS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--size", type=int, help="measure this one and print the figures")
    arguments = parser.parse_args()
    if arguments.size:
        print(*measured(arguments.size))
        return
    rows = []
    for size in SIZES:
        seconds, busy, megabytes = [], [], []
        for _ in range(RUNS):
            command = [sys.executable, __file__, "--size", str(size)]
            printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            took, worked, more = map(float, printed.split())
            seconds.append(took)
            busy.append(worked)
            megabytes.append(more)
        share = f"{size * DIMENSIONS * 2 / 2**20:.0f} MB"
        shown = [f"{np.median(each):.1f} s" for each in (busy, seconds)]
        rows.append([f"{size:,}", *shown, share, f"{np.median(megabytes):.0f} MB"])
    head = ["units", "processor", "clock", "vectors", "memory beside them"]
    publish(
        "# Speed of `inspect`\n\n"
        f"All diagnostics of vectors ({DIMENSIONS} dimensions, random ones around {CENTRES} centres, float16):\n"
        f"copies, mean, spectrum, hubs, two at once. Medians of {RUNS} processes; the clock's time is that of a\n"
        "machine with much other work.\n\n" + table(head, rows),
        arguments.output,
    )


def measured(size: int) -> tuple[float, float, float]:
    """Seconds by the clock and of the processor, and megabytes of peak memory beyond what the vectors take."""
    draw = np.random.default_rng(0)
    centres = draw.normal(size=(CENTRES, DIMENSIONS)).astype(np.float32)
    vectors = np.empty((size, DIMENSIONS), dtype=np.float16)
    for first in range(0, size, 1000):
        block = centres[draw.integers(CENTRES, size=len(vectors[first : first + 1000]))]
        block = block + draw.normal(size=block.shape).astype(np.float32)
        vectors[first : first + 1000] = block / np.linalg.norm(block, axis=1, keepdims=True)
    before = _peak()
    started, worked = time.perf_counter(), time.process_time()
    index = VectorIndex([vectors])
    moments = index.moments()
    for each in (without_vector(index), copies(index), common_direction(moments), effective_rank(moments)):
        assert each.value is not None
    hubness(index)
    capacity(index)
    took = time.perf_counter() - started
    return round(took, 3), round(time.process_time() - worked, 3), round(_peak() - before, 1)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
