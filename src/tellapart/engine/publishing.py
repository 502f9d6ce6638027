"""Handing an index to databases, where many processes and machines search it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tellapart.arguments import Names, names
from tellapart.engine.facade import Index
from tellapart.engine.opened import folder_store
from tellapart.index.postgres.address import Address
from tellapart.index.snapshot import FolderSnapshot
from tellapart.progress import Progress, silent

if TYPE_CHECKING:
    from tellapart.index.postgres.publishing import PublishReport


def publish(
    index: Index, to: str, *, shards: Names | None = None, progress: Progress = silent
) -> PublishReport:
    """Make a database hold what an index in a folder holds, verdict and calibration included.

    Only what the database lacks is sent. Searches there see the generation before until this one is whole, and keep it
    where this process is killed.

    Args:
        index: In a folder, and up to date: files are not looked at.
        to: `postgresql://user@host/database`, with `?schema=NAME` for another schema than `tellapart`. The server needs
            PostgreSQL 14 and pgvector 0.8, or later ones.
        shards: Addresses of more servers, all beside `to`: the documents are divided over them. None takes those of the
            run before; an empty list brings everything back to `to`.
        progress: Told of what is sent.

    Returns:
        What was sent.

    Raises:
        TellapartError: `to` cannot be reached or refuses something, or the index has vectors that cannot be published.
        LockedIndexError: Another process is publishing there.
    """
    from tellapart.index.postgres.publishing import publish_snapshot

    address, store = Address.needed(to), folder_store(index.store)
    beside = None if shards is None else [Address.needed(each) for each in names(shards, "shards")]
    with index.reading() as snapshot:
        assert isinstance(snapshot, FolderSnapshot)
        return publish_snapshot(snapshot, store, address, beside, progress=progress)
