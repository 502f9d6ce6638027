"""Folders that are searched without anybody having indexed them: words at once, vectors while it works.

A project is a folder with its index. The first search builds an index of the words in a thread of this process,
so that progress can be told; the vectors follow in a process of their own at low priority. Later searches first
take over what changed on disk.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tellapart.engine import DEFAULT_ENCODERS, Index
from tellapart.errors import LockedIndexError, TellapartError
from tellapart.index.home import NAME, conditions_below, exists, find_home, too_much
from tellapart.index.settings import located
from tellapart.progress import Advance
from tellapart.serving.shared import SharedIndex

REFRESH_SECONDS = 2.0
"""A folder is looked through for changes at most so often. An agent edits, then searches: half would look
twice as often, twice could show it what it has just changed."""

REFRESH_SHARE = 20
"""... and at most a twentieth of the time, where looking takes long."""

LOW_PRIORITY = 10


@dataclass(frozen=True, slots=True)
class Work:
    """What is being done to an index: `done` of `total` files (None = not known yet)."""

    label: str
    done: int
    total: int | None


class Project:
    """A folder and its index; `given` is an index that the user named: its searches look at the files."""

    def __init__(self, root: Path, folder: Path, *, given: bool, vectors: bool) -> None:
        self.root = root
        self.shared = SharedIndex(folder, refresh=given)  # others are refreshed by `begin`
        self.given = given
        self.vectors = vectors
        self.failure: TellapartError | None = None
        self.work: Work | None = None
        self.stale = False
        self._thread: threading.Thread | None = None
        self._encoding: subprocess.Popen[bytes] | None = None
        self._encoding_tried = False
        self._next_look = 0.0
        self._starting = threading.Lock()

    @property
    def searchable(self) -> bool:
        """Whether a search finds something already: a build makes the words visible as a whole."""
        if not exists(self.shared.folder):
            return False
        with self.shared.use() as index:
            return index.store.generation > 0

    @property
    def encoding(self) -> bool:
        """Whether vectors are being made at this moment."""
        return self._encoding is not None and self._encoding.poll() is None

    @property
    def busy(self) -> bool:
        """Whether words are being indexed or refreshed at this moment."""
        return self._thread is not None and self._thread.is_alive()

    def begin(self) -> None:
        """Start what is to be done, if anything: build, or take over changes; returns at once."""
        with self._starting:
            if self.busy or time.monotonic() < self._next_look:
                return
            self.failure = None
            self._thread = threading.Thread(target=self._run, name=f"index {self.root}", daemon=True)
            self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Wait until nothing is being done; False where that takes longer."""
        thread = self._thread
        if thread is not None:
            thread.join(seconds)
        return not self.busy

    def close(self) -> None:
        """Stop making vectors, release the index."""
        if self._encoding is not None and self._encoding.poll() is None:
            self._encoding.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._encoding.wait(5)
        self.shared.close()

    def _run(self) -> None:
        started = time.monotonic()
        try:
            self._bring_up_to_date()
            self.stale = False
        except LockedIndexError:
            self.stale = True  # another process is at it: its generation is seen when it is complete
        except TellapartError as error:
            self.failure = error
        except Exception as error:  # the server lives on, and the next call says what went wrong
            self.failure = TellapartError(f"indexing {self.root} failed: {type(error).__name__}: {error}")
        finally:
            self.work = None
            took = time.monotonic() - started
            self._next_look = time.monotonic() + max(REFRESH_SECONDS, REFRESH_SHARE * took)

    def _bring_up_to_date(self) -> None:
        folder = self.shared.folder
        if not exists(folder):
            Index.build([self.root], folder, encoders=(), progress=self._progress).close()
        else:
            index = Index.open(folder)
            try:
                if index.settings.sources and _writable(folder) and not self.encoding:
                    self.stale = True
                    index.update(progress=self._progress)
            finally:
                index.close()
        if self.vectors and not self._encoding_tried:
            self._encode()

    def _encode(self) -> None:
        """Let another process make the vectors that are missing."""
        self._encoding_tried = True
        with self.shared.use() as index:
            settings = index.settings
            if settings.encoders or settings.words_only or not index.store.count():
                return
        options = [part for name in DEFAULT_ENCODERS for part in ("--encoder", name)]
        nice = [found, "-n", str(LOW_PRIORITY)] if (found := shutil.which("nice")) else []
        self._encoding = subprocess.Popen(
            [*nice, sys.executable, "-m", "tellapart", "index", "--index", str(self.shared.folder), *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    @contextmanager
    def _progress(self, label: str, total: int | None) -> Iterator[Advance]:
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            self.work = Work(label, done, total)

        self.work = Work(label, 0, total)
        yield advance


class Projects:
    """All projects of a server, by the folder of their index."""

    def __init__(self, roots: Roots, *, index: Path | None = None, vectors: bool = True) -> None:
        """Serve what lies below the roots; with `index`, that one where no folder is named."""
        self.roots = roots
        self.vectors = vectors
        self._known: dict[Path, Project] = {}
        self._lock = threading.Lock()
        self._default: Project | None = None
        if index is not None:
            if not exists(index):
                raise TellapartError(
                    f"no index in {index}: build one with 'tellapart index PATH --index {index}'"
                )
            self._default = Project(roots.folders[0], index, given=True, vectors=False)

    def find(self, repo: str | None) -> tuple[Project, tuple[str, ...]]:
        """Find the project of a folder, and the condition that keeps a search below that folder.

        Raises:
            TellapartError: The folder lies outside of the roots, or its index holds something from outside.
        """
        if self._default is not None and not (repo or "").strip():
            return self._default, ()
        folder = self.roots.resolve(repo)
        root = self._root_of(folder)
        with self._lock:
            place = find_home(None, root).folder
            if place not in self._known:
                self._known[place] = Project(root, place, given=False, vectors=self.vectors)
            project = self._known[place]
        self._refuse_foreign(project)
        what = None if exists(place) else too_much(root)
        if what is not None:
            raise TellapartError(
                f"{root} is {what} and has no index: name a folder in it as repo, or run 'tellapart index {root}'"
            )
        return project, conditions_below([str(root)], folder) or ()

    def close(self) -> None:
        """Stop all background work."""
        for project in [*self._known.values(), *([self._default] if self._default else [])]:
            project.close()

    def _root_of(self, folder: Path) -> Path:
        """The folder around this one that has an index or is a repository (`.git` is a file in a worktree)."""
        around = [each for each in (folder, *folder.parents) if self.roots.holds(each)]
        for each in around:
            if exists(each / NAME):
                return each
            if (each / ".git").exists():
                return each
        return folder

    def _refuse_foreign(self, project: Project) -> None:
        """Refuse an index that lies below the roots but holds what does not."""
        if not exists(project.shared.folder):
            return
        with project.shared.use() as index:
            sources = located(index.settings.sources, index.folder)
        foreign = [source for source in sources if not self.roots.holds(source)]
        if foreign:
            raise TellapartError(
                f"the index {project.shared.folder} holds {foreign[0]}, which is outside of what may be searched"
            )


def _writable(folder: Path) -> bool:
    return os.access(folder, os.W_OK)


@dataclass(frozen=True, slots=True)
class Roots:
    """Folders that may be served, as real paths: symbolic links are followed before anything is compared."""

    folders: tuple[Path, ...]

    @classmethod
    def of(cls, folders: Sequence[Path | str]) -> Roots:
        """Take folders as a user names them.

        Raises:
            TellapartError: One of them is no folder.
        """
        real = []
        for folder in folders:
            path = Path(folder).expanduser()
            if not path.is_dir():
                raise TellapartError(f"{folder} is not a folder: name a folder that may be searched")
            real.append(path.resolve())
        return cls(tuple(dict.fromkeys(real)))

    def holds(self, path: Path | str) -> bool:
        """Whether a path lies in one of the folders once its links are followed."""
        real = Path(os.path.realpath(path))
        return any(real == folder or folder in real.parents for folder in self.folders)

    def resolve(self, name: str | None) -> Path:
        """Find the folder that a caller names, seen from the first root; None is the first root itself.

        Raises:
            TellapartError: There is no such folder, or it lies outside.
        """
        if name is None or not name.strip():
            return self.folders[0]
        if "\0" in name:
            raise TellapartError("a path cannot hold a NUL character: correct repo")
        path = Path(os.path.realpath(self.folders[0] / Path(name).expanduser()))
        if not self.holds(path):
            allowed = ", ".join(map(str, self.folders))
            raise TellapartError(
                f"{name!r} is outside of what may be searched here ({allowed}): name a folder in it"
            )
        if not path.is_dir():
            raise TellapartError(f"{name!r} is not a folder: name one below {self.folders[0]}")
        return path
