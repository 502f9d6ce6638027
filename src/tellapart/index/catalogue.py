"""What a generation consists of: segments and their files, encoders, sources, records.

All of it lives in the store's SQLite file, so that one commit changes everything together.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import Granularity
from tellapart.index.store import Store

Mask = NDArray[np.bool_]

VERDICT = "verdict"
"""Name of the record that searches follow."""

POOLED = ":pooled"
"""Marks levels of an encoder whose vectors come from the windows of other units."""


@dataclass(frozen=True, slots=True)
class StoredSource:
    """What is remembered of a source to see whether it changed."""

    size: int
    mtime_ns: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class StoredEncoder:
    """An encoder whose vectors the index holds for `granularities`.

    `name` is how the user named it; `fitted` the number of documents it was fitted on (0: not on this
    corpus). Since it was added, `windowed` units were longer than its window and became `windows` windows;
    of `cut` texts something was lost. Of `pooled` levels the vectors come from the windows of other units.
    """

    name: str
    fingerprint: str
    dim: int
    granularities: tuple[Granularity, ...]
    fitted: int
    windowed: int = 0
    windows: int = 0
    cut: int = 0
    pooled: tuple[Granularity, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a segment as it was when it was committed."""

    name: str
    size: int
    mtime_ns: int
    checksum: int


