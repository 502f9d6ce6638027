"""One published generation as a search reads it, by the same code as one in a folder."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import cached_property
from hashlib import blake2b
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tellapart.caches import cache_folder
from tellapart.corpus.document import Granularity
from tellapart.errors import CorruptIndexError
from tellapart.index.catalogue import Mask, StoredEncoder
from tellapart.index.files import remove
from tellapart.index.latent import FOLDER
from tellapart.index.names import SegmentNames
from tellapart.index.postgres.address import Address
from tellapart.index.postgres.database import Database
from tellapart.index.postgres.store import PublishedStore
from tellapart.index.postgres.terms import LevelCounts, PublishedTerms, TermLoader, array_data
from tellapart.index.postgres.vector_table import VectorTable
from tellapart.index.postgres.vectors import PublishedVectors
from tellapart.index.segments import vectors_name
from tellapart.index.snapshot import IN_USE, Snapshot
from tellapart.index.vectors import Moments


class PublishedSegment:
    """A segment of a published index; its arrays are fetched when they are asked for."""

    def __init__(
        self,
        database: Database,
        key: int,
        documents: NDArray[np.int64],
        dead: Mask,
        lexical: PublishedTerms,
    ) -> None:
        self._database = database
        self._key = key
        self.documents = documents
        self.dead = dead
        self.lexical = lexical
        self.granularities = frozenset(lexical.counts)
        self.vector_names: frozenset[str] = frozenset()
        self._offsets: dict[Granularity, NDArray[np.int64]] = {}

    def offsets(self, granularity: Granularity) -> NDArray[np.int64]:
        """Row of each document's first unit and, last, the number of units: (n + 1,)."""
        if granularity not in self.granularities:
            return np.zeros(len(self.dead) + 1, dtype=np.int64)
        if granularity not in self._offsets:
            data = array_data(self._database, self._key, f"offsets-{granularity}")
            self._offsets[granularity] = np.frombuffer(data, "<i8").astype(np.int64)
        return self._offsets[granularity]

    @cached_property
    def names(self) -> SegmentNames:
        """Paths and labels."""
        return SegmentNames(BytesIO(array_data(self._database, self._key, "names")))

    def has_vectors(self, name: str) -> bool:
        """Whether the published index has the vectors `name`."""
        return name in self.vector_names

    def alive(self, granularity: Granularity) -> Mask | None:
        """Which units are alive, None when all are."""
        if not self.dead.any():
            return None
        return np.repeat(~self.dead, np.diff(self.offsets(granularity)))


class PublishedSnapshot(Snapshot):
    """All that a search reads of one publication; statements inside `store.reading()` see it and no other.

    The documents of lost shards are dead in it: it is the index without them, but for the moments of the vectors.
    """

    def __init__(self, store: PublishedStore) -> None:
        """Read what the generation consists of: some kilobytes, and what the store knows of its documents."""
        self._servers = servers = store.servers
        self.place = store.place
        self.publication = store.publication
        first = servers.first
        encoders = {
            name: _encoder(stored)
            for name, stored in first.rows("SELECT name, stored FROM encoders ORDER BY name")
        }
        moments = first.rows("SELECT name, dim, n, total, gram FROM moments")
        self._moments = {
            name: Moments(n, np.frombuffer(total), np.frombuffer(gram).reshape(dim, dim))
            for name, dim, n, total, gram in moments
        }
        loader = TermLoader(servers)
        lost = np.array(list(servers.lost), np.int16)
        segments = [
            PublishedSegment(
                first,
                placed.key,
                placed.documents,
                placed.dead | np.isin(placed.owners, lost),
                PublishedTerms(loader, placed.key, placed.languages, counts_of(placed.levels)),
            )
            for placed in servers.segments
        ]
        for segment in segments:
            segment.vector_names = frozenset(self._moments)
        super().__init__(store.generation, encoders, store.meta(IN_USE) or None, segments)
        self.partial = servers.partial
        self._published: dict[str, PublishedVectors] = {}

    def adding(self, options: str = "") -> str:
        """Say how `tellapart index` with some options is run for this index, for messages."""
        publishing = f"'tellapart publish --index DIR --to {self.place}'"
        return f"'tellapart index {options and f'{options} '}--index DIR', then {publishing}"

    def vectors(self, encoder: str, granularity: Granularity) -> PublishedVectors:
        """Give the vectors of one encoder over the units of one granularity."""
        kept = self._encoder(encoder, granularity)
        name = vectors_name(kept.fingerprint, granularity, kept.pooled)
        if name not in self._published:
            if name not in self._moments:
                raise CorruptIndexError(f"the vectors {name} are missing from {self.place}: publish again")
            moments, table = self._moments[name], self.units(granularity)

            def opened(number: int, database: Database) -> VectorTable | None:
                statement = "SELECT key, dim, ef_search FROM vector_sets WHERE name = %s"
                if (row := database.row(statement, (name,))) is None:
                    return None
                key, dim, ef_search = row
                keys = self._keys_at(number)
                return VectorTable(key, dim, keys, table.offsets, ef_search=ef_search, database=database)

            tables = self._servers.gather(opened)
            self._published[name] = PublishedVectors(
                self._servers,
                {number: each for number, each in tables.items() if each is not None},
                dim=len(moments.total),
                n_rows=table.n_rows,
                alive=table.alive,
                moments=moments,
            )
        return self._published[name]

    def _keys_at(self, server: int) -> NDArray[np.int64]:
        """Give the keys of a server's live documents, 0 for all others, in the order of every unit table."""
        parts = [
            np.where((placed.owners == server) & ~placed.dead, placed.keys, 0)
            for placed in self._servers.segments
        ]
        return np.concatenate([np.zeros(0, np.int64), *parts])


