"""The graph of neighbours at a server: how much of it a search walks, and new vectors when there are many of them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import Granularity
from tellapart.index.catalogue import StoredEncoder
from tellapart.index.postgres.halfvec import QueryHalves
from tellapart.index.postgres.schema import fresh_table, vectors_table
from tellapart.index.postgres.targets import ServerTarget
from tellapart.index.postgres.vector_table import DEEPEST, WALK
from tellapart.index.snapshot import FolderSnapshot
from tellapart.index.vectors.stored import Floats
from tellapart.progress import Progress

FRESH_SHARE, FEW_FRESH, FRESH_ROWS = 0.03, 1_000, 10_000
"""So many new vectors wait beside the graph, where every search scores all of them, before they are added to it one by
one: a share of those in the graph, at least the second and at most the third. Adding one takes milliseconds, while
scoring 1,000 hardly lengthens a search (docs/benchmarks/postgres.md). Each process that searches holds its own copy of
them, 23 MB of 10,000 at 384 dimensions. Not measured at other values."""

MOVED_AT_A_TIME = 500
"""Vectors that one transaction adds to the graph."""

K, ASKED = 10, 500
"""Neighbours, and queries drawn to measure how many of them the graph finds."""

RECALL, ERRORS = 0.99, 1.645
"""Share of the nearest that a search shall find. The smallest `hnsw.ef_search` is taken whose mean, less so many
standard errors, is as high: the lower end of its one-sided interval of 95 %."""

SHARE = 0.4
"""Queries are mixed of a vector of the index and so much of another one, since vectors alone are easier to find than
what people ask. docs/benchmarks/postgres.md has what is found of queries drawn so and of queries of nine words, with
the same `hnsw.ef_search`. No page compares other values."""

STEPS = (40, 60, 80, 100, 130, 160, 200, 250, 320, 400, 500, 640, 800, DEEPEST)
"""Values of `hnsw.ef_search` that are tried, from pgvector's own on."""

TIE = 1e-5
"""Scores that differ by less are the same, summed in another order."""

GROWN = 1.5
"""It is measured anew when there are so many times as many vectors. Not measured at other values."""


@dataclass(frozen=True, slots=True)
class MeasuredGraph:
    """What of the ten nearest units a server finds by its graph, with `ef_search` candidates, on queries drawn."""

    server: str
    encoder: str
    granularity: Granularity
    ef_search: int
    recall: float


def has_graph(target: ServerTarget, key: int) -> bool:
    """Whether a set of vectors has its graph; of this table: another schema may have an index of the same name."""
    table = vectors_table(key)
    found = target.connection.execute(
        "SELECT 1 FROM pg_index JOIN pg_class c ON c.oid = indexrelid"
        " WHERE indrelid = %s::regclass AND relname = %s",
        (table, f"{table}_neighbours"),
    ).fetchone()
    return found is not None


def room_beside(target: ServerTarget, key: int) -> int:
    """How many vectors of a set may wait beside its graph; none where there is no graph."""
    if not has_graph(target, key):
        return 0
    ((measured,),) = target.all("SELECT measured FROM vector_sets WHERE key = %s", (key,))
    return min(max(int(FRESH_SHARE * measured), FEW_FRESH), FRESH_ROWS)


def measure_graph(
    target: ServerTarget, snapshot: FolderSnapshot, name: str, encoder: StoredEncoder, level: Granularity
) -> MeasuredGraph | None:
    """Choose how far a server's graph is walked, where that was not done with about as many vectors."""
    key, known = target.all("SELECT key, measured FROM vector_sets WHERE name = %s", (name,))[0]
    if not has_graph(target, key):
        return None
    vectors, table = snapshot.vectors(encoder.name, level), snapshot.units(level)
    keys = target.keys_of(table.documents)
    waiting = [row[0] for row in target.all(f"SELECT DISTINCT document FROM {fresh_table(key)}")]
    here = table.spread((keys > 0) & ~table.dead & ~np.isin(keys, np.array(waiting, np.int64)))
    rows = np.flatnonzero(here)
    if len(rows) <= GROWN * known:
        return None
    drawn, other = np.random.default_rng(0).choice(rows, (2, ASKED))
    queries = mixed(vectors.take(drawn), vectors.take(other))
    _, exact = vectors.search(queries, K, allowed=here, exact=True)
    order = np.argsort(keys, kind="stable")
    ascending = keys[order]

    def find(query: Floats, ef_search: int) -> Floats:
        documents, ordinals = _nearest(target, key, query, ef_search)
        places = np.minimum(np.searchsorted(ascending, documents), len(keys) - 1)
        live = ascending[places] == documents
        scores: Floats = vectors.take(table.offsets[order[places[live]]] + ordinals[live]) @ query
        return scores

    ef_search, recall = chosen_ef_search(queries, exact, find)
    target.connection.execute(
        "UPDATE vector_sets SET ef_search = %s, measured = %s WHERE key = %s", (ef_search, len(rows), key)
    )
    return MeasuredGraph(str(target.database.address), encoder.name, level, ef_search, recall)


