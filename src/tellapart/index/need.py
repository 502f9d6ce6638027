"""Which sources a user needs first: what is being worked on, then what a project is read for, then the rest."""

from __future__ import annotations

from pathlib import PurePosixPath

from tellapart.corpus.sources import Source

RECENT_NS = 7 * 24 * 3600 * 10**9
"""A week: files changed since then are being worked on. It decides what is encoded first, never what is found."""

SUPPORTING = frozenset(
    {"test", "tests", "testing", "spec", "specs", "__tests__", "fixtures", "testdata", "mocks", "benchmarks"}
)
"""Folders of code that checks other code."""

BORROWED = frozenset({"vendor", "vendored", "_vendor", "third_party", "thirdparty", "external", "extern"})
"""Folders of copies whose owner is somebody else."""

DATA = frozenset({".json", ".jsonl", ".csv", ".tsv", ".lock", ".xml", ".svg", ".po", ".log", ".snap", ".map"})


def need(source: Source, *, now: int) -> tuple[int, int, str]:
    """Order sources by what a user needs: smaller first.

    README files and what changed within a week; then source and prose; tests; data and copies of others' code. Among
    equals the one changed last, to the day, so that a fresh checkout keeps the order of its names.

    Args:
        source: A file or collection.
        now: Nanoseconds since 1970.
    """
    path = PurePosixPath(source.key.lower())
    folders = set(path.parts[:-1])
    if path.suffix in DATA or folders & BORROWED:
        rank = 3
    elif (
        folders & SUPPORTING
        or path.stem.startswith("test_")
        or path.stem.endswith(("_test", ".test", ".spec"))
    ):
        rank = 2
    elif path.stem == "readme" or now - source.mtime_ns < RECENT_NS:
        rank = 0
    else:
        rank = 1
    return rank, -(source.mtime_ns // (24 * 3600 * 10**9)), source.key