class Catalogue:
    """Reads and writes the tables about everything but documents."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def _connection(self) -> sqlite3.Connection:
        return self._store.connection

    def segments(self) -> list[tuple[int, Mask]]:
        """Give the number and the dead-bits (one per document) of each segment, oldest first."""
        rows = self._connection.execute("SELECT number, documents, dead FROM segments ORDER BY number")
        return [
            (number, np.unpackbits(np.frombuffer(dead, np.uint8), count=documents).astype(bool))
            for number, documents, dead in rows
        ]

    def next_segment(self) -> int:
        """Give a number that no segment of this index ever had."""
        row = self._connection.execute("SELECT value FROM meta WHERE key = 'next_segment'").fetchone()
        number = int(row[0]) if row else 1
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES ('next_segment', ?)", (str(number + 1),))
        return number

    def put_segment(self, number: int, dead: Mask) -> None:
        """Add a segment, or change which of its documents are dead."""
        self._connection.execute(
            "INSERT OR REPLACE INTO segments VALUES (?, ?, ?)",
            (number, len(dead), np.packbits(dead).tobytes()),
        )

    def remove_segment(self, number: int) -> None:
        """Forget a segment and its files."""
        self._connection.execute("DELETE FROM segments WHERE number = ?", (number,))
        self._connection.execute("DELETE FROM files WHERE segment = ?", (number,))

    def files(self, segment: int) -> list[StoredFile]:
        """List the files that a segment consists of."""
        rows = self._connection.execute(
            "SELECT name, size, mtime_ns, checksum FROM files WHERE segment = ? ORDER BY name", (segment,)
        )
        return [StoredFile(*row) for row in rows]

    def put_files(self, segment: int, files: Iterable[StoredFile]) -> None:
        """Note files of a segment."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?)",
            ((segment, file.name, file.size, file.mtime_ns, file.checksum) for file in files),
        )

    def remove_files(self, segment: int, prefix: str) -> None:
        """Forget the files of a segment whose names begin with `prefix`."""
        names = [file.name for file in self.files(segment) if file.name.startswith(prefix)]
        self._connection.executemany(
            "DELETE FROM files WHERE segment = ? AND name = ?", ((segment, name) for name in names)
        )

    def encoders(self) -> dict[str, StoredEncoder]:
        """Give the encoders by name, in the order of their names."""
        rows = self._connection.execute(
            "SELECT name, fingerprint, dim, granularities, fitted, windowed, windows, cut FROM encoders ORDER BY name"
        )
        return {
            name: StoredEncoder(name, fingerprint, dim, covered, fitted, windowed, windows, cut, pooled)
            for name, fingerprint, dim, levels, fitted, windowed, windows, cut in rows
            for covered, pooled in [_read_levels(levels)]
        }

    def put_encoder(self, encoder: StoredEncoder) -> None:
        """Note that the index holds vectors of an encoder."""
        self._connection.execute(
            "INSERT OR REPLACE INTO encoders VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                encoder.name,
                encoder.fingerprint,
                encoder.dim,
                json.dumps([f"{g}{POOLED}" if g in encoder.pooled else g for g in encoder.granularities]),
                encoder.fitted,
                encoder.windowed,
                encoder.windows,
                encoder.cut,
            ),
        )

    def remove_encoder(self, name: str) -> None:
        """Forget an encoder."""
        self._connection.execute("DELETE FROM encoders WHERE name = ?", (name,))

    def sources(self) -> dict[str, StoredSource]:
        """Give what was indexed, by key."""
        rows = self._connection.execute("SELECT key, size, mtime_ns, digest FROM sources")
        return {key: StoredSource(size, mtime_ns, digest) for key, size, mtime_ns, digest in rows}

    def put_source(self, key: str, source: StoredSource) -> None:
        """Note the state in which a source was read."""
        self._connection.execute(
            "INSERT OR REPLACE INTO sources VALUES (?, ?, ?, ?)",
            (key, source.size, source.mtime_ns, source.digest),
        )

    def remove_source(self, key: str) -> None:
        """Forget a source."""
        self._connection.execute("DELETE FROM sources WHERE key = ?", (key,))

    def watched(self) -> list[tuple[bytes, int, int]]:
        """List path, size and time of change (ns) of everything that decides what the documents are."""
        return self._connection.execute("SELECT path, size, mtime_ns FROM watched").fetchall()

    def watched_source(self, path: bytes) -> str | None:
        """Give the source that lies at a watched path, as JSON; None for a folder or a file of rules."""
        row = self._connection.execute("SELECT source FROM watched WHERE path = ?", (path,)).fetchone()
        return None if row is None else row[0]

    def put_watched(self, rows: Iterable[tuple[bytes, int, int, str | None]]) -> None:
        """Note path, size, time of change, and the source at that path."""
        self._connection.executemany("INSERT OR REPLACE INTO watched VALUES (?, ?, ?, ?)", rows)

    def remove_watched(self) -> None:
        """Forget what is watched: the documents stay as they are, whatever happens to their files."""
        self._connection.execute("DELETE FROM watched")

    def skipped(self) -> list[tuple[str, str]]:
        """List what was not indexed, with the reason."""
        return list(self._connection.execute("SELECT path, reason FROM skipped ORDER BY path"))

    def put_skipped(self, skipped: Sequence[tuple[str, str]]) -> bool:
        """Replace the list of what was not indexed; say whether it is another one."""
        if sorted(skipped) == self.skipped():
            return False
        self._connection.execute("DELETE FROM skipped")
        self._connection.executemany("INSERT INTO skipped VALUES (?, ?)", skipped)
        return True

    def put_record(self, name: str, value: str) -> None:
        """Keep a record."""
        self._connection.execute("INSERT OR REPLACE INTO records VALUES (?, ?)", (name, value))

    def remove_record(self, name: str) -> None:
        """Forget a record."""
        self._connection.execute("DELETE FROM records WHERE name = ?", (name,))

    def remove_records(self) -> None:
        """Forget every record."""
        self._connection.execute("DELETE FROM records")


def _read_levels(encoded: str) -> tuple[tuple[Granularity, ...], tuple[Granularity, ...]]:
    """Give the levels an encoder covers, and those of them that are pooled."""
    names = [str(name) for name in json.loads(encoded)]
    covered = tuple(Granularity(name.removesuffix(POOLED)) for name in names)
    pooled = tuple(Granularity(name.removesuffix(POOLED)) for name in names if name.endswith(POOLED))
    return covered, pooled
