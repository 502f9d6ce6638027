"""One open index for many threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tellapart.engine import Index
from tellapart.errors import TellapartError
from tellapart.index.postgres.address import Address
from tellapart.index.store import FILE


class SharedIndex:
    """An index that several threads use, one after the other; opened on first use.

    Every use sees the newest complete generation: what a writer commits is there for the next call, and the call
    in progress keeps what it began with.
    """

    def __init__(self, folder: Path, *, refresh: bool = True) -> None:
        """`refresh` lets searches look at the sources first, and read again what changed."""
        self.folder = folder
        self.refresh = refresh
        self._lock = threading.Lock()
        self._index: Index | None = None
        self._identity: tuple[int, int] | None = None

    @property
    def own_folder(self) -> Path:
        """Folder of the index, for what is kept beside it.

        Raises:
            TellapartError: It is a published index, and has none.
        """
        if (address := Address.of(self.folder)) is not None:
            raise TellapartError(
                f"{address} is a published index, which is only searched: do this where the index it came from lies"
            )
        return self.folder

    @contextmanager
    def use(self) -> Iterator[Index]:
        """Hold the index for one call.

        Raises:
            TellapartError: There is none, or it cannot be read.
        """
        with self._lock:
            identity = _identity(self.folder)
            if self._index is not None and identity != self._identity:  # removed, and perhaps built again
                self._index.close()
                self._index = None
            if self._index is None:
                self._index, self._identity = Index.open(self.folder, refresh=self.refresh), identity
            yield self._index

    def close(self) -> None:
        """Release the files; the next use opens them again."""
        with self._lock:
            if self._index is not None:
                self._index.close()
                self._index = None


def _identity(folder: Path) -> tuple[int, int] | None:
    """Device and inode of the store; a writer changes them only by making it anew."""
    try:
        status = (folder / FILE).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
