"""An immutable lexical segment: a sorted vocabulary and, per granularity, postings; memory-mapped."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import Granularity
from tellapart.index.lexical import layout
from tellapart.index.lexical.layout import Header
from tellapart.index.lexical.variants import keys as other_keys

FENCES = 1 << 12
"""Texts that a process keeps of a sorted list that it searches again and again, some 200 KB: they take the first twelve
steps of a binary search, at the speed of C."""

FEW_SEARCHES = 64
"""So many searches do without: a process that asks one question does not read the whole list for it."""


class SortedTexts:
    """Texts in the order of their bytes, one after the other in a mapped file; `offsets` (n + 1,) are where."""

    def __init__(self, texts: memoryview, offsets: memoryview) -> None:
        self._texts = texts
        self._offsets = offsets
        self._count = max(len(offsets) - 1, 0)
        self._numbers = range(self._count)
        self._step = self._count // FENCES + 1
        self._searches = 0

    def __iter__(self) -> Iterator[bytes]:
        return map(self.__getitem__, self._numbers)

    def __getitem__(self, number: int) -> bytes:
        return bytes(self._texts[self._offsets[number] : self._offsets[number + 1]])

    def position(self, wanted: bytes) -> int:
        """Count the texts that come before one."""
        low, high = 0, self._count
        if self._searches < FEW_SEARCHES:
            self._searches += 1
        else:
            block = bisect_left(self._fences, wanted)
            low, high = max((block - 1) * self._step + 1, 0), min(block * self._step, high)
        return bisect_left(self._numbers, wanted, low, high, key=self.__getitem__)

    def find(self, wanted: bytes) -> range:
        """Give the numbers of the texts that equal one."""
        first = last = self.position(wanted)
        while last < self._count and self[last] == wanted:
            last += 1
        return range(first, last)

    @cached_property
    def _fences(self) -> list[bytes]:
        return [self[number] for number in self._numbers[:: self._step]]


_other_keys = lru_cache(1 << 10)(other_keys)
"""A search asks every segment for the same terms."""


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
        found = self._terms.find(term.encode("utf-8", "surrogatepass"))
        return found[0] if found else None

    def starting_with(self, beginning: str) -> range:
        """Give the numbers of the terms that begin with some characters."""
        first = beginning.encode("utf-8", "surrogatepass")
        return range(self._terms.position(first), self._terms.position(first + b"\xff"))

    def variants(self, term: str) -> list[int]:
        """Give the numbers of the terms that are other spellings of a term, itself aside, in order."""
        others = _other_keys(term, self._header.languages)
        found: set[Any] = {self.find(key) for key in others}
        for key in (term, *others):
            spelled = self._keys.find(key.encode("utf-8", "surrogatepass"))
            found.update(int(self._key_terms[number]) for number in spelled)
        found.discard(None)
        return sorted(found - {self.find(term)}) if found else []

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages other than English that many of the documents are written in."""
        return self._header.languages

    def terms(self) -> Iterator[str]:
        """All terms in order."""
        return (term.decode("utf-8") for term in self.term_bytes())

    def term_bytes(self) -> Iterator[bytes]:
        """All terms in order, as they are kept."""
        return iter(self._terms)

    def spellings(self) -> Iterator[tuple[bytes, bytes]]:
        """All other keys under which terms are found, each with its term."""
        for number, key in enumerate(self._keys):
            yield key, self._terms[int(self._key_terms[number])]

    @cached_property
    def _terms(self) -> SortedTexts:
        return SortedTexts(self._map("terms", "u1").data, self._map("terms.offsets", "<u8").data)

    @cached_property
    def _keys(self) -> SortedTexts:
        return SortedTexts(self._map("keys", "u1").data, self._map("keys.offsets", "<u8").data)

    @cached_property
    def _key_terms(self) -> NDArray[np.int32]:
        return self._map("keys.terms", "<i4")

    def _map(self, name: str, dtype: str) -> NDArray[Any]:
        return layout.array_in(self._content, self._header.parts[name], dtype)

    @cached_property
    def _content(self) -> memoryview:
        return layout.map_postings(self.folder)
