"""One immutable file of vectors: one row per unit, in unit order, float16 or (in a compressed index) bytes.

Float16 alone is kept, no float32 beside it: recall@10 against exact float32 is .995-1.000 in
`bench/knn_speed.py`, at half the disk and a faster scan. All arithmetic widens to float32 or float64.
"""

from __future__ import annotations

import hashlib
import io
import mmap
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from tellapart.errors import CorruptIndexError, TellapartError
from tellapart.index.vectors.stored import StoredRows

# Float32 rows normalised by any encoder are within 1e-6 of length 1; an encoder that forgot to is far off.
LENGTH_TOLERANCE = 1e-3
FLOATS, BYTES = np.dtype("<f2"), np.dtype("|u1")
_WRITE_ROWS = 16_384
_HEADER_BYTES = 1_024


def write_vectors(
    path: Path, array: NDArray[np.floating] | StoredRows, *, allow_absent: bool = False
) -> None:
    """Write rows of unit length, shape (units, dim), as float16; the file appears complete or not at all.

    Bytes, as `as_bytes` makes them, are written as they are.

    A row of zeros is refused like NaN and Inf, unless `allow_absent`: then it marks a unit without a vector
    (a text none of whose words the encoder knows), which no search ever finds.

    Raises:
        TellapartError: a row is zero, not finite or not of unit length; the message names it.
    """
    if array.ndim != 2 or array.shape[1] == 0:
        raise TellapartError(f"vectors must have the shape (units, dim), not {array.shape}: see the encoder")

    def body(file: BinaryIO) -> None:
        kept = BYTES if array.dtype == BYTES else FLOATS
        header = {"descr": kept.str, "fortran_order": False, "shape": array.shape}
        npy.write_array_header_1_0(file, header)
        for start in range(0, len(array), _WRITE_ROWS):
            part = np.asarray(array[start : start + _WRITE_ROWS])
            if kept == FLOATS:
                _check(part, start, path, allow_absent=allow_absent)
            file.write(part.astype(kept, order="C").tobytes())

    replace(path, body)


def _check(part: NDArray[np.floating], first: int, path: Path, *, allow_absent: bool) -> None:
    squares = np.einsum("ij,ij->i", part, part, dtype=np.float64)
    wrong = ~(np.abs(np.sqrt(squares) - 1.0) <= LENGTH_TOLERANCE)  # NaN compares false, so it is wrong too
    if allow_absent:
        wrong &= squares != 0.0
    if not wrong.any():
        return
    row = int(np.flatnonzero(wrong)[0])
    square = squares[row]
    what = "is zero" if square == 0 else "is not finite" if not np.isfinite(square) else ""
    what = what or f"has length {np.sqrt(square):.4g}, not 1"
    raise TellapartError(f"vector {first + row} for {path.name} {what}: the encoder must return unit vectors")


def replace(path: Path, body: Callable[[BinaryIO], object]) -> None:
    """Write a file beside its place, flush it to the disk, and move it there."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with beside.open("wb") as file:
            body(file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # a folder cannot be opened there; the move is durable without it
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def map_file(path: Path) -> mmap.mmap:
    """Map a whole file for reading: it stays readable for as long as it is mapped, even once it is deleted.

    Raises:
        CorruptIndexError: the file is missing or empty.
    """
    try:
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise _corrupt(path, str(error).splitlines()[0]) from error


def open_vectors(path: Path, content: mmap.mmap | None = None, *, dim: int | None = None) -> StoredRows:
    """View a file written by `write_vectors`, shape (units, dim); nothing is read until it is used.

    Args:
        path: Of the file.
        content: The file as `map_file` gave it; it is mapped now where this is left out.
        dim: What its rows must have.

    Raises:
        CorruptIndexError: the file is missing, cut off, or holds something else.
    """
    content = map_file(path) if content is None else content
    head = io.BytesIO(content[:_HEADER_BYTES])
    try:
        if npy.read_magic(head) != (1, 0):
            raise ValueError("not an array of version 1.0")
        shape, fortran, dtype = npy.read_array_header_1_0(head)
    except ValueError as error:
        raise _corrupt(path, str(error).splitlines()[0]) from error
    if len(shape) != 2 or fortran or dtype not in (FLOATS, BYTES):
        raise _corrupt(path, f"an array of {dtype} with shape {shape}, not rows of float16 or bytes")
    if dim is not None and shape[1] != dim:
        raise _corrupt(path, f"rows of {shape[1]} dimensions, not {dim}")
    offset = head.tell()
    size = offset + dtype.itemsize * shape[0] * shape[1]
    if len(content) != size:
        raise _corrupt(path, f"{len(content)} bytes, not {size}")
    if shape[0] == 0:
        return np.empty(shape, dtype=dtype)
    rows = np.ndarray.__new__(np.memmap, shape, dtype, content, offset)
    rows.filename = str(path)
    return rows


def checksum(path: Path) -> str:
    """SHA-256 of the whole file in hexadecimal, for `verify`."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _corrupt(path: Path, what: str) -> CorruptIndexError:
    return CorruptIndexError(
        f"the vectors {path} are damaged ({what}): remove the index with `clear` and run `index`"
    )
