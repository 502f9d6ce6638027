"""All units of one level as a matrix, document by document."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import Granularity
from tellapart.encoders.protocol import Vectors
from tellapart.encoders.windows import UnitText
from tellapart.engine import Index
from tellapart.index.embedding import unit_texts


@dataclass(frozen=True, slots=True)
class UnitMatrix:
    """Vectors (u, d) in m documents: `starts` (m,) their first rows, `numbers` (m,) and `names` say which they are."""

    vectors: Vectors
    starts: NDArray[np.int64]
    numbers: NDArray[np.int64]
    names: tuple[str, ...]


def read_units(index: Index, encoder: str, level: Granularity) -> UnitMatrix:
    """Read the vectors of one encoder and level."""
    with index.reading() as snapshot:
        table = snapshot.units(level)
        rows = np.arange(table.n_rows) if table.alive is None else np.flatnonzero(table.alive)
        vectors = snapshot.vectors(encoder, level).take(rows)
        numbers = table.locate(rows)[0]
        ids = index.store.identifiers()
    starts = np.flatnonzero(np.diff(numbers, prepend=-1))
    names = tuple(ids[int(number)] for number in numbers[starts].tolist())
    return UnitMatrix(vectors, starts, numbers[starts], names)


def of_documents(queries: Vectors, vectors: Vectors, starts: NDArray[np.int64]) -> NDArray[np.float32]:
    """Score every document (q, m) as its best unit; `starts` (m,) are the documents' first units."""
    return np.asarray(np.maximum.reduceat(queries @ vectors.T, starts, axis=1), dtype=np.float32)


def contents_of(index: Index, units: UnitMatrix, level: Granularity) -> list[UnitText]:
    """Give what is encoded of each unit (u,), as it stands in this index."""
    found: list[UnitText] = []
    for number in units.numbers.tolist():
        found += unit_texts(index.stored(number), level)
    return found
