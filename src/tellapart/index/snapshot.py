"""One generation of an index as a reader sees it: rows of units, their postings and their vectors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import Granularity
from tellapart.errors import CorruptIndexError, TellapartError
from tellapart.index.catalogue import Catalogue, Mask, StoredEncoder
from tellapart.index.latent import whole_fingerprint
from tellapart.index.lexical import Bm25
from tellapart.index.names import Names
from tellapart.index.reading import DocumentStore, SegmentReader
from tellapart.index.segments import Segment, live_segments, vectors_name
from tellapart.index.store import FILE, Store, StoredDocument, corruption_named
from tellapart.index.vectors import VectorIndex, VectorReader
from tellapart.index.vectors.stored import CENTRE, StoredRows

DERIVED = "derived"

IN_USE = "encoder_in_use"
"""Names the encoder that searches use unless another is named (see migration.py)."""

KEPT_DOCUMENTS, KEPT_CHARACTERS = 256, 100_000
"""Documents that stay in memory between searches, and how long each may be: reading and checking ten of them takes
longer than ranking. 26 million characters at the most."""

ATTEMPTS = 100
"""Generations that may be gone before they are opened. One such miss takes a writer that commits and deletes within
the milliseconds of opening, so a second in a row is rare already; the limit only ends a loop that cannot happen."""


class UnitTable:
    """The units of one granularity: row numbers, the documents they belong to, which are alive.

    Rows count through all segments; a document's units are consecutive rows.
    """

    def __init__(self, segments: Iterable[SegmentReader], granularity: Granularity) -> None:
        documents, offsets, dead = [], [], []
        first = 0
        for segment in segments:
            of_segment = segment.offsets(granularity)
            documents.append(segment.documents)
            offsets.append(of_segment[:-1] + first)
            dead.append(segment.dead)
            first += int(of_segment[-1])
        self.n_rows = first
        self.documents: NDArray[np.int64] = np.concatenate(documents) if documents else np.zeros(0, np.int64)
        self.offsets: NDArray[np.int64] = (
            np.append(np.concatenate(offsets), first) if offsets else np.zeros(1, np.int64)
        )
        self.dead: Mask = np.concatenate(dead) if dead else np.zeros(0, bool)

    @cached_property
    def alive(self) -> Mask | None:
        """Bool (rows,), None when all are."""
        return self.spread(~self.dead) if self.dead.any() else None

    @property
    def n_alive(self) -> int:
        """How many units a search can find."""
        return self.n_rows if self.alive is None else int(self.alive.sum())

    def spread(self, of_documents: Mask) -> Mask:
        """From a mask over documents to one over their units."""
        return np.repeat(of_documents, np.diff(self.offsets))

    def rows_of(self, numbers: Iterable[int]) -> Mask:
        """Mask the live units of documents given by number."""
        chosen = np.isin(self.documents, np.fromiter(numbers, dtype=np.int64)) & ~self.dead
        return self.spread(chosen)

    def locate(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Document number and ordinal within the document of each row."""
        positions = self.document_positions(rows)
        return self.documents[positions], rows - self.offsets[positions]

    def document_positions(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Position of each row's document in `documents`."""
        return np.searchsorted(self.offsets, rows, side="right") - 1

    def row(self, number: int, ordinal: int) -> int:
        """Row of a document's unit."""
        position = np.flatnonzero((self.documents == number) & ~self.dead)
        if not len(position):
            raise TellapartError(f"document number {number} is not in the index any more: search again")
        return int(self.offsets[position[0]]) + ordinal


def _absent(segment: Segment, granularity: Granularity, dim: int, kept: np.dtype[Any]) -> StoredRows:
    """Stand in for vectors that are not made yet: rows of zeros, which no search finds, without memory of their own."""
    zero = np.full(dim, CENTRE if kept == np.uint8 else 0, dtype=kept)
    return np.broadcast_to(zero, (int(segment.offsets(granularity)[-1]), dim))


class Snapshot(ABC):
    """All that a search reads beside the documents, of one generation, wherever the index is kept."""

    def __init__(
        self,
        generation: int,
        encoders: dict[str, StoredEncoder],
        in_use: str | None,
        segments: Sequence[SegmentReader],
    ) -> None:
        self.generation = generation
        self.encoders = encoders
        self.in_use = in_use
        self.segments = segments
        self.partial: str | None = None  # what is left out, of a published index that lost a shard
        self._tables: dict[Granularity, UnitTable] = {}
        self._lexical: dict[Granularity, Bm25] = {}
        self._together: dict[tuple[Granularity, ...], list[Bm25]] = {}
        self._documents: dict[int, StoredDocument] = {}

    @abstractmethod
    def vectors(self, encoder: str, granularity: Granularity) -> VectorReader:
        """Give the vectors of one encoder over the units of one granularity."""

    def weights_of(self, encoder: str) -> str:
        """Give the fingerprint of what made the vectors of an encoder; of compressed ones, before they were."""
        return self.encoders[encoder].fingerprint

    @abstractmethod
    def adding(self, options: str = "") -> str:
        """Say how `tellapart index` with some options is run for this index, for messages."""

    @cached_property
    def granularities(self) -> tuple[Granularity, ...]:
        """Levels that have units, in the order of `Granularity`."""
        return tuple(g for g in Granularity if self.units(g).n_alive)

    @cached_property
    def languages(self) -> tuple[str, ...]:
        """Languages other than English that many of the documents are written in."""
        return tuple(
            sorted({language for segment in self.segments for language in segment.lexical.languages})
        )

    def units(self, granularity: Granularity) -> UnitTable:
        """Give the units of one granularity."""
        if granularity not in self._tables:
            self._tables[granularity] = UnitTable(self.segments, granularity)
        return self._tables[granularity]

    def fetch(self, store: DocumentStore, numbers: Sequence[int]) -> dict[int, StoredDocument]:
        """Fetch documents by number, those of late from memory: within a generation they do not change."""
        kept = {number: self._documents.pop(number, None) for number in dict.fromkeys(numbers)}
        known = {number: stored for number, stored in kept.items() if stored is not None}
        found = {**known, **store.documents([number for number in numbers if number not in known])}
        short = {n: stored for n, stored in found.items() if len(stored.document.text) <= KEPT_CHARACTERS}
        self._documents.update(short)
        for number in list(islice(self._documents, max(len(self._documents) - KEPT_DOCUMENTS, 0))):
            self._documents.pop(number, None)
        return found

    @cached_property
    def names(self) -> Names:
        """Give paths and labels; documents in the order of `UnitTable.documents`."""
        return Names([segment.names for segment in self.segments])

    def lexical(self, granularity: Granularity) -> Bm25:
        """Give BM25 over the units of one granularity."""
        if granularity not in self._lexical:
            with_units = self._with(granularity)
            self._lexical[granularity] = Bm25(
                [segment.lexical for segment in with_units], granularity, self.units(granularity).alive
            )
        return self._lexical[granularity]

    def lexical_together(self, levels: Sequence[Granularity]) -> list[Bm25]:
        """Give BM25 over the units of each level, with the statistics of all of them together."""
        key = tuple(levels)
        if len(key) < 2:
            return [self.lexical(level) for level in key]
        if key not in self._together:
            self._together[key] = Bm25.together([self.lexical(level) for level in key])
        return self._together[key]

    def has_vectors(self, encoder: str, granularity: Granularity) -> bool:
        """Whether an encoder covers a granularity."""
        kept = self.encoders.get(encoder)
        return kept is not None and granularity in kept.granularities

    def coverage(self, encoder: str, *levels: Granularity) -> float:
        """Share of the units of some levels whose vectors are there; under 1 while the first ones are being made."""
        there = units = 0
        for level in levels:
            kept = self._encoder(encoder, level)
            name = vectors_name(kept.fingerprint, level, kept.pooled)
            for segment in self._with(level):
                size = int(segment.offsets(level)[-1])
                units += size
                there += size * segment.has_vectors(name)
        return there / max(units, 1)

    def _with(self, granularity: Granularity) -> list[SegmentReader]:
        return [segment for segment in self.segments if granularity in segment.granularities]

    def unknown_encoder(self, encoder: str) -> TellapartError:
        """Say that the index has no vectors of an encoder, and how to add them."""
        known = ", ".join(self.encoders) or "none"
        return TellapartError(
            f"the index has no vectors of encoder {encoder!r} (it has: {known}):"
            f" add them with {self.adding(f'--encoder {encoder}')}"
        )

    def _encoder(self, encoder: str, granularity: Granularity) -> StoredEncoder:
        if encoder not in self.encoders:
            raise self.unknown_encoder(encoder)
        if granularity not in self.encoders[encoder].granularities:
            raise TellapartError(
                f"encoder {encoder!r} does not cover granularity {granularity}:"
                f" add it with {self.adding(f'--encoder {encoder}')}"
            )
        return self.encoders[encoder]


class FolderSnapshot(Snapshot):
    """A snapshot of an index in a folder; see `Generations` for who opens it.

    Every file is opened when the snapshot is made and parsed on first use. A writer that deletes a file afterwards
    takes nothing away from it.
    """

    def __init__(self, folder: Path, store: Store) -> None:
        """Read the catalogue and open all files; call inside `store.reading()`.

        Raises:
            CorruptIndexError: A file is missing or damaged. While somebody writes the index, that may only mean
                that the generation is not the newest any more.
        """
        catalogue = Catalogue(store)
        self.folder = folder
        self.filed: list[Segment] = live_segments(folder, catalogue)
        super().__init__(store.generation, catalogue.encoders(), store.meta(IN_USE) or None, self.filed)
        self.files = {segment.number: catalogue.files(segment.number) for segment in self.filed}
        for segment in self.filed:
            segment.hold(self.files[segment.number])
        self._vectors: dict[tuple[str, Granularity], VectorIndex] = {}

    def weights_of(self, encoder: str) -> str:
        """Give the fingerprint of what made the vectors of an encoder; of compressed ones, before they were."""
        return whole_fingerprint(self.folder, self.encoders[encoder].fingerprint)

    def adding(self, options: str = "") -> str:
        """Say how `tellapart index` with some options is run for this index, for messages."""
        return f"'tellapart index {options and f'{options} '}--index {self.folder}'"

    def vectors(self, encoder: str, granularity: Granularity) -> VectorIndex:
        """Give the vectors of one encoder over the units of one granularity."""
        if (encoder, granularity) not in self._vectors:
            kept = self._encoder(encoder, granularity)
            name = vectors_name(kept.fingerprint, granularity, kept.pooled)
            segments = [each for each in self.filed if granularity in each.granularities]
            there = {each.number: each.vectors(name) for each in segments if each.has_vectors(name)}
            form = next((rows.dtype for rows in there.values()), np.dtype(np.float16))
            self._vectors[encoder, granularity] = VectorIndex(
                [
                    there[each.number] if each.number in there else _absent(each, granularity, kept.dim, form)
                    for each in segments
                ],
                self.units(granularity).alive,
                self.folder / DERIVED / name.removesuffix(".npy").replace("/", "-").removeprefix("vectors-"),
                self._key(granularity),
            )
        return self._vectors[encoder, granularity]

    def _key(self, granularity: Granularity) -> str:
        segments = ",".join(
            str(segment.number) for segment in self.filed if granularity in segment.granularities
        )
        return blake2b(segments.encode(), digest_size=8).hexdigest()


class Generations:
    """Gives a reader the newest generation, whatever writers do meanwhile; one instance per open index.

    Between reading the list of segments and opening their files, a writer may have committed a newer generation and
    deleted them. Then the newer one is taken. What was opened stays readable (POSIX keeps a deleted file for those
    who have it open, Windows refuses to delete it), so that nothing can fail once a snapshot is made.
    """

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder = folder
        self.store = store
        self._file = folder / FILE
        self._snapshot: FolderSnapshot | None = None

    @contextmanager
    def reading(self) -> Iterator[Snapshot]:
        """Hold one generation for the length of a call; calls inside others see the same one.

        Raises:
            CorruptIndexError: A file of the newest generation is missing or damaged.
        """
        with corruption_named(self._file):
            if self._snapshot is not None and self.store.connection.in_transaction:
                yield self._snapshot
                return
            snapshot = self._begin()
            try:
                yield snapshot
            finally:
                self.store.end_reading()

    def _begin(self) -> FolderSnapshot:
        """Open the newest generation inside a read transaction, which the caller ends."""
        for attempt in range(1, ATTEMPTS + 1):
            if self.store.follow():
                self._snapshot = None
            self.store.begin_reading()
            try:
                if self._snapshot is None or self._snapshot.generation != self.store.generation:
                    self._snapshot = FolderSnapshot(self.folder, self.store)
                return self._snapshot
            except BaseException as error:
                seen = self.store.generation
                self.store.end_reading()
                retried = isinstance(error, CorruptIndexError) and attempt < ATTEMPTS
                if not (retried and (self.store.follow() or self.store.generation != seen)):
                    raise
        raise AssertionError  # the last attempt returns or raises

    def close(self) -> None:
        """Let go of the files."""
        self._snapshot = None
