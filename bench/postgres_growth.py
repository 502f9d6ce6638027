"""Nearest vectors in PostgreSQL as there are more of them: how far the graph has to be walked, and what that takes.

    python bench/postgres_growth.py --work build/growth --sizes 100000 300000

Passages as in bench/postgres.py, encoded by one `lsa` that is fitted on the first of them. Only vectors are stored, in
a table like that of a published index: so sizes are reached whose words take too long to index here. `--work` keeps
everything between runs; `--part` does a part: `encode`, `build`, `ask`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from pathlib import Path

import numpy as np
import psycopg

from passages import passages, queries
from postgres import server
from postgres_asking import K, both, recall, timed
from tellapart import Kind
from tellapart.encoders.lsa import LsaEncoder
from tellapart.index.lexical import analyse_query
from tellapart.index.postgres import neighbours
from tellapart.index.postgres.address import Address
from tellapart.index.postgres.database import Database, prepare_session
from tellapart.index.postgres.halfvec import COPY_END, COPY_HEADER, copied_rows
from tellapart.index.postgres.vector_table import WALK, VectorTable
from tellapart.index.vectors import VectorIndex

FITTED, PIECE = 30_000, 20_000
ASKED = 200


def analysed(text: str) -> list[str]:
    return analyse_query(text, Kind.PROSE)


def encoded(work: Path, size: int) -> np.ndarray:
    """Encode the passages, in pieces that are kept: halves (size, dim)."""
    folder, texts = work / "vectors", passages(size)
    folder.mkdir(parents=True, exist_ok=True)
    if not (work / "lsa").exists():
        LsaEncoder.fit(texts[:FITTED], analyse=analysed).save(work / "fitted")
        (work / "fitted").rename(work / "lsa")
    encoder = LsaEncoder.load(work / "lsa", analyse=analysed)
    if not (folder / "queries.npy").exists():
        np.save(folder / "queries.npy", encoder.encode_query(queries(texts[:FITTED], ASKED)))
    pieces = []
    for start in range(0, size, PIECE):
        file = folder / f"{start}.npy"
        if not file.exists():
            part = encoder.encode_document(texts[start : start + PIECE])
            np.save(folder / "part.npy", part.astype(np.float16))
            (folder / "part.npy").rename(file)
        pieces.append(np.load(file))
    return np.concatenate(pieces)[:size]


def built(connection: psycopg.Connection, vectors: np.ndarray) -> str:
    """Store vectors and build their graph, as publishing does; gives the seconds that it took, and of what."""
    connection.execute("CREATE TABLE IF NOT EXISTS told (name text PRIMARY KEY, value text)")
    known = connection.execute("SELECT value FROM told WHERE name = 'built'").fetchone()
    if known:
        return str(known[0])
    connection.execute("DROP TABLE IF EXISTS vectors_1, vectors_1_fresh")
    for table in ("vectors_1", "vectors_1_fresh"):
        connection.execute(
            f"CREATE TABLE {table} (document bigint, ordinal int, embedding halfvec({vectors.shape[1]}),"
            " PRIMARY KEY (document, ordinal))"
        )
    with (
        connection.cursor() as cursor,
        cursor.copy("COPY vectors_1 FROM STDIN (FORMAT BINARY)") as copy,
    ):
        copy.write(COPY_HEADER)
        for start in range(0, len(vectors), PIECE):
            some = vectors[start : start + PIECE]
            keys = np.arange(start + 1, start + 1 + len(some))
            there = some.any(axis=1)
            copy.write(copied_rows(keys[there], np.zeros(int(there.sum()), np.int64), some[there]))
        copy.write(COPY_END)
    connection.execute("SELECT set_config('maintenance_work_mem', %s, false)", (neighbours.BUILD_MEMORY,))
    seconds = timed(
        lambda: connection.execute(
            "CREATE INDEX vectors_1_neighbours ON vectors_1 USING hnsw (embedding halfvec_ip_ops)"
            f" WITH (ef_construction = {neighbours.CONSTRUCTION})"
        )
    )
    connection.execute("ANALYZE vectors_1")
    size = connection.execute("SELECT pg_relation_size('vectors_1_neighbours')").fetchone()
    told = f"{seconds:.0f} s, {(size or [0])[0] / 1e6:,.0f} MB"
    connection.execute("INSERT INTO told VALUES ('built', %s)", (told,))
    return told


def asked(connection: psycopg.Connection, address: str, vectors: np.ndarray, work: Path) -> dict[str, object]:
    """Choose how far to walk as publishing does, then ask with queries that had no part in that."""
    local, n = VectorIndex([vectors]), len(vectors)
    there = np.flatnonzero(vectors.any(axis=1))
    first, other = np.random.default_rng(0).choice(there, (2, neighbours.ASKED))
    drawn = neighbours.mixed(local.take(first), local.take(other))
    _, best = local.search(drawn, K, exact=True)
    statement = f"SELECT document FROM vectors_1 WHERE {WALK} ORDER BY embedding <#> %s::halfvec LIMIT {K}"

    def find(query: np.ndarray, ef_search: int) -> np.ndarray:
        found = connection.execute(statement, (str(ef_search), str(query.tolist()))).fetchall()
        return local.take(np.array(found)[:, 0] - 1) @ query

    ef_search, on_drawn = neighbours.chosen_ef_search(drawn, best, find)
    questions = np.load(work / "vectors" / "queries.npy")
    questions = questions[questions.any(axis=1)]
    exact, _ = local.search(questions, K, exact=True)
    database = Database(Address.needed(address))
    table = VectorTable(
        1, vectors.shape[1], np.arange(1, n + 1), np.arange(n + 1), ef_search=ef_search, database=database
    )
    connection.execute(f"SET hnsw.ef_search = {ef_search}")
    plain = "SELECT document FROM vectors_1 ORDER BY embedding <#> %s::halfvec LIMIT 10"
    times: dict[str, list[float]] = {"plain": [], "ours": []}
    rows: dict[str, list[np.ndarray]] = {"plain": [], "ours": []}
    for at, query in enumerate(questions):
        written = str(query.tolist())

        def ask_plain(written: str = written) -> None:
            rows["plain"].append(np.array(connection.execute(plain, (written,)).fetchall())[:, 0] - 1)

        def ask_ours(query: np.ndarray = query) -> None:
            with database.reading():
                rows["ours"].append(table.search(database, query[None], K, None)[0][0])

        connection.execute(plain, (written,))
        for name, ask in sorted({"plain": ask_plain, "ours": ask_ours}.items(), reverse=bool(at % 2)):
            times[name].append(timed(ask))
    return {
        "ef_search": ef_search,
        "drawn": on_drawn,
        "plain": both(times["plain"]),
        "ours": both(times["ours"]),
        "ratio": statistics.median(times["ours"]) / statistics.median(times["plain"]),
        "plain recall": recall(np.array(rows["plain"]), exact),
        "recall": recall(np.array(rows["ours"]), exact),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path("build/growth"))
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 300_000])
    parser.add_argument("--part", choices=("encode", "build", "ask"))
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    vectors = encoded(arguments.work, max(arguments.sizes))
    if arguments.part == "encode":
        return
    lines = []
    for size in arguments.sizes:
        kept = arguments.work / f"{size}.json"
        with server(arguments.work) as uri, psycopg.connect(uri, autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS n{size}")
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector SCHEMA public")
            prepare_session(connection, f"n{size}")
            build = built(connection, vectors[:size])
            if arguments.part != "build" and not kept.exists():
                told = asked(connection, f"{uri}&schema=n{size}", vectors[:size], arguments.work)
                kept.write_text(json.dumps(told | {"build": build}))
        if arguments.part != "build":
            told = json.loads(kept.read_text())
            lines.append(
                f"| {size:,} | {told['build']} | {told['ef_search']} | {told['drawn']:.4f} | {told['recall']:.4f} |"
                f" {told['plain']} ms, {told['plain recall']:.4f} | {told['ours']} ms | {told['ratio']:.2f} |"
            )
    if arguments.part == "build":
        return
    sizes = " ".join(map(str, arguments.sizes))
    text = "\n".join(
        [
            "# More vectors in PostgreSQL",
            "",
            f"Command: `python bench/postgres_growth.py --sizes {sizes}`",
            "",
            f"256-d vectors of `lsa` (fitted on {FITTED:,} passages) in a table like that of a published index, on a"
            f" socket of the same machine, {os.cpu_count()} cores, default settings. `hnsw.ef_search` is chosen as"
            f" publishing chooses it, on {neighbours.ASKED} queries drawn from the vectors; everything else is measured"
            f" with {ASKED} queries of nine words. Times are p50 / p95; ours is a transaction, the same graph and exact"
            " scores.",
            "",
            "| vectors | building the graph | `ef_search` | recall@10 on queries drawn | recall@10 |"
            " pgvector called directly | ours | ours / directly |",
            "|---|---|---|---|---|---|---|---|",
            *lines,
            "",
        ]
    )
    if arguments.output:
        arguments.output.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
