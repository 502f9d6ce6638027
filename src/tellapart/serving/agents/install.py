"""Putting the entry into a settings file, with a copy of what was there, and taking it out again."""

from __future__ import annotations

import difflib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tellapart.errors import TellapartError
from tellapart.serving.agents.formats import SettingsFormat

BACKUP = ".tellapart-backup"
OWN_FOLDERS = (".cursor", ".vscode", ".gemini", ".codex", ".zed")
"""Folders of a project that hold nothing but an agent's settings; one that is left empty goes too."""


@dataclass(frozen=True, slots=True)
class Change:
    """A file before and after; None = there is no such file. `undone_exactly` = every byte is as it was before."""

    file: Path
    before: str | None
    after: str | None
    undone_exactly: bool = False

    @property
    def any(self) -> bool:
        """Whether there is anything to do."""
        return self.before != self.after

    @property
    def diff(self) -> str:
        """What changes, as a unified diff."""
        lines = difflib.unified_diff(
            (self.before or "").splitlines(keepends=True),
            (self.after or "").splitlines(keepends=True),
            str(self.file) if self.before is not None else os.devnull,
            str(self.file) if self.after is not None else os.devnull,
        )
        return "".join(
            line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
        )


def installing(file: Path, form: SettingsFormat, value: Mapping[str, object]) -> Change:
    """Work out how a file looks with the entry; nothing is written.

    Raises:
        TellapartError: The file cannot be read or understood; the message says what to paste by hand.
    """
    before = _read(file)
    try:
        return Change(file, before, form.added(before or "", value))
    except TellapartError as error:
        raise TellapartError(f"{file}: {error}") from error


def uninstalling(file: Path, form: SettingsFormat, value: Mapping[str, object]) -> Change:
    """Work out how a file looks without the entry.

    Where the copy made by `install` is there, exactly the piece that was put in is taken out, so that a file that
    nobody touched since is as it was, byte for byte, and what others wrote since stays.
    """
    before = _read(file)
    if before is None:
        return Change(file, None, None)
    original = _read(backup_of(file))
    try:
        if original is None and before == form.added("", value):
            return Change(file, before, None, undone_exactly=True)  # the file was made by install
        if original is not None:
            installed = form.added(original, value)
            if before == installed:
                return Change(file, before, original, undone_exactly=True)
            piece = _inserted(original, installed)
            if piece and before.count(piece) == 1:
                return Change(file, before, before.replace(piece, ""))
        return Change(file, before, form.removed(before))
    except TellapartError as error:
        raise TellapartError(f"{file}: {error}") from error


def apply_install(change: Change) -> None:
    """Write the file; what was there before the first install is kept beside it."""
    real = Path(os.path.realpath(change.file))
    backup = backup_of(change.file)
    try:
        real.parent.mkdir(parents=True, exist_ok=True)
        if change.before is not None and not backup.exists():
            _write(backup, change.before, like=real)
        _write(real, change.after or "", like=real)
    except OSError as error:
        raise TellapartError(
            f"cannot write {change.file}: {error.strerror or error}; check its permissions"
        ) from error


def apply_uninstall(change: Change) -> None:
    """Write the file, or remove it where install had made it; the copy goes."""
    real = Path(os.path.realpath(change.file))
    try:
        if change.after is None:
            real.unlink(missing_ok=True)
            if change.file.parent.name in OWN_FOLDERS and not any(change.file.parent.iterdir()):
                change.file.parent.rmdir()
        else:
            _write(real, change.after, like=real)
        backup_of(change.file).unlink(missing_ok=True)
    except OSError as error:
        raise TellapartError(
            f"cannot write {change.file}: {error.strerror or error}; check its permissions"
        ) from error


def backup_of(file: Path) -> Path:
    """Where the copy of a file lies."""
    real = Path(os.path.realpath(file))
    return real.with_name(real.name + BACKUP)


def _inserted(original: str, installed: str) -> str:
    """The one piece by which two texts differ; "" where it is not one."""
    start = next(
        (at for at, (a, b) in enumerate(zip(original, installed, strict=False)) if a != b), len(original)
    )
    rest = len(original) - start
    if rest and installed[-rest:] != original[start:]:
        return ""
    return installed[start : len(installed) - rest]


def _read(file: Path) -> str | None:
    try:
        return file.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise TellapartError(f"{file} is not UTF-8: save it as UTF-8, then run this again") from error
    except OSError as error:
        raise TellapartError(
            f"cannot read {file}: {error.strerror or error}; check its permissions"
        ) from error


def _write(file: Path, text: str, *, like: Path) -> None:
    """Write beside and move into place, with the permissions of the file that is replaced."""
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(text.encode("utf-8"))
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, like.stat().st_mode & 0o7777 if like.exists() else 0o644)
        os.replace(name, file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
