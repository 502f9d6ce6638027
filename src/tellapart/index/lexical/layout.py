"""How a lexical segment lies on disk: one file of flat little-endian arrays, and a header that knows them all.

One file, because forcing a file to the disk costs milliseconds however small it is, and updates are small.

header      a line "tellapart-lexical CRC", then JSON: versions, units, and place, size and CRC of each array
postings    the arrays, each beginning at a multiple of 8 bytes:

terms, terms.offsets          UTF-8 of all terms in order, uint64 offsets of each (n_terms + 1)
keys, keys.offsets            UTF-8 of other keys under which terms are found, sorted, uint64 offsets (see `variants`)
keys.terms                    int32: the term of each key
LEVEL.starts                  int64 (n_terms + 1): the postings of a term within the next two
LEVEL.rows, LEVEL.tf          int32 unit rows, ascending within a term; uint8 term frequencies
LEVEL.large                   int64 (m, 2): posting and its frequency where that is 255 or more
LEVEL.lengths                 int32 (n_units,): terms of each unit
"""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import Granularity
from tellapart.errors import CorruptIndexError, StaleIndexError
from tellapart.index.files import sync
from tellapart.index.lexical.tokens import ANALYSER_VERSION
from tellapart.index.lexical.variants import has_keys
from tellapart.index.lexical.variants import keys as other_keys
from tellapart.index.store import rebuilding

FORMAT = 2
"""Raised whenever older code could not read what newer code writes, or the other way round."""

MAGIC = "tellapart-lexical"
HEADER = "header"
POSTINGS = "postings"
ALIGNMENT = 8
LARGE = 255
"""Term frequencies from here on stand in `LEVEL.large`; in `LEVEL.tf` they read 255."""


@dataclass(frozen=True, slots=True)
class LevelSize:
    """Units of a granularity, and their lengths summed."""

    units: int
    length: int


@dataclass(frozen=True, slots=True)
class Part:
    """Where an array lies in the file of postings, in bytes, and its CRC-32."""

    offset: int
    size: int
    checksum: int


@dataclass(frozen=True, slots=True)
class Header:
    """What a segment holds."""

    terms: int
    keys: int
    languages: tuple[str, ...]
    levels: Mapping[Granularity, LevelSize]
    parts: Mapping[str, Part]
    format: int = FORMAT
    analyser: int = ANALYSER_VERSION


@dataclass
class SegmentFiles:
    """Writes a new segment; `close` writes the header and forces everything to the disk."""

    folder: Path
    parts: dict[str, Part] = field(default_factory=dict)
    levels: dict[Granularity, LevelSize] = field(default_factory=dict)
    terms: int = 0
    keys: int = 0
    languages: tuple[str, ...] = ()
    _end: int = 0
    _stream: BinaryIO = field(init=False)

    def __post_init__(self) -> None:
        self._stream = (self.folder / POSTINGS).open("wb")

    def put(self, name: str, content: bytes | memoryview) -> None:
        """Append one array."""
        padding = -self._end % ALIGNMENT
        self._stream.write(bytes(padding))
        self._stream.write(content)
        self.parts[name] = Part(self._end + padding, len(content), crc32(content))
        self._end += padding + len(content)

    def put_array(self, name: str, array: NDArray[np.generic], dtype: str) -> None:
        """Write an array as flat bytes of a little-endian type."""
        self.put(name, np.ascontiguousarray(array, dtype=dtype).data.cast("B") if array.size else b"")

    def put_terms(self, terms: list[str], languages: Iterable[str]) -> None:
        """Write the vocabulary, sorted, and the other keys of its terms in these languages."""
        self._put_texts("terms", terms)
        self.terms = len(terms)
        self.languages = tuple(sorted(languages))
        found = sorted(
            (key, number)
            for number, term in enumerate(terms)
            if has_keys(term, self.languages)
            for key in other_keys(term, self.languages)
        )
        self._put_texts("keys", [key for key, _ in found])
        self.put_array("keys.terms", np.array([number for _, number in found], dtype=np.int32), "<i4")
        self.keys = len(found)

    def _put_texts(self, name: str, texts: list[str]) -> None:
        encoded = [text.encode("utf-8") for text in texts]
        sizes = np.fromiter(map(len, encoded), np.uint64, len(encoded))
        self.put(name, b"".join(encoded))
        self.put_array(f"{name}.offsets", np.concatenate([np.zeros(1, np.uint64), np.cumsum(sizes)]), "<u8")

    def put_level(
        self,
        granularity: Granularity,
        starts: NDArray[np.int64],
        rows: NDArray[np.int32],
        frequencies: NDArray[np.int64],
        lengths: NDArray[np.int32],
    ) -> None:
        """Write the postings of one granularity."""
        large = np.flatnonzero(frequencies >= LARGE)
        self.put_array(f"{granularity}.starts", starts, "<i8")
        self.put_array(f"{granularity}.rows", rows, "<i4")
        self.put_array(f"{granularity}.tf", np.minimum(frequencies, LARGE), "u1")
        self.put_array(f"{granularity}.large", np.stack([large, frequencies[large]], axis=1), "<i8")
        self.put_array(f"{granularity}.lengths", lengths, "<i4")
        self.levels[granularity] = LevelSize(len(lengths), int(lengths.sum(dtype=np.int64)))

    def close(self) -> None:
        """Write the header last, then fsync both files and the folder."""
        self._stream.close()
        header = Header(self.terms, self.keys, self.languages, self.levels, self.parts)
        body = json.dumps(asdict(header), sort_keys=True) + "\n"
        text = f"{MAGIC} {crc32(body.encode()):08x}\n{body}"
        (self.folder / HEADER).write_text(text, encoding="utf-8", newline="\n")
        sync(self.folder, [self.folder / POSTINGS, self.folder / HEADER])


