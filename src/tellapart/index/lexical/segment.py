"""An immutable lexical segment: a sorted vocabulary and, per granularity, postings; memory-mapped."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import Granularity
from tellapart.index.lexical import layout
from tellapart.index.lexical.layout import Header
from tellapart.index.lexical.variants import keys as other_keys

KEPT_TERMS = 1 << 13
"""Terms that stay in memory as they are met: the first steps of every binary search are the same. About 1 MB."""


@dataclass(frozen=True, slots=True)
class Postings:
    """The postings of one granularity as they lie on disk; term t has those from starts[t] to starts[t + 1]."""

    starts: NDArray[np.int64]
    rows: NDArray[np.int32]
    frequencies: NDArray[np.uint8]
    large: NDArray[np.int64]
    lengths: NDArray[np.int32]

    def __len__(self) -> int:
        """Count the postings of all terms."""
        return len(self.rows)

    def of(self, term: int) -> tuple[Postings, int, int]:
        """Give these postings, and where those of a term begin and end."""
        return self, int(self.starts[term]), int(self.starts[term + 1])

    def exact_frequencies(
        self, start: int, end: int, out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Term frequencies of some neighbouring postings, large ones included; exact up to 2^24."""
        exact = np.empty(end - start, dtype=np.float32) if out is None else out
        exact[:] = self.frequencies[start:end]
        if not len(self.large):
            return exact
        places = self.large[:, 0].data  # numpy's search takes ten times as long to begin
        low = bisect_left(places, start)
        high = bisect_left(places, end, lo=low)
        if low < high:
            exact[self.large[low:high, 0] - start] = self.large[low:high, 1]
        return exact

    def frequencies_at(self, postings: NDArray[np.int64]) -> NDArray[np.float32]:
        """Term frequencies of single postings; exact up to 2^24."""
        exact = self.frequencies[postings].astype(np.float32)
        if len(self.large):
            for index in np.flatnonzero(exact == layout.LARGE).tolist():
                exact[index] = self.large[np.searchsorted(self.large[:, 0], postings[index]), 1]
        return exact


class LexicalSegment:
    """Reads a segment; opening costs a header, each granularity is mapped when first asked for."""

    def __init__(self, folder: Path, header: Header) -> None:
        self.folder = folder
        self._header = header
        self._postings: dict[Granularity, Postings] = {}
        self._met: dict[int, bytes] = {}

    @classmethod
    def open(cls, folder: Path) -> LexicalSegment:
        """Open a segment; raise CorruptIndexError where a file is missing, cut short or has a bad header."""
        return cls(folder, layout.read_header(folder))

    def hold(self) -> None:
        """Map the postings now, so that they can be read even if the file is deleted meanwhile."""
        _ = self._content

    def verify(self) -> None:
        """Read everything; raise CorruptIndexError where a byte is not as it was written."""
        layout.verify(self.folder, self._header)

    @property
    def granularities(self) -> tuple[Granularity, ...]:
        """The granularities it has postings of."""
        return tuple(g for g in Granularity if g in self._header.levels)

    @property
    def n_terms(self) -> int:
        """Size of the vocabulary."""
        return self._header.terms

    def units(self, granularity: Granularity) -> int:
        """Count the units of one granularity, 0 if it is not in here."""
        size = self._header.levels.get(granularity)
        return size.units if size else 0

    def total_length(self, granularity: Granularity) -> int:
        """Sum the lengths of all units of one granularity."""
        size = self._header.levels.get(granularity)
        return size.length if size else 0

    def postings(self, granularity: Granularity) -> Postings:
        """Map the postings of one granularity."""
        if granularity not in self._postings:
            self._postings[granularity] = Postings(
                self._map(f"{granularity}.starts", "<i8"),
                self._map(f"{granularity}.rows", "<i4"),
                self._map(f"{granularity}.tf", "u1"),
                self._map(f"{granularity}.large", "<i8").reshape(-1, 2),
                self._map(f"{granularity}.lengths", "<i4"),
            )
        return self._postings[granularity]

    def prepare(self, terms: Sequence[str]) -> None:
        """Do nothing: looking up one term by itself is as fast."""

    def find(self, term: str) -> int | None:
        """Give the number of a term, None if no unit has it: binary search, no dictionary to build."""
        wanted = term.encode("utf-8", "surrogatepass")
        position = self._position(wanted)
        if position < self.n_terms and self._term_bytes(position) == wanted:
            return position
        return None

    def starting_with(self, beginning: str) -> range:
        """Give the numbers of the terms that begin with some characters."""
        first = beginning.encode("utf-8", "surrogatepass")
        return range(self._position(first), self._position(first + b"\xff"))

    def variants(self, term: str) -> list[int]:
        """Give the numbers of the terms that are other spellings of a term, itself aside, in order."""
        others = other_keys(term, self._header.languages)
        found: set[Any] = {self.find(key) for key in others}
        for key in (term, *others):
            found.update(self._under(key.encode("utf-8", "surrogatepass")))
        found.discard(None)
        return sorted(found - {self.find(term)}) if found else []

    def _under(self, key: bytes) -> list[int]:
        numbers = range(self._header.keys)
        first = bisect_left(numbers, key, key=self._key_bytes)
        last = bisect_right(numbers, key, lo=first, key=self._key_bytes)
        return [int(self._key_terms[number]) for number in range(first, last)]

    def _position(self, wanted: bytes) -> int:
        return bisect_left(range(self.n_terms), wanted, key=self._term_bytes)

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages other than English that many of the documents are written in."""
        return self._header.languages

    def terms(self) -> Iterator[str]:
        """All terms in order."""
        return (self._term_bytes(number).decode("utf-8") for number in range(self.n_terms))

    def term_bytes(self) -> Iterator[bytes]:
        """All terms in order, as they are kept."""
        return (bytes(self._texts[self._offsets[at] : self._offsets[at + 1]]) for at in range(self.n_terms))

    def spellings(self) -> Iterator[tuple[bytes, bytes]]:
        """All other keys under which terms are found, each with its term."""
        for number in range(self._header.keys):
            yield self._key_bytes(number), self._term_bytes(int(self._key_terms[number]))

    @cached_property
    def _texts(self) -> memoryview:
        return self._map("terms", "u1").data

    @cached_property
    def _offsets(self) -> memoryview:
        return self._map("terms.offsets", "<u8").data

    def _term_bytes(self, number: int) -> bytes:
        known = self._met.get(number)
        if known is None:
            known = bytes(self._texts[self._offsets[number] : self._offsets[number + 1]])
            if len(self._met) < KEPT_TERMS:
                self._met[number] = known
        return known

    @cached_property
    def _keys(self) -> tuple[memoryview, memoryview]:
        return self._map("keys", "u1").data, self._map("keys.offsets", "<u8").data

    @cached_property
    def _key_terms(self) -> NDArray[np.int32]:
        return self._map("keys.terms", "<i4")

    def _key_bytes(self, number: int) -> bytes:
        texts, offsets = self._keys
        return bytes(texts[offsets[number] : offsets[number + 1]])

    def _map(self, name: str, dtype: str) -> NDArray[Any]:
        return layout.array_in(self._content, self._header.parts[name], dtype)

    @cached_property
    def _content(self) -> memoryview:
        return layout.map_postings(self.folder)
