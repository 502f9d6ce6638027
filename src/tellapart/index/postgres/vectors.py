"""Vectors of a published index: pgvector's HNSW proposes units, whose scores are then summed exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TypeVar

import numpy as np

from tellapart.errors import TellapartError
from tellapart.index.postgres.database import Database
from tellapart.index.postgres.halfvec import HALF
from tellapart.index.postgres.servers import Servers
from tellapart.index.postgres.vector_table import SLACK, VectorTable, best_of
from tellapart.index.vectors import Moments, Spectrum, VectorIndex
from tellapart.index.vectors.candidates import Mask, Rows
from tellapart.index.vectors.stored import Floats, widen

Answer = TypeVar("Answer")


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
        walked = [max(table.ef_search, k + SLACK) for table in self._tables.values()]
        return sum(walked) * self.row_bytes

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
            best, own = best_of(parts, k)
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
