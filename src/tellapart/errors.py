"""What a user is told when something they gave cannot be used."""

from __future__ import annotations

import importlib
from types import ModuleType


class TellapartError(Exception):
    """A mistake the user can mend: one line that says what, where and what to do."""


class StaleIndexError(TellapartError):
    """The index was written by another format, splitter or encoder; the message names the fixing command."""


class CorruptIndexError(TellapartError):
    """A file of the index is damaged or missing; nothing read from it may become a hit."""


class LockedIndexError(TellapartError):
    """Another process is writing this index."""


class TooMuchToReadError(TellapartError):
    """More changed than may be read again now; `files` says how many files."""

    def __init__(self, files: int) -> None:
        super().__init__(f"{files:,} files changed: run 'tellapart index'")
        self.files = files


def require(module: str, *, extra: str) -> ModuleType:
    """Import an optional dependency, or say which extra brings it."""
    try:
        return importlib.import_module(module)
    except ImportError as missing:
        raise TellapartError(
            f"this needs the package {module!r}, which is not installed: pip install 'tellapart[{extra}]'"
        ) from missing
