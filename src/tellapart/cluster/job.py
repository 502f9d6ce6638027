"""The driver's loop: work is handed to workers, and what they wrote is committed as it comes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tellapart.cluster.dataset import Documents
from tellapart.cluster.files import FoundFile
from tellapart.cluster.ray import ATTEMPTS, Cluster, LostWorkError
from tellapart.cluster.tasks import (
    PIECE_CHARACTERS,
    Assignment,
    FilesDone,
    RecordReader,
    RecordsRead,
    encode_records,
    read_files,
    skip_row,
)
from tellapart.corpus.sources import COLLECTIONS, Skipped
from tellapart.errors import TellapartError
from tellapart.progress import Advance

BATCH_BYTES, BATCH_FILES = 1_000_000, 500
"""Files that one task reads: about a piece of text (`PIECE_CHARACTERS`); of very small ones opening takes the time."""

LARGE_BYTES = 4 * PIECE_CHARACTERS
"""A collection from this size on is read by one worker and encoded by many."""

COMMIT_SECONDS = 30.0
"""Between two commits: a driver that dies loses so much. Each writes the list of all files anew, some 100 bytes each
(not measured)."""


@dataclass(frozen=True, slots=True)
class KnownSource:
    """What a dataset holds of a source."""

    stamp: str
    digests: frozenset[bytes]


@dataclass(slots=True)
class OpenCollection:
    """A collection that a reader is going through; `attempts` counts the readers."""

    found: FoundFile
    reader: Any
    known: set[bytes]
    seen: list[bytes] = field(default_factory=list)
    attempts: int = 1
    given_up: bool = False


def known_sources(documents: Documents) -> dict[str, KnownSource]:
    """Say what a dataset holds of each source.

    One with two stamps has no stamp that counts: a run read it again and was stopped before it deleted the documents
    from before.
    """
    rows = documents.rows("source", "stamp", "digest")
    columns = (rows.column(name).to_pylist() for name in ("source", "stamp", "digest"))
    stamps: dict[str, str] = {}
    found: dict[str, set[bytes]] = {}
    for source, stamp, digest in zip(*columns, strict=True):
        held = found.setdefault(source, set())
        if digest is not None:
            held.add(digest)
        elif stamp is not None:
            stamps[source] = "" if source in stamps else stamp
    return {source: KnownSource(stamps.get(source, ""), frozenset(held)) for source, held in found.items()}


def bytes_of(files: Sequence[FoundFile]) -> int:
    """Sum the sizes of files."""
    return sum(each.source.size for each in files)


class ClusterJob:
    """Hands work to a cluster and commits what comes back."""

    def __init__(self, documents: Documents, assignment: Assignment, known: dict[str, KnownSource]) -> None:
        self.documents = documents
        self.assignment = assignment
        self.known = known
        self.seen: dict[str, tuple[bytes, ...]] = {}
        """Digests of the documents of every source that was read, as they are now."""
        self.read: list[FoundFile] = []
        """Collections that a reader came to the end of; all of their documents are written when the job ends."""
        self.added = self.units = 0
        self._written: list[str] = []
        self._committed = time.monotonic()
        self._queue: deque[tuple[FoundFile, ...]] = deque()
        self._collections: deque[OpenCollection] = deque()
        self._pending: dict[Any, Any] = {}

    def run(self, ray: Cluster, files: Sequence[FoundFile], advance: Advance) -> None:
        """Read and encode these files; what is finished is committed also where this is stopped."""
        self._queue.extend(_batches([each for each in files if not _is_large(each)]))
        waiting = deque(each for each in files if _is_large(each))
        try:
            while self._queue or waiting or self._collections or self._pending:
                self._hand_out(ray, waiting)
                for ref in ray.finished(list(self._pending)):
                    self._pending.pop(ref)(ref, advance)
                if time.monotonic() - self._committed > COMMIT_SECONDS:
                    self._commit()
        except BaseException:
            ray.cancel(list(self._pending))
            self._commit()
            raise
        self._commit()

    def _commit(self) -> None:
        written, self._written = self._written, []
        self.documents.commit(written)
        self._committed = time.monotonic()

    def _hand_out(self, ray: Cluster, waiting: deque[FoundFile]) -> None:
        """Keep workers busy, and a few pieces of work ready for them."""
        while len(self._pending) < ray.room():
            if self._collections:
                self._ask_for_records(ray, self._collections.popleft())
            elif self._queue:
                self._hand_out_files(ray, self._queue.popleft())
            elif waiting:
                self._open_collection(ray, waiting.popleft())
            else:
                return

    def _hand_out_files(self, ray: Cluster, files: tuple[FoundFile, ...]) -> None:
        keys = [each.source.key for each in files]
        known = {key: self.known[key].digests for key in keys if key in self.known}
        ref = ray.submit(read_files, self.assignment, files, known)
        self._pending[ref] = partial(self._files_done, ray, files)

    def _files_done(self, ray: Cluster, files: tuple[FoundFile, ...], ref: object, advance: Advance) -> None:
        try:
            self._take(ray.result(ref))
        except LostWorkError:
            self._look_closer(files)
            return
        advance(bytes_of(files))

    def _look_closer(self, files: tuple[FoundFile, ...]) -> None:
        """Divide what several workers died of, until the file is found that kills them; leave that out."""
        if len(files) > 1:
            half = len(files) // 2
            self._queue += [files[:half], files[half:]]
            return
        key = files[0].source.key
        reason = f"{ATTEMPTS} workers died reading it"
        self._written += self.assignment.write([skip_row(key, Skipped(key, reason))])
        self.seen[key] = ()

    def _open_collection(self, ray: Cluster, found: FoundFile, attempts: int = 1) -> None:
        known = set(self.known[found.source.key].digests) if found.source.key in self.known else set()
        reader = ray.actor(RecordReader, self.assignment, found, known)
        self._collections.append(OpenCollection(found, reader, known, attempts=attempts))

    def _ask_for_records(self, ray: Cluster, collection: OpenCollection) -> None:
        batch, read = ray.ask(collection.reader)
        self._pending[read] = partial(self._records_read, ray, collection, batch)

    def _records_read(
        self,
        ray: Cluster,
        collection: OpenCollection,
        batch: object,
        ref: object,
        advance: Advance,
    ) -> None:
        if collection.given_up:
            return
        key = collection.found.source.key
        try:
            read: RecordsRead = ray.result(ref)
        except LostWorkError:
            self._reopen(ray, collection)
            return
        collection.seen += read.seen
        if read.to_encode:
            made = ray.submit(encode_records, self.assignment, batch)
            self._pending[made] = partial(self._records_done, ray, collection)
        if not read.at_end:
            self._collections.append(collection)
            return
        self.seen[key] = () if read.failed else tuple(collection.seen)
        self._written += self.assignment.write([skip_row(key, each) for each in read.skipped])
        if not read.retry:
            self.read.append(collection.found)
        ray.stop(collection.reader)
        advance(collection.found.source.size)

    def _records_done(self, ray: Cluster, collection: OpenCollection, ref: object, advance: Advance) -> None:
        try:
            self._take(ray.result(ref))
        except LostWorkError:
            self._reopen(ray, collection)

    def _reopen(self, ray: Cluster, collection: OpenCollection) -> None:
        """Read a collection again whose reader or documents were lost with a node; what is written stays.

        Documents that were in flight are made twice, and `_tidy` keeps one of each.
        """
        if collection.given_up:
            return
        key = collection.found.source.key
        collection.given_up = True
        if collection in self._collections:
            self._collections.remove(collection)
        ray.stop(collection.reader)
        if collection.attempts >= ATTEMPTS:
            raise TellapartError(f"{key}: {ATTEMPTS} workers died reading it; look at the cluster's logs")
        self._commit()
        self.known |= known_sources(self.documents)
        self._open_collection(ray, collection.found, collection.attempts + 1)

    def _take(self, done: FilesDone) -> None:
        self._written += done.written
        self.seen.update(done.seen)
        self.added += done.documents
        self.units += done.units


def _is_large(found: FoundFile) -> bool:
    return found.source.format in COLLECTIONS and found.source.size > LARGE_BYTES


def _batches(files: Sequence[FoundFile]) -> list[tuple[FoundFile, ...]]:
    batches: list[list[FoundFile]] = []
    size = 0
    for each in files:
        if not batches or size + each.source.size > BATCH_BYTES or len(batches[-1]) >= BATCH_FILES:
            batches.append([])
            size = 0
        batches[-1].append(each)
        size += each.source.size
    return [tuple(batch) for batch in batches]
