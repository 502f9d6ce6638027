"""A published index on this machine, for what reads all of it many times or needs an index to change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from tellapart.engine.facade import Index
from tellapart.engine.opened import OpenedIndex
from tellapart.index.copying import passing_folder
from tellapart.index.postgres.store import PublishedStore
from tellapart.progress import Progress, silent


@contextmanager
def index_in_folder(index: Index, *, progress: Progress = silent) -> Iterator[Index]:
    """Give an index itself where it lies in a folder, and a copy of one that is published: removed at the end.

    The copy is called by the published one's address. What is kept in it is lost.

    Raises:
        TellapartError: Its shards do not all answer.
    """
    if not isinstance(index.store, PublishedStore):
        yield index
        return
    from tellapart.index.postgres.copying import copy_published
    from tellapart.index.postgres.snapshot import PublishedSnapshot

    index.folder.mkdir(parents=True, exist_ok=True)
    with passing_folder(index.folder) as folder:
        with index.reading() as snapshot:
            assert isinstance(snapshot, PublishedSnapshot)
            copy_published(snapshot, index.store, index.folder, folder, progress)
        place = replace(OpenedIndex.of_folder(folder), place=index.place)
        with Index(place, index.objects, refresh=False) as copy:
            yield copy
