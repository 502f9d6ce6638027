"""Vectors already made, kept in the user's cache: one row per (encoder's fingerprint, hash of the text).

SQLite in WAL mode: safe under kill -9 and several processes at once; a row carries its checksum, so a damaged
one is a miss and is written anew. Vectors are float16, exactly what the index stores (see `stored_precision`).
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar

import numpy as np

from tellapart.caches import VARIABLE, cache_folder
from tellapart.encoders.protocol import Vectors

FORMAT = 1
FILE = "vectors.sqlite"
LIMIT_BYTES = 2_000_000_000
"""Some 2.4 million vectors of 384 dimensions."""

EVICTED_SHARE = 0.1
ASKED_TOGETHER = 500
"""Keys in one SELECT; below SQLite's limit on parameters (999 before 3.32)."""

BUSY_SECONDS = 10.0
CHECKSUM_BYTES = 4
RESIDUE = 0x2144DF1C
"""CRC-32 of any message followed by its own CRC-32, little endian (a property of the polynomial)."""

SCHEMA = """
CREATE TABLE encoders (number INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL UNIQUE);
CREATE TABLE vectors (age INTEGER PRIMARY KEY AUTOINCREMENT, encoder INTEGER NOT NULL, key BLOB NOT NULL,
  vector BLOB NOT NULL, UNIQUE (encoder, key));
"""

Key = bytes
Result = TypeVar("Result")
log = logging.getLogger("tellapart")


def key_of(text: str) -> Key:
    """Hash a text to 128 bits."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def open_cache() -> VectorCache | None:
    """Open the user's cache; None when TELLAPART_CACHE is `off`."""
    folder = cache_folder()
    return VectorCache(folder) if folder else None


class VectorCache:
    """Looks vectors up and keeps new ones; a cache that cannot be used says so once and then stays silent."""

    def __init__(self, folder: Path, *, limit_bytes: int = LIMIT_BYTES) -> None:
        """Use the cache in a folder, made on first use; oldest vectors go first beyond `limit_bytes`."""
        self.folder = folder
        self.limit_bytes = limit_bytes
        self.usable = True
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()

    def lookup(self, fingerprint: str, dim: int, keys: Sequence[Key]) -> tuple[np.ndarray, Vectors]:
        """Give which keys are known (n,) bool, and the vectors (n, dim) float32, zero where unknown."""
        found = np.zeros(len(keys), dtype=bool)
        vectors = np.zeros((len(keys), dim), dtype=np.float32)
        rows = self._guarded(lambda db: _select(db, fingerprint, keys)) or {}
        size = 2 * dim + CHECKSUM_BYTES
        blobs = [(place, rows[key]) for place, key in enumerate(keys) if _sound(key, rows.get(key), size)]
        if blobs:
            places = [place for place, _ in blobs]
            content = np.frombuffer(b"".join(blob for _, blob in blobs), dtype=np.uint8).reshape(-1, size)
            vectors[places] = np.ascontiguousarray(content[:, : 2 * dim]).view("<f2")
            found[places] = True
        return found, vectors

    def keep(self, fingerprint: str, keys: Sequence[Key], vectors: Vectors) -> None:
        """Write vectors (n, dim); rounded to float16, all or none of one call."""
        halves = np.ascontiguousarray(vectors, dtype="<f2")
        blobs = [row.tobytes() for row in halves]
        rows = [(key, blob + _checksum(key, blob)) for key, blob in zip(keys, blobs, strict=True)]
        self._guarded(lambda db: self._insert(db, fingerprint, rows))

    def count(self) -> int:
        """Vectors kept."""
        return self._guarded(lambda db: int(db.execute("SELECT count(*) FROM vectors").fetchone()[0])) or 0

    def size(self) -> int:
        """Bytes in use."""
        return self._guarded(_used) or 0

    def clear(self) -> None:
        """Forget every vector and give the space back."""
        with self._lock:
            self._close()
            self._remove()

    def close(self) -> None:
        """Release the file; the next use opens it again."""
        with self._lock:
            self._close()

    def _insert(self, db: sqlite3.Connection, fingerprint: str, rows: list[tuple[Key, bytes]]) -> None:
        with _transaction(db):
            db.execute("INSERT OR IGNORE INTO encoders (fingerprint) VALUES (?)", (fingerprint,))
            number = _number(db, fingerprint)
            db.executemany(
                "INSERT OR REPLACE INTO vectors (encoder, key, vector) VALUES (?, ?, ?)",
                ((number, key, blob) for key, blob in rows),
            )
            if _used(db) > self.limit_bytes:
                _evict(db, int(self.limit_bytes * (1 - EVICTED_SHARE)))

    def _guarded(self, work: Callable[[sqlite3.Connection], Result]) -> Result | None:
        """Do something with the database; a damaged one is begun anew, an unusable one given up."""
        with self._lock:
            for attempt in (1, 2):
                if not self.usable:
                    return None
                try:
                    return work(self._open())
                except (sqlite3.OperationalError, OSError) as error:
                    if not _damaged(error):
                        self._give_up(error)
                        return None
                    damage: Exception = error
                except sqlite3.DatabaseError as error:
                    damage = error
                self._close()
                if attempt == 2:
                    self._give_up(damage)
                else:
                    log.warning("the vector cache %s is damaged (%s): begun anew", self.folder / FILE, damage)
                    self._remove()
            return None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._connection = _connect(self.folder / FILE)
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            if version not in (0, FORMAT):
                self._close()
                self._remove()
                self._connection = _connect(self.folder / FILE)
            _prepare(self._connection)
        return self._connection

    def _give_up(self, error: Exception) -> None:
        self.usable = False
        self._close()
        log.warning(
            "the vector cache in %s cannot be used (%s): texts are encoded again each time;"
            " name a writable folder with %s",
            self.folder,
            error,
            VARIABLE,
        )

    def _close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _remove(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(OSError):
                (self.folder / (FILE + suffix)).unlink(missing_ok=True)


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)


