"""What a server serves, each of it opened once for many threads."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tellapart.encoders.load import load_encoder
from tellapart.encoders.protocol import Encoder, OfImages
from tellapart.engine import Index
from tellapart.errors import TellapartError
from tellapart.index.home import place_of
from tellapart.index.postgres.address import Address
from tellapart.index.store import FILE
from tellapart.serving.http_guard import Receive
from tellapart.serving.jobs import Jobs

if TYPE_CHECKING:
    from tellapart.identities import Gallery

Answer = TypeVar("Answer")


class GivenUpError(TellapartError):
    """Nobody waits for the answer any more: 499, as nginx counts it."""


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
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="index")

    async def answer(self, ask: Callable[[Index], Answer], receive: Receive) -> Answer:
        """Let a thread of its own ask the index, one call after the other in the order of asking.

        Threads that wait for each other would only take turns at the interpreter, each with memory of its own. A call
        whose client goes away before its turn is never made.

        Raises:
            GivenUpError: The client went away.
        """

        def held() -> Answer:
            with self.use() as index:
                return ask(index)

        asked = asyncio.get_running_loop().run_in_executor(self._thread, held)
        watch = asyncio.create_task(_cancel_without_client(asked, receive))
        try:
            await asyncio.wait((asked,))
        finally:
            watch.cancel()
            asked.cancel()  # where the time is over
        if asked.cancelled():
            raise GivenUpError("the client went away before its answer was there")
        return asked.result()

    @property
    def place(self) -> str:
        """How answers call the index."""
        return place_of(self.folder)

    @property
    def judging_home(self) -> Path:
        """Folder of the index, where sessions of judging by hand are kept.

        Raises:
            TellapartError: It is a published index, and has none.
        """
        if (address := Address.of(self.folder)) is not None:
            raise TellapartError(
                f"{address} is a published index, without a folder for sessions of judging:"
                f" 'tellapart judge --index {address} --queries FILE --qrels FILE' keeps one where you are"
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


async def _cancel_without_client(asked: asyncio.Future[Answer], receive: Receive) -> None:
    """Take a call out of the queue when its client goes; the rest of a body that nobody reads is passed over."""
    while (await receive())["type"] != "http.disconnect":
        pass
    asked.cancel()


def _identity(folder: Path) -> tuple[int, int] | None:
    """Device and inode of the store; a writer changes them only by making it anew."""
    try:
        status = os.stat(os.path.join(folder, FILE))
    except OSError:
        return None
    return status.st_dev, status.st_ino


BUNDLED = "minilm"


class SharedGallery:
    """A gallery that several threads use, one after the other; opened on first use."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._gallery: Gallery | None = None

    @contextmanager
    def use(self) -> Iterator[Gallery]:
        """Hold the gallery for one call; what another process enrolled, or published, is there."""
        from tellapart.identities import Gallery
        from tellapart.identities.file import VARIABLE

        with self._lock:
            if self._gallery is not None and self._gallery.store.outdated():
                self._gallery.close()
                self._gallery = None
            if self._gallery is None:
                passphrase = os.environ.get(VARIABLE)
                self._gallery = Gallery.open(self.folder, passphrase=passphrase, create=False)
            yield self._gallery

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            if self._gallery is not None:
                self._gallery.close()
                self._gallery = None


class Service:
    """The indexes and galleries of a server by name; `jobs` is the folder that its workers share."""

    def __init__(
        self,
        indexes: Mapping[str, Path],
        galleries: Mapping[str, Path] | None = None,
        *,
        jobs: Path | None = None,
    ) -> None:
        self.indexes = {name: SharedIndex(folder) for name, folder in indexes.items()}
        self.galleries = {name: SharedGallery(folder) for name, folder in (galleries or {}).items()}
        self.jobs = Jobs(jobs)
        self._bundled: Encoder | None = None

    def index(self, name: str | None) -> SharedIndex:
        """Find an index by its name; the first where none is named."""
        if name is None:
            return next(iter(self.indexes.values()))
        if name not in self.indexes:
            raise TellapartError(f"no index {name!r} here: choose {', '.join(self.indexes)}")
        return self.indexes[name]

    def gallery(self, name: str | None) -> SharedGallery:
        """Find a gallery by its name; the first where none is named."""
        if not self.galleries:
            raise TellapartError("no gallery is served here: start the server with --gallery DIR")
        if name is None:
            return next(iter(self.galleries.values()))
        if name not in self.galleries:
            raise TellapartError(f"no gallery {name!r} here: choose {', '.join(self.galleries)}")
        return self.galleries[name]

    def encoder(self, name: str) -> Encoder:
        """Find an encoder of texts: one of the indexes', or the bundled one."""
        known: list[str] = []
        for shared in self.indexes.values():
            with shared.use() as index:
                with index.reading() as snapshot:
                    names = list(snapshot.encoders)
                known += names
                if name in names:
                    found = index.encoder(name)
                    if isinstance(found, OfImages):
                        raise TellapartError(
                            f"the encoder {name!r} encodes images, not texts: choose another"
                        )
                    return found
        if name == BUNDLED:
            self._bundled = self._bundled or load_encoder(BUNDLED)
            return self._bundled
        raise TellapartError(
            f"no encoder {name!r} here: choose {', '.join(dict.fromkeys([*known, BUNDLED]))}"
        )

    def close(self) -> None:
        """Release all files."""
        for index in self.indexes.values():
            index.close()
        for gallery in self.galleries.values():
            gallery.close()
