"""Vectors of a published index: pgvector's HNSW proposes units, whose scores are then summed exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tellapart.errors import TellapartError
from tellapart.index.postgres.database import EF_SEARCH, Database, spoken
from tellapart.index.postgres.halfvec import HALF, HEADER, row_type, whole_rows
from tellapart.index.postgres.schema import vectors_table
from tellapart.index.postgres.servers import Servers
from tellapart.index.vectors import Moments, Spectrum, VectorIndex
from tellapart.index.vectors.candidates import DEEPER, Mask, Rows, best_first, exact_scores
from tellapart.index.vectors.stored import Floats, StoredRows, widen

Answer = TypeVar("Answer")

SLACK = 16
"""Units fetched beyond those asked for: the server orders by half precision, and the exact sums order again.
docs/benchmarks/postgres_filters.md has what is found with fewer."""

FEW_LEFT_OUT = 64
"""Where a search leaves out at most so many units, as many more are fetched and no filter is sent."""

SCANNED = 200
"""A filter that keeps m of n units has all m scored where m squared is at most so many times n, and otherwise the
graph is walked. The one takes time in proportion to m; the other meets n / m units for each that is kept. In
docs/benchmarks/postgres_filters.md both take about as long at this bound."""


class VectorTable:
    """The vectors of one encoder and granularity at one server; row numbers are those of the unit table.

    `keys` (documents,) are the server's numbers of its documents, 0 for all others; `offsets` (documents + 1,) the rows
    of each document.
    """

    def __init__(self, table: int, dim: int, keys: NDArray[np.int64], offsets: NDArray[np.int64]) -> None:
        self._table = vectors_table(table)
        self.dim = dim
        self._keys = keys
        self._offsets = offsets
        own = keys > 0
        self._own: Mask | None = None if own.all() else np.repeat(own, np.diff(offsets))
        self._n_own = int(offsets[-1]) if self._own is None else int(np.count_nonzero(self._own))

    def search(
        self, database: Database, queries: Floats, k: int, allowed: Mask | None
    ) -> list[tuple[Rows, Floats]]:
        """Find the k best rows of this server for each query, fewer where it has fewer."""
        mask = self._own if allowed is None else allowed if self._own is None else allowed & self._own
        left = self._n_own if mask is None else int(np.count_nonzero(mask))
        depth = min(k, left)
        return [
            self._nearest(database, query, depth, mask, left)
            if depth > 0 and query.any()
            else (np.zeros(0, np.int64), np.zeros(0, np.float32))
            for query in queries
        ]

    def _nearest(
        self, database: Database, query: Floats, k: int, mask: Mask | None, left: int
    ) -> tuple[Rows, Floats]:
        literal, left_out = _literal(query), self._n_own - left
        condition, values, scanned = "", list[object](), False
        if mask is not None and left * left <= SCANNED * self._n_own and left_out:
            condition, values = "WHERE document = ANY(%s)", [self._keys[self._filled(mask)].tolist()]
            scanned = True
        elif mask is not None and left_out > FEW_LEFT_OUT:
            bits = np.zeros(int(self._keys.max(initial=0)) + 1, bool)
            bits[self._keys[self._filled(mask)]] = True
            condition = "WHERE CASE WHEN document < %s THEN get_bit(%s, document) = 1 ELSE false END"
            values = [len(bits), np.packbits(bits, bitorder="little").tobytes()]
        depth = k + SLACK + (left_out if left_out <= FEW_LEFT_OUT else 0)
        while True:
            source = f"{self._table} {condition}"
            if scanned:
                source = f"(SELECT * FROM {source} OFFSET 0) AS kept"
            found, kept = self._ask(database, source, [*values, literal, depth])
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

    def _ask(self, database: Database, source: str, values: Sequence[object]) -> tuple[Rows, StoredRows]:
        """Ask for the nearest, last in `values` how many: rows (-1 for units of another generation) and vectors."""
        statement = (
            f"SELECT document, ordinal, embedding FROM {source} ORDER BY embedding <#> %s::halfvec LIMIT %s"
        )
        with database.reading() as connection:
            depth = int(str(values[-1]))
            if depth > EF_SEARCH:
                connection.execute("SELECT set_config('hnsw.ef_search', %s, true)", (str(min(depth, 1000)),))
            return self._read(database.rows(statement, values))

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
        """Fetch those of some rows that this server has: rows, and their vectors as they are kept."""
        positions = np.searchsorted(self._offsets, rows, side="right") - 1
        documents, ordinals = self._keys[positions], rows - self._offsets[positions]
        own = documents > 0
        found = database.rows(
            f"SELECT document, ordinal, embedding FROM {self._table}"
            " JOIN unnest(%s::bigint[], %s::int[]) AS wanted(document, ordinal) USING (document, ordinal)",
            (documents[own].tolist(), ordinals[own].tolist()),
        )
        return self._read(found)

    def copy(self, database: Database, kept: StoredRows) -> None:
        """Copy all rows into `kept` (rows, dim)."""
        record = row_type(self.dim)
        statement = f"COPY (SELECT document, ordinal, embedding FROM {self._table}) TO STDOUT (FORMAT BINARY)"
        with (
            database.reading() as connection,
            spoken(database.address),
            connection.cursor().copy(statement) as copy,
        ):
            for content in whole_rows(copy, record.itemsize):
                part = np.frombuffer(content, record)
                rows = self._rows_of(part["document"].astype(np.int64), part["ordinal"].astype(np.int64))
                kept[rows[rows >= 0]] = part["embedding"][rows >= 0]


class PublishedVectors:
    """The rows of one encoder at one granularity, from all servers, each with a table by its number.

    Whoever needs all rows (`scores`, `blocks`, `matrix`, an exact search) has them copied here once.
    """

    def __init__(
        self,
        servers: Servers,
        tables: Mapping[int, VectorTable],
        *,
        dim: int,
        n_rows: int,
        alive: Mask | None,
        moments: Moments,
    ) -> None:
        self._servers = servers
        self._tables = tables
        self.dim = dim
        self.n_rows = n_rows
        self.alive = alive
        self.n_alive = n_rows if alive is None else int(np.count_nonzero(alive))
        self._moments = moments

    @property
    def coded(self) -> bool:
        """An index of neighbours may overlook a row."""
        return True

    @property
    def row_bytes(self) -> int:
        """Bytes of one row as it is kept."""
        return self.dim * HALF.itemsize

    def bytes_read(self, k: int = 10) -> int:
        """Bytes of the rows that the graph leads past, about."""
        return max(EF_SEARCH, k + SLACK) * self.row_bytes

    def moments(self) -> Moments:
        """Sum over live rows, as it was when the index was published."""
        return self._moments

    def spectrum(self) -> Spectrum:
        """Eigendecomposition behind the closed-form SVM."""
        return self._spectrum

    @cached_property
    def _spectrum(self) -> Spectrum:
        return Spectrum.of(self._moments)

    def search(
        self, queries: Floats, k: int, *, allowed: Mask | None = None, exact: bool = False
    ) -> tuple[Rows, Floats]:
        """Find the k live rows with the largest inner product for each query, float32 (m, d).

        Returns rows int64 (m, k) and scores float32 (m, k), best first, ties by row, padded with -1 and -inf where
        fewer rows are live and allowed. Scores are float64 sums rounded once.

        Raises:
            TellapartError: Queries of another dimension, or not finite.
        """
        if exact:
            return self._local.search(queries, k, allowed=allowed, exact=True)
        queries = np.ascontiguousarray(queries, dtype=np.float32)
        if queries.ndim != 2 or queries.shape[1] != self.dim or not np.isfinite(queries).all():
            raise TellapartError(
                f"queries of shape {queries.shape} for vectors of {self.dim} finite dimensions:"
                " use the index's own encoder"
            )
        rows = np.full((len(queries), max(k, 0)), -1, dtype=np.int64)
        scores = np.full(rows.shape, -np.inf, dtype=np.float32)
        found = (
            self._gather(lambda database, table: table.search(database, queries, k, allowed)) if k > 0 else []
        )
        for number in range(len(queries)):
            parts = [of_server[number] for of_server in found]
            best, own = parts[0] if len(parts) == 1 else _best_of(parts, k)
            rows[number, : len(best)], scores[number, : len(best)] = best, own
        return rows, scores

    def _gather(self, ask: Callable[[Database, VectorTable], Answer]) -> list[Answer]:
        """Ask all servers that have such vectors, at once."""
        found = self._servers.gather(
            lambda number, database: ask(database, self._tables[number]), self._tables
        )
        return list(found.values())

    def take(self, rows: Rows) -> Floats:
        """Return these rows as float32 (n, d); zeros for units without a vector."""
        wanted = np.asarray(rows, dtype=np.int64)
        if "_local" in self.__dict__:
            return self._local.take(wanted)
        taken = np.zeros((len(wanted), self.dim), dtype=np.float32)
        for own, kept in self._gather(lambda database, table: table.take(database, wanted)):
            order = np.argsort(own)
            places = np.searchsorted(own[order], wanted)
            there = np.flatnonzero(places < len(own))
            there = there[own[order[places[there]]] == wanted[there]]
            taken[there] = widen(kept[order[places[there]]])
        return taken

    def scores(self, query: Floats) -> Floats:
        """Return the float32 inner product (rows,) of every row, the dead and zero ones included."""
        return self._local.scores(query)

    def scores_batch(self, queries: Floats) -> Floats:
        """Return float32 inner products (m, rows)."""
        return self._local.scores_batch(queries)

    def blocks(self, size: int = 8192) -> Iterator[tuple[int, Floats]]:
        """Yield (first row, float32 rows) over all rows; the array is overwritten by the next block."""
        return self._local.blocks(size)

    def matrix(self) -> Floats:
        """Return all rows as one float32 matrix (rows, d)."""
        return self._local.matrix()

    @cached_property
    def _local(self) -> VectorIndex:
        """All rows, copied here."""
        kept = np.zeros((self.n_rows, self.dim), np.float16)
        self._gather(lambda database, table: table.copy(database, kept))
        return VectorIndex([kept], self.alive)


def _best_of(parts: Sequence[tuple[Rows, Floats]], k: int) -> tuple[Rows, Floats]:
    """Join what several servers found: scores are exact, so the best of all are the best of each."""
    if not parts:
        return np.zeros(0, np.int64), np.zeros(0, np.float32)
    rows, scores = (np.concatenate(column) for column in zip(*parts, strict=True))
    return best_first(rows, scores, k)


def _literal(query: Floats) -> str:
    """Write a direction for the server; of unit length, so that halves hold it, which changes no order.

    Seven digits after the point are finer than halves are above .002; a list writes itself faster than a loop.
    """
    direction = query.astype(np.float64) / np.linalg.norm(query)
    return str(direction.round(7).tolist())
