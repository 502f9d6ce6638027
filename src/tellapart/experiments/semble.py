"""Import of semble's annotation JSON: queries whose gold is files, some with a range of lines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from tellapart.errors import TellapartError
from tellapart.experiments.qrels import QueryTexts
from tellapart.experiments.textfiles import read_text


@dataclass(frozen=True, slots=True)
class Target:
    """A file to find; `lines` (first, last, from 1, inclusive) where only a part of it counts.

    `secondary` targets count the same in semble's own score.
    """

    path: str
    lines: tuple[int, int] | None
    secondary: bool


@dataclass(frozen=True, slots=True)
class Annotations:
    """Judged queries of one repository; ids are the file's name and a running number, `flask-1`."""

    queries: QueryTexts
    targets: Mapping[str, tuple[Target, ...]]
    categories: Mapping[str, str]


def read_semble(path: Path) -> Annotations:
    """Read one annotation file: a list of `query`, `relevant`, `secondary`, `category`.

    A target is a path or `{path, start_line, end_line}`. What belongs to semble's other task (`seed`,
    `related`) is passed over.

    Raises:
        TellapartError: The file is not such a list; names the entry.
    """
    try:
        entries = json.loads(read_text(path))
    except (json.JSONDecodeError, RecursionError) as broken:
        raise TellapartError(
            f"{path} is not JSON ({broken}); give one of semble's annotation files"
        ) from None
    if not isinstance(entries, list) or not entries:
        raise TellapartError(f"{path} is not a list of annotations; give one of semble's annotation files")
    name = path.name.removesuffix(".gz").removesuffix(".json")
    texts: dict[str, str] = {}
    targets: dict[str, tuple[Target, ...]] = {}
    categories: dict[str, str] = {}
    for number, entry in enumerate(entries, start=1):
        where = f"{path}, entry {number}"
        if not isinstance(entry, dict) or not isinstance(entry.get("query"), str):
            raise TellapartError(f"{where}: no text under 'query'; add it")
        query = f"{name}-{number}"
        texts[query] = entry["query"]
        categories[query] = str(entry.get("category", ""))
        targets[query] = _targets(where, entry)
    return Annotations(
        QueryTexts(MappingProxyType(texts)), MappingProxyType(targets), MappingProxyType(categories)
    )


def _targets(where: str, entry: Mapping[str, object]) -> tuple[Target, ...]:
    found: list[Target] = []
    for field in ("relevant", "secondary"):
        values = entry.get(field, [])
        if not isinstance(values, list):
            raise TellapartError(f"{where}: {field!r} is not a list; write a list of paths")
        found.extend(_target(where, value, secondary=field == "secondary") for value in values)
    if not found:
        raise TellapartError(f"{where}: no relevant file; name one or take the query out")
    return tuple(dict.fromkeys(found))


def _target(where: str, value: object, *, secondary: bool) -> Target:
    if isinstance(value, str) and value:
        return Target(value, None, secondary)
    if isinstance(value, dict):
        path, first, last = value.get("path"), value.get("start_line"), value.get("end_line")
        if (
            isinstance(path, str)
            and path
            and isinstance(first, int)
            and isinstance(last, int)
            and 1 <= first <= last
        ):
            return Target(path, (first, last), secondary)
    raise TellapartError(f"{where}: {value!r} is neither a path nor {{path, start_line, end_line}}")
