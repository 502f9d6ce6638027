"""What a search needs of an index, wherever it is kept: documents and state here, segments of postings and vectors.

Two places keep indexes: a folder (`Store`, `Segment`, `VectorIndex`) and PostgreSQL (`index/postgres`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import Granularity, Kind
from tellapart.index.catalogue import Mask
from tellapart.index.lexical.reading import TermReader
from tellapart.index.names import SegmentNames
from tellapart.index.store import StoredDocument


class DocumentStore(Protocol):
    """Documents by number or id, and the state of an index; reads one generation inside `reading`."""

    @property
    def place(self) -> str:
        """Where the index is, as a user would name it."""
        ...

    @property
    def identity(self) -> str:
        """Tells this index, as it is now, from one made anew in its place."""
        ...

    @property
    def generation(self) -> int:
        """Counts the commits that changed what a search can find."""
        ...

    @property
    def records_version(self) -> str:
        """Changes with the records, where that makes no generation."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...

    def reading(self) -> AbstractContextManager[None]:
        """See one generation throughout."""
        ...

    def meta(self, key: str) -> str | None:
        """Read one setting."""
        ...

    def record(self, name: str) -> str | None:
        """Read a record (verdict, calibrators) as JSON text."""
        ...

    def records(self, prefix: str) -> dict[str, str]:
        """Read the records whose names begin so, in the order of their names."""
        ...

    def documents(self, numbers: Sequence[int]) -> dict[int, StoredDocument]:
        """Fetch documents by number, each checked against its digest."""
        ...

    def document(self, identifier: str) -> StoredDocument | None:
        """Fetch one document by its id."""
        ...

    def number_of(self, identifier: str) -> int | None:
        """Give the number of a document, without fetching it."""
        ...

    def count(self) -> int:
        """Count the documents."""
        ...

    def newest(self) -> int:
        """Give the highest number that a document has."""
        ...

    def count_up_to(self, number: int) -> int:
        """Count the documents whose numbers are no higher."""
        ...

    def digests_by_id(self) -> Iterator[tuple[str, bytes]]:
        """Give id and digest of every document, in the order of the ids."""
        ...

    def texts(self) -> Iterator[tuple[int, str, str, str]]:
        """Give number, path, title and text of every document but images, in the order of their numbers."""
        ...

    def lengths(self) -> dict[int, int]:
        """Map every document's number to the characters of its text."""
        ...

    def kinds(self) -> dict[int, Kind]:
        """Map every document's number to its kind."""
        ...

    def kinds_of(self, numbers: Sequence[int]) -> set[Kind]:
        """Say of what kinds some documents are."""
        ...

    def identifiers(self) -> dict[int, str]:
        """Map every document's number to its id."""
        ...

    def origins(self) -> dict[int, tuple[str, str | None]]:
        """Map every document's number to its path (its id where it has none) and its language."""
        ...

    def matching(self, conditions: Sequence[str]) -> list[int]:
        """Give the numbers of the documents that meet every condition."""
        ...

    def ids_ending(self, path: str) -> list[str]:
        """Give the ids that end with a path, below any folder, in order."""
        ...

    def numbers_below(self, beginning: str) -> list[int]:
        """Give the numbers of the documents whose ids begin so, in the order of the ids."""
        ...

    def record_at(self, sources: Sequence[str], line: int) -> str | None:
        """Give the id of the record of a file that begins at a line, or last before it."""
        ...


class SegmentReader(Protocol):
    """The postings, names and vectors of some documents."""

    @property
    def dead(self) -> Mask:
        """Which of its documents were deleted (documents,)."""
        ...

    @property
    def documents(self) -> NDArray[np.int64]:
        """Numbers of the documents (n,), dead ones included."""
        ...

    @property
    def granularities(self) -> frozenset[Granularity]:
        """Levels that this segment has units of."""
        ...

    @property
    def lexical(self) -> TermReader:
        """The postings."""
        ...

    @property
    def names(self) -> SegmentNames:
        """Paths and labels."""
        ...

    def offsets(self, granularity: Granularity) -> NDArray[np.int64]:
        """Row of each document's first unit and, last, the number of units: (n + 1,)."""
        ...

    def alive(self, granularity: Granularity) -> Mask | None:
        """Which units are alive, None when all are."""
        ...

    def has_vectors(self, name: str) -> bool:
        """Whether the segment has the vectors `name`."""
        ...
