"""One writer at a time: a lock on a file that the kernel drops when its holder dies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tellapart.errors import LockedIndexError, TellapartError

FILE = "writer.lock"
HOLDER = "writer.pid"
"""Who holds the lock, for the message to others; in a file of its own, since taking a lock may empty its file."""


@contextmanager
def writer_lock(folder: Path, *, patience: float = 0.0, what: str = "index") -> Iterator[None]:
    """Hold the right to write the index, or another thing, in `folder`.

    Args:
        folder: Of the index; it exists.
        patience: Seconds to wait for another writer.
        what: How messages call it, and the option that names it.

    Raises:
        LockedIndexError: Another process is writing, and still is when `patience` is over.
        TellapartError: The folder cannot be written.
    """
    from filelock import FileLock, Timeout  # only writers need it

    lock = FileLock(folder / FILE, timeout=patience, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        raise LockedIndexError(
            f"process {_holder(folder)} is writing the {what} {folder}: run this again when it is done"
        ) from None
    except OSError as error:
        raise TellapartError(
            f"cannot write the {what} {folder}: {error.strerror}; choose another with --{what}"
        ) from error
    try:
        with suppress(OSError):  # a full disk: the work itself will say so
            (folder / HOLDER).write_text(f"{os.getpid()}\n")
        yield
    finally:
        lock.release()


def _holder(folder: Path) -> str:
    try:
        return (folder / HOLDER).read_text(errors="replace").strip()[:32] or "unknown"
    except OSError:
        return "unknown"