def chosen_ef_search(
    queries: Floats, exact: Floats, find: Callable[[Floats, int], Floats]
) -> tuple[int, float]:
    """Find the smallest of `STEPS` with which a graph finds enough, and what share of the nearest it finds.

    By halving, since a longer walk finds more; the first one first, as it is enough for most.

    Args:
        queries: float32 (m, d).
        exact: Scores of their nearest units (m, K), best first, -inf where there are fewer. What scores as high as the
            last of them is as good: units may be equal.
        find: Gives the scores of what the graph finds for a query and an `hnsw.ef_search`.
    """
    counts = np.isfinite(exact).sum(axis=1)
    asked = [
        (query, own[count - 1], count)
        for query, own, count in zip(queries, exact, counts, strict=True)
        if count
    ]

    @cache
    def found(step: int) -> tuple[bool, float]:
        """Say whether a step finds enough, and its recall."""
        shares = [
            min(int((find(query, STEPS[step]) >= last - TIE).sum()) / count, 1.0)
            for query, last, count in asked
        ]
        recall = float(np.mean(shares)) if shares else 1.0
        surely = recall - ERRORS * float(np.std(shares)) / len(shares) ** 0.5 if shares else 1.0
        return surely >= RECALL, recall

    if found(0)[0]:
        return STEPS[0], found(0)[1]
    step = bisect_left(range(len(STEPS) - 1), True, lo=1, key=lambda each: found(each)[0])
    return STEPS[step], found(step)[1]


def mixed(vectors: Floats, others: Floats) -> Floats:
    """Mix queries of vectors (n, d) and a share of others; pairs without a vector are left out."""
    mixed = vectors + SHARE * others
    lengths = np.linalg.norm(mixed, axis=1, keepdims=True)
    there = lengths[:, 0] > 0
    queries: Floats = mixed[there] / lengths[there]
    return queries


def _nearest(
    target: ServerTarget, key: int, query: Floats, ef_search: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ask the graph; gives documents and ordinals."""
    statement = (
        f"SELECT document, ordinal FROM {vectors_table(key)} WHERE {WALK}"
        f" ORDER BY embedding <#> %s::halfvec LIMIT {K}"
    )
    found = target.all(statement, (str(ef_search), QueryHalves.of(query)))
    documents, ordinals = np.array(found, np.int64).reshape(-1, 2).T
    return documents, ordinals


def move_fresh(target: ServerTarget, names: Iterable[str], progress: Progress) -> None:
    """Add the vectors that wait beside a graph to it, where they are many; some at a time, so that none is lost."""
    for (key,) in target.all("SELECT key FROM vector_sets WHERE name = ANY(%s)", (list(names),)):
        waiting = int(target.all(f"SELECT count(*) FROM {fresh_table(key)}")[0][0])
        if waiting <= room_beside(target, key):
            continue
        with progress("adding vectors to the index of neighbours", waiting) as advance:
            while moved := target.connection.execute(
                _MOVE.format(vectors_table(key), fresh_table(key))
            ).rowcount:
                advance(moved)


_MOVE = f"""WITH chosen AS (SELECT document, ordinal FROM {{1}} LIMIT {MOVED_AT_A_TIME}),
moved AS (DELETE FROM {{1}} USING chosen
  WHERE {{1}}.document = chosen.document AND {{1}}.ordinal = chosen.ordinal
  RETURNING {{1}}.document, {{1}}.ordinal, {{1}}.embedding)
INSERT INTO {{0}} (document, ordinal, embedding) SELECT document, ordinal, embedding FROM moved"""
