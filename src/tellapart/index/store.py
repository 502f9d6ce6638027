"""Documents, their units and the state of an index, in one SQLite file.

A commit of this file is what makes a generation visible: postings and vectors are written beside it
first, and the rows that name them are committed last, together with the documents they belong to.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any
from zlib import crc32

from tellapart.corpus.document import ContainmentTree, Document, Granularity, Kind
from tellapart.errors import CorruptIndexError, LockedIndexError, StaleIndexError, TellapartError
from tellapart.index import database
from tellapart.index.database import decode_json, decode_tree, encode_tree
from tellapart.index.queries import DocumentQueries

FILE = "store.sqlite"

FETCHED = 500
"""Documents of one statement: SQLite took up to 999 values before 3.32."""

NONE = "{}"
"""Metadata or places of a document that has none."""

KINDS = {kind.value: kind for kind in Kind}
"""An enumeration looked up by value costs five times a dictionary, and a search does it for every document."""


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document with its number in the store and its units.

    `shown` keeps what was made of its units to be shown, as long as the document stays in memory.
    """

    number: int
    document: Document
    tree: ContainmentTree
    shown: dict[tuple[Granularity, int], Any] = field(default_factory=dict, compare=False, repr=False)


class Store(DocumentQueries):
    """The SQLite file of one index; one writer (see lock.py), any number of readers."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.connection = connection
        self.path = path
        self._inode = database.inode(path)
        self._mending = f"{path}: {rebuilding(path)}"

    @property
    def place(self) -> str:
        """Folder of the index."""
        return str(self.path.parent)

    @property
    def identity(self) -> str:
        """Tells this index from one made anew in its place."""
        return f"{self.path.resolve()} {self._inode}"

    def follow(self) -> bool:
        """Reopen for reading where the file was replaced since, as after `clear` and `index`; say whether it was.

        Raises:
            TellapartError: There is no index any more.
        """
        if database.inode(self.path) == self._inode:
            return False
        newer = Store.open(self.path.parent)
        self.connection.close()
        self.connection, self._inode = newer.connection, newer._inode
        return True

    @classmethod
    def create(cls, folder: Path, *, anew: bool = False) -> Store:
        """Open the store of a folder for writing, making an empty one where there is none.

        `anew` accepts a store of another splitter or analyser, whose documents the caller reads again, and throws
        away one that cannot be read at all.
        """
        path = folder / FILE
        try:
            with corruption_named(path):
                return cls._create(path, anew=anew)
        except (CorruptIndexError, StaleIndexError):
            if not anew:
                raise
        return cls.replace(folder)

    @classmethod
    def replace(cls, folder: Path) -> Store:
        """Put an empty store in the place of one that cannot be read, and open it for writing."""
        database.make_empty(folder / FILE)
        return cls._create(folder / FILE, anew=False)

    @classmethod
    def _create(cls, path: Path, *, anew: bool) -> Store:
        if not path.exists():
            database.make_empty(path)
        connection = database.connect_writing(path)
        store = cls(connection, path)
        try:
            store.check_versions(with_contents=not anew)
        except BaseException:
            connection.close()
            raise
        return store

    @classmethod
    def open(cls, folder: Path) -> Store:
        """Open an existing store for reading."""
        path = folder / FILE
        if not path.is_file():
            raise TellapartError(
                f"no index in {folder}: build one with 'tellapart index PATH --index {folder}'"
            )
        with corruption_named(path):
            connection = database.connect_reading(path)
            store = cls(connection, path)
            store.check_versions()
        return store

    def check_versions(self, *, with_contents: bool = True) -> None:
        """Refuse an index that this version of tellapart would misread."""
        ours = {"format": database.FORMAT} | (database.contents_versions() if with_contents else {})
        for key, version in ours.items():
            theirs = self.meta(key) or 1
            if theirs != str(version):
                raise StaleIndexError(
                    f"the index {self.path.parent} has {key} version {theirs}, this tellapart needs {version}: "
                    + rebuilding(self.path)
                )

    def close(self) -> None:
        """Release the file."""
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what is done inside as a whole, or nothing of it."""
        with database.transaction(self.connection):
            yield

    def commit_so_far(self) -> None:
        """Commit what was done inside the transaction until now, and go on in another one."""
        self.connection.execute("COMMIT")
        self.connection.execute("BEGIN IMMEDIATE")

    @contextmanager
    def reading(self) -> Iterator[None]:
        """See one generation throughout, whatever a writer commits meanwhile."""
        if self.connection.in_transaction:
            yield
            return
        self.begin_reading()
        try:
            yield
        finally:
            self.end_reading()

    def begin_reading(self) -> None:
        """See one generation until `end_reading`."""
        self.connection.execute("BEGIN")

    def end_reading(self) -> None:
        """See what writers have committed again."""
        self.connection.execute("ROLLBACK")

    def set_meta(self, key: str, value: str) -> None:
        """Keep one setting."""
        self.connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    @property
    def generation(self) -> int:
        """Counts the commits that changed what a search can find."""
        return int(self.meta("generation") or 0)

    @property
    def records_version(self) -> str:
        """Nothing: in a folder keeping a record makes a generation."""
        return ""

    def next_generation(self) -> None:
        """Count one more; part of the commit it belongs to."""
        self.set_meta("generation", str(self.generation + 1))

    def add_document(
        self,
        source: str,
        document: Document,
        digest: bytes,
        tree: ContainmentTree,
        *,
        number: int | None = None,
    ) -> int:
        """Keep a document and return its number: a new one unless it is given."""
        encoded = encode_tree(tree)
        cursor = self.connection.execute(
            "INSERT INTO documents (number, source, id, kind, language, title, path, metadata, places, text, digest,"
            " tree, tree_checksum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (number, source, *fields_of(document), digest, encoded, crc32(encoded.encode())),
        )
        return int(cursor.lastrowid or 0)

    def replace_document(self, number: int, document: Document, tree: ContainmentTree) -> None:
        """Keep another version of a document under its number."""
        encoded = encode_tree(tree)
        self.connection.execute(
            "UPDATE documents SET id = ?, kind = ?, language = ?, title = ?, path = ?, metadata = ?, places = ?,"
            " text = ?, digest = ?, tree = ?, tree_checksum = ? WHERE number = ?",
            (*fields_of(document), digest_of(document), encoded, crc32(encoded.encode()), number),
        )

    def remove_documents(self, numbers: Sequence[int]) -> None:
        """Forget documents; their units are masked in the segments by the caller."""
        self.connection.executemany("DELETE FROM documents WHERE number = ?", ((n,) for n in numbers))

    def remove_all_documents(self) -> None:
        """Forget every document."""
        self.connection.execute("DELETE FROM documents")

    def digests(self, source: str) -> dict[str, tuple[int, bytes]]:
        """Map the id of every document of a source to its number and digest."""
        rows = self.connection.execute("SELECT id, number, digest FROM documents WHERE source = ?", (source,))
        return {row[0]: (row[1], row[2]) for row in rows}

    def digests_of(self, numbers: Sequence[int]) -> list[bytes]:
        """Give the digests of documents, in the order of `numbers`."""
        found: dict[int, bytes] = {}
        for start in range(0, len(numbers), FETCHED):
            some = numbers[start : start + FETCHED]
            marks = ", ".join("?" * len(some))
            statement = f"SELECT number, digest FROM documents WHERE number IN ({marks})"
            found.update(self.connection.execute(statement, some))
        return [found[number] for number in numbers]

    def documents(self, numbers: Sequence[int]) -> dict[int, StoredDocument]:
        """Fetch documents by number, each checked against its digest."""
        wanted = list(dict.fromkeys(numbers))
        found: dict[int, StoredDocument] = {}
        for start in range(0, len(wanted), FETCHED):
            some = wanted[start : start + FETCHED]
            marks = ", ".join("?" * len(some))
            rows = list(self._rows(f"number IN ({marks})", some))  # one after the other takes longer in turns
            found |= {row[0]: self._document(row) for row in rows}
        if missing := [number for number in wanted if number not in found]:
            raise CorruptIndexError(
                f"document {missing[0]} is missing from {self.path}: {rebuilding(self.path)}"
            )
        return {number: found[number] for number in wanted}

    def rows_of(self, numbers: Sequence[int]) -> Iterator[tuple[Any, ...]]:
        """Give some documents as they are kept, with number and source first."""
        for start in range(0, len(numbers), FETCHED):
            some = numbers[start : start + FETCHED]
            yield from self.connection.execute(
                "SELECT number, source, id, kind, language, title, path, metadata, places, text, digest, tree,"
                f" tree_checksum FROM documents WHERE number IN ({', '.join('?' * len(some))}) ORDER BY number",
                some,
            )

    def document(self, identifier: str) -> StoredDocument | None:
        """Fetch one document by its id."""
        row = next(self._rows("id = ?", [identifier]), None)
        return None if row is None else self._document(row)

    def _rows(self, condition: str, values: Sequence[int | str]) -> Iterator[tuple[Any, ...]]:
        return self.connection.execute(
            "SELECT number, id, kind, language, title, path, metadata, places, text, digest, tree, tree_checksum"
            f" FROM documents WHERE {condition}",
            values,
        )

    def _document(self, row: tuple[Any, ...]) -> StoredDocument:
        return document_of(row, self._mending)


