"""Where an index is, in a folder or published to a database, and keeping an open one up to date with its files."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, Protocol, TypeVar

from tellapart.arguments import path_of
from tellapart.encoders.protocol import Encoder
from tellapart.engine.building import NO_OBJECTS, builder
from tellapart.index.files import bytes_below
from tellapart.index.freshness import Freshness, keep_fresh
from tellapart.index.postgres.address import Address, only_searched
from tellapart.index.postgres.servers import LostShardError
from tellapart.index.postgres.store import PublishedStore
from tellapart.index.reading import DocumentStore
from tellapart.index.settings import kept_settings
from tellapart.index.snapshot import Generations, Snapshot
from tellapart.index.store import FILE, Store, corruption_named

if TYPE_CHECKING:
    from tellapart.corpus.sources import Source


Asked = ParamSpec("Asked")
Answer = TypeVar("Answer")


class SnapshotReader(Protocol):
    """Gives a reader the newest generation."""

    def reading(self) -> AbstractContextManager[Snapshot]:
        """Hold one generation for the length of a call."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


@dataclass(frozen=True, slots=True)
class OpenedIndex:
    """An opened index; `folder` holds it, or what a published one keeps on this machine; messages call it `place`."""

    folder: Path
    store: DocumentStore
    generations: SnapshotReader
    place: str

    @classmethod
    def open(cls, path: Path | str) -> OpenedIndex:
        """Open what is in a folder, or at an address such as `postgresql://user@host/database`.

        Raises:
            TellapartError: There is no index, or it cannot be read.
        """
        address = Address.of(path) if isinstance(path, str | Path) else None
        if address is not None:
            from tellapart.index.postgres.snapshot import open_published

            home, published, generations = open_published(address)
            return cls(home, published, generations, published.place)
        return cls.of_folder(path_of(path, "path"))

    @classmethod
    def of_folder(cls, folder: Path) -> OpenedIndex:
        """Open what is in a folder."""
        store = Store.open(folder)
        return cls(folder, store, Generations(folder, store), store.place)

    def refresher(self, objects: Mapping[str, Encoder]) -> Refresher | None:
        """Give what looks at the sources before a search; a published index has none."""
        return Refresher(self.folder, self.store, objects) if isinstance(self.store, Store) else None


def despite_losses(answer: Callable[Asked, Answer]) -> Callable[Asked, Answer]:
    """Let a call of an index answer again where a shard was lost meanwhile that it may do without."""

    @wraps(answer)
    def answered(*arguments: Asked.args, **options: Asked.kwargs) -> Answer:
        while True:
            with suppress(LostShardError):
                return answer(*arguments, **options)

    return answered


def is_published(store: DocumentStore) -> bool:
    """Whether an index is in a database, where only publishing changes what a search can find."""
    return not isinstance(store, Store)


def shards_of(store: DocumentStore) -> tuple[str, ...]:
    """Give the addresses of the further servers of a published index."""
    if not isinstance(store, PublishedStore):
        return ()
    return tuple(str(address) for address in store.servers.addresses)


def bytes_kept(store: DocumentStore) -> int:
    """Sum what an index takes, on this machine or at the server."""
    return store.size() if isinstance(store, PublishedStore) else bytes_below(own_folder(store))


def folder_store(store: DocumentStore) -> Store:
    """Give the store of an index in a folder, for what cannot be done to a published one.

    Raises:
        TellapartError: It is published.
    """
    if not isinstance(store, Store):
        raise only_searched(store.place)
    return store


def own_folder(store: DocumentStore) -> Path:
    """Give the folder of an index that can be changed; raise TellapartError for a published one."""
    return folder_store(store).path.parent


LOOK_SECONDS, LOOK_SHARE = 0.2, 20
"""A program that searches again and again looks at the sources at most so often, and for at most a twentieth of its
time: nobody edits a file and searches for it within a fifth of a second, and a twentieth is not felt."""

ENCODED_CHARACTERS = 3_000
"""A search encodes changed documents at once up to this length, about half a second of the bundled encoder (some 60
texts of 120 tokens a second, each character in about four units)."""


class Refresher:
    """Looks at the sources of an index before a search; one instance per open index."""

    def __init__(self, folder: Path, store: Store, objects: Mapping[str, Encoder] = NO_OBJECTS) -> None:
        self.folder = folder
        self.store = store
        self.objects = objects
        self._freshness: Freshness | None = None
        self._next_look = 0.0

    def look(self, *, encode: bool) -> Freshness | None:
        """Look at the sources, and read again what changed if that is quick.

        Looks again only after `LOOK_SECONDS`; in between the last result stands. `encode` says that the search needs
        vectors. Inside `Index.reading()` nothing is looked at: the caller wants one generation.
        """
        started = time.monotonic()
        if self.store.connection.in_transaction or started < self._next_look:
            return self._freshness
        with corruption_named(self.folder / FILE):
            self.store.follow()
            self._freshness = keep_fresh(self.folder, self.store, partial(self._reread, encode=encode))
        now = time.monotonic()
        self._next_look = now + max(LOOK_SECONDS, LOOK_SHARE * (now - started))
        return self._freshness

    def _reread(self, sources: Sequence[Source] | None, at_most: int, *, encode: bool) -> int:
        """Bring the index up to date with these sources; returns how many documents came, went or changed."""
        rereading = builder(self.folder, kept_settings(self.store), objects=self.objects)
        encoded = ENCODED_CHARACTERS if encode else 0
        changes = rereading.reread(sources, encoded_characters=encoded, at_most_bytes=at_most)
        return changes.added + changes.changed + changes.removed


def look(refresher: Refresher | None, *, encode: bool) -> Freshness | None:
    """Look where somebody is to; None elsewhere."""
    return None if refresher is None else refresher.look(encode=encode)


def partial_notes(partial: str | None) -> tuple[str, ...]:
    """Say what an answer leaves out."""
    return (f"a partial answer: {partial}",) if partial else ()


def answer_notes(freshness: Freshness | None, folder: Path, partial: str | None) -> tuple[str, ...]:
    """Say, a line each, that an answer does not know all files as they are now, or leaves out lost shards."""
    note = freshness.note(folder) if freshness else None
    return (*(() if note is None else (note,)), *partial_notes(partial))
