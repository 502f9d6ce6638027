"""One writer at a time: a lock on a file that the kernel drops when its holder dies."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from tellapart.errors import LockedIndexError, TellapartError

try:  # the library takes a tenth of the time of a search that reads a changed file
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

FILE = "writer.lock"
RETRY_SECONDS = 0.05
PATIENCE = 3.0
"""Seconds to wait for another writer: a search that reads changed files again holds the lock for a second at most."""

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
    try:
        release = _acquire(folder / FILE, patience)
    except TimeoutError:
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
        release()


def _acquire(file: Path, patience: float) -> Callable[[], object]:
    """Lock a file and give what releases it; raise TimeoutError where another holds it for longer than `patience`."""
    if fcntl is None:
        from filelock import FileLock, Timeout

        lock = FileLock(file, timeout=patience, thread_local=False)
        try:
            lock.acquire()
        except Timeout:
            raise TimeoutError from None
        return lock.release
    deadline = time.monotonic() + patience
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            if time.monotonic() >= deadline:
                raise TimeoutError from None
            time.sleep(RETRY_SECONDS)
        except BaseException:
            os.close(descriptor)
            raise
        else:
            if os.fstat(descriptor).st_nlink:
                return partial(os.close, descriptor)
            os.close(descriptor)  # `clear` removed it before we held it: another writer would lock a new one


def _holder(folder: Path) -> str:
    try:
        return (folder / HOLDER).read_text(errors="replace").strip()[:32] or "unknown"
    except OSError:
        return "unknown"
