"""Nearest neighbours under a filter in a published index: scoring all that it leaves, or walking the graph.

    python bench/postgres_filters.py --work build/postgres --output docs/benchmarks/postgres_filters.md

Index, queries and server are those of bench/postgres.py; a filter leaves units that were drawn at random. Each query
goes to every way in turn, after it was asked once so that its pages are in memory.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from passages import passages, queries
from postgres import measure_publishing, server
from postgres_asking import LEVEL, K, both, recall
from serving import prepared
from tellapart import Index
from tellapart.index.postgres import vector_table as module

UNITS = (30_000, 60_000)
SHARES = (0.5, 0.3, 0.2, 0.1, 0.075, 0.05, 0.02, 0.005)
WAYS = {
    "all scored": ("off", 10**9),
    "graph, `strict_order`": ("strict_order", 0),
    "graph, `relaxed_order`": ("relaxed_order", 0),
}
"""What stands in `hnsw.iterative_scan`, and what in SCANNED."""

SLACKS, SLACK_SHARE = (0, 2, 4, 16), 0.1


def asked_in_every_way(
    vectors: Any,  # noqa: ANN401
    asked: np.ndarray,
    allowed: np.ndarray,
    exact: np.ndarray,
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Seconds of each query, and recall, by way."""
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    rows: dict[str, list[np.ndarray]] = {way: [] for way in WAYS}
    kept = module.SCANNED
    try:
        for at, query in enumerate(asked):
            order = list(WAYS)[at % len(WAYS) :] + list(WAYS)[: at % len(WAYS)]
            for counts in (False, True):
                for way in order:
                    scan, module.SCANNED = WAYS[way]
                    with vectors._servers.first.reading() as connection:
                        connection.execute("SELECT set_config('hnsw.iterative_scan', %s, true)", (scan,))
                        started = time.perf_counter()
                        found, _ = vectors.search(query[None], K, allowed=allowed)
                        seconds = time.perf_counter() - started
                    if counts:
                        times[way].append(seconds)
                        rows[way].append(found[0])
    finally:
        module.SCANNED = kept
    return times, {way: recall(np.array(found), exact) for way, found in rows.items()}


def with_slack(vectors: Any, asked: np.ndarray, allowed: np.ndarray, exact: np.ndarray) -> str:  # noqa: ANN401
    """Recall where all units are scored by the server, by how many are fetched beyond those asked for."""
    kept, told = (module.SLACK, module.SCANNED), []
    try:
        module.SCANNED = 10**9
        for module.SLACK in SLACKS:
            found, _ = vectors.search(asked, K, allowed=allowed)
            told.append(f"{module.SLACK}: {recall(found, exact):.4f}")
    finally:
        module.SLACK, module.SCANNED = kept
    return ", ".join(told)


def measured(work: Path, folder: Path, texts: list[str]) -> list[str]:
    lines, slack = [], ""
    with server(work) as uri, Index.open(folder, refresh=False) as kept:
        asked = kept.encoder("lsa").encode_query(texts)
        with (
            Index.open(f"{uri}&schema=bench") as published,
            kept.reading() as snapshot,
            published.reading() as reading,
        ):
            local, vectors = snapshot.vectors("lsa", LEVEL), reading.vectors("lsa", LEVEL)
            live = np.arange(local.n_rows) if local.alive is None else np.flatnonzero(local.alive)
            dice = np.random.default_rng(0)
            for share in SHARES:
                count = round(share * len(live))
                allowed = np.zeros(local.n_rows, bool)
                allowed[dice.choice(live, count, replace=False)] = True
                exact, _ = local.search(asked, K, allowed=allowed, exact=True)
                times, recalls = asked_in_every_way(vectors, asked, allowed, exact)
                told = [f"{both(times[way])} ms, {recalls[way]:.3f}" for way in WAYS]
                scored, *graphs = (statistics.median(times[way]) for way in WAYS)
                ratios = " / ".join(f"{scored / graph:.2f}" for graph in graphs)
                square = count * count / len(live)
                lines.append(f"| {share:g} | {count:,} | {square:,.0f} | {' | '.join(told)} | {ratios} |")
                print(lines[-1], flush=True)
                if share == SLACK_SHARE:
                    slack = with_slack(vectors, asked, allowed, exact)
    return [
        f"n = {len(live):,}:",
        "",
        f"| m / n | m | m² / n | {' | '.join(WAYS)} | all scored / graph |",
        "|---|---|---|---|---|---|---|",
        *lines,
        "",
        f"All scored by the server in half precision, and so many more than {K} scored again here:",
        f"recall@{K} {slack}.",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path("build/postgres"))
    parser.add_argument("--units", type=int, nargs="+", default=UNITS)
    parser.add_argument("--queries", type=int, default=40)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    told = []
    for units in arguments.units:
        texts, work = passages(units), arguments.work / f"filters-{units}"
        folder = prepared(texts, work)
        measure_publishing(work, folder)
        told += [*measured(work, folder, queries(texts, arguments.queries)), ""]
    command = f"--units {' '.join(map(str, arguments.units))} --queries {arguments.queries}"
    text = "\n".join(
        [
            "# A filter over neighbours in PostgreSQL",
            "",
            f"Command: `python bench/postgres_filters.py {command}`",
            "",
            "n passages, 256-d vectors of `lsa`, PostgreSQL 18 and pgvector on a socket of the same machine,",
            f"{os.cpu_count()} cores, default settings. A filter keeps m units, drawn at random. Cells are p50 / p95,",
            f"and recall@{K} against all units scored in the folder. The last column divides medians: all scored by",
            "graph, `strict_order` / `relaxed_order`.",
            "",
            f"A search scores all where m² / n is at most {module.SCANNED}; beyond, it walks the graph in",
            "`relaxed_order`.",
            "",
            *told,
        ]
    )
    if arguments.output:
        arguments.output.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
