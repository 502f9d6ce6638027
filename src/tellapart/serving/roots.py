"""Which folders of this machine may be looked at: whatever links say, nothing outside is served."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tellapart.errors import TellapartError


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
