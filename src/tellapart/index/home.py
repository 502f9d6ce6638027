"""Where an index lies when nobody says."""

from __future__ import annotations

import os
from hashlib import blake2b
from pathlib import Path

from tellapart.encoders.cache import cache_folder
from tellapart.errors import TellapartError
from tellapart.index.store import FILE

NAME = ".tellapart"


def index_folder(index: Path | None, paths: list[Path]) -> Path:
    """Choose the folder of the index: `--index`, else `.tellapart` in the first path.

    A file, standard input or a read-only folder cannot hold one; theirs lies in the user's cache.
    """
    if index is not None:
        if index.exists() and not index.is_dir():
            raise TellapartError(f"--index {index} is a file: give the folder of an index")
        return index
    first = paths[0] if paths else Path()
    if str(first) == "-":
        raise TellapartError("standard input has no folder for an index: say where with --index")
    if not first.exists():
        raise TellapartError(f"{first} does not exist: give a file or folder to search in")
    inside = first / NAME
    if first.is_dir() and ((inside / FILE).is_file() or os.access(first, os.W_OK)):
        return inside
    cache = cache_folder()
    if cache is None:
        raise TellapartError(
            f"{first} cannot hold an index and the cache is switched off: say where with --index"
        )
    key = blake2b(os.fsencode(first.resolve()), digest_size=8).hexdigest()
    return cache / "indexes" / f"{first.name}-{key}"


def exists(folder: Path) -> bool:
    """Whether an index lies in a folder."""
    return (folder / FILE).is_file()
