"""What workers do: read a batch of files, make documents, units and vectors as an index does, and write rows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from zlib import crc32

from tellapart.cluster.dataset import Recipe, vectors_column, windows_column, write_rows
from tellapart.cluster.files import FoundFile, opener_of
from tellapart.corpus.document import Document
from tellapart.corpus.sources import ScanOptions, Skipped, Unreadable
from tellapart.corpus.units import SPLITTER_VERSION, split
from tellapart.encoders.cache import open_cache
from tellapart.encoders.load import load_encoder
from tellapart.encoders.protocol import Encoder
from tellapart.errors import TellapartError
from tellapart.index.database import encode_tree
from tellapart.index.embedding import embed_documents
from tellapart.index.store import StoredDocument, digest_of, fields_of
from tellapart.index.update import documents_in

PIECE_CHARACTERS = 1_000_000
"""Text that is encoded and written together: some 250,000 tokens, which minilm reads in about a minute of one core
(docs/benchmarks/encoder_batches.md). A worker that dies loses so much."""

DOCUMENT_FIELDS = ("id", "kind", "language", "title", "path", "metadata", "places", "text")
"""Columns of what `fields_of` gives."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """What every task of a job knows: where rows go and how they are made."""

    place: str
    recipe: Recipe
    options: ScanOptions

    def write(self, rows: Sequence[dict[str, Any]]) -> tuple[str, ...]:
        """Write rows, for `Documents.commit`."""
        return write_rows(rows, self.recipe, self.place) if rows else ()


@dataclass(frozen=True, slots=True)
class FilesDone:
    """What a task did: the files it wrote, and of every source the digests of the documents that are in it now."""

    written: tuple[str, ...]
    seen: Mapping[str, tuple[bytes, ...]]
    documents: int = 0
    units: int = 0


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """Documents of a collection that are to be encoded, each with its place in the collection."""

    source: str
    documents: tuple[tuple[int, Document, bytes], ...]


@dataclass(frozen=True, slots=True)
class RecordsRead:
    """How far a reader of a collection is: digests of the documents since the last answer, and what was left out.

    `failed` says that the collection cannot be read, and none of its documents count; `retry`, that the next run tries
    again.
    """

    seen: tuple[bytes, ...]
    skipped: tuple[Skipped, ...]
    to_encode: int
    at_end: bool
    failed: bool
    retry: bool


@dataclass
class RowWriter:
    """Turns documents into rows, a piece at a time, and writes them."""

    assignment: Assignment
    written: list[str] = field(default_factory=list)
    documents: int = 0
    units: int = 0
    _rows: list[dict[str, Any]] = field(default_factory=list)
    _waiting: list[tuple[dict[str, Any], Document]] = field(default_factory=list)
    _characters: int = 0

    def add(self, source: str, ordinal: int, document: Document, digest: bytes) -> None:
        """Take one document, the one at a place in its source."""
        row: dict[str, Any] = {"source": source, "ordinal": ordinal, "digest": digest}
        row |= zip(DOCUMENT_FIELDS, fields_of(document), strict=True)
        self._waiting.append((row, document))
        self._characters += len(document.text)
        if self._characters >= PIECE_CHARACTERS:
            self._encode()

    def note(self, row: dict[str, Any]) -> None:
        """Take a row that is no document."""
        self._rows.append(row)

    def close(self) -> None:
        """Write what is left."""
        self._encode()
        self.written += self.assignment.write(self._rows)
        self._rows.clear()

    def _encode(self) -> None:
        """Split and encode what is waiting: the vectors are those that `index` makes on one machine."""
        stored = [StoredDocument(0, document, split(document)) for _, document in self._waiting]
        rows = [row for row, _ in self._waiting]
        for row, each in zip(rows, stored, strict=True):
            row["tree"] = encode_tree(each.tree)
            row["tree_checksum"] = crc32(row["tree"].encode())
            self.units += sum(len(level.starts) for level in each.tree.levels.values())
        for number, held in enumerate(self.assignment.recipe.encoders):
            encoder = opened_encoder(held.name)
            if encoder.fingerprint != held.fingerprint:
                raise TellapartError(
                    f"a worker has another version of the encoder {held.name}: install the same"
                )
            made = embed_documents(encoder, stored, held.levels, held.pooled, cache=open_cache())
            for row, vectors in zip(rows, made, strict=True):
                for level, values in vectors.levels.items():
                    row[vectors_column(number, level)] = values.astype("<f2").tobytes()
                report = vectors.report
                row[windows_column(number)] = [report.windowed, report.windows, report.cut]
        self.documents += len(rows)
        self._rows += rows
        self._waiting.clear()
        self._characters = 0


def read_files(
    assignment: Assignment, files: tuple[FoundFile, ...], known: Mapping[str, Collection[bytes]]
) -> FilesDone:
    """Read whole files and write their rows; what `known` says a source has already is not made again."""
    _need_same_version(assignment)
    writer, seen = RowWriter(assignment), {}
    for found in files:
        source, skipped = found.source, list[Skipped]()
        documents: list[tuple[int, Document, bytes]] = []
        retry = False
        try:
            documents = list(_numbered(documents_in(source, assignment.options, skipped, opener=opener_of)))
        except (Unreadable, OSError) as error:
            skipped.append(Skipped(source.key, _reason(error)))
            retry = _may_pass(error)
        before = known.get(source.key, ())
        for ordinal, document, digest in documents:
            if digest not in before:
                writer.add(source.key, ordinal, document, digest)
        for each in skipped:
            writer.note(skip_row(source.key, each))
        if not retry:
            writer.note(read_row(found))
        seen[source.key] = tuple(digest for _, _, digest in documents)
    writer.close()
    return FilesDone(tuple(writer.written), seen, writer.documents, writer.units)


def encode_records(assignment: Assignment, batch: RecordBatch) -> FilesDone:
    """Write the rows of some documents of a collection that was read elsewhere."""
    _need_same_version(assignment)
    writer = RowWriter(assignment)
    for ordinal, document, digest in batch.documents:
        writer.add(batch.source, ordinal, document, digest)
    writer.close()
    return FilesDone(tuple(writer.written), {}, writer.documents, writer.units)


class RecordReader:
    """Reads a collection too large for one task, in order, for `encode_records` to go on with: an actor of Ray."""

    def __init__(self, assignment: Assignment, found: FoundFile, known: Collection[bytes]) -> None:
        self._source = found.source.key
        self._known = frozenset(known)
        self._skipped: list[Skipped] = []
        documents = documents_in(found.source, assignment.options, self._skipped, opener=opener_of)
        self._documents = _numbered(documents)

    def next(self) -> tuple[RecordBatch, RecordsRead]:
        """Give what comes next, until `at_end`."""
        chosen: list[tuple[int, Document, bytes]] = []
        seen: list[bytes] = []
        characters, at_end, failed, retry = 0, True, False, False
        try:
            for ordinal, document, digest in self._documents:
                seen.append(digest)
                if digest not in self._known:
                    chosen.append((ordinal, document, digest))
                    characters += len(document.text)
                if characters >= PIECE_CHARACTERS or len(seen) >= PIECE_CHARACTERS // 10:
                    at_end = False
                    break
        except (Unreadable, OSError) as error:
            self._skipped.append(Skipped(self._source, _reason(error)))
            failed, retry = True, _may_pass(error)
        skipped = tuple(self._skipped) if at_end else ()
        read = RecordsRead(tuple(seen), skipped, len(chosen), at_end, failed, retry)
        return RecordBatch(self._source, tuple(chosen)), read


@lru_cache(maxsize=4)
def opened_encoder(name: str) -> Encoder:
    """Open an encoder once in a process."""
    return load_encoder(name)


def skip_row(source: str, skipped: Skipped) -> dict[str, Any]:
    """Make the row that says what of a source is no document, and why."""
    return {"source": source, "id": skipped.path, "skipped": skipped.reason}


def read_row(found: FoundFile) -> dict[str, Any]:
    """Make the row that says that a source was read to its end, and what it was like then."""
    source = found.source
    return {
        "source": source.key,
        "stamp": found.stamp,
        "size": source.size,
        "mtime_ns": source.mtime_ns,
    }


def _reason(error: Unreadable | OSError) -> str:
    return error.reason if isinstance(error, Unreadable) else str(error.strerror or error)


def _may_pass(error: Unreadable | OSError) -> bool:
    """Whether the disk or the store failed, and not the file: reading it once more may work."""
    return isinstance(error, OSError) or isinstance(error.__cause__, OSError)


def _numbered(documents: Iterator[Document]) -> Iterator[tuple[int, Document, bytes]]:
    return ((ordinal, document, digest_of(document)) for ordinal, document in enumerate(documents))


def _need_same_version(assignment: Assignment) -> None:
    if assignment.recipe.splitter != SPLITTER_VERSION:
        raise TellapartError("a worker has another version of tellapart: install the same on every node")
