"""From a dataset that a cluster filled to an index in a folder, by the same code that builds one from files.

Documents come with their units, and vectors are copied: what is left to do is inverting the words.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tellapart.cluster.dataset import CompleteDocuments, vectors_column, windows_column
from tellapart.cluster.files import address_of
from tellapart.cluster.tasks import DOCUMENT_FIELDS
from tellapart.corpus.document import Granularity
from tellapart.corpus.sources import Format, Source, need
from tellapart.encoders.cache import VectorCache, open_cache
from tellapart.encoders.compressed import CompressedEncoder
from tellapart.encoders.load import load_encoder
from tellapart.encoders.pooling import EmbedReport
from tellapart.encoders.protocol import Encoder
from tellapart.errors import CorruptIndexError, StaleIndexError
from tellapart.index.build import Builder, BuildReport
from tellapart.index.catalogue import StoredSource
from tellapart.index.embedding import Embedder
from tellapart.index.freshness import CHECKED
from tellapart.index.image_vectors import ImageEmbedder
from tellapart.index.segments import Segment
from tellapart.index.settings import Settings
from tellapart.index.store import Store, document_of
from tellapart.index.update import Changes, Updater
from tellapart.index.vectors.stored import StoredRows
from tellapart.progress import Advance, Progress, silent

TAKEN_TOGETHER = 500
"""Rows read at a time: some 2 MB of text, 20 MB of vectors of minilm for documents of 10 paragraphs (not measured)."""

STORED = (*DOCUMENT_FIELDS, "tree", "tree_checksum")

T = TypeVar("T")


def assemble(
    dataset: str,
    folder: Path,
    *,
    settings: Settings | None = None,
    progress: Progress = silent,
    fresh: bool = False,
) -> BuildReport:
    """Bring the index in `folder` to what a dataset holds; a second run takes over only what changed.

    Its answers are those of an index built here from the same files.

    Args:
        dataset: A folder or URL that `build_dataset` filled.
        folder: Of the index; there need not be one yet.
        settings: What to do beside that: encoders of the dataset's or more (lsa), `vectors_for`, `compress`. What
            the documents are stands in the dataset.
        progress: Told of what is read.
        fresh: Take over everything again.

    Raises:
        TellapartError: The dataset is not there or not complete.
    """
    documents = CompleteDocuments.open(address_of(dataset))
    recipe, asked = documents.recipe, settings or Settings()
    held = tuple(each.name for each in recipe.encoders)
    wanted = replace(
        asked,
        sources=(),
        dataset=documents.place,
        kind=recipe.kind,
        granularities=recipe.granularities,
        encoded=tuple(dict.fromkeys((*recipe.encoded, *asked.encoded))),
        comments=recipe.comments,
        encoders=tuple(dict.fromkeys((*held, *asked.encoders))),
        words_only=not (held or asked.encoders),
    )
    home = folder.resolve().parent

    def load(name: str) -> Encoder:
        encoder = load_encoder(name, home=home)
        made = next((each for each in recipe.encoders if each.name == name), None)
        if made is not None and made.fingerprint != encoder.fingerprint:
            raise StaleIndexError(
                f"{documents.place} was made with another version of the encoder {name}: make it again with --rebuild"
            )
        return encoder

    rows = DocumentRows(documents)
    return DatasetBuilder(folder, wanted, load, open_cache(), progress, fresh, rows=rows).run()


class DocumentRows:
    """The documents of a dataset in the order in which an index takes them."""

    def __init__(self, documents: CompleteDocuments) -> None:
        self.documents = documents
        self.recipe = documents.recipe
        self._notes = documents.columns("source", "id", "skipped", "stamp", "size", "mtime_ns", "digest")

    @cached_property
    def skipped(self) -> list[tuple[str, str]]:
        """What is no document, and why."""
        names, reasons = (self._notes.column(name).to_pylist() for name in ("id", "skipped"))
        return sorted({(name, reason) for name, reason in zip(names, reasons, strict=True) if reason})

    @cached_property
    def sources(self) -> dict[str, StoredSource]:
        """Every source as it was when it was read."""
        columns = (self._notes.column(name).to_pylist() for name in ("source", "stamp", "size", "mtime_ns"))
        return {
            source: StoredSource(size, mtime, b"")
            for source, stamp, size, mtime in zip(*columns, strict=True)
            if stamp is not None
        }

    def by_source(self) -> list[tuple[str, list[tuple[str, bytes, int]]]]:
        """Give the id, digest and row of each source's documents, what a user needs first as `Updater` has it."""
        now = time.time_ns()
        order = {
            key: need(Source(key, None, kept.size, kept.mtime_ns, Format.TEXT, ""), now=now)
            for key, kept in self.sources.items()
        }
        ordinals = self.documents.columns("ordinal").column("ordinal").to_pylist()
        columns = (self._notes.column(name).to_pylist() for name in ("source", "id", "digest"))
        found = [
            (order[source], ordinal, row, source, name, digest)
            for row, (source, name, digest, ordinal) in enumerate(zip(*columns, ordinals, strict=True))
            if digest is not None
        ]
        found.sort()
        return [
            (source, [(name, digest, row) for *_, row, _, name, digest in rows])
            for source, rows in groupby(found, key=lambda each: each[3])
        ]

    @cached_property
    def _by_digest(self) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Digests in order, and the row of each."""
        values = self._notes.column("digest").to_pylist()
        rows = np.array([row for row, value in enumerate(values) if value is not None], dtype=np.int64)
        digests = np.frombuffer(b"".join(value for value in values if value is not None), dtype="S16")
        order = np.argsort(digests, kind="stable")
        return digests[order], rows[order]

    def rows_of(self, digests: Sequence[bytes]) -> list[int]:
        """Find the rows of documents."""
        known, rows = self._by_digest
        wanted = np.frombuffer(b"".join(digests), dtype="S16")
        places = np.minimum(np.searchsorted(known, wanted), max(len(known) - 1, 0))
        if len(known) == 0 or (known[places] != wanted).any():
            raise CorruptIndexError(
                f"{self.documents.place} lacks documents of this index: run the command again"
            )
        return [int(row) for row in rows[places]]

    def encoder_number(self, fingerprint: str) -> int | None:
        """Find an encoder whose vectors are there."""
        numbers = (n for n, each in enumerate(self.recipe.encoders) if each.fingerprint == fingerprint)
        return next(numbers, None)


class DatasetUpdater(Updater):
    """Takes over the documents of a dataset where `Updater` reads files."""

    rows: DocumentRows

    def run(self) -> Changes:
        """Compare what the dataset holds with what is stored and take over every difference."""
        self.store.set_meta(CHECKED, str(time.time_ns()))
        self._counts = self.store.counts()
        self._skipped = list(self.rows.skipped)
        known, by_source = self.catalogue.sources(), self.rows.by_source()
        for key in sorted(known.keys() - self.rows.sources.keys()):
            self._drop([number for number, _ in self.store.digests(key).values()])
            self.catalogue.remove_source(key)
        new: list[tuple[str, int, bytes]] = []
        for source, documents in by_source:
            before = self.store.digests(source) if self._counts.get(source) else {}
            for name, digest, row in documents:
                number, stored = before.pop(name, (0, b""))
                if stored == digest:
                    self.changes.unchanged += 1
                    continue
                if stored:
                    self._forget([number])
                    self.changes.changed += 1
                else:
                    self.changes.added += 1
                new.append((source, row, digest))
            self._drop([number for number, _ in before.values()])
        for key, kept in self.rows.sources.items():
            self.catalogue.put_source(key, kept)
        self._take_over(new)
        self.catalogue.put_skipped(self._skipped)
        self.changes.skipped = len(self._skipped)
        return self.changes

    def _take_over(self, new: Sequence[tuple[str, int, bytes]]) -> None:
        with self.progress(f"reading {self.rows.documents.place}", len(new)) as advance:
            for some in _batched(new):
                taken = self.rows.documents.take([row for _, row, _ in some], STORED)
                for (source, _, digest), row in zip(some, taken, strict=True):
                    fields = (row[name] for name in DOCUMENT_FIELDS)
                    kept = (0, *fields, digest, row["tree"], row["tree_checksum"])
                    stored = document_of(kept, self.rows.documents.place)
                    self._add(source, stored.document, digest, stored.tree)
                advance(len(some))
        self._flush()
        self._mask_removed()


class CopiedVectors(Embedder):
    """Copies the vectors of a dataset where `Embedder` makes them."""

    rows: DocumentRows
    number: int

    def _work(self, segment: Segment, levels: Sequence[Granularity], lengths: Mapping[int, int]) -> int:
        return sum(int(segment.offsets(level)[-1]) for level in levels) + 1

    def _fill(self, segment: Segment, arrays: Mapping[Granularity, StoredRows], advance: Advance) -> None:
        offsets = {level: segment.offsets(level) for level in arrays}
        columns = {level: vectors_column(self.number, level) for level in arrays}
        windows = windows_column(self.number)
        for some in _batched(self._positions(segment)):
            digests = self.store.digests_of([int(segment.documents[position]) for position in some])
            taken = self.rows.documents.take(self.rows.rows_of(digests), (*columns.values(), windows))
            for position, row in zip(some, taken, strict=True):
                for level, column in columns.items():
                    if row[column] is not None:
                        first, end = offsets[level][position : position + 2].tolist()
                        values = np.frombuffer(row[column], dtype="<f2").reshape(-1, self.encoder.dim)
                        arrays[level][first:end] = values
                        advance(end - first)
            windowed, made, cut = np.sum([row[windows] for row in taken], axis=0).tolist()
            self.reports.append(EmbedReport(windowed=windowed, windows=made, cut=cut))


def _batched(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[start : start + TAKEN_TOGETHER] for start in range(0, len(items), TAKEN_TOGETHER))


@dataclass
class DatasetBuilder(Builder):
    """Builds an index of what a dataset holds."""

    rows: DocumentRows | None = None

    def _updater(self, store: Store) -> Updater:
        assert self.rows is not None
        updater = DatasetUpdater(self.folder, store, self.settings, self.progress)
        updater.rows = self.rows
        return updater

    def _embedder(
        self, store: Store, encoder: Encoder, cache: VectorCache | None, pooled: tuple[Granularity, ...]
    ) -> Embedder | ImageEmbedder:
        assert self.rows is not None
        made = super()._embedder(store, encoder, cache, pooled)
        base = encoder.base if isinstance(encoder, CompressedEncoder) else encoder
        number = self.rows.encoder_number(base.fingerprint)
        if number is None or not isinstance(made, Embedder):
            return made
        copied = CopiedVectors(
            store, encoder, made.cache, self.progress, pooled=made.pooled, wanted=made.wanted
        )
        copied.rows, copied.number = self.rows, number
        return copied