def document_of(row: tuple[Any, ...], place: str) -> StoredDocument:
    """Make a document of number, `fields_of`, digest, tree and the tree's checksum, as they are kept.

    Raises:
        CorruptIndexError: They do not belong together; the message ends with `place`, and what to do there.
    """
    number, *fields, digest, tree, checksum = row
    if _digest(fields) != digest or crc32(tree.encode()) != checksum:
        raise CorruptIndexError(f"document {row[1]!r} is damaged in {place}")
    identifier, kind, language, title, path, metadata, places, text = fields
    document = Document(
        id=identifier,
        text=text,
        kind=KINDS[kind],
        language=language,
        title=title,
        path=path,
        metadata={} if metadata == NONE else decode_json(metadata),
        places={}
        if places == NONE
        else {name: tuple(map(tuple, pairs)) for name, pairs in decode_json(places).items()},
    )
    return StoredDocument(number, document, decode_tree(tree, len(text), document.kind))


@contextmanager
def corruption_named(path: Path) -> Iterator[None]:
    """Turn SQLite's errors about a damaged or full file into words for the user."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if "disk is full" in str(error) or "disk I/O" in str(error):
            raise TellapartError(
                f"cannot write {path}: {error}; free some space and run the command again"
            ) from error
        if "locked" in str(error) or "busy" in str(error):
            raise LockedIndexError(f"{path} is in use ({error}): run the command again") from error
        if "unable to open" in str(error) or "readonly" in str(error):
            raise TellapartError(f"cannot open {path}: {error}; check its permissions") from error
        raise CorruptIndexError(f"{path} is damaged ({error}): {rebuilding(path)}") from error


def rebuilding(path: Path) -> str:
    """Say which command mends an index."""
    return f"rebuild it with 'tellapart index --rebuild --index {path.parent}'"


def digest_of(document: Document) -> bytes:
    """Hash of everything that is kept of a document beside its units, to see changes and damage."""
    return _digest(fields_of(document))


def fields_of(document: Document) -> tuple[str | None, ...]:
    """Give what is kept of a document: id, kind, language, title, path, metadata and places as JSON, text."""
    metadata = places = NONE
    if document.metadata:
        metadata = json.dumps(dict(document.metadata), ensure_ascii=False, sort_keys=True, default=str)
    if document.places:
        places = json.dumps(dict(document.places), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return (
        document.id,
        document.kind.value,
        document.language,
        document.title,
        document.path,
        metadata,
        places,
        document.text,
    )


def _digest(fields: Sequence[str | None]) -> bytes:
    ended = [b"\xff\xfe" if field is None else field.encode() + b"\xfe" for field in fields]
    return blake2b(b"".join(ended), digest_size=16).digest()
