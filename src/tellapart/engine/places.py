"""From what a person types to a document of the index."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from tellapart.errors import TellapartError
from tellapart.index.store import Store

SHOWN = 3


def find_document(store: Store, file: str, sources: Sequence[str]) -> str:
    """Find a document by its id, by its path on disk, or by the end of its path if only one fits."""
    for candidate in (file, *_inside(file, sources)):
        if store.document(candidate) is not None:
            return candidate
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
