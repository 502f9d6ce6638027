"""Bringing an index up to date: read what changed, write new segments, commit one generation."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import blake2b
from pathlib import Path

import numpy as np

from tellapart.corpus.document import ContainmentTree, Document
from tellapart.corpus.read import Opener, load, read
from tellapart.corpus.scan import scan
from tellapart.corpus.sources import COLLECTIONS, STDIN_KEY, ScanOptions, Skipped, Source, Unreadable, need
from tellapart.corpus.units import split
from tellapart.errors import TellapartError, TooMuchToReadError
from tellapart.index.catalogue import Catalogue, StoredSource
from tellapart.index.database import contents_versions
from tellapart.index.freshness import CHECKED, FILE_BYTES, READ_RATE, SCAN_SECONDS, watch
from tellapart.index.segments import SegmentWriter, live_segments, segment_folder
from tellapart.index.settings import Settings, keep_settings, located
from tellapart.index.store import Store, digest_of
from tellapart.progress import Progress, silent

SEGMENT_BYTES = 400_000_000
"""A segment is written when its postings take this much memory: keeps 100k units with vectors below 1.2 GB."""

FIRST_VECTORS, LATER_VECTORS = 250_000, 4_000_000
"""Characters of the first segment of a run and, doubled from one to the next, of later ones: the vectors of each are
seen as soon as they are made, so that a search in the meantime has the first ones after some 6 s."""

RACY_NS = 2_000_000_000
"""A file changed this shortly before it was last read may have changed again within one tick of its clock."""

RATED_BYTES = 200_000
"""A run that reads less says little about how fast reading is."""
PIPED = STDIN_KEY


@dataclass(slots=True)
class Changes:
    """What an update did, in documents; `skipped` counts what was left out, reasons are kept in the index.

    `characters` is the length of the documents that were added or changed.
    """

    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    skipped: int = 0
    characters: int = 0
    new_segments: list[int] = field(default_factory=list)

    @property
    def any(self) -> bool:
        """Whether a search could find something else than before."""
        return bool(self.added or self.changed or self.removed)


class Updater:
    """One run of reading the sources into the store; used inside one transaction."""

    def __init__(
        self,
        index: Path,
        store: Store,
        settings: Settings,
        progress: Progress = silent,
        at_most_bytes: int | None = None,
    ) -> None:
        """`at_most_bytes`: refuse to begin where more would have to be read (TooMuchToReadError); None: never."""
        self.index = index
        self.store = store
        self.catalogue = Catalogue(store)
        self.settings = settings
        self.options: ScanOptions = settings.scan_options()
        self.progress = progress
        self.at_most_bytes = at_most_bytes
        self.changes = Changes()
        self._skipped: list[tuple[str, str]] = []
        self._skipped_before = self.catalogue.skipped()
        self._removed: list[int] = []
        self._counts: dict[str, int] = {}
        self._bytes_read = 0
        self._writer: SegmentWriter | None = None
        self._segment = 0
        self._characters = 0
        self._first_vectors = FIRST_VECTORS if settings.encoders else SEGMENT_BYTES

    def run(self) -> Changes:
        """Compare the sources with what is stored and take over every difference."""
        started, began = time.time_ns(), time.process_time()
        if self.settings.dataset:
            raise TellapartError(
                f"{self.index} is made from {self.settings.dataset}: run 'tellapart index --index {self.index}'"
            )
        paths = located(self.settings.sources, self.index)
        looked_at: dict[str, tuple[int, int]] = {}
        sources, skipped = scan(paths, self.options, index_folder=self.index, looked_at=looked_at)
        scanned = time.process_time()
        self._skipped = [(entry.path, entry.reason) for entry in skipped]
        known = self.catalogue.sources()
        self._forget_vanished(known, sources)
        self._take_all(sources, known, started)
        self.catalogue.put_skipped(self._skipped)
        self.changes.skipped = len(self._skipped)
        self.store.set_meta(CHECKED, str(started))
        self.store.set_meta(SCAN_SECONDS, str(scanned - began))
        self._keep_rate(time.process_time() - scanned)
        watch(self.catalogue, self.index, sources, looked_at, started=started, anew=True)
        return self.changes

    def reread(self, sources: Sequence[Source]) -> Changes:
        """Take over what changed in these sources, which were found before, without looking for others."""
        started = time.time_ns()
        keys = {source.key for source in sources}
        ours = re.compile(f"({'|'.join(map(re.escape, sorted(keys)))})" + r"(:\d+)?")
        self._skipped = [entry for entry in self._skipped_before if not ours.fullmatch(entry[0])]
        every = self.catalogue.sources()
        self._take_all(sources, {key: every[key] for key in keys & every.keys()}, started)
        self.catalogue.put_skipped(self._skipped)
        watch(self.catalogue, self.index, sources, {}, started=started, anew=False)
        return self.changes

    def _take_all(self, sources: Sequence[Source], known: dict[str, StoredSource], started: int) -> None:
        self._refuse_too_much(sources, known)
        self._counts = self.store.counts()
        with self.progress("reading", len(sources)) as advance:
            for source in sorted(sources, key=partial(need, now=started)):
                self._take(source, known.get(source.key))
                advance(1)
        self._flush()
        self._mask_removed()

    def _refuse_too_much(self, sources: Sequence[Source], known: dict[str, StoredSource]) -> None:
        if self.at_most_bytes is None:
            return
        as_read = {key: (stored.size, stored.mtime_ns) for key, stored in known.items()}
        given_up = {path for path, _ in self._skipped_before} - known.keys()  # they fail as quickly again
        new = [s for s in sources if s.key not in given_up and (s.size, s.mtime_ns) != as_read.get(s.key)]
        if sum(source.size + FILE_BYTES for source in new) > self.at_most_bytes:
            raise TooMuchToReadError(len(new))

    def _keep_rate(self, seconds: float) -> None:
        """Remember how many bytes a second are read and indexed here, where there were enough to tell."""
        if self._bytes_read > RATED_BYTES:
            self.store.set_meta(READ_RATE, str(self._bytes_read / max(seconds, 1e-3)))

    def forget_everything(self) -> None:
        """Drop all documents and segments, but keep what came through a pipe by adding it again."""
        piped = [self.store.documents([number])[number] for number, _ in self.store.digests(PIPED).values()]
        for key, version in contents_versions().items():
            self.store.set_meta(key, str(version))
        self.store.remove_all_documents()
        for key in self.catalogue.sources():
            self.catalogue.remove_source(key)
        for number, _ in self.catalogue.segments():
            self.catalogue.remove_segment(number)
        for stored in piped:
            self._add(PIPED, stored.document, digest_of(stored.document))
        if piped:
            self.catalogue.put_source(PIPED, StoredSource(0, 0, b""))

    def _forget_vanished(self, known: dict[str, StoredSource], sources: Sequence[Source]) -> None:
        present = {source.key for source in sources}
        for key in sorted(known.keys() - present):
            if key == PIPED:
                continue  # what came through a pipe stays until something else is piped in
            self._drop([number for number, _ in self.store.digests(key).values()])
            self.catalogue.remove_source(key)

    def _take(self, source: Source, known: StoredSource | None) -> None:
        held = self._counts.get(source.key, 0)
        if known and self._unchanged(source, known):
            self._leave(source)
            return
        before = replace(self.changes)
        try:
            content = (
                None if source.file is None or source.format in COLLECTIONS else load(source, self.options)
            )
            digest = _file_digest(source) if content is None else blake2b(content, digest_size=16).digest()
            if known and digest == known.digest:
                self._leave(source)
            else:
                self._bytes_read += source.size
                self._read(source, content)
        except (Unreadable, OSError) as error:
            self.changes = before  # documents read before the error do not count: they are dropped again
            self._give_up(source, error)
            self.changes.removed += held
            return
        self.catalogue.put_source(source.key, StoredSource(source.size, source.mtime_ns, digest))

    def _leave(self, source: Source) -> None:
        """Keep what is stored of a source, and what was said of its lines."""
        self.changes.unchanged += self._counts.get(source.key, 0)
        if source.format in COLLECTIONS:
            lines = re.compile(re.escape(source.key) + r"(:\d+)?")
            self._skipped += [entry for entry in self._skipped_before if lines.fullmatch(entry[0])]

    def _unchanged(self, source: Source, known: StoredSource) -> bool:
        checked = int(self.store.meta(CHECKED) or 0)
        same = source.size == known.size and source.mtime_ns == known.mtime_ns
        return same and source.mtime_ns < checked - RACY_NS

    def _give_up(self, source: Source, error: Exception) -> None:
        reason = (
            error.reason if isinstance(error, Unreadable) else str(getattr(error, "strerror", None) or error)
        )
        self._skipped.append((source.key, reason))
        self._forget([number for number, _ in self.store.digests(source.key).values()])
        self.catalogue.remove_source(source.key)

    def _read(self, source: Source, content: bytes | None) -> None:
        """Take over the documents of one source, keeping those that did not change."""
        before = self.store.digests(source.key) if self._counts.get(source.key) else {}
        odd: list[Skipped] = []
        for document in documents_in(source, self.options, odd, content):
            digest = digest_of(document)
            number, known = before.get(document.id, (0, b""))
            if digest == known:
                del before[document.id]
                self.changes.unchanged += 1
                continue
            if known:
                del before[document.id]
                self.changes.changed += 1
                self._forget([number])
            else:
                self.changes.added += 1
            self._add(source.key, document, digest)
        self._skipped += [(entry.path, entry.reason) for entry in odd]
        self._drop([number for number, _ in before.values()])

    def _add(
        self, source: str, document: Document, digest: bytes, tree: ContainmentTree | None = None
    ) -> None:
        tree = split(document) if tree is None else tree
        try:
            number = self.store.add_document(source, document, digest, tree)
        except sqlite3.IntegrityError:
            self._skipped.append((document.id, f"another document has this id already (source {source})"))
            return
        if self._writer is None:
            self._segment = self.catalogue.next_segment()
            folder = segment_folder(self.index, self._segment)
            self._writer = SegmentWriter(folder, self.settings.granularities)
        self._writer.add(number, document, tree)
        self.changes.characters += len(document.text)
        self._characters += len(document.text)
        if self._writer.memory > SEGMENT_BYTES or self._characters > self._first_vectors:
            self._flush()

    def _flush(self) -> None:
        if self._writer is None:
            return
        try:
            files = self._writer.write()
        except OSError as error:  # a full disk, which is no fault of the file that was read last
            raise TellapartError(
                f"cannot write {self.index}: {error.strerror}; free some space and run the command again"
            ) from error
        self.catalogue.put_segment(self._segment, np.zeros(len(self._writer), dtype=bool))
        self.catalogue.put_files(self._segment, files)
        self.changes.new_segments.append(self._segment)
        self._writer = None
        self._characters = 0
        self._first_vectors = min(2 * self._first_vectors, LATER_VECTORS)

    def _drop(self, numbers: list[int]) -> None:
        self.changes.removed += len(numbers)
        self._forget(numbers)

    def _forget(self, numbers: list[int]) -> None:
        self.store.remove_documents(numbers)
        self._removed += numbers

    def _mask_removed(self) -> None:
        if not self._removed:
            return
        for segment in live_segments(self.index, self.catalogue):
            hit = np.isin(segment.documents, self._removed)
            if hit.any():
                self.catalogue.put_segment(segment.number, segment.dead | hit)


def _file_digest(source: Source) -> bytes:
    if source.file is None:
        return b""
    hashed = blake2b(digest_size=16)
    with source.file.open("rb") as stream:
        while block := stream.read(1 << 20):
            hashed.update(block)
    return hashed.digest()


def documents_in(
    source: Source,
    options: ScanOptions,
    skipped: list[Skipped],
    content: bytes | None = None,
    opener: Opener | None = None,
) -> Iterator[Document]:
    """Read the documents of a source that can be indexed; the others are added to `skipped`.

    Half characters (lone surrogates), which neither the store nor an encoder can hold, are replaced. The arguments are
    those of `read`.
    """
    for document in read(source, options, skipped, content, opener=opener):
        identity, text, title = _whole(document.id), _whole(document.text), _whole(document.title)
        if not text.strip():
            skipped.append(Skipped(identity, "empty"))
            continue
        sound = (identity, text, title) == (document.id, document.text, document.title)
        yield document if sound else replace(document, id=identity, text=text, title=title)


def _whole(text: str) -> str:
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    return text


def update_documents(updater: Updater, *, fresh: bool) -> Changes:
    """Take over what changed in the sources, or everything again; part of the caller's transaction."""
    if fresh:
        updater.forget_everything()
    changes = updater.run()
    keep_settings(updater.store, updater.settings)
    if changes.any or fresh:
        updater.store.next_generation()
    return changes


def reread_documents(
    index: Path,
    store: Store,
    settings: Settings,
    progress: Progress,
    sources: Sequence[Source] | None,
    at_most_bytes: int | None,
) -> Changes:
    """Take over what changed in some sources (None: in all); part of the caller's transaction."""
    updater = Updater(index, store, settings, progress, at_most_bytes)
    changes = updater.run() if sources is None else updater.reread(sources)
    if changes.any:
        store.next_generation()
    return changes