class PublishedGenerations:
    """Gives a reader the newest publication; what it holds is kept until there is another one."""

    def __init__(self, store: PublishedStore, home: Path) -> None:
        self.store = store
        self._home = home
        self._snapshot: PublishedSnapshot | None = None
        self._seen: tuple[str, str | None] = ("", None)

    @contextmanager
    def reading(self) -> Iterator[PublishedSnapshot]:
        """Hold one publication for the length of a call; calls inside others see the same one."""
        with self.store.reading():
            seen = self.store.identity, self.store.servers.partial
            if self._snapshot is None or self._seen != seen:
                _fetch_encoders(self.store.servers.first, self._home)
                self._snapshot, self._seen = PublishedSnapshot(self.store), seen
            yield self._snapshot

    def close(self) -> None:
        """Let go of what is in memory."""
        self._snapshot = None


def open_published(address: Address) -> tuple[Path, PublishedStore, PublishedGenerations]:
    """Open a published index, and the folder where files of its own encoders lie on this machine.

    Raises:
        TellapartError: There is no server, it does not let us in, or nothing is published there.
    """
    store = PublishedStore.open(Database(address))
    home = _home(address)
    return home, store, PublishedGenerations(store, home)


def _home(address: Address) -> Path:
    cache = cache_folder()
    if cache is None:
        return Path(tempfile.mkdtemp(prefix="tellapart-published-"))
    key = blake2b(f"{address.url} {address.schema}".encode(), digest_size=8).hexdigest()
    return cache / "published" / key


def _fetch_encoders(database: Database, home: Path) -> None:
    """Copy what the index keeps of encoders fitted for it: folders whose names say what is in them."""
    for (folder,) in database.rows("SELECT DISTINCT folder FROM encoder_files"):
        place = home / FOLDER / Path(folder).name
        if place.is_dir():
            continue
        beside = place.with_name(f".{place.name}.{os.getpid()}.part")
        files = database.rows("SELECT name, data FROM encoder_files WHERE folder = %s", (folder,))
        for name, data in files:
            file = beside / Path(name).name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        with suppress(OSError):  # another process was faster
            beside.rename(place)
        remove(beside)


def counts_of(levels: dict[str, list[int]]) -> dict[Granularity, LevelCounts]:
    """Read what a segment has of each granularity."""
    return {Granularity(name): LevelCounts(*counts) for name, counts in levels.items()}


def encoder_json(encoder: StoredEncoder) -> str:
    """Write an encoder as JSON."""
    return json.dumps(asdict(encoder))


def _encoder(stored: str) -> StoredEncoder:
    kept = json.loads(stored)
    for name in ("granularities", "pooled"):
        kept[name] = tuple(map(Granularity, kept[name]))
    return StoredEncoder(**kept)
