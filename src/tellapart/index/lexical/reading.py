"""What BM25 needs of a segment's postings, wherever they are kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import Granularity


class TermPostings(Protocol):
    """Postings in a row; a term has those from a start to an end."""

    @property
    def rows(self) -> NDArray[np.int32]:
        """Units, ascending within a term."""
        ...

    def exact_frequencies(
        self, start: int, end: int, out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Term frequencies of some neighbouring postings."""
        ...

    def frequencies_at(self, postings: NDArray[np.int64]) -> NDArray[np.float32]:
        """Term frequencies of single postings."""
        ...


class LevelPostings(Protocol):
    """The postings of one granularity of a segment."""

    @property
    def lengths(self) -> NDArray[np.int32]:
        """Words of each unit (units,)."""
        ...

    def __len__(self) -> int:
        """Count the postings of all terms."""
        ...

    def of(self, term: int) -> tuple[TermPostings, int, int]:
        """Give the postings that a term's are among, and where its own begin and end."""
        ...


class TermReader(Protocol):
    """The vocabulary of a segment and its postings; terms go by numbers of the reader's own."""

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages other than English that many of the documents are written in."""
        ...

    def units(self, granularity: Granularity) -> int:
        """Count the units of one granularity."""
        ...

    def total_length(self, granularity: Granularity) -> int:
        """Sum the lengths of all units of one granularity."""
        ...

    def postings(self, granularity: Granularity) -> LevelPostings:
        """Give the postings of one granularity."""
        ...

    def prepare(self, terms: Sequence[str]) -> None:
        """Fetch what is known of some terms together, where one by one would take longer."""
        ...

    def find(self, term: str) -> int | None:
        """Give the number of a term, None if no unit has it."""
        ...

    def starting_with(self, beginning: str) -> Iterable[int]:
        """Give the numbers of the terms that begin with some characters, in their order."""
        ...

    def variants(self, term: str) -> Sequence[int]:
        """Give the numbers of the terms that are other spellings of a term, itself aside, in order."""
        ...
