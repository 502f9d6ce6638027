"""Where an index is: in a folder, or published to a database."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tellapart.arguments import path_of
from tellapart.encoders.protocol import Encoder
from tellapart.engine.refreshing import Refresher
from tellapart.index.files import bytes_below
from tellapart.index.postgres.address import Address, only_searched
from tellapart.index.postgres.store import PublishedStore
from tellapart.index.reading import DocumentStore
from tellapart.index.snapshot import Generations, Snapshot
from tellapart.index.store import Store


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
    """An opened index; `folder` holds it, or what a published one keeps on this machine."""

    folder: Path
    store: DocumentStore
    generations: SnapshotReader

    @classmethod
    def open(cls, path: Path | str) -> OpenedIndex:
        """Open what is in a folder, or at an address such as `postgresql://user@host/database`.

        Raises:
            TellapartError: There is no index, or it cannot be read.
        """
        address = Address.of(path) if isinstance(path, str | Path) else None
        if address is not None:
            from tellapart.index.postgres.snapshot import open_published

            return cls(*open_published(address))
        return cls.of_folder(path_of(path, "path"))

    @classmethod
    def of_folder(cls, folder: Path) -> OpenedIndex:
        """Open what is in a folder."""
        store = Store.open(folder)
        return cls(folder, store, Generations(folder, store))

    def refresher(self, objects: Mapping[str, Encoder]) -> Refresher | None:
        """Give what looks at the sources before a search; a published index has none."""
        return Refresher(self.folder, self.store, objects) if isinstance(self.store, Store) else None


def is_published(store: DocumentStore) -> bool:
    """Whether an index is in a database, and only searched."""
    return not isinstance(store, Store)


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
