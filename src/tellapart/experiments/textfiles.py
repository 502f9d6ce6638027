"""The line files of the field, plain or gz: read with errors that name the line, written whole or not at all."""

from __future__ import annotations

import gzip
import io
import os
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, BinaryIO

from tellapart.errors import TellapartError

STDIN = Path("-")
GZIP_MAGIC = b"\x1f\x8b"


class LineError(TellapartError):
    """A line of a file cannot be used; the message names both."""

    def __init__(self, path: Path, number: int, message: str) -> None:
        super().__init__(f"{'stdin' if path == STDIN else path}, line {number}: {message}")


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines with their numbers from 1, without line ends; blank ones and a byte order mark are passed over.

    Raises:
        TellapartError: The file is missing, unreadable, damaged, or not UTF-8.
    """
    number = 0
    with _opened(path) as stream:
        for number, raw in enumerate(_decompressed(path, stream), start=1):
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError as undecodable:
                raise LineError(
                    path, number, f"byte {undecodable.start} is not UTF-8; save the file as UTF-8"
                ) from None
            if line and not line.isspace():
                yield number, line


def read_text(path: Path) -> str:
    """The whole file as one text, decoded as `numbered_lines` does."""
    return "\n".join(line for _, line in numbered_lines(path))


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    if path == STDIN:
        yield sys.stdin.buffer
        return
    try:
        stream = path.open("rb")
    except OSError as unreadable:
        raise TellapartError(
            f"cannot read {path}: {unreadable.strerror or unreadable}; check the path"
        ) from None
    with stream:
        yield stream


def _decompressed(path: Path, stream: BinaryIO) -> Iterator[bytes]:
    buffered = stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(stream)  # type: ignore[type-var]
    packed = buffered.peek(2)[:2] == GZIP_MAGIC
    lines = gzip.GzipFile(fileobj=buffered) if packed else buffered
    try:
        yield from lines
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise TellapartError(f"{path} is a damaged or cut-off gz file; fetch or compress it anew") from None
    except OSError as unreadable:
        raise TellapartError(
            f"cannot read {path}: {unreadable.strerror or unreadable}; check the path"
        ) from None


@contextmanager
def replacing(path: Path) -> Iterator[IO[str]]:
    """A text stream whose content takes the place of `path` at the end, or leaves no trace."""
    final = path.resolve()
    if final.exists() and not final.is_file():
        # A device or a pipe takes what comes; replacing it would destroy it.
        with _writing(path), path.open("wb") as raw, _text(path, raw) as stream:
            yield stream
        return
    temporary = final.with_name(f".{final.name}.{os.getpid()}.tmp")
    with _writing(path):
        try:
            with temporary.open("wb") as raw:
                with _text(path, raw) as stream:
                    yield stream
                raw.flush()
                os.fsync(raw.fileno())
            temporary.replace(final)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as refused:
        raise TellapartError(
            f"cannot write {path}: {refused.strerror or refused}; choose another place"
        ) from None


@contextmanager
def _text(path: Path, raw: IO[bytes]) -> Iterator[IO[str]]:
    with ExitStack() as stack:
        stream: IO[bytes] | gzip.GzipFile = raw
        if path.suffix == ".gz":
            # No name and no time in the header: the same content gives the same bytes.
            stream = stack.enter_context(gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0))
        text = io.TextIOWrapper(stream, encoding="utf-8", newline="\n", write_through=False)
        yield text
        text.flush()
        text.detach()
