"""Publishing an index: what the database lacks is written beside, then one transaction swaps generations.

Documents and segments are known by their content, vectors by their document and encoder: a second run, and one that
was killed, sends only what is missing. Until the swap nobody reads what was written; afterwards what no generation has
any more is deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

from tellapart.corpus.document import Granularity
from tellapart.errors import LockedIndexError, TellapartError
from tellapart.index.catalogue import StoredEncoder
from tellapart.index.database import contents_versions
from tellapart.index.files import files_below
from tellapart.index.freshness import CHECKED
from tellapart.index.latent import FOLDER, LSA, compressed_folder
from tellapart.index.latent import KIND as LSA_KIND
from tellapart.index.postgres.address import Address
from tellapart.index.postgres.database import Database, Row, prepare_session, spoken
from tellapart.index.postgres.schema import ensure_tables, plain, vectors_table
from tellapart.index.postgres.sending import VectorSender, send_documents, send_segment
from tellapart.index.postgres.snapshot import encoder_json
from tellapart.index.segments import Segment, vectors_name
from tellapart.index.settings import KEY as SETTINGS
from tellapart.index.settings import encoded_settings, kept_settings
from tellapart.index.snapshot import IN_USE, FolderSnapshot
from tellapart.index.store import Store
from tellapart.progress import Progress, silent

if TYPE_CHECKING:
    from psycopg import Connection


@dataclass(frozen=True, slots=True)
class PublishReport:
    """What one run sent: documents, segments of postings, vectors; `removed` documents are gone."""

    documents: int
    segments: int
    vectors: int
    removed: int
    total: int


def publish_snapshot(
    snapshot: FolderSnapshot, store: Store, address: Address, *, progress: Progress = silent
) -> PublishReport:
    """Make a database hold what an index holds; call inside `Index.reading()`.

    Raises:
        TellapartError: The index has vectors that cannot be published, or the server refuses something.
        LockedIndexError: Another process is publishing there.
    """
    database = Database(address)
    with database.connect() as connection, spoken(address), _only_publisher(connection, address):
        ensure_tables(connection, address.schema, database)
        prepare_session(connection, address.schema)
        return _Publisher(connection, snapshot, store, progress).run()


@contextmanager
def _only_publisher(connection: Connection[Row], address: Address) -> Iterator[None]:
    """Hold the right to publish into a schema; the server gives it back when this process dies."""
    key = int.from_bytes(
        blake2b(f"tellapart {address.schema}".encode(), digest_size=8).digest(), "big", signed=True
    )
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", (key,)).fetchone()
    if row is None or not row[0]:
        raise LockedIndexError(f"another process is publishing to {address}: run this again when it is done")
    try:
        yield
    finally:
        if not connection.closed and not connection.broken:
            connection.execute("SELECT pg_advisory_unlock(%s)", (key,))


class _Publisher:
    """One run; every step leaves what it sent, none is read before `_swap`."""

    def __init__(
        self, connection: Connection[Row], snapshot: FolderSnapshot, store: Store, progress: Progress
    ) -> None:
        self.connection = connection
        self.snapshot = snapshot
        self.store = store
        self.progress = progress
        self.segments: list[Segment] = list(snapshot.filed)

    def run(self) -> PublishReport:
        sets = self._vector_names()
        contents = self._contents()
        known = self._all("SELECT content, key, number FROM documents")
        keys: dict[bytes, int] = {content: key for content, key, _ in known}
        numbered: dict[int, int] = {key: number for _, key, number in known if number is not None}
        missing = [number for number, content in contents.items() if content not in keys]
        free = self._free_numbers(numbered)
        with self.progress("sending documents", len(missing)) as advance:
            send_documents(self.connection, self.store, missing, contents, free, advance)
        newest = max(keys.values(), default=0)
        for content, key, number in self._all(
            "SELECT content, key, number FROM documents WHERE key > %s", (newest,)
        ):
            keys[content] = key
            if number is not None:
                numbered[key] = number
        key_of = {number: keys[content] for number, content in contents.items()}
        segments, sent = self._segments()
        sender = VectorSender(self.connection, self.snapshot, key_of, self.progress)
        vectors = sum(sender.send(name, encoder, level) for name, (encoder, level) in sets.items())
        self._encoder_files()
        removed = self._swap(numbered, key_of, segments, sets)
        self._forget()
        return PublishReport(len(missing), sent, vectors, removed, len(contents))

    def _free_numbers(self, numbered: dict[int, int]) -> Callable[[int], bool]:
        """Say which numbers documents may have at once: before the first generation nobody reads them.

        Giving 300,000 documents their numbers in the swap writes every row again and took 171 s.
        """
        if self.connection.execute("SELECT 1 FROM meta WHERE key = 'published'").fetchone():
            return lambda number: False
        taken = set(numbered.values())
        return lambda number: number not in taken

    def _all(self, query: str, values: Sequence[object] = ()) -> list[Row]:
        return self.connection.execute(query, values, binary=True).fetchall()

    def _contents(self) -> dict[int, bytes]:
        """Name what is kept of every document, in the order of their numbers."""
        rows = self.store.connection.execute(
            "SELECT number, digest, tree_checksum, source FROM documents ORDER BY number"
        )
        return {
            number: digest + checksum.to_bytes(4, "big") + blake2b(source.encode(), digest_size=8).digest()
            for number, digest, checksum, source in rows
        }

    def _segments(self) -> tuple[list[int], int]:
        """Send the segments that are missing; give the keys of all, in order, and how many were sent."""
        known: dict[bytes, int] = dict(self._all("SELECT content, key FROM segments"))
        keys, seen, sent = [], set[bytes](), 0
        with self.progress("sending postings", len(self.segments)) as advance:
            for segment in self.segments:
                content = self._segment_content(segment)
                while content in seen:  # other documents with the same texts: a segment of their own
                    content = blake2b(content, digest_size=16).digest()
                seen.add(content)
                if content not in known:
                    with self.connection.transaction():
                        known[content] = send_segment(self.connection, segment, content)
                    sent += 1
                keys.append(known[content])
                advance(1)
        return keys, sent

    def _segment_content(self, segment: Segment) -> bytes:
        """Name the postings, names and units of a segment, whatever the numbers of its documents are."""
        hashed = blake2b(digest_size=16)
        for file in self.snapshot.files[segment.number]:
            if not file.name.endswith(".npy") and file.name != "tables.npz":
                hashed.update(f"{file.name} {file.size} {file.checksum};".encode())
        for level in sorted(segment.granularities):
            hashed.update(level.encode() + segment.offsets(level).tobytes())
        return hashed.digest()

    def _vector_names(self) -> dict[str, tuple[StoredEncoder, Granularity]]:
        """List the sets of vectors to publish, by name.

        Raises:
            TellapartError: Vectors are kept as bytes.
        """
        sets: dict[str, tuple[StoredEncoder, Granularity]] = {}
        for encoder in self.snapshot.encoders.values():
            for level in encoder.granularities:
                vectors = self.snapshot.vectors(encoder.name, level)
                if vectors.n_rows and vectors.row_bytes != vectors.dim * 2:
                    raise TellapartError(
                        f"the vectors of {encoder.name} are compressed to bytes, which pgvector does not keep:"
                        f" 'tellapart index --compress none --index {self.snapshot.folder}' keeps them whole"
                    )
                sets[vectors_name(encoder.fingerprint, level, encoder.pooled)] = encoder, level
        return sets

    def _encoder_files(self) -> None:
        known = {(folder, name) for folder, name in self._all("SELECT folder, name FROM encoder_files")}
        for encoder in self.snapshot.encoders.values():
            for folder in self._own_folders(encoder):
                with self.connection.transaction():
                    for path in files_below(folder):
                        if (folder.name, path.name) not in known:
                            self.connection.execute(
                                "INSERT INTO encoder_files VALUES (%s, %s, %s)",
                                (folder.name, path.name, path.read_bytes()),
                            )

    def _own_folders(self, encoder: StoredEncoder) -> list[Any]:
        """Folders of what was fitted for this index: an analysis, or how vectors are cut."""
        places = [compressed_folder(self.snapshot.folder, encoder.fingerprint)]
        if encoder.name == LSA:
            places.append(self.snapshot.folder / FOLDER / f"{LSA}-{encoder.fingerprint[:16]}")
        return [place for place in places if place.is_dir()]

    def _swap(
        self,
        numbered: dict[int, int],
        key_of: dict[int, int],
        segments: list[int],
        sets: dict[str, tuple[StoredEncoder, Granularity]],
    ) -> int:
        """Let readers see the new generation, all of it at once; says how many documents are gone."""
        with self.progress("swapping generations", None), self.connection.transaction():
            removed = self._number_documents(numbered, key_of)
            self._place_segments(segments)
            execute = self.connection.execute
            execute("UPDATE vector_sets SET live = (name = ANY(%s))", (list(sets),))
            for name, (encoder, level) in sets.items():
                moments = self.snapshot.vectors(encoder.name, level).moments()
                execute(
                    "UPDATE vector_sets SET n = %s, total = %s, gram = %s WHERE name = %s",
                    (moments.n, moments.total.tobytes(), moments.gram.tobytes(), name),
                )
            for table in ("encoders", "records"):
                execute(f"DELETE FROM {table}")
            with self.connection.cursor() as cursor:
                cursor.executemany(
                    "INSERT INTO encoders VALUES (%s, %s)",
                    [(each.name, encoder_json(each)) for each in self.snapshot.encoders.values()],
                )
                cursor.executemany(
                    "INSERT INTO records VALUES (%s, %s)",
                    [(plain(name), value) for name, value in self.store.records("").items()],
                )
                cursor.executemany(
                    "INSERT INTO meta VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                    list(self._meta().items()),
                )
            execute(
                "INSERT INTO meta VALUES ('published', '1')"
                " ON CONFLICT (key) DO UPDATE SET value = (meta.value::bigint + 1)::text"
            )
        return removed

    def _meta(self) -> dict[str, str]:
        settings = replace(kept_settings(self.store), sources=())  # paths of the machine that published
        return {
            "generation": str(self.store.generation),
            **{key: str(version) for key, version in contents_versions().items()},
            SETTINGS: encoded_settings(settings),
            **{key: self.store.meta(key) or "" for key in (IN_USE, LSA_KIND, CHECKED)},
        }

    def _number_documents(self, numbered: dict[int, int], key_of: dict[int, int]) -> int:
        """Give the documents of this generation their numbers where they have others; take away those of the rest."""
        wanted = {key: number for number, key in key_of.items()}
        changed = [key for key, number in wanted.items() if numbered.get(key) != number]
        gone = [key for key in numbered if key not in wanted]
        freed = gone + [
            key for key in changed if key in numbered
        ]  # no two have one number, not even for a moment
        execute = self.connection.execute
        if freed:
            execute("UPDATE documents SET number = NULL WHERE key = ANY(%s)", (freed,))
        if changed:
            execute(
                "UPDATE documents d SET number = w.number FROM unnest(%s::bigint[], %s::bigint[]) AS w(key, number)"
                " WHERE w.key = d.key",
                (changed, [wanted[key] for key in changed]),
            )
        return len(gone)

    def _place_segments(self, keys: list[int]) -> None:
        self.connection.execute("UPDATE segments SET position = NULL WHERE position IS NOT NULL")
        for position, (key, segment) in enumerate(zip(keys, self.segments, strict=True)):
            self.connection.execute(
                "UPDATE segments SET position = %s, documents = %s, dead = %s WHERE key = %s",
                (
                    position,
                    segment.documents.astype("<i8").tobytes(),
                    np.packbits(segment.dead).tobytes(),
                    key,
                ),
            )

    def _forget(self) -> None:
        """Delete what no generation has any more; tables of vectors only in the next run: they may be in use."""
        gone = [row[0] for row in self._all("SELECT key FROM documents WHERE number IS NULL")]
        sets = self._all("SELECT key, live, retired FROM vector_sets")
        with self.progress("removing what is not needed any more", None):
            for key, live, retired in sets:
                if retired and not live:
                    with self.connection.transaction():
                        self.connection.execute(f"DROP TABLE IF EXISTS {vectors_table(key)}")
                        self.connection.execute("DELETE FROM vector_sets WHERE key = %s", (key,))
                elif gone:
                    self.connection.execute(
                        f"DELETE FROM {vectors_table(key)} WHERE document = ANY(%s)",
                        (gone,),
                    )
            self.connection.execute("UPDATE vector_sets SET retired = NOT live")
            self.connection.execute("DELETE FROM documents WHERE number IS NULL")
            self.connection.execute("DELETE FROM segments WHERE position IS NULL")
            folders = [
                folder.name for each in self.snapshot.encoders.values() for folder in self._own_folders(each)
            ]
            self.connection.execute("DELETE FROM encoder_files WHERE folder != ALL(%s)", (folders,))
