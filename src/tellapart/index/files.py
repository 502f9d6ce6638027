"""Writing files so that they are whole, and seeing when they no longer are."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from zlib import crc32

from tellapart.errors import CorruptIndexError, TellapartError
from tellapart.index.catalogue import StoredFile
from tellapart.index.store import rebuilding

BLOCK = 1 << 20


def checksum(path: Path) -> int:
    """CRC-32 of a file's bytes."""
    value = 0
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            value = crc32(block, value)
    return value


def files_below(folder: Path) -> Iterator[Path]:
    """All files of a folder and its subfolders, sorted."""
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def bytes_below(folder: Path) -> int:
    """Sum the sizes of all files of a folder and its subfolders; what is deleted meanwhile does not count."""
    total = 0
    for path in files_below(folder):
        with suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


def sync(folder: Path, paths: Iterable[Path]) -> None:
    """Force files, and the folders that name them, to the disk."""
    folders = {folder, folder.parent}
    for path in paths:
        folders.add(path.parent)
        _sync(path)
    for each in sorted(folders):
        _sync(each)


def _sync(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:  # Windows opens no folders; its rename is durable without
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def seal(folder: Path, paths: Iterable[Path]) -> list[StoredFile]:
    """Force new files of a segment to the disk and note what they are like."""
    chosen = list(paths)
    sync(folder, chosen)
    sealed = []
    for path in chosen:
        status = path.stat()
        name = path.relative_to(folder).as_posix()
        sealed.append(StoredFile(name, status.st_size, status.st_mtime_ns, checksum(path)))
    return sealed


def check(folder: Path, files: Iterable[StoredFile], *, thoroughly: bool = False) -> None:
    """Raise CorruptIndexError where a file is not as it was committed.

    A file whose size and time of change are untouched is trusted; any other is read and compared, so
    that a copied index works and a changed byte is found before it can become a hit. `thoroughly` reads all.
    """
    for file in files:
        path = folder / file.name
        try:
            status = path.stat()
        except OSError as error:
            raise CorruptIndexError(f"{path} is missing: {_mend(folder)}") from error
        untouched = status.st_size == file.size and status.st_mtime_ns == file.mtime_ns and not thoroughly
        if not untouched and (status.st_size != file.size or checksum(path) != file.checksum):
            raise CorruptIndexError(f"{path} is damaged: {_mend(folder)}")


def _mend(folder: Path) -> str:
    return rebuilding(folder.parent.parent / "store")


def remove(folder: Path) -> None:
    """Delete a folder that nothing refers to any more."""
    shutil.rmtree(folder, ignore_errors=True)


def prepare_folder(folder: Path) -> None:
    """Make the index folder, ignored by git."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        ignore = folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")
    except OSError as error:
        raise TellapartError(
            f"cannot write the index {folder}: {error.strerror}; choose another with --index"
        ) from error
