"""Filters: which documents a search may look at."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tellapart.errors import TellapartError
from tellapart.index.store import Store

COLUMNS = ("id", "path", "kind", "language", "title", "source")
CONDITION = re.compile(r"(?P<field>[\w.-]+)\s*(?P<operator>!=|=)\s*(?P<pattern>.*)", re.DOTALL)


def matching_documents(store: Store, conditions: Sequence[str]) -> list[int]:
    """Numbers of the documents that meet every condition.

    A condition is `field=pattern` or `field!=pattern`; fields are id, path, kind, language, title,
    source, or a key of the document's metadata; patterns know `*`, `?` and `[a-z]`, and `*` crosses `/`.
    """
    clauses, values = [], []
    for condition in conditions:
        match = CONDITION.fullmatch(condition.strip())
        if not match:
            raise TellapartError(
                f"cannot read the filter {condition!r}: write field=pattern, as in path=docs/*"
            )
        column, value = _column(store, match["field"])
        values += [*value, match["pattern"]]
        negated = "NOT " if match["operator"] == "!=" else ""
        clauses.append(f"{negated}COALESCE({column}, '') GLOB ?")
    rows = store.connection.execute(f"SELECT number FROM documents WHERE {' AND '.join(clauses)}", values)
    return [row[0] for row in rows]


def _column(store: Store, field: str) -> tuple[str, list[str]]:
    if field in COLUMNS:
        return field, []
    path = "$." + ".".join(f'"{part}"' for part in field.split("."))
    known = store.connection.execute(
        "SELECT 1 FROM documents WHERE json_extract(metadata, ?) IS NOT NULL LIMIT 1", (path,)
    ).fetchone()
    if not known:
        raise TellapartError(
            f"no document has a field {field!r} to filter by: use {', '.join(COLUMNS)} or a metadata key"
        )
    return "CAST(json_extract(metadata, ?) AS TEXT)", [path]
