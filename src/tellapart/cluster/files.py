"""Sources in object storage: found by the same rules as on this machine, opened where they are read."""

from __future__ import annotations

import io
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from os import stat_result
from pathlib import Path
from typing import Any, BinaryIO, cast

from tellapart.corpus.ignore import RuleFile, rules_from
from tellapart.corpus.read import open_source, why_unread
from tellapart.corpus.scan import labels_of, scan
from tellapart.corpus.sources import (
    COLLECTIONS,
    STDIN,
    Format,
    ScanOptions,
    Skipped,
    Source,
    Unreadable,
    format_of,
)
from tellapart.corpus.walk import BEIR_CORPUS, Folder, ListedEntry, Walker, unfit
from tellapart.errors import TellapartError, require
from tellapart.index.update import RACY_NS

EXTRA = "cluster"
STAMPS = ("ETag", "etag", "content_hash", "md5Hash")
"""What stores call the hash of an object's content; without one, its size and time of change tell."""

TIMES = ("LastModified", "last_modified", "mtime", "updated", "created")
"""What stores call the time of change."""


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A source, and a stamp that changes with its content ("": it cannot be told, so it is read each time)."""

    source: Source
    stamp: str


def is_remote(place: str) -> bool:
    """Whether a place is a URL such as s3://bucket/docs and no path."""
    return "://" in place and not place.startswith("file://")


def local_path(place: str) -> str:
    """Give the path of a local place, whole, so that other processes find it.

    Raises:
        TellapartError: It is standard input, which only this process has.
    """
    if place == STDIN:
        raise TellapartError("-: workers cannot read standard input; name a file or folder")
    return str(Path(place.removeprefix("file://")).absolute())


def find_files(
    places: Sequence[str], options: ScanOptions, *, output: str, now: int
) -> tuple[list[FoundFile], list[Skipped]]:
    """Find what is to be read, by the rules of `scan`, and what is not and why.

    Args:
        places: Paths, or URLs that fsspec opens; not both.
        options: Limits, kind and force-included globs.
        output: Where the dataset lies, which is no source.
        now: When this began (ns since 1970).

    Raises:
        TellapartError: A place does not exist or cannot be listed.
    """
    remote = [place for place in places if is_remote(place)]
    if not remote:
        folder = None if is_remote(output) else Path(local_path(output))
        sources, skipped = scan([local_path(place) for place in places], options, index_folder=folder)
        return [FoundFile(source, _local_stamp(source, now)) for source in sources], skipped
    if len(remote) < len(places):
        other = next(place for place in places if not is_remote(place))
        raise TellapartError(f"{other} lies on this machine and {remote[0]} does not: give one kind of place")
    found: dict[str, FoundFile] = {}
    skipped = []
    for place, label in zip(places, labels_of(places), strict=True):
        with _failing_at(place):
            files, left_out = _find_remote(place, label, options, output)
        for each in files:
            path = str(each.source.file)
            if path in found:
                skipped.append(Skipped(each.source.key, f"already read as {found[path].source.key}"))
            else:
                found[path] = each
        skipped += left_out
    return sorted(found.values(), key=lambda each: each.source.key), skipped


def opener_of(source: Source) -> BinaryIO:
    """Open a source wherever it lies.

    Raises:
        Unreadable: It is gone, or cannot be read.
    """
    if not is_remote(source.root):
        return open_source(source)
    try:
        opened = _filesystem(source.root).open(cast("Path", source.file).as_posix(), "rb")
        return io.BufferedReader(opened)  # fsspec's own files read no lines of a limited length
    except OSError as error:
        raise Unreadable(source.key, why_unread(error)) from error


def _local_stamp(source: Source, now: int) -> str:
    return "" if source.mtime_ns > now - RACY_NS else f"{source.size}:{source.mtime_ns}"


def _filesystem(place: str) -> Any:  # noqa: ANN401
    return _cached_filesystem(place.partition("://")[0])


@lru_cache(maxsize=8)
def _cached_filesystem(protocol: str) -> Any:  # noqa: ANN401
    fsspec = require("fsspec", extra=EXTRA)
    try:
        return fsspec.filesystem(protocol)
    except ValueError as error:
        raise TellapartError(f"{protocol}://: {error}; give a path or a URL that fsspec opens") from error
    except ImportError as error:
        need = "pip install 'tellapart[s3]'" if protocol in ("s3", "s3a") else str(error)
        raise TellapartError(f"{protocol}:// needs another package: {need}") from error


@contextmanager
def _failing_at(place: str) -> Iterator[None]:
    """Turn what a store's client raises into one line; there is no common class of it."""
    try:
        yield
    except TellapartError:
        raise
    except FileNotFoundError:
        raise TellapartError(f"{place}: no such file or folder; check the address") from None
    except Exception as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise TellapartError(
            f"{place}: cannot be listed ({why}); check address, credentials and endpoint"
        ) from error


