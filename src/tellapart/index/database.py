"""The SQLite file of an index: its tables, how an empty one comes into its place, how it is opened."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from tellapart.corpus.document import ContainmentTree, Granularity, Kind, Level
from tellapart.corpus.units import SPLITTER_VERSION


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit what is done inside as a whole, or nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


_TREE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_JSON = json.JSONDecoder()
GRANULARITIES = {granularity.value: granularity for granularity in Granularity}

UNDIVIDED = Level(np.zeros(1, dtype=np.int32), ("",))
"""One unnamed unit that is the whole text, as most levels of a short record are: one for all of them."""
UNDIVIDED.starts.flags.writeable = False


def encode_tree(tree: ContainmentTree) -> str:
    """Write a containment tree as JSON: starts per level, and labels and blocks where any unit has one."""
    levels = {}
    for granularity, level in tree.levels.items():
        labels = list(level.labels) if any(level.labels) else None
        levels[granularity.value] = [level.starts.tolist(), labels, sorted(level.blocks)]
    return _TREE.encode(levels)


class _KeptLevels(Mapping[Granularity, Level]):
    """The levels of a tree as they are kept, each made when it is asked for: a search looks at one of four."""

    __slots__ = ("_kept", "_made")

    def __init__(self, kept: dict[str, tuple[list[int], list[str] | None, list[int]]]) -> None:
        self._kept = kept
        self._made: dict[str, Level] = {}

    def __getitem__(self, granularity: Granularity) -> Level:
        made = self._made.get(granularity)
        if made is None:
            starts, labels, blocks = self._kept[granularity]
            if len(starts) == 1 and labels is None and not blocks:
                return UNDIVIDED
            names = tuple(labels) if labels else ("",) * len(starts)
            made = self._made[granularity] = Level(np.array(starts, np.int32), names, frozenset(blocks))
        return made

    def __iter__(self) -> Iterator[Granularity]:
        return map(GRANULARITIES.__getitem__, self._kept)

    def __len__(self) -> int:
        return len(self._kept)


def decode_tree(encoded: str, length: int, kind: Kind) -> ContainmentTree:
    """Read what `encode_tree` wrote."""
    return ContainmentTree(length, kind, _KeptLevels(decode_json(encoded)))


def decode_json(encoded: str) -> Any:  # noqa: ANN401
    """Read JSON that was written here, without white space around it: in half the time of `json.loads`."""
    return _JSON.raw_decode(encoded)[0]


FORMAT = 4
"""Raised whenever an index written before can no longer be read."""

BUSY_SECONDS = 10.0
"""A reader only ever waits for a checkpoint of the write-ahead log, which takes milliseconds."""

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE sources (
  key TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, digest BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE watched (
  path BLOB PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, source TEXT
) WITHOUT ROWID;
CREATE TABLE skipped (path TEXT NOT NULL, reason TEXT NOT NULL);
CREATE TABLE documents (
  number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, source TEXT NOT NULL,
  kind TEXT NOT NULL, language TEXT, title TEXT NOT NULL, path TEXT, metadata TEXT NOT NULL,
  places TEXT NOT NULL, text TEXT NOT NULL, digest BLOB NOT NULL, tree TEXT NOT NULL, tree_checksum INTEGER NOT NULL
);
CREATE INDEX documents_of_source ON documents (source);
CREATE TABLE segments (number INTEGER PRIMARY KEY, documents INTEGER NOT NULL, dead BLOB NOT NULL);
CREATE TABLE files (
  segment INTEGER NOT NULL, name TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
  checksum INTEGER NOT NULL, PRIMARY KEY (segment, name)
) WITHOUT ROWID;
CREATE TABLE encoders (
  name TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, dim INTEGER NOT NULL,
  granularities TEXT NOT NULL, fitted INTEGER NOT NULL, windowed INTEGER NOT NULL, windows INTEGER NOT NULL,
  cut INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE records (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


def contents_versions() -> dict[str, int]:
    """Give the versions of what decides which units and terms a text has; where one differs, all is read again."""
    from tellapart.index.lexical.tokens import ANALYSER_VERSION  # its room builds on this one

    return {"splitter": SPLITTER_VERSION, "analyser": ANALYSER_VERSION}


def make_empty(path: Path) -> None:
    """Make a store without documents beside its place and move it there: nobody sees one without tables.

    No log is kept meanwhile: what is half made is thrown away, and what is whole is forced to the disk once.
    """
    beside = path.with_name(f"{path.name}.new")
    _remove_logs(beside)
    beside.unlink(missing_ok=True)
    connection = sqlite3.connect(beside, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode=OFF")
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("BEGIN")
        for statement in SCHEMA.split(";\n"):
            connection.execute(statement)
        meta = [("format", FORMAT), *contents_versions().items(), ("generation", 0)]
        connection.executemany("INSERT INTO meta VALUES (?, ?)", [(key, str(value)) for key, value in meta])
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode=WAL")
    finally:
        connection.close()
    with beside.open("r+b") as file:
        os.fsync(file.fileno())
    _remove_logs(path)  # one left behind would be taken for the new file's
    os.replace(beside, path)


def _remove_logs(path: Path) -> None:
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def connect_writing(path: Path) -> sqlite3.Connection:
    """Open for writing; commits reach the disk before they are visible."""
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous=FULL")
    except BaseException:
        connection.close()
        raise
    return connection


def connect_reading(path: Path) -> sqlite3.Connection:
    """Open without writing; where even the log cannot be made, as a file that nobody changes."""
    address = f"file:{quote(str(path.resolve()))}?mode=ro"
    connection = _connect(address)
    if os.access(path.parent, os.W_OK):
        return connection
    try:
        connection.execute("SELECT 1 FROM meta")
    except sqlite3.OperationalError:
        connection.close()
        return _connect(f"{address}&immutable=1")
    return connection


def _connect(address: str) -> sqlite3.Connection:
    return sqlite3.connect(
        address, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )


def inode(path: Path) -> int | None:
    """Number by which the file system knows a file: another one when the file was replaced."""
    try:
        return os.stat(path).st_ino
    except OSError:
        return None
