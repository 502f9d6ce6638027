"""Whether an index still shows what lies on disk: what to look at, looking, and what that means.

A run of `index` notes size and time of change of every source and of everything that decides which files are
sources: folders (their time of change tells of files that came and went), ignore files, files left out for their
size. As long as none of them differs another run would change nothing. Looking costs one `stat` each.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from tellapart.corpus.sources import Format, Source
from tellapart.errors import LockedIndexError, TellapartError, TooMuchToReadError
from tellapart.index.catalogue import Catalogue
from tellapart.index.reading import DocumentStore
from tellapart.index.settings import STDIN, Settings, kept_settings, located
from tellapart.index.store import Store

CHECKED = "checked_ns"
SCAN_SECONDS = "scan_seconds"
READ_RATE = "bytes_per_second"

TICK_NS = 20_000_000
"""Times of change advance in steps of up to 10 ms (Linux at 100 Hz). What changed this shortly before it was read may
have changed again without another time: its content decides the next time."""

UNKNOWN = -1
ON_DISK = frozenset({"file", "size", "mtime_ns"})
"""Fields of a source that are read anew; `asdict` would copy deeply, and took most of the time of noting sources."""

RELATIVE = b"./"

BUDGET_SECONDS = 1.0
"""What takes longer to read again is left to `tellapart index`: a search that waits longer feels broken."""

BYTES_PER_SECOND = 1_000_000.0
"""Before an index has measured its own rate. bench/freshness.py prints what it is there."""

FILE_BYTES = 1_000
"""What opening, splitting and noting a file costs however short it is, as bytes read: 2,000 files of 30 bytes took
1.0 ms of processor each at a rate of 1.1 million bytes a second (measured
once)."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """How an answer relates to the files on disk.

    Attributes:
        checked: Whether the files were looked at; not where they are gone altogether, or nobody asked.
        changed: Files that changed since the index was made, and that the answer does not know.
        updated: Files that had changed and were read again for this answer.
        since: When the index was last brought up to date (ISO 8601, UTC).
        reason: Why `changed` files were not read again.
    """

    checked: bool
    changed: int = 0
    updated: int = 0
    since: str | None = None
    reason: str | None = None

    def note(self, folder: Path) -> str | None:
        """Say in one line what a user should know; None where the answer is up to date."""
        if not self.changed:
            return None
        files = "1 file" if self.changed == 1 else f"{self.changed:,} files"
        moment = (self.since or "an unknown time").replace("T", " ").removesuffix("+00:00")
        why = f" ({self.reason})" if self.reason else ""
        return f"{files} changed since the index of {moment} UTC{why}: run 'tellapart index --index {folder}'"


@dataclass(frozen=True, slots=True)
class Differences:
    """What differs from what was noted: sources by path, and folders or rules, which may bring other sources."""

    sources: tuple[bytes, ...] = ()
    others: tuple[bytes, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.sources or self.others)


def watch(
    catalogue: Catalogue,
    index: Path,
    sources: Iterable[Source],
    looked_at: Mapping[str, tuple[int, int]],
    *,
    started: int,
    anew: bool,
) -> None:
    """Note the state of sources and of what else was looked at; part of the caller's transaction.

    Args:
        catalogue: Of the index.
        index: Folder of the index.
        sources: With the size and time that they were read with.
        looked_at: As `scan` filled it.
        started: When looking began (ns since 1970).
        anew: Whether this is everything, and what was noted before is forgotten.
    """
    if anew:
        catalogue.remove_watched()
    home = _home(index)
    rows: list[tuple[bytes, int, int, str | None]] = []
    for path, (size, mtime) in looked_at.items():
        rows.append((_kept(path, home), size, _settled(mtime, started), None))
    for source in sources:
        if source.file is not None:
            mtime = _settled(source.mtime_ns, started)
            rows.append((_kept(str(source.file), home), source.size, mtime, _encode(source)))
    catalogue.put_watched(rows)


def differences(index: Path, store: Store) -> Differences:
    """Look at everything that is watched: one `stat` each."""
    home, stat = os.fsencode(_home(index)), os.stat
    sources: list[bytes] = []
    others: list[bytes] = []
    for path, size, mtime in Catalogue(store).watched():
        try:
            status = stat(home + path[2:] if path[:2] == RELATIVE else path)
        except (OSError, ValueError):
            if size or mtime:
                (others if size < 0 else sources).append(path)
            continue
        if status.st_mtime_ns != mtime or (size >= 0 and status.st_size != size):
            (others if size < 0 else sources).append(path)
    return Differences(tuple(sources), tuple(others))


def changed_sources(index: Path, store: Store, found: Differences) -> list[Source] | None:
    """Give the sources behind differences as they are now; None where only a new scan can tell."""
    catalogue, home, changed = Catalogue(store), _home(index), []
    if found.others:
        return None
    for path in found.sources:
        encoded = catalogue.watched_source(path)
        if encoded is None:
            return None
        source = _decode(encoded, Path(_full(path, home)))
        try:
            status = os.stat(source.file or "")
        except OSError:
            return None
        now = replace(source, size=status.st_size, mtime_ns=status.st_mtime_ns)
        if not now.size:
            return None
        changed.append(now)
    return changed


def keep_fresh(index: Path, store: Store, reread: Callable[[Sequence[Source] | None, int], int]) -> Freshness:
    """Look at the files of an index and read again what changed, if that takes under about a second.

    Args:
        index: Folder of the index.
        store: Its store, not in a transaction.
        reread: Brings the index up to date with the given sources, or with all where it is given None, and returns
            how many documents came, went or changed. Raises TooMuchToReadError, with nothing done, where the files
            whose size or time changed have more than the given number of bytes.

    Returns:
        What was found and done. Nothing here keeps a search from being answered: where another process is writing,
        or the index cannot be written, `changed` and `reason` say so.
    """
    since = moment_of(store)
    if not sources_are_there(kept_settings(store), index):
        return Freshness(checked=False, since=since)
    found = differences(index, store)
    if not found:
        return Freshness(checked=True, since=since)
    sources = changed_sources(index, store, found)
    scan = float(store.meta(SCAN_SECONDS) or 0.0) if sources is None else 0.0
    rate = float(store.meta(READ_RATE) or BYTES_PER_SECOND)
    reason = None
    if scan <= BUDGET_SECONDS:
        try:
            updated = reread(sources, int(rate * (BUDGET_SECONDS - scan)))
            return Freshness(checked=True, updated=updated, since=since)
        except TooMuchToReadError as too_much:
            return Freshness(checked=True, changed=too_much.files, since=since)
        except LockedIndexError:
            reason = "another process is writing the index"
        except (TellapartError, OSError) as error:
            reason = str(error).partition(";")[0]
    changed = unseen_files(index, store, found)
    return Freshness(checked=True, changed=changed, since=since, reason=reason)


def unseen_files(index: Path, store: Store, found: Differences) -> int:
    """Count files that differ, and those in changed folders that nobody looked at yet, hidden ones aside.

    One that was written just before it was read, and has its size still, is not called changed: only its content tells.
    """
    home = _home(index)
    watched = {path: (size, mtime) for path, size, mtime in Catalogue(store).watched()}
    known = {_full(path, home) for path in watched}
    skipped = {path for path, _ in Catalogue(store).skipped()}
    count = sum(
        watched[path][1] != UNKNOWN or _size(_full(path, home)) != watched[path][0] for path in found.sources
    )
    for path in found.others:
        try:
            with os.scandir(_full(path, home)) as entries:
                for entry in entries:
                    new = entry.path not in known and not entry.name.startswith(".")
                    left_out = any(name.rstrip("/").endswith(entry.name) for name in skipped) if new else True
                    count += new and not left_out
        except OSError:
            count += 1  # a folder is gone, or a file of rules has changed
    return count


def _size(path: str) -> int | None:
    try:
        return os.stat(path).st_size
    except OSError:
        return None


def sources_are_there(settings: Settings, index: Path) -> bool:
    """Whether every path that the index was made from exists; a moved index is searched as it is."""
    sources = located(settings.sources, index)
    return bool(sources) and all(path == STDIN or os.path.exists(path) for path in sources)


def moment_of(store: DocumentStore) -> str | None:
    """When the sources were last compared with the index (ISO 8601, UTC)."""
    checked = store.meta(CHECKED)
    return (
        datetime.fromtimestamp(int(checked) / 1e9, tz=UTC).isoformat(timespec="seconds") if checked else None
    )


def _settled(mtime: int, started: int) -> int:
    return UNKNOWN if mtime > started - TICK_NS else mtime


def _home(index: Path) -> str:
    return os.path.join(os.path.realpath(index.parent), "")


def _kept(path: str, home: str) -> bytes:
    """Write a path as it is kept: relative to the index's parent where it lies below, so that both can be moved."""
    return RELATIVE + os.fsencode(path[len(home) :]) if path.startswith(home) else os.fsencode(path)


def _full(path: bytes, home: str) -> str:
    return home + os.fsdecode(path[2:]) if path.startswith(RELATIVE) else os.fsdecode(path)


def _encode(source: Source) -> str:
    kept = {name: getattr(source, name) for name in Source.__dataclass_fields__ if name not in ON_DISK}
    return json.dumps(kept)


def _decode(encoded: str, file: Path) -> Source:
    kept = json.loads(encoded)
    return Source(**{**kept, "format": Format(kept["format"])}, file=file, size=0, mtime_ns=0)
