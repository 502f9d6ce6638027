"""A passing copy of an index, whose files are shared by hard links."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tellapart.errors import LockedIndexError, TellapartError
from tellapart.index.catalogue import Catalogue
from tellapart.index.files import remove
from tellapart.index.latent import FOLDER as ENCODERS
from tellapart.index.lock import writer_lock
from tellapart.index.segments import segment_folder
from tellapart.index.store import FILE, Store

PREFIX = "copy-"


@contextmanager
def linked_copy(folder: Path, store: Store) -> Iterator[Path]:
    """Give the folder of a copy of an index, which may be changed like any other; it is removed at the end.

    Args:
        folder: Of the index; the copy lies inside, or in the system's temporary folder where that is read-only.
        store: The index's store; the generation it shows is copied.

    Raises:
        TellapartError: A writer changed the index meanwhile.
    """
    with passing_folder(folder) as home:
        with store.reading():
            _copy(folder, store, home)
        yield home


@contextmanager
def passing_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder for a copy of an index, in `folder` or where that is read-only; it is removed at the end."""
    home = _home(folder)
    try:
        with writer_lock(home):  # says that the copy is in use
            yield home
    finally:
        remove(home)


def _home(folder: Path) -> Path:
    """Make a folder for the copy, after removing those of processes that were killed."""
    for left in sorted(folder.glob(f"{PREFIX}*")):
        with suppress(LockedIndexError, TellapartError), writer_lock(left):
            remove(left)
    try:
        return Path(tempfile.mkdtemp(prefix=PREFIX, dir=folder))
    except OSError:
        return Path(tempfile.mkdtemp(prefix=f"tellapart-{PREFIX}"))


def _copy(folder: Path, store: Store, home: Path) -> None:
    target = sqlite3.connect(home / FILE)
    try:
        store.connection.backup(target)
    finally:
        target.close()
    for number, _ in Catalogue(store).segments():
        shared = segment_folder(home, number)
        try:
            shutil.copytree(segment_folder(folder, number), shared, copy_function=_link)
        except (FileNotFoundError, shutil.Error) as error:  # merged by a writer since
            raise TellapartError(f"the index {folder} changed meanwhile: run the command again") from error
    link_encoders(folder, home)


def link_encoders(folder: Path, home: Path) -> None:
    """Share what an index keeps of encoders that were fitted for it."""
    if (folder / ENCODERS).is_dir():
        shutil.copytree(folder / ENCODERS, home / ENCODERS, copy_function=_link)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copy2(source, target)
