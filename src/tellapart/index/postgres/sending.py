"""Documents, postings and vectors on their way into the tables."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import Granularity
from tellapart.index.catalogue import Mask, StoredEncoder
from tellapart.index.files import files_below
from tellapart.index.latent import FOLDER, LSA, compressed_folder
from tellapart.index.lexical.segment import Postings
from tellapart.index.names import FILE as NAMES
from tellapart.index.postgres.database import Row
from tellapart.index.postgres.halfvec import COPY_END, COPY_HEADER, copied_rows
from tellapart.index.postgres.neighbours import room_beside
from tellapart.index.postgres.placing import OWNER
from tellapart.index.postgres.schema import fresh_table, plain, vectors_table
from tellapart.index.postgres.targets import ServerTarget
from tellapart.index.postgres.terms import LEVELS, term_key
from tellapart.index.segments import Segment
from tellapart.index.snapshot import FolderSnapshot
from tellapart.index.store import Store
from tellapart.progress import Progress

if TYPE_CHECKING:
    from psycopg import Connection

DOCUMENTS_AT_A_TIME = 1_000
"""Documents of one transaction: what a killed run has to send again at most."""

_COLUMNS = {
    "content": "bytea",
    "id": "text",
    "source": "text",
    "kind": "text",
    "language": "text",
    "title": "text",
    "path": "text",
    "metadata": "jsonb",
    "line": "int4",
    "length": "int4",
    "digest": "bytea",
    "record": "bytea",
    "text": "bytea",
}


def send_documents(
    connection: Connection[Row],
    store: Store,
    numbers: Sequence[int],
    contents: Mapping[int, bytes],
    advance: Callable[[int], None],
) -> None:
    """Send documents, some at a time; nobody reads them before a segment has their keys."""
    waiting = iter(numbers)
    statement = f"COPY documents ({', '.join(_COLUMNS)}) FROM STDIN (FORMAT BINARY)"
    while some := list(islice(waiting, DOCUMENTS_AT_A_TIME)):
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types(list(_COLUMNS.values()))
            for row in store.rows_of(some):
                copy.write_row(_document(row, contents[row[0]]))
        advance(len(some))


def _document(row: tuple[Any, ...], content: bytes) -> tuple[object, ...]:
    """Write a row of the store: columns to look for, and everything as it was, for what is returned."""
    _, source, identifier, kind, language, title, path, metadata, places, text, digest, tree, checksum = row
    record = [identifier, kind, language, title, path, metadata, places, tree, checksum]
    lines = json.loads(places).get("line")
    line = lines[0][1] if lines and isinstance(lines[0][1], int) else None
    return (
        content,
        plain(identifier),
        plain(source),
        kind,
        None if language is None else plain(language),
        plain(title),
        None if path is None else plain(path),
        _jsonb(_searchable(json.loads(metadata))),
        line,
        len(text),
        digest,
        json.dumps(record).encode(),
        text.encode(),
    )


def _jsonb(value: object) -> object:
    from psycopg.types.json import Jsonb  # an extra

    return Jsonb(value)


def _searchable(value: object) -> object:
    """Give metadata as a filter reads it: no nulls, true and false as 1 and 0, as in SQLite."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list):
        return [_searchable(each) for each in value]
    if isinstance(value, dict):
        return {plain(key): _searchable(each) for key, each in value.items() if each is not None}
    return value


def send_segment(connection: Connection[Row], segment: Segment, key: int, owners: NDArray[np.int16]) -> None:
    """Tell the first server of a segment: counts, names, and lengths of its units."""
    lexical = segment.lexical
    levels = {
        level.value: [lexical.units(level), lexical.total_length(level), len(lexical.postings(level))]
        for level in lexical.granularities
    }
    arrays = {"names": (segment.folder / NAMES).read_bytes()}
    for level in lexical.granularities:
        arrays[f"offsets-{level}"] = segment.offsets(level).astype("<i8").tobytes()
        arrays[f"lengths-{level}"] = lexical.postings(level).lengths.astype("<i4").tobytes()
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO segments (key, owners, languages, levels) VALUES (%s, %s, %s, %s::jsonb)",
            (key, owners.astype(OWNER).tobytes(), list(lexical.languages), json.dumps(levels)),
        )
        cursor.executemany(
            "INSERT INTO arrays VALUES (%s, %s, %s)", [(key, name, data) for name, data in arrays.items()]
        )