def _prepare(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")  # a power cut may lose the last batch, never the file
    db.execute("PRAGMA mmap_size = 4000000000")
    if db.execute("PRAGMA user_version").fetchone()[0] == 0:
        with _transaction(db):
            if db.execute("PRAGMA user_version").fetchone()[0] == 0:  # nobody else was faster
                for statement in SCHEMA.strip().split(";\n"):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {FORMAT}")


@contextlib.contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _damaged(error: Exception) -> bool:
    """Whether SQLite complains about what the file holds, not about getting at it."""
    text = str(error)
    return "malformed" in text or "no such table" in text or "no such column" in text


def _number(db: sqlite3.Connection, fingerprint: str) -> int:
    row = db.execute("SELECT number FROM encoders WHERE fingerprint = ?", (fingerprint,)).fetchone()
    return -1 if row is None else int(row[0])


def _select(db: sqlite3.Connection, fingerprint: str, keys: Sequence[Key]) -> dict[Key, bytes]:
    number = _number(db, fingerprint)
    rows: dict[Key, bytes] = {}
    for start in range(0, len(keys) if number >= 0 else 0, ASKED_TOGETHER):
        block = keys[start : start + ASKED_TOGETHER]
        marks = ",".join("?" * len(block))
        query = f"SELECT key, vector FROM vectors WHERE encoder = ? AND key IN ({marks})"
        rows.update(db.execute(query, (number, *block)))
    return rows


def _used(db: sqlite3.Connection) -> int:
    pages, free, size = (
        db.execute(f"PRAGMA {what}").fetchone()[0] for what in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _evict(db: sqlite3.Connection, allowed: int) -> None:
    """Delete the oldest rows, a tenth at a time, until the rest fits."""
    while _used(db) > allowed:
        (total,) = db.execute("SELECT count(*) FROM vectors").fetchone()
        if not total:
            return
        going = max(1, int(total * EVICTED_SHARE))
        db.execute(
            "DELETE FROM vectors WHERE age IN (SELECT age FROM vectors ORDER BY age LIMIT ?)", (going,)
        )


def _sound(key: Key, blob: bytes | None, size: int) -> bool:
    """Whether a row is there, of the right size, and has its own checksum (whose residue is a constant)."""
    return blob is not None and len(blob) == size and zlib.crc32(blob, zlib.crc32(key)) == RESIDUE


def _checksum(key: Key, vector: bytes) -> bytes:
    return zlib.crc32(vector, zlib.crc32(key)).to_bytes(CHECKSUM_BYTES, "little")
