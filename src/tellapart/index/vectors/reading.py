"""What rankers need of the vectors of one encoder at one granularity, wherever they are kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from tellapart.index.vectors.candidates import Mask, Rows
from tellapart.index.vectors.moments import Moments, Spectrum
from tellapart.index.vectors.stored import Floats


class VectorReader(Protocol):
    """Unit vectors, one a row; rows of zeros are units without a vector and are never found."""

    @property
    def dim(self) -> int:
        """Dimensions."""
        ...

    @property
    def n_rows(self) -> int:
        """Units, the deleted included."""
        ...

    @property
    def n_alive(self) -> int:
        """Units that are not deleted."""
        ...

    @property
    def alive(self) -> Mask | None:
        """Which units are not deleted (rows,), None where all are not."""
        ...

    @property
    def coded(self) -> bool:
        """Whether `search` may overlook a row."""
        ...

    @property
    def row_bytes(self) -> int:
        """Bytes of one row as it is kept."""
        ...

    def bytes_read(self, k: int = 10) -> int:
        """Bytes that a search for k rows reads, about."""
        ...

    def search(
        self, queries: Floats, k: int, *, allowed: Mask | None = None, exact: bool = False
    ) -> tuple[Rows, Floats]:
        """Find the k live rows with the largest inner product for each query, float32 (m, d).

        Returns rows int64 (m, k) and scores float32 (m, k), best first, ties by row, padded with -1 and -inf.
        """
        ...

    def scores(self, query: Floats) -> Floats:
        """Return the float32 inner product (rows,) of every row."""
        ...

    def scores_batch(self, queries: Floats) -> Floats:
        """Return float32 inner products (m, rows)."""
        ...

    def take(self, rows: Rows) -> Floats:
        """Return these rows as float32 (n, d)."""
        ...

    def blocks(self, size: int = 8192) -> Iterator[tuple[int, Floats]]:
        """Yield (first row, float32 rows) over all rows; the array is overwritten by the next block."""
        ...

    def matrix(self) -> Floats:
        """Return all rows as one float32 matrix (rows, d)."""
        ...

    def moments(self) -> Moments:
        """Sum over live rows, float64."""
        ...

    def spectrum(self) -> Spectrum:
        """Eigendecomposition behind the closed-form SVM."""
        ...