def read_header(folder: Path) -> Header:
    """Read a header and compare it with the size of the file beside it."""
    path = folder / HEADER
    try:
        first, _, body = path.read_bytes().partition(b"\n")
    except OSError as error:
        raise CorruptIndexError(f"{path} is missing: {mend(folder)}") from error
    if first != f"{MAGIC} {crc32(body):08x}".encode():
        raise CorruptIndexError(f"{path} is damaged: {mend(folder)}")
    header = _parse(json.loads(body))
    for made, known, what in (
        (header.format, FORMAT, "format"),
        (header.analyser, ANALYSER_VERSION, "analyser"),
    ):
        if made != known:
            raise StaleIndexError(f"{folder} has {what} {made}, this version needs {known}: {mend(folder)}")
    _check_size(folder / POSTINGS, header)
    return header


def _parse(content: dict[str, dict[str, dict[str, int]]]) -> Header:
    levels = {Granularity(name): LevelSize(**size) for name, size in content.pop("levels").items()}
    parts = {name: Part(**part) for name, part in content.pop("parts").items()}
    languages = tuple(content.pop("languages"))
    return Header(levels=levels, parts=parts, languages=languages, **content)  # type: ignore[arg-type]  # the checksum vouches


def _check_size(path: Path, header: Header) -> None:
    wanted = max((part.offset + part.size for part in header.parts.values()), default=0)
    try:
        size = path.stat().st_size
    except OSError as error:
        raise CorruptIndexError(f"{path} is missing: {mend(path.parent)}") from error
    if size != wanted:
        raise CorruptIndexError(f"{path} has {size} bytes instead of {wanted}: {mend(path.parent)}")


def verify(folder: Path, header: Header) -> None:
    """Read every array and raise CorruptIndexError where one is not as it was written."""
    content = map_postings(folder)
    for name, part in sorted(header.parts.items()):
        if crc32(content[part.offset : part.offset + part.size]) != part.checksum:
            raise CorruptIndexError(f"{folder / POSTINGS} is damaged in {name}: {mend(folder)}")


def map_postings(folder: Path) -> memoryview:
    """Map the file of postings into memory, read-only."""
    try:
        with (folder / POSTINGS).open("rb") as stream:
            if not os.fstat(stream.fileno()).st_size:
                return memoryview(b"")
            return memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
    except OSError as error:
        raise CorruptIndexError(f"{folder / POSTINGS} is missing: {mend(folder)}") from error


def array_in(content: memoryview, part: Part, dtype: str) -> NDArray[Any]:
    """Look at one array where it lies."""
    return np.frombuffer(content[part.offset : part.offset + part.size], dtype=dtype)


def mend(folder: Path) -> str:
    """Say which command rebuilds the index around `segments/NUMBER/lexical`."""
    return rebuilding(folder.parent.parent.parent / "store")
