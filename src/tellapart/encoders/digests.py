"""Hashes of big files, remembered so that opening an encoder does not read its weights twice."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import time
from pathlib import Path

from tellapart.encoders.cache import cache_folder
from tellapart.errors import TellapartError

REMEMBERED_FROM = 8_000_000
"""Bytes; smaller files are hashed in under 10 ms (blake2b, .9 GB/s on one core)."""

SETTLED_NS = 2_000_000_000
"""A file touched this recently may change again within one tick of its file system's clock."""

KEPT = 200
BLOCK = 1 << 20


def file_digest(path: Path) -> bytes:
    """Hash a file (blake2b, 128 bits); big ones are looked up by path, size and modification time.

    Raises:
        TellapartError: The file cannot be read.
    """
    try:
        status = path.stat()
        if status.st_size < REMEMBERED_FROM:
            return _hash(path)
        place = _place()
        known = _read(place)
        key = f"{path.resolve()}|{status.st_size}|{status.st_mtime_ns}"
        if key in known:
            return bytes.fromhex(known[key])
        digest = _hash(path)
    except OSError as error:
        raise TellapartError(f"cannot read {path}: {error.strerror}; get the file again") from error
    if time.time_ns() - status.st_mtime_ns > SETTLED_NS:
        _keep(place, known | {key: digest.hex()})
    return digest


def _hash(path: Path) -> bytes:
    hashed = hashlib.blake2b(digest_size=16)
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            hashed.update(block)
    return hashed.digest()


def _place() -> Path | None:
    folder = cache_folder()
    return folder / "digests.json" if folder else None


def _read(place: Path | None) -> dict[str, str]:
    if place is None:
        return {}
    try:
        content = json.loads(place.read_text(encoding="utf-8"))
        entries = {str(key): str(value) for key, value in content.items()}
        return {key: value for key, value in entries.items() if len(bytes.fromhex(value)) == 16}
    except (OSError, ValueError, AttributeError):
        return {}  # only a cache: hashed again


def _keep(place: Path | None, known: dict[str, str]) -> None:
    """Write the newest entries beside and swap; what another process wrote meanwhile may be lost, harmlessly."""
    if place is None:
        return
    with contextlib.suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=place.parent, prefix="digests.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                json.dump(dict(list(known.items())[-KEPT:]), stream)
            os.replace(name, place)
        finally:
            Path(name).unlink(missing_ok=True)
