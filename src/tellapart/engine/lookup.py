"""What a person types to name things of an index: a document, a line of it, the documents of a folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from tellapart.corpus.places import offset_of_line
from tellapart.errors import TellapartError
from tellapart.index.reading import DocumentStore
from tellapart.index.store import StoredDocument

SHOWN = 3


def find_document(store: DocumentStore, file: str, sources: Sequence[str], line: int | None = None) -> str:
    """Find a document by its id, by its path on disk, or by the end of its path if only one fits.

    In a file of records `line` says which of them is meant: the one that stands there.
    """
    known = known_document(store, file, sources)
    if known is not None:
        return known
    if line is not None and (record := _record_at(store, file, sources, line)) is not None:
        return record
    ids = store.ids_ending(file.removeprefix("./"))
    if len(ids) == 1:
        return ids[0]
    if ids:
        named = ", ".join([*ids[:SHOWN], *(["..."] if len(ids) > SHOWN else [])])
        raise TellapartError(f"{file!r} fits {len(ids)} documents ({named}): give more of the path")
    raise TellapartError(
        f"no document {file!r} in the index: give a file that was indexed, or a path as search prints it"
    )


def known_document(store: DocumentStore, file: str, sources: Sequence[str]) -> str | None:
    """Find a document by its id or its path on disk; None where it has neither."""
    candidates = (file, *_inside(file, sources))
    return next((each for each in candidates if store.number_of(each) is not None), None)


def _record_at(store: DocumentStore, file: str, sources: Sequence[str], line: int) -> str | None:
    """Find the record that stands on a line of a file of records, or on the last one before it that holds one."""
    return store.record_at((file.removeprefix("./"), *_inside(file, sources)), line)


def stored_document(store: DocumentStore, identifier: str) -> StoredDocument:
    """Fetch a document by its id.

    Raises:
        TellapartError: There is none.
    """
    stored = store.document(identifier)
    if stored is None:
        raise TellapartError(
            f"no document {identifier!r} in the index {store.place}:"
            " give a path as 'tellapart search' prints it"
        )
    return stored


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


def documents_below(store: DocumentStore, folder: str, sources: Sequence[str]) -> list[int]:
    """Numbers of the documents below a folder, given by a path on disk or by the beginning of their ids."""
    for prefix in (folder, *_inside(folder, sources)):
        below = prefix.removeprefix("./").rstrip("/") + "/"
        if found := store.numbers_below(below):
            return found
    if len(sources) == 1 and Path(os.path.abspath(folder)) == Path(sources[0]) and Path(folder).is_dir():
        return store.numbers_below("")
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
