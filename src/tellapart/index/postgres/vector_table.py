"""The vectors of one encoder and granularity at one server: the graph proposes, what it lacks yet is scored here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tellapart.index.postgres.database import Database, spoken
from tellapart.index.postgres.halfvec import HALF, HEADER, QueryHalves, row_type, whole_rows
from tellapart.index.postgres.schema import fresh_table, vectors_table
from tellapart.index.vectors.candidates import DEEPER, Mask, Rows, best_first, exact_scores
from tellapart.index.vectors.stored import Floats, StoredRows, widen

SLACK = 16
"""Units fetched beyond those asked for: the server orders by half precision, and the exact sums order again.
docs/benchmarks/postgres_filters.md has what is found with fewer."""

FEW_LEFT_OUT = 64
"""Where a search leaves out at most so many units, as many more are fetched and no filter is sent."""

SCANNED = 200
"""A filter that keeps m of n units has all m scored where m squared is at most so many times n, and otherwise the
graph is walked. The one takes time in proportion to m; the other meets n / m units for each that is kept. In
docs/benchmarks/postgres_filters.md both take about as long at this bound."""

DEEPEST = 1000
"""The most that pgvector takes as `hnsw.ef_search`."""

WALK = "(SELECT set_config('hnsw.ef_search', %s, true)) IS NOT NULL"
"""A condition that holds of every row, and is looked at before the first one: it sets how far the graph is walked,
within the statement that walks it."""


class FreshRows:
    """Vectors that came since the graph was built: all of them are scored, here.

    `rows` (n,) ascending, `kept` (n, dim) as the server has them.
    """

    def __init__(self, rows: Rows, kept: StoredRows) -> None:
        order = np.argsort(rows)
        self.rows, self.kept = rows[order], kept[order]
        self._wide = widen(self.kept)

    def search(self, query: Floats, k: int, allowed: Mask | None) -> tuple[Rows, Floats]:
        """Find the k best of them."""
        among = np.arange(len(self.rows)) if allowed is None else np.flatnonzero(allowed[self.rows])
        if len(among) > k + SLACK:  # float32 sums put the k best among these
            estimates = (self._wide @ query)[among]
            among = among[np.argpartition(-estimates, k + SLACK)[: k + SLACK]]
        scores, there = exact_scores(self.kept[among], query)
        return best_first(self.rows[among[there]], scores[there], k)


class VectorTable:
    """The vectors of one encoder and granularity at one server; row numbers are those of the unit table.

    `keys` (documents,) are the server's numbers of its documents, 0 for all others; `offsets` (documents + 1,) the rows
    of each document. `ef_search` is how many candidates a step in the graph keeps, 0 where there is no graph.
    """

    def __init__(
        self,
        table: int,
        dim: int,
        keys: NDArray[np.int64],
        offsets: NDArray[np.int64],
        *,
        ef_search: int,
        database: Database,
    ) -> None:
        """Fetch what the graph does not have yet: some megabytes at the most."""
        self._table = vectors_table(table)
        self.dim = dim
        self.ef_search = ef_search
        self._keys = keys
        self._offsets = offsets
        self._fresh = self._fetched(database, fresh_table(table))
        own: Mask = np.repeat(keys > 0, np.diff(offsets))
        own[self._fresh.rows] = False
        self._n_own = int(np.count_nonzero(own))
        self._own: Mask | None = None if own.all() else own

    def search(
        self, database: Database, queries: Floats, k: int, allowed: Mask | None
    ) -> list[tuple[Rows, Floats]]:
        """Find the k best rows of this server for each query, fewer where it has fewer."""
        mask, left = self._own, self._n_own
        if allowed is not None:
            mask = allowed if mask is None else allowed & mask
            left = int(np.count_nonzero(mask))
        found = []
        for query in queries:
            parts = []
            if left and query.any():
                parts.append(self._nearest(database, query, min(k, left), mask, left))
            if len(self._fresh.rows) and query.any():
                parts.append(self._fresh.search(query, k, allowed))
            found.append(best_of(parts, k))
        return found

    def _nearest(
        self, database: Database, query: Floats, k: int, mask: Mask | None, left: int
    ) -> tuple[Rows, Floats]:
        direction, left_out = QueryHalves.of(query), self._n_own - left
        condition, values, scanned = "", list[object](), False
        if mask is not None and left * left <= SCANNED * self._n_own and left_out:
            condition, values = "document = ANY(%s)", [self._keys[self._filled(mask)].tolist()]
            scanned = True
        elif mask is not None and left_out > FEW_LEFT_OUT:
            bits = np.zeros(int(self._keys.max(initial=0)) + 1, bool)
            bits[self._keys[self._filled(mask)]] = True
            condition = "CASE WHEN document < %s THEN get_bit(%s, document) = 1 ELSE false END"
            values = [len(bits), np.packbits(bits, bitorder="little").tobytes()]
        depth = k + SLACK + (left_out if left_out <= FEW_LEFT_OUT else 0)
        while True:
            ask = self._scan if scanned else self._walk
            found, kept = ask(database, condition, values, direction, depth)
            visible = found >= 0
            if mask is not None:
                visible &= mask[found]
            if int(visible.sum()) >= k or (len(found) < depth and scanned):
                scores, _ = exact_scores(kept[visible], query)
                return best_first(found[visible], scores, k)
            if len(found) < depth:  # the graph was left at hnsw.max_scan_tuples, or some units have no vector
                scanned = True
            else:
                depth *= DEEPER

    def _walk(
        self, database: Database, condition: str, values: Sequence[object], direction: QueryHalves, depth: int
    ) -> tuple[Rows, StoredRows]:
        """Ask for the nearest by the graph: rows (-1 for units of another generation) and vectors."""
        if not self.ef_search:
            return self._scan(database, condition, values, direction, depth)
        ef_search = str(min(max(self.ef_search, depth), DEEPEST))
        where = " AND ".join([WALK, condition] if condition else [WALK])
        return self._ask(database, f"{self._table} WHERE {where}", [ef_search, *values, direction, depth])

    def _scan(
        self, database: Database, condition: str, values: Sequence[object], direction: QueryHalves, depth: int
    ) -> tuple[Rows, StoredRows]:
        """Ask for the nearest of all that meet a condition."""
        where = condition and f" WHERE {condition}"
        source = f"(SELECT * FROM {self._table}{where} OFFSET 0) AS kept"
        return self._ask(database, source, [*values, direction, depth])

    def _ask(self, database: Database, source: str, values: Sequence[object]) -> tuple[Rows, StoredRows]:
        return self._read(
            database.rows(
                f"SELECT document, ordinal, embedding FROM {source} ORDER BY embedding <#> %s::halfvec LIMIT %s",
                values,
            )
        )

    def _read(self, found: list[tuple[int, int, bytes]]) -> tuple[Rows, StoredRows]:
        """Give the rows and vectors of what was found."""
        if not found:
            return np.zeros(0, np.int64), np.zeros((0, self.dim), np.float16)
        documents, ordinals, vectors = zip(*found, strict=True)
        content = np.frombuffer(b"".join(vectors), np.uint8).reshape(len(found), -1)[:, HEADER:]
        kept = np.ascontiguousarray(content).view(HALF).astype(np.float16)
        return self._rows_of(np.array(documents, np.int64), np.array(ordinals, np.int64)), kept

    def _rows_of(self, documents: NDArray[np.int64], ordinals: NDArray[np.int64]) -> Rows:
        """Row of each unit, -1 where the document is not of this generation."""
        order, keys = self._by_key
        places = np.minimum(np.searchsorted(keys, documents), max(len(keys) - 1, 0))
        known = keys[places] == documents if len(keys) else np.zeros(len(documents), bool)
        positions = order[places] if len(keys) else places
        return np.where(known, self._offsets[positions] + ordinals, -1)

    @cached_property
    def _by_key(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Positions of the live documents in the order of their keys, and these keys."""
        order = np.argsort(self._keys, kind="stable")
        order = order[self._keys[order] > 0]
        return order, self._keys[order]

    def _filled(self, mask: Mask) -> NDArray[np.bool_]:
        """Which documents have a unit in a mask (documents,)."""
        counts = np.concatenate([[0], np.cumsum(mask, dtype=np.int64)])
        return (counts[self._offsets[1:]] > counts[self._offsets[:-1]]) & (self._keys > 0)

    def take(self, database: Database, rows: Rows) -> tuple[Rows, StoredRows]:
        """Give those of some rows that this server has: rows, and their vectors as they are kept."""
        fresh = np.isin(self._fresh.rows, rows)
        there = rows[~np.isin(rows, self._fresh.rows[fresh])]
        positions = np.searchsorted(self._offsets, there, side="right") - 1
        documents, ordinals = self._keys[positions], there - self._offsets[positions]
        own = documents > 0
        found, kept = self._read(
            database.rows(
                f"SELECT document, ordinal, embedding FROM {self._table}"
                " JOIN unnest(%s::bigint[], %s::int[]) AS wanted(document, ordinal) USING (document, ordinal)",
                (documents[own].tolist(), ordinals[own].tolist()),
            )
        )
        return (
            np.concatenate([self._fresh.rows[fresh], found]),
            np.concatenate([self._fresh.kept[fresh], kept]),
        )

    def copy(self, database: Database, kept: StoredRows) -> None:
        """Copy all rows into `kept` (rows, dim)."""
        for rows, part in self._copied(database, self._table):
            kept[rows] = part
        kept[self._fresh.rows] = self._fresh.kept

    def _fetched(self, database: Database, table: str) -> FreshRows:
        parts = [*self._copied(database, table), (np.zeros(0, np.int64), np.zeros((0, self.dim), np.float16))]
        rows, kept = (np.concatenate(column) for column in zip(*parts, strict=True))
        return FreshRows(rows, kept)

    def _copied(self, database: Database, table: str) -> Iterator[tuple[Rows, StoredRows]]:
        """Copy the live rows of a table, some at a time."""
        record = row_type(self.dim)
        statement = f"COPY (SELECT document, ordinal, embedding FROM {table}) TO STDOUT (FORMAT BINARY)"
        with (
            database.reading() as connection,
            spoken(database.address),
            connection.cursor().copy(statement) as copy,
        ):
            for content in whole_rows(copy, record.itemsize):
                part = np.frombuffer(content, record)
                rows = self._rows_of(part["document"].astype(np.int64), part["ordinal"].astype(np.int64))
                yield rows[rows >= 0], part["embedding"][rows >= 0].astype(np.float16)


def best_of(parts: Sequence[tuple[Rows, Floats]], k: int) -> tuple[Rows, Floats]:
    """Join what was found in several places: scores are exact, so the best of all are the best of each."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return np.zeros(0, np.int64), np.zeros(0, np.float32)
    rows, scores = (np.concatenate(column) for column in zip(*parts, strict=True))
    return best_first(rows, scores, k)
