"""Opening what a scan found: only regular files, never one that changed into something else meanwhile."""

from __future__ import annotations

import os
import stat
import sys
from typing import BinaryIO

from tellapart.corpus.sources.types import ScanOptions, Source, Unreadable

_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_NO_LINKS = getattr(os, "O_NOFOLLOW", 0)


def open_source(source: Source) -> BinaryIO:
    """Open a source for reading bytes; the caller closes it (of standard input it is a copy).

    Raises:
        Unreadable: it vanished, may not be read, or is no regular file any more.
    """
    if source.file is None:
        if sys.stdin is None:
            raise Unreadable(source.key, "standard input is closed")
        try:
            return os.fdopen(os.dup(sys.stdin.fileno()), "rb")
        except (OSError, ValueError, AttributeError):
            return sys.stdin.buffer  # replaced by an object without a descriptor, as test runners do
    try:
        descriptor = os.open(source.file, _FLAGS | (_NO_LINKS if source.limited else 0))
    except OSError as error:
        raise Unreadable(source.key, _why(error)) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Unreadable(source.key, "no regular file any more")
    return os.fdopen(descriptor, "rb")


def load(source: Source, options: ScanOptions) -> bytes:
    """Read all bytes of a source.

    Raises:
        Unreadable: it cannot be read, or has grown beyond the size limit since it was listed.
    """
    limit = options.limit(source.format)
    with open_source(source) as stream:
        try:
            content = stream.read(limit + 1 if source.limited else -1)
        except (OSError, MemoryError) as error:
            raise Unreadable(source.key, _why(error)) from error
    if source.limited and len(content) > limit:
        raise Unreadable(source.key, f"has grown over the limit of {limit:,} bytes")
    return content


def _why(error: OSError | MemoryError) -> str:
    if isinstance(error, MemoryError):
        return "larger than the memory"
    if isinstance(error, FileNotFoundError):
        return "vanished since it was listed"
    if isinstance(error, PermissionError):
        return "permission denied"
    return error.strerror or str(error)
