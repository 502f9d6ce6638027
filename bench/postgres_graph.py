"""Graphs of neighbours in pgvector: what more links and more candidates cost to build, and what they find.

    python bench/postgres_graph.py --work build/postgres --output docs/benchmarks/postgres_graph.md

Vectors, queries and server are those of bench/postgres.py. Each graph is built alone from the same rows, with all cores
that the server takes. A query is asked once before it is timed, so that its pages are in memory; what it finds is
compared with all vectors scored by the server.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psycopg

from passages import passages, queries
from postgres import measure_publishing, server
from postgres_asking import K, both, timed
from serving import prepared
from tellapart import Index
from tellapart.index.postgres.building import CONSTRUCTION, LINK_BYTES, LINKS, VECTOR_BYTES
from tellapart.index.postgres.database import prepare_session

UNITS, ASKED = 60_000, 200
GRAPHS = ((16, 64), (16, 128), (16, 256), (16, 512), (24, 128), (24, 256))
"""`m` and `ef_construction`; pgvector's own are the first."""
EF_SEARCH = (100, 250, 500, 1000)


def nearest(connection: psycopg.Connection, table: str, query: str) -> list[tuple[float, ...]]:
    """Give the distances of the nearest, best first."""
    return connection.execute(
        f"SELECT embedding <#> '{query}'::halfvec FROM {table} ORDER BY embedding <#> '{query}'::halfvec LIMIT {K}"
    ).fetchall()


def measure(connection: psycopg.Connection, source: str, queries: Sequence[str]) -> list[str]:
    """Build every graph and ask it; gives the rows of the table."""
    connection.execute("SET enable_indexscan = off")
    exact = [nearest(connection, source, query) for query in queries]
    connection.execute("SET enable_indexscan = on")
    (count, dim) = connection.execute(
        f"SELECT count(*), max(vector_dims(embedding)) FROM {source}"
    ).fetchone() or (0, 0)
    lines = []
    for m, construction in GRAPHS:
        connection.execute("DROP TABLE IF EXISTS tried")
        connection.execute(f"CREATE TABLE tried AS SELECT embedding FROM {source}")
        connection.execute("ANALYZE tried")
        memory = count * (2 * dim + LINK_BYTES * m + VECTOR_BYTES) + (64 << 20)
        connection.execute(f"SET maintenance_work_mem = '{memory >> 10}kB'")
        started = time.perf_counter()
        connection.execute(
            "CREATE INDEX tried_neighbours ON tried USING hnsw (embedding halfvec_ip_ops)"
            f" WITH (m = {m}, ef_construction = {construction})"
        )
        seconds = time.perf_counter() - started
        (size,) = connection.execute("SELECT pg_relation_size('tried_neighbours')").fetchone() or (0,)
        cells = [f"{m}, {construction}", f"{seconds:.0f} s", f"{size / 1e6:,.0f} MB"]
        for ef_search in EF_SEARCH:
            connection.execute(f"SET hnsw.ef_search = {ef_search}")
            recalls, times = [], []
            for query, own in zip(queries, exact, strict=True):
                found = nearest(connection, "tried", query)
                times.append(timed(lambda query=query: nearest(connection, "tried", query)))
                recalls.append(min(sum(row <= own[-1] for row in found) / K, 1.0))
            cells.append(f"{np.mean(recalls):.4f}, {both(times)} ms")
        lines.append(f"| {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    connection.execute("DROP TABLE tried")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path("build/postgres"))
    parser.add_argument("--units", type=int, default=UNITS)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    texts, work = passages(arguments.units), arguments.work / f"graph-{arguments.units}"
    folder = prepared(texts, work)
    measure_publishing(work, folder, once=True)
    with Index.open(folder, refresh=False) as index:
        vectors = index.encoder("lsa").encode_query(queries(texts, ASKED))
    asked = [str(np.round(vector, 6).tolist()) for vector in vectors]
    with server(work) as uri, psycopg.connect(uri, autocommit=True) as connection:
        prepare_session(connection, "bench")
        (key,) = connection.execute("SELECT key FROM vector_sets WHERE NOT retired").fetchone() or (0,)
        lines = measure(connection, f"vectors_{key}", asked)
    head = "m, ef_construction | building | graph | " + " | ".join(f"ef_search {each}" for each in EF_SEARCH)
    text = "\n".join(
        [
            "# Graphs of neighbours in PostgreSQL",
            "",
            f"Command: `python bench/postgres_graph.py --units {arguments.units}`",
            "",
            f"{len(texts):,} vectors of `lsa`, {vectors.shape[1]}-d, {ASKED} queries of nine words; PostgreSQL and"
            f" pgvector on a socket of the same machine, {os.cpu_count()} cores. Cells are recall@10 and p50 / p95 of a"
            f" query. pgvector's own are 16 and 64; `publish` takes {LINKS} and {CONSTRUCTION}.",
            "",
            f"| {head} |",
            "|" + "---|" * (3 + len(EF_SEARCH)),
            *lines,
            "",
        ]
    )
    if arguments.output:
        arguments.output.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