def send_part(connection: Connection[Row], segment: Segment, key: int, own: Mask) -> None:
    """Send a server its part of a segment: the postings of its own documents, whose units keep their rows."""
    lists = {level: _own_postings(segment, level, own) for level in segment.lexical.granularities}
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("INSERT INTO parts VALUES (%s)", (key,))
        with cursor.copy("COPY postings FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(["int8", "int2", "bytea", "bytea", "bytea", "bytea"])
            for posting in _postings(segment, lists):
                copy.write_row((key, *posting))
        with cursor.copy("COPY spellings FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(["int8", "bytea", "bytea"])
            for spelling, term in sorted(set(_spellings(segment, lists)) if lists else ()):
                copy.write_row((key, spelling, term))


def _own_postings(segment: Segment, level: Granularity, own: Mask) -> Postings:
    """Give the postings of some documents of a segment."""
    postings = segment.lexical.postings(level)
    if own.all():
        return postings
    kept = np.repeat(own, np.diff(segment.offsets(level)))[postings.rows]
    before = np.concatenate([[0], np.cumsum(kept, dtype=np.int64)])
    large = postings.large[kept[postings.large[:, 0]]]
    large = np.stack([before[large[:, 0]], large[:, 1]], axis=1)
    return Postings(
        before[postings.starts], postings.rows[kept], postings.frequencies[kept], large, postings.lengths
    )


def _postings(
    segment: Segment, lists: Mapping[Granularity, Postings]
) -> Iterator[tuple[int, bytes, bytes, bytes, bytes]]:
    terms = [term_key(term) for term in segment.lexical.term_bytes()]
    for level, postings in lists.items():
        number = LEVELS.index(level)
        starts = postings.starts.tolist()
        large = np.searchsorted(postings.large[:, 0], postings.starts).tolist()
        units, frequencies = np.asarray(postings.rows, "<i4"), np.asarray(postings.frequencies)
        for at, term in enumerate(terms):
            start, end = starts[at], starts[at + 1]
            if start == end:
                continue
            own = postings.large[large[at] : large[at + 1]]
            beyond = b"" if not len(own) else (own - np.array([start, 0])).astype("<i8").tobytes()
            yield number, term, units[start:end].tobytes(), frequencies[start:end].tobytes(), beyond


def _spellings(segment: Segment, lists: Mapping[Granularity, Postings]) -> Iterator[tuple[bytes, bytes]]:
    """Give the spellings of terms that have postings here."""
    there = np.any([np.diff(postings.starts) > 0 for postings in lists.values()], axis=0)
    here = {term for term, own in zip(segment.lexical.term_bytes(), there, strict=True) if own}
    for spelling, term in segment.lexical.spellings():
        if term in here:
            yield term_key(spelling), term_key(term)


def send_encoder_files(connection: Connection[Row], snapshot: FolderSnapshot) -> None:
    """Send the files of encoders that were fitted for this index."""
    known = set(connection.execute("SELECT folder, name FROM encoder_files").fetchall())
    for folder in fitted_folders(snapshot):
        with connection.transaction():
            for path in files_below(folder):
                if (folder.name, path.name) not in known:
                    connection.execute(
                        "INSERT INTO encoder_files VALUES (%s, %s, %s)",
                        (folder.name, path.name, path.read_bytes()),
                    )


def fitted_folders(snapshot: FolderSnapshot) -> list[Path]:
    """Name the folders of what was fitted for an index: an analysis, or how vectors are cut."""
    encoders = snapshot.encoders.values()
    places = [compressed_folder(snapshot.folder, each.fingerprint) for each in encoders]
    places += [
        snapshot.folder / FOLDER / f"{LSA}-{each.fingerprint[:16]}" for each in encoders if each.name == LSA
    ]
    return [place for place in places if place.is_dir()]


ROWS_AT_A_TIME = 20_000
"""Vectors of one transaction: what a killed run has to send again at most, some 15 MB at 384 dimensions."""


class VectorSender:
    """Sends a server the vectors of documents that have none there."""

    def __init__(self, target: ServerTarget, snapshot: FolderSnapshot, progress: Progress) -> None:
        self.target = target
        self.connection = target.connection
        self.snapshot = snapshot
        self.progress = progress

    def send(self, name: str, encoder: StoredEncoder, level: Granularity) -> int:
        """Send what is missing of one set of vectors; says how many were sent.

        A few go beside the graph of neighbours, where adding each would take longer than scoring it in searches.
        """
        key, table = self._set(name, encoder.dim), self.snapshot.units(level)
        there = self.target.all(
            f"SELECT DISTINCT document FROM {vectors_table(key)}"
            f" UNION ALL SELECT DISTINCT document FROM {fresh_table(key)}"
        )
        keys = self.target.keys_of(table.documents)
        wanted = ~table.dead & (keys > 0) & ~np.isin(keys, np.array([row[0] for row in there], np.int64))
        rows = np.flatnonzero(table.spread(wanted))
        few = len(rows) <= room_beside(self.target, key)
        return self._rows(encoder, level, fresh_table(key) if few else vectors_table(key), rows, keys)

    def _set(self, name: str, dim: int) -> int:
        """Give the key of a set of vectors, with a table."""
        row = self.connection.execute("SELECT key FROM vector_sets WHERE name = %s", (name,)).fetchone()
        if row is not None:
            return int(row[0])
        with self.connection.transaction():
            made = self.connection.execute(
                "INSERT INTO vector_sets (name, dim) VALUES (%s, %s) RETURNING key", (name, dim)
            ).fetchone()
            assert made is not None
            for place in (vectors_table(made[0]), fresh_table(made[0])):
                self.connection.execute(
                    f"CREATE TABLE {place} (document bigint NOT NULL, ordinal integer NOT NULL,"
                    f" embedding halfvec({int(dim)}) NOT NULL, PRIMARY KEY (document, ordinal))"
                )
        return int(made[0])

    def _rows(
        self,
        encoder: StoredEncoder,
        level: Granularity,
        place: str,
        rows: NDArray[np.int64],
        keys: NDArray[np.int64],
    ) -> int:
        vectors, table, sent = self.snapshot.vectors(encoder.name, level), self.snapshot.units(level), 0
        statement = f"COPY {place} (document, ordinal, embedding) FROM STDIN (FORMAT BINARY)"
        with self.progress(f"sending vectors of {encoder.name}, {level}", len(rows)) as advance:
            for some in _whole_documents(rows, table.document_positions(rows)):
                positions, taken = table.document_positions(some), vectors.take(some)
                there = taken.any(axis=1)
                ordinals = some - table.offsets[positions]
                with self.connection.cursor() as cursor, cursor.copy(statement) as copy:
                    copy.write(COPY_HEADER)
                    copy.write(copied_rows(keys[positions][there], ordinals[there], taken[there]))
                    copy.write(COPY_END)
                sent += int(there.sum())
                advance(len(some))
        return sent


def _whole_documents(rows: NDArray[np.int64], positions: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Cut rows where a document ends: a document has all of its vectors or none."""
    start = 0
    while start < len(rows):
        stop = min(start + ROWS_AT_A_TIME, len(rows))
        if stop < len(rows):
            stop = int(np.searchsorted(positions, positions[stop], side="left"))
            if stop <= start:  # one document is larger than a part
                stop = int(np.searchsorted(positions, positions[start], side="right"))
        yield rows[start:stop]
        start = stop