def _find_remote(
    place: str, label: str, options: ScanOptions, output: str
) -> tuple[list[FoundFile], list[Skipped]]:
    files = _filesystem(place)
    path = str(files._strip_protocol(place))
    if files.isfile(path):
        return _single_file(place, RemoteEntry.of(files.info(path)), label, options)
    if not files.exists(path):
        raise FileNotFoundError(place)
    own = str(files._strip_protocol(output)) if is_remote(output) else None
    walker = RemoteWalker(options, own, files=files)
    walker.walk(place, label)
    found = [FoundFile(source, walker.stamps[str(source.file)]) for source in walker.sources]
    return found, walker.skipped


def _single_file(
    place: str, entry: RemoteEntry, label: str, options: ScanOptions
) -> tuple[list[FoundFile], list[Skipped]]:
    """Give the source for an object named directly, whatever its name and size; skipped only where it is empty."""
    form = Format.BEIR if entry.name == BEIR_CORPUS else format_of(entry.name)
    key, status = label or entry.name, entry.stat()
    if not status.st_size:
        return [], [Skipped(key, unfit(status, form, options) or "empty")]
    source = Source(
        key,
        Path(entry.path),
        status.st_size,
        status.st_mtime_ns,
        form,
        place,
        f"{label}/" if label and form in COLLECTIONS else "",
        chosen=True,
        limited=False,
    )
    return [FoundFile(source, entry.stamp)], []


@dataclass(frozen=True, slots=True)
class RemoteEntry:
    """What a store says of an object or of a folder, in the shape of `os.DirEntry`."""

    name: str
    path: str
    folder: bool
    size: int
    mtime_ns: int
    stamp: str

    @classmethod
    def of(cls, info: dict[str, Any]) -> RemoteEntry:
        """Read what fsspec gives for one name."""
        path = str(info["name"]).rstrip("/")
        size, mtime = int(info.get("size") or 0), _nanoseconds(info)
        hashed = next((str(info[name]) for name in STAMPS if info.get(name)), "")
        stamp = hashed or (f"{size}:{mtime}" if mtime else "")
        name = path.rpartition("/")[2]
        return cls(name, path, info["type"] == "directory", size, mtime, stamp)

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Whether it is a folder."""
        return self.folder

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """Whether it is an object."""
        return not self.folder

    def stat(self, *, follow_symlinks: bool = True) -> stat_result:
        """Give its size, type and time of change."""
        mode = stat.S_IFDIR if self.folder else stat.S_IFREG
        seconds = self.mtime_ns // 10**9
        fields = (mode | 0o644, 0, 0, 1, 0, 0, self.size, seconds, seconds, seconds)
        return stat_result(fields, {"st_mtime_ns": self.mtime_ns})


@dataclass(slots=True)
class RemoteWalker(Walker):
    """Walks folders of a store that fsspec lists; `stamps` by path tell whether an object has changed."""

    files: Any = field(kw_only=True)
    stamps: dict[str, str] = field(default_factory=dict, kw_only=True)

    def start(self, root: str) -> Folder:
        """Give the folder to begin with; nothing above it is looked at."""
        return Folder(str(self.files._strip_protocol(root)), "", (), ())

    def entries(self, path: str) -> Sequence[ListedEntry]:
        """List a folder."""
        found = [RemoteEntry.of(info) for info in self.files.ls(path, detail=True, refresh=True)]
        named = [entry for entry in found if entry.path != path.rstrip("/")]  # the mark of an empty folder
        self.stamps.update((entry.path, entry.stamp) for entry in named)
        return named

    def rules_in(self, entry: ListedEntry, shown: str, cut: int) -> RuleFile | None:
        """Read an ignore file."""
        with self.files.open(entry.path, "rb") as stream:
            return rules_from(stream, shown, cut=cut)

    def repository_rules(self, path: str, cut: int) -> RuleFile | None:
        """Read the rules of a repository that was copied whole."""
        try:
            with self.files.open(f"{path}/.git/info/exclude", "rb") as stream:
                return rules_from(stream, ".git/info/exclude", cut=cut)
        except OSError:
            return None


def _nanoseconds(info: dict[str, Any]) -> int:
    value = next((info[name] for name in TIMES if info.get(name)), None)
    if isinstance(value, datetime):
        return int(value.timestamp() * 1e9)
    if isinstance(value, str):
        try:
            return int(datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp() * 1e9)
        except ValueError:
            return 0
    return int(value * 1e9) if isinstance(value, int | float) else 0


def address_of(place: str) -> str:
    """Give the address by which every process finds a dataset."""
    return place if is_remote(place) else local_path(place)


def refuse_other_content(place: str) -> None:
    """Refuse to make a dataset in a local folder where something else lies.

    Raises:
        TellapartError: It is a file, or such a folder.
    """
    if is_remote(place) or is_dataset(place):
        return
    folder = Path(local_path(place))
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        what = "is a file" if folder.is_file() else "holds other files"
        raise TellapartError(f"{place} {what}: name a folder of its own for the dataset with --output")


def is_dataset(place: str) -> bool:
    """Whether a place names a Lance dataset: a folder of one, or a URL that ends with .lance."""
    if is_remote(place):
        return place.rstrip("/").endswith(".lance")
    return (Path(local_path(place)) / "_versions").is_dir()
