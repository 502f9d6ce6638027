"""Publishing an index: what the servers lack is written beside, then one transaction swaps generations.

Documents and segments are known by their content, vectors by their document and encoder: a second run, and one that
was killed, sends only what is missing. Until the swap nobody reads what was written; afterwards what no generation has
any more is deleted. With shards each server gets its documents, and the transaction at the first one is the swap.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import Granularity
from tellapart.errors import TellapartError
from tellapart.index.catalogue import StoredEncoder
from tellapart.index.database import contents_versions
from tellapart.index.freshness import CHECKED
from tellapart.index.latent import KIND as LSA_KIND
from tellapart.index.postgres.address import Address
from tellapart.index.postgres.building import build_graphs
from tellapart.index.postgres.neighbours import MeasuredGraph, measure_graph, move_fresh
from tellapart.index.postgres.placing import OWNER, PLACED, PlacedSegment, Placement, owners_of
from tellapart.index.postgres.recording import send_records
from tellapart.index.postgres.schema import (
    FIRST,
    LIVE,
    PUBLISHED,
    SWEPT,
    WHOLE,
    fresh_table,
    publication_of,
    set_meta,
    vectors_table,
)
from tellapart.index.postgres.sending import (
    VectorSender,
    fitted_folders,
    send_documents,
    send_encoder_files,
    send_part,
    send_segment,
)
from tellapart.index.postgres.snapshot import encoder_json
from tellapart.index.postgres.targets import ServerTarget, looked_up, open_targets
from tellapart.index.segments import Segment, vectors_name
from tellapart.index.settings import KEY as SETTINGS
from tellapart.index.settings import encoded_settings, kept_settings
from tellapart.index.snapshot import IN_USE, FolderSnapshot
from tellapart.index.store import Store
from tellapart.progress import Progress, silent


@dataclass(frozen=True, slots=True)
class PublishReport:
    """What one run sent: documents, segments of postings, vectors; `removed` documents are gone.

    `shards` are the addresses of the further servers, `left` those that were shards before and are not any more.
    `forgotten` are records that were kept at the database and are about another index than this one. `graphs` are those
    of neighbours that were measured in this run, at any server, `notices` why one could not be built faster.
    """

    documents: int
    segments: int
    vectors: int
    removed: int
    total: int
    shards: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    forgotten: tuple[str, ...] = ()
    graphs: tuple[MeasuredGraph, ...] = ()
    notices: tuple[str, ...] = ()


def publish_snapshot(
    snapshot: FolderSnapshot,
    store: Store,
    address: Address,
    shards: Sequence[Address] | None = None,
    *,
    progress: Progress = silent,
) -> PublishReport:
    """Make a database, and the shards beside it, hold what an index holds; call inside `Index.reading()`.

    Without `shards` those of the run before are taken.

    Raises:
        TellapartError: The index has vectors that cannot be published, or a server refuses something.
        LockedIndexError: Another process is publishing there.
    """
    with ExitStack() as stack:
        targets, left = open_targets(stack, address, shards)
        return replace(_Publisher(targets, snapshot, store, progress).run(), left=left)


class _Publisher:
    """One run; every step leaves what it sent, none is read before `_swap`."""

    def __init__(
        self, targets: Sequence[ServerTarget], snapshot: FolderSnapshot, store: Store, progress: Progress
    ) -> None:
        self.targets = targets
        self.first = targets[0]
        self.snapshot = snapshot
        self.store = store
        self.progress = progress
        self.segments: list[Segment] = list(snapshot.filed)
        self.owners: dict[int, int] = {}
        self.forgotten: tuple[str, ...] = ()
        self.graphs: tuple[MeasuredGraph, ...] = ()
        self.notices: tuple[str, ...] = ()

    def run(self) -> PublishReport:
        sets = self._vector_names()
        contents = self._contents()
        before = Placement(
            list(map(PlacedSegment.of, self.first.all(f"SELECT {PLACED} FROM segments WHERE {LIVE}")))
        )
        sent = self._documents(contents)
        keys, segments = self._segments()
        vectors = self._vectors(sets)
        send_encoder_files(self.first.connection, self.snapshot)
        self._swap(keys, sets, other=self._is_other(before, contents))
        self._forget(keys, sets)
        for target in self.targets:
            move_fresh(target, sets, self.progress)
        was = {content for target in self.targets for content in self._published(target, before)}
        removed = len(was.difference(contents.values()))
        return PublishReport(
            *(sent, segments, vectors, removed, len(contents)),
            shards=tuple(str(target.database.address) for target in self.targets[1:]),
            forgotten=self.forgotten,
            graphs=self.graphs,
            notices=self.notices,
        )

    @staticmethod
    def _published(target: ServerTarget, before: Placement) -> list[bytes]:
        """Name what a server had of the generation before."""
        numbers = before.numbers_of(target.number, list(target.known.values()))
        return [content for content, number in zip(target.known, numbers, strict=True) if number is not None]

    def _is_other(self, before: Placement, contents: dict[int, bytes]) -> bool:
        """Whether another index was published here: in one and the same a number always names the same content."""
        for target in self.targets:
            named = {key: content for content, key in target.known.items()}
            here = before.owners == target.number
            for number, key in zip(before.numbers[here].tolist(), before.keys[here].tolist(), strict=True):
                if number in contents and named.get(key, contents[number]) != contents[number]:
                    return True
        return False

    def _contents(self) -> dict[int, bytes]:
        """Name what is kept of every document, in the order of their numbers, and choose its server."""
        rows = self.store.connection.execute(
            "SELECT number, digest, tree_checksum, source, id FROM documents ORDER BY number"
        ).fetchall()
        owners = owners_of([row[4] for row in rows], [target.number for target in self.targets]).tolist()
        self.owners = {row[0]: owner for row, owner in zip(rows, owners, strict=True)}
        sources = {
            source: blake2b(source.encode(), digest_size=8).digest() for source in {row[3] for row in rows}
        }
        return {
            number: digest + checksum.to_bytes(4, "big") + sources[source]
            for number, digest, checksum, source, _ in rows
        }

    def _documents(self, contents: dict[int, bytes]) -> int:
        """Send each server the documents that it lacks; says how many."""
        missing: list[list[int]] = []
        mine: list[dict[int, bytes]] = []
        for target in self.targets:
            target.known.update(target.all("SELECT content, key FROM documents"))
            own = {n: content for n, content in contents.items() if self.owners[n] == target.number}
            mine.append(own)
            missing.append([number for number, content in own.items() if content not in target.known])
        with self.progress("sending documents", sum(map(len, missing))) as advance:
            for target, numbers in zip(self.targets, missing, strict=True):
                send_documents(target.connection, self.store, numbers, contents, advance)
        for target, own in zip(self.targets, mine, strict=True):
            newest = max(target.known.values(), default=0)
            keys = target.known | dict(
                target.all("SELECT content, key FROM documents WHERE key > %s", (newest,))
            )
            target.key_of.update({number: keys[content] for number, content in own.items()})
        return sum(map(len, missing))

    def _segments(self) -> tuple[list[int], int]:
        """Send the segments that are missing; give the keys of all, in order, and how many were sent."""
        known: dict[int, bytes] = dict(self.first.all("SELECT key, owners FROM segments"))
        there = [{row[0] for row in target.all("SELECT segment FROM parts")} for target in self.targets]
        keys, sent = list[int](), 0
        with self.progress("sending postings", len(self.segments)) as advance:
            for segment in self.segments:
                key, owners = self._place(segment, known, keys)
                keys.append(key)
                if key not in known:
                    send_segment(self.first.connection, segment, key, owners)
                missing = [
                    target for target, parts in zip(self.targets, there, strict=True) if key not in parts
                ]
                for target in missing:
                    send_part(target.connection, segment, key, owners == target.number)
                sent += bool(missing)
                advance(1)
        return keys, sent

    def _place(
        self, segment: Segment, known: dict[int, bytes], taken: Sequence[int]
    ) -> tuple[int, NDArray[np.int16]]:
        """Name a segment: as it is known, if its live documents are on the servers where they shall be.

        Dead ones stay where they were, else count as the first server's.
        """
        live = ~segment.dead
        wanted = looked_up(self.owners, segment.documents, FIRST).astype(np.int16)
        content = self._segment_content(segment)
        while True:
            key = int.from_bytes(content[:8], "big", signed=True)
            if key not in taken:
                owners = np.frombuffer(known[key], OWNER) if key in known else wanted
                if (owners[live] == wanted[live]).all():
                    return key, owners
            content = blake2b(
                content, digest_size=16
            ).digest()  # the same texts in other documents, or elsewhere

    def _segment_content(self, segment: Segment) -> bytes:
        """Name the postings, names and units of a segment, whatever the numbers of its documents are."""
        hashed = blake2b(digest_size=16)
        for file in self.snapshot.files[segment.number]:
            if not file.name.endswith(".npy") and file.name != "tables.npz":
                hashed.update(f"{file.name} {file.size} {file.checksum};".encode())
        for level in sorted(segment.granularities):
            hashed.update(level.encode() + segment.offsets(level).tobytes())
        return hashed.digest()

    def _vectors(self, sets: dict[str, tuple[StoredEncoder, Granularity]]) -> int:
        """Send the vectors that are missing, and have all servers build their indexes of neighbours at once."""
        sent = 0
        for target in self.targets:
            sender = VectorSender(target, self.snapshot, self.progress)
            sent += sum(sender.send(name, encoder, level) for name, (encoder, level) in sets.items())
        self.notices = tuple(build_graphs(self.targets, sets, self.progress))
        with self.progress("measuring the index of neighbours", None):
            measured = [
                measure_graph(target, self.snapshot, name, encoder, level)
                for target in self.targets
                for name, (encoder, level) in sets.items()
            ]
        self.graphs = tuple(graph for graph in measured if graph is not None)
        return sent

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

    def _swap(
        self, keys: Sequence[int], sets: dict[str, tuple[StoredEncoder, Granularity]], *, other: bool
    ) -> None:
        """Let readers see the new generation, all of it at once; `other` says that it is another index."""
        execute = self.first.connection.execute
        with self.progress("swapping generations", None):
            publication = publication_of(self.first.connection) + 1
            for target in self.targets[1:]:
                set_meta(target.connection, {WHOLE: str(publication)})
            with self.first.connection.transaction():
                self._place_segments(keys)
                for table in ("moments", "encoders", "shards"):
                    execute(f"DELETE FROM {table}")
                with self.first.connection.cursor() as cursor:
                    for name, (encoder, level) in sets.items():
                        moments = self.snapshot.vectors(encoder.name, level).moments()
                        cursor.execute(
                            "INSERT INTO moments VALUES (%s, %s, %s, %s, %s)",
                            (name, encoder.dim, moments.n, moments.total.tobytes(), moments.gram.tobytes()),
                        )
                    cursor.executemany(
                        "INSERT INTO encoders VALUES (%s, %s)",
                        [(each.name, encoder_json(each)) for each in self.snapshot.encoders.values()],
                    )
                    self.forgotten = send_records(cursor, self.store.records(""), other=other)
                    cursor.executemany(
                        "INSERT INTO shards VALUES (%s, %s)",
                        [
                            (each.number, self.first.database.address.kept_shard(each.database.address))
                            for each in self.targets[1:]
                        ],
                    )
                set_meta(self.first.connection, self._meta() | {PUBLISHED: str(publication)})

    def _meta(self) -> dict[str, str]:
        # not the paths of the machine that published
        settings = replace(kept_settings(self.store), sources=(), dataset="")
        return {
            "generation": str(self.store.generation),
            **{key: str(version) for key, version in contents_versions().items()},
            SETTINGS: encoded_settings(settings),
            **{key: self.store.meta(key) or "" for key in (IN_USE, LSA_KIND, CHECKED)},
        }

    def _place_segments(self, keys: Sequence[int]) -> None:
        execute = self.first.connection.execute
        execute("UPDATE segments SET position = NULL WHERE position IS NOT NULL")
        for position, (key, segment) in enumerate(zip(keys, self.segments, strict=True)):
            numbers = segment.documents.astype("<i8")
            own = np.sum([target.keys_of(numbers) for target in self.targets], axis=0).astype("<i8")
            execute(
                "UPDATE segments SET position = %s, documents = %s, dead = %s, keys = %s WHERE key = %s",
                (position, numbers.tobytes(), np.packbits(segment.dead).tobytes(), own.tobytes(), key),
            )

    def _forget(self, segments: Sequence[int], sets: dict[str, tuple[StoredEncoder, Granularity]]) -> None:
        """Delete what no generation has any more, on all servers."""
        with self.progress("removing what is not needed any more", None):
            for target in self.targets[1:]:
                set_meta(target.connection, {SWEPT: str(publication_of(self.first.connection))})
            for target in self.targets:
                self._forget_at(target, segments, list(sets))
            self.first.connection.execute("DELETE FROM segments WHERE position IS NULL")
            folders = [folder.name for folder in fitted_folders(self.snapshot)]
            self.first.connection.execute("DELETE FROM encoder_files WHERE folder != ALL(%s)", (folders,))

    @staticmethod
    def _forget_at(target: ServerTarget, segments: Sequence[int], sets: Sequence[str]) -> None:
        """Delete at one server; tables of vectors only in the next run: they may be in use."""
        execute = target.connection.execute
        gone = list(set(target.known.values()).difference(target.key_of.values()))
        for key, name, retired in target.all("SELECT key, name, retired FROM vector_sets"):
            if retired and name not in sets:
                with target.connection.transaction():
                    execute(f"DROP TABLE IF EXISTS {vectors_table(key)}, {fresh_table(key)}")
                    execute("DELETE FROM vector_sets WHERE key = %s", (key,))
            elif gone:
                for table in (vectors_table(key), fresh_table(key)):
                    execute(f"DELETE FROM {table} WHERE document = ANY(%s)", (gone,))
        execute("UPDATE vector_sets SET retired = (name != ALL(%s))", (list(sets),))
        execute("DELETE FROM documents WHERE key = ANY(%s)", (gone,))
        execute("DELETE FROM parts WHERE segment != ALL(%s)", (list(segments),))
