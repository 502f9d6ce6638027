"""Rows of vectors in PostgreSQL's binary form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tellapart.index.vectors.stored import Floats

if TYPE_CHECKING:
    from psycopg import Connection

HALF = np.dtype(">f2")
"""A component in pgvector's binary form of `halfvec`, which keeps the float16 rows of an index as they are."""

HEADER = 4
"""Bytes before the components: their number, and nothing."""


class QueryHalves(bytes):
    """The direction of a query in halves, as the server takes it."""

    @classmethod
    def of(cls, query: Floats) -> QueryHalves:
        """Write a vector that is not zero; of unit length, so that halves hold it, which changes no order."""
        direction = query.astype(np.float64) / np.linalg.norm(query)
        return cls(len(query).to_bytes(2, "big") + bytes(2) + direction.astype(HALF).tobytes())


def let_halves_through(connection: Connection[Any]) -> None:
    """Let a connection take queries as parameters; their type is that of the cast which they stand in."""
    from psycopg.adapt import Dumper  # an extra
    from psycopg.pq import Format

    class HalvesDumper(Dumper):
        format = Format.BINARY

        def dump(self, obj: bytes) -> bytes:
            return obj

    connection.adapters.register_dumper(QueryHalves, HalvesDumper)


def row_type(dim: int) -> np.dtype[np.void]:
    """Describe a row of (document, ordinal, embedding) as PostgreSQL's binary COPY writes it."""
    return np.dtype(
        [
            ("fields", ">i2"),
            ("document_bytes", ">i4"),
            ("document", ">i8"),
            ("ordinal_bytes", ">i4"),
            ("ordinal", ">i4"),
            ("embedding_bytes", ">i4"),
            ("dim", ">i2"),
            ("unused", ">i2"),
            ("embedding", HALF, (dim,)),
        ]
    )


COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_END = b"\xff\xff"
"""What stands before and after the rows of a binary COPY."""

_PIECE = 1 << 20
"""Bytes collected before rows are read."""


def copied_rows(documents: NDArray[np.int64], ordinals: NDArray[np.int64], vectors: Floats) -> bytes:
    """Write rows as binary COPY takes them."""
    dim = vectors.shape[1]
    rows = np.zeros(len(vectors), row_type(dim))
    rows["fields"], rows["document_bytes"], rows["ordinal_bytes"] = 3, 8, 4
    rows["embedding_bytes"], rows["dim"] = HEADER + dim * HALF.itemsize, dim
    rows["document"], rows["ordinal"], rows["embedding"] = documents, ordinals, vectors
    return rows.tobytes()


def whole_rows(copy: Iterable[bytes | bytearray | memoryview], size: int) -> Iterator[bytes]:
    """Cut what a binary COPY sends into pieces of whole rows."""
    waiting, begun = bytearray(), False
    for content in copy:
        waiting += content
        if not begun and len(waiting) >= len(COPY_HEADER):
            del waiting[: len(COPY_HEADER)]
            begun = True
        if begun and len(waiting) >= _PIECE:
            whole = len(waiting) // size * size
            yield bytes(waiting[:whole])
            del waiting[:whole]
    whole = len(waiting) // size * size if begun else 0
    yield bytes(waiting[:whole])
