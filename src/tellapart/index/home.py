"""Where the index of a path lies, and which part of an index a path stands for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path, PurePosixPath

from tellapart.caches import cache_folder
from tellapart.errors import TellapartError
from tellapart.index.postgres.address import Address, only_searched
from tellapart.index.settings import STDIN, located, recovered_settings
from tellapart.index.store import FILE, Store

NAME = ".tellapart"


@dataclass(frozen=True, slots=True)
class Home:
    """An index, and the part of it that a path stands for.

    Attributes:
        folder: Folder of the index; there need not be one yet.
        where: Conditions on documents that keep a search below the path; none where it stands for all of them.
    """

    folder: Path
    where: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """How messages call the index."""
        return place_of(self.folder)


def find_home(index: Path | None, path: Path | None = None) -> Home:
    """Find the index for a path, as git finds a repository: in the folder itself, else in the nearest one above.

    An index above counts only where it reads the path: one whose ignore rules leave it out does not. Where there is
    none, the new one goes into the folder; a file or a read-only folder cannot hold one, theirs lies in the user's
    cache.

    Args:
        index: The folder of an index that the user named; `path` then only says which part of it is meant.
        path: A file or folder; None for the current folder.

    Raises:
        TellapartError: The path does not exist, or the named index does not hold it.
    """
    if index is not None:
        if Address.of(index) is not None:
            return Home(index, _below_published(path))
        if str(index).startswith(("postgresql:/", "postgres:/")):
            raise only_searched("what --index names")
        if index.exists() and not index.is_dir():
            raise TellapartError(f"--index {index} is a file: give the folder of an index")
        return Home(index, () if path is None or not exists(index) else _part_of(index, path))
    start = path or Path()
    if str(start) == STDIN:
        raise TellapartError("standard input has no folder for an index: say where with --index")
    if not start.exists():
        raise TellapartError(f"{start} does not exist: give a file or folder to search in")
    own = _place_for(start)
    if own is not None and exists(own):
        return Home(own)
    above = _above(start)
    if above is not None:
        return above
    if own is None:
        raise TellapartError(
            f"{start} cannot hold an index and the cache is switched off: say where with --index"
        )
    return Home(own)


def name_of(place: Path | str) -> str:
    """Call an index as its folder, the folder that holds a `.tellapart`, or its database is called."""
    if (address := Address.of(place)) is not None:
        return address.name
    folder = Path(place).resolve()
    return (folder.parent.name if folder.name == NAME else folder.name) or "index"


def place_of(folder: Path) -> str:
    """Name an index in messages: by its folder, or its address without the password."""
    return str(Address.of(folder) or folder)


def exists(folder: Path) -> bool:
    """Whether an index lies in a folder, or should at an address."""
    return Address.of(folder) is not None or (folder / FILE).is_file()


def too_much(path: Path) -> str | None:
    """Say what a folder is that nobody means to index as a whole: the home folder, or what holds it."""
    real, home = Path(os.path.realpath(path)), Path(os.path.realpath(os.path.expanduser("~")))
    if real == home:
        return "your home folder"
    if real == Path(real.anchor):
        return "the whole file system"
    return "the folder of all home folders" if real in home.parents else None


def conditions_below(sources: Sequence[str], path: Path) -> tuple[str, ...] | None:
    """Say which documents lie at or below a path, as conditions of a search.

    Args:
        sources: Paths that an index was made from, as `located` gives them.
        path: A file or folder.

    Returns:
        No condition where that is all of them; None where the path has nothing to do with the sources.
    """
    from tellapart.corpus.scan import labels_of

    names, whole = names_of(sources, path), 0
    for source, label in zip(sources, labels_of(sources), strict=True):
        if source != STDIN and _holds(os.path.realpath(path), os.path.realpath(source)):
            whole += 1
            names += [label] if label else []
    if whole == len(sources):
        return ()
    return (" or ".join(test for name in names for test in _tests(name)),) if names else None


def names_of(sources: Sequence[str], path: Path) -> list[str]:
    """Give the ids that a file or folder has, as seen from each source that it lies in."""
    from tellapart.corpus.scan import labels_of
    from tellapart.corpus.sources import printable

    wanted = os.path.realpath(path)
    names = []
    for source, label in zip(sources, labels_of(sources), strict=True):
        root = os.path.realpath(source)
        if source != STDIN and wanted != root and _holds(root, wanted):
            relative = os.path.relpath(wanted, root)
            names.append(printable(f"{label}/{relative}" if label else relative))
    return names


def _tests(name: str) -> list[str]:
    """A document of this id, and those below it; a collection's records lie below its file."""
    escaped = name.replace("'", "''")
    pattern = "".join(f"[{character}]" if character in "[*?" else character for character in escaped)
    return [f"id = '{escaped}'", f"id glob '{pattern}/*'"]


def _holds(folder: str, path: str) -> bool:
    return path == folder or path.startswith(os.path.join(folder, ""))


def _part_of(index: Path, path: Path) -> tuple[str, ...]:
    """Conditions for a path inside a named index; an index that cannot be read says so when it is opened."""
    settings = recovered_settings(index)
    if settings is None or not settings.sources:
        return ()
    below = conditions_below(located(settings.sources, index), path)
    if below is None:
        raise TellapartError(
            f"the index {index} does not hold {path}: 'tellapart index {path} --index {index}' adds it"
        )
    return below


def _below_published(path: Path | None) -> tuple[str, ...]:
    """Conditions for a path of a published index, as search prints paths: its files are not on this machine."""
    name = "" if path is None else path.as_posix().removeprefix("./").rstrip("/")
    return (" or ".join(_tests(name)),) if name not in ("", ".") else ()


def _place_for(path: Path) -> Path | None:
    """Where an index of this very path lies or would lie; None where there is no place for one."""
    inside = path / NAME
    if path.is_dir() and ((inside / FILE).is_file() or os.access(path, os.W_OK)):
        return inside
    cache = cache_folder()
    if cache is None:
        return None
    key = blake2b(os.fsencode(path.resolve()), digest_size=8).hexdigest()
    return cache / "indexes" / f"{path.name}-{key}"


def _above(path: Path) -> Home | None:
    """Find the nearest index above that reads this path."""
    real = Path(os.path.realpath(path))
    for parent in real.parents:
        place = _place_for(parent)
        if place is None or not exists(place):
            continue
        settings = recovered_settings(place)
        sources = located(settings.sources, place) if settings else []
        if reads(place, sources, real):
            return Home(place, conditions_below(sources, real) or ())
    return None


def reads(index: Path, sources: Sequence[str], path: Path) -> bool:
    """Whether an index made from these sources has documents at or below a path, or would have new ones there."""
    below = conditions_below(sources, path)
    if not below:
        return below is not None
    try:
        with closing(Store.open(index)) as store:
            if store.matching(below):
                return True
            left_out = {name.rstrip("/") for (name,) in store.connection.execute("SELECT path FROM skipped")}
    except TellapartError:
        return True  # whoever opens it is told what is wrong
    names = names_of(sources, path)
    return not any({name, *map(str, PurePosixPath(name).parents)} & left_out for name in names)
