"""The folder of an encoder: its config.json with checked fields, and hashes of its large files."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import time
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any, TypeVar

from tellapart.caches import cache_folder
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


FORMAT = 1
FILE = "config.json"
IMAGE_KIND = "onnx-image"
"""What config.json calls an encoder of images."""

Config = TypeVar("Config")

_TYPES: dict[str, type] = {"int": int, "str": str, "float": float}


def read_content(folder: Path) -> dict[str, Any]:
    """Read config.json of a folder.

    Raises:
        TellapartError: It is missing, unreadable, or of another format.
    """
    path = folder / FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TellapartError(
            f"{folder} is not an encoder folder: it has no {FILE}; name one made by 'train'"
        ) from None
    except (OSError, ValueError) as error:
        raise TellapartError(f"cannot read {path}: {error}; make or copy the encoder again") from error
    if not isinstance(content, dict):
        raise TellapartError(f"{path} holds no JSON object: make or copy the encoder again")
    return content


def config_of(kind: str, cls: type[Config], folder: Path) -> Config:
    """Read config.json as one kind of encoder writes it.

    Args:
        kind: What its field "kind" must say.
        cls: A dataclass whose fields, `int`, `str` or `float`, are those of the file.
        folder: Where the file lies.

    Raises:
        TellapartError: Another format or kind, a field too many or too few, or one of another type.
    """
    path, content = folder / FILE, read_content(folder)
    if content.get("format") != FORMAT or content.get("kind") != kind:
        raise TellapartError(
            f"{path} has format {content.get('format')!r}, kind {content.get('kind')!r}; this version reads"
            f" format {FORMAT}, kind {kind!r}: export the encoder again"
        )
    known = {field.name: field for field in fields(cls)}  # type: ignore[arg-type]
    for name, field in known.items():
        value = content.get(name)
        if name in content and (not isinstance(value, _TYPES[str(field.type)]) or isinstance(value, bool)):
            raise TellapartError(f"{path}: {name!r} is {value!r}, not of type {field.type}: correct it")
    unknown = sorted(content.keys() - known)
    missing = sorted(name for name in known.keys() - content.keys() if known[name].default is MISSING)
    if unknown or missing:
        raise TellapartError(f"{path}: unknown fields {unknown}, missing fields {missing}: correct it")
    return cls(**content)


def write_config(config: Any, folder: Path) -> None:  # noqa: ANN401 - one dataclass for each kind
    """Write config.json, which makes a folder an encoder's, as `config_of` reads it."""
    text = json.dumps(asdict(config), ensure_ascii=False, indent=1)
    (folder / FILE).write_text(f"{text}\n", encoding="utf-8")


def need_files(folder: Path, *names: str) -> None:
    """Refuse a folder that lacks a file which its config.json names."""
    for name in names:
        if not (folder / name).is_file():
            raise TellapartError(f"{folder} lacks {name}, which its {FILE} names: copy the whole folder")
