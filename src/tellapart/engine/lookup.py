"""What a person types to name things of an index: a document, a line of it, the documents of a folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from tellapart.corpus.places import offset_of_line
from tellapart.errors import TellapartError
from tellapart.index.store import Store, StoredDocument

SHOWN = 3


def find_document(store: Store, file: str, sources: Sequence[str], line: int | None = None) -> str:
    """Find a document by its id, by its path on disk, or by the end of its path if only one fits.

    In a file of records `line` says which of them is meant: the one that stands there.
    """
    known = known_document(store, file, sources)
    if known is not None:
        return known
    if line is not None and (record := _record_at(store, file, sources, line)) is not None:
        return record
    pattern = "*/" + file.removeprefix("./").replace("[", "[[]").replace("*", "[*]").replace("?", "[?]")
    rows = store.connection.execute(
        "SELECT id FROM documents WHERE id GLOB ? ORDER BY id", (pattern,)
    ).fetchall()
    if len(rows) == 1:
        return str(rows[0][0])
    if rows:
        named = ", ".join(row[0] for row in rows[:SHOWN])
        raise TellapartError(f"{file!r} fits {len(rows)} documents ({named}, ...): give more of the path")
    raise TellapartError(
        f"no document {file!r} in the index: give a file that was indexed, or a path as search prints it"
    )


def known_document(store: Store, file: str, sources: Sequence[str]) -> str | None:
    """Find a document by its id or its path on disk; None where it has neither."""
    candidates = (file, *_inside(file, sources))
    return next((each for each in candidates if number_of(store, each) is not None), None)


def _record_at(store: Store, file: str, sources: Sequence[str], line: int) -> str | None:
    """Find the record that stands on a line of a file of records, or on the last one before it that holds one."""
    candidates = (file.removeprefix("./"), *_inside(file, sources))
    row = store.connection.execute(
        "SELECT id, json_extract(places, '$.line[0][1]') AS line FROM documents"
        f" WHERE source IN ({', '.join('?' * len(candidates))}) AND line <= ? ORDER BY line DESC LIMIT 1",
        (*candidates, line),
    ).fetchone()
    return None if row is None else str(row[0])


def stored_document(store: Store, identifier: str) -> StoredDocument:
    """Fetch a document by its id.

    Raises:
        TellapartError: There is none.
    """
    stored = store.document(identifier)
    if stored is None:
        raise TellapartError(
            f"no document {identifier!r} in the index {store.path.parent}:"
            " give a path as 'tellapart search' prints it"
        )
    return stored


def number_of(store: Store, identifier: str) -> int | None:
    """Number of a document, without fetching it."""
    row = store.connection.execute("SELECT number FROM documents WHERE id = ?", (identifier,)).fetchone()
    return None if row is None else int(row[0])


def split_line(name: str) -> tuple[str, int | None]:
    """Split `file:line`, `file:first-last` or `file`."""
    file, colon, lines = name.rpartition(":")
    first = lines.partition("-")[0]
    if colon and file and first.isdigit():
        if int(first) < 1:
            raise TellapartError(f"{name!r}: lines count from 1")
        return file, int(first)
    return name, None


def offset_of(stored: StoredDocument, line: int) -> int:
    """Offset of a line (from 1) of a document."""
    offset = offset_of_line(stored.document, line) if line >= 1 else None
    if offset is None:
        text = stored.document.text
        lines = text.count("\n") + (not text.endswith("\n"))
        raise TellapartError(f"{stored.document.id!r} has no line {line}: it has {lines}")
    return min(offset, len(stored.document.text) - 1)


def documents_below(store: Store, folder: str, sources: Sequence[str]) -> list[int]:
    """Numbers of the documents below a folder, given by a path on disk or by the beginning of their ids."""
    for prefix in (folder, *_inside(folder, sources)):
        below = prefix.removeprefix("./").rstrip("/") + "/"
        rows = store.connection.execute(
            "SELECT number FROM documents WHERE substr(id, 1, ?) = ? ORDER BY id", (len(below), below)
        ).fetchall()
        if rows:
            return [row[0] for row in rows]
    if len(sources) == 1 and Path(os.path.abspath(folder)) == Path(sources[0]) and Path(folder).is_dir():
        return [row[0] for row in store.connection.execute("SELECT number FROM documents ORDER BY id")]
    return []


def _inside(file: str, sources: Sequence[str]) -> list[str]:
    """Give the ids that a file may have, seen from each source."""
    target = Path(os.path.abspath(file))
    candidates = []
    for source in sources:
        root = Path(source)
        if target == root:
            candidates.append(root.name)
        elif root in target.parents:
            relative = target.relative_to(root).as_posix()
            candidates += [relative, f"{root.name}/{relative}"]
    return candidates
