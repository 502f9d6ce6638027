"""One open index for many threads."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from starlette.requests import Request

from tellapart.engine import Index
from tellapart.errors import TellapartError
from tellapart.index.postgres.address import Address, only_searched
from tellapart.index.store import FILE

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

    async def answer(self, ask: Callable[[Index], Answer], request: Request) -> Answer:
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
        watch = asyncio.create_task(_cancel_without_client(asked, request))
        try:
            await asyncio.wait((asked,))
        finally:
            watch.cancel()
            asked.cancel()  # where the time is over
        if asked.cancelled():
            raise GivenUpError("the client went away before its answer was there")
        return asked.result()

    @property
    def own_folder(self) -> Path:
        """Folder of the index, for what is kept beside it.

        Raises:
            TellapartError: It is a published index, and has none.
        """
        if (address := Address.of(self.folder)) is not None:
            raise only_searched(address)
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


async def _cancel_without_client(asked: asyncio.Future[Answer], request: Request) -> None:
    """Take a call out of the queue when its client goes; the rest of a body that nobody reads is passed over."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    asked.cancel()


def _identity(folder: Path) -> tuple[int, int] | None:
    """Device and inode of the store; a writer changes them only by making it anew."""
    try:
        status = os.stat(os.path.join(folder, FILE))
    except OSError:
        return None
    return status.st_dev, status.st_ino
