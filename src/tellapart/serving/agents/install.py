"""Putting the entry into a settings file, with a copy of what was there, and taking it out again."""

from __future__ import annotations

import difflib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from tellapart.errors import TellapartError
from tellapart.serving.agents.formats import (
    NAME,
    JsonSettings,
    MarkdownSection,
    SettingsFormat,
    TomlSettings,
    YamlSettings,
)

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


WORKSPACE = "${workspaceFolder}"
"""Editors that start servers elsewhere put the opened folder in its place."""

STARTUP_SECONDS, TOOL_SECONDS = 30, 120
"""How long an agent waits for the server to start and for an answer, where its settings say so. Not measured: the first
call may read a repository."""


class Scope(StrEnum):
    """Whose settings: those of one project, shared with it, or a user's own for all projects."""

    PROJECT = "project"
    USER = "user"


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """Files of an agent relative to the project and to the home folder (None = it has none there)."""

    title: str
    project: str | None
    user: Callable[[Path], Path]
    format: SettingsFormat
    entry: Callable[[list[str]], Mapping[str, object]]
    workspace: bool = False

    def file(self, scope: Scope, project: Path, home: Path) -> Path:
        """Find the settings file.

        Raises:
            TellapartError: The agent has no settings per project.
        """
        if scope is Scope.USER:
            return self.user(home)
        if self.project is None:
            raise TellapartError(f"{self.title} has no settings per project: use --scope user")
        return project / self.project

    def value(self, scope: Scope) -> Mapping[str, object]:
        """What stands in the file: the command by name where others share the file, else by its whole path."""
        command = [NAME] if scope is Scope.PROJECT else own_command()
        return self.entry([*command, "mcp", *([WORKSPACE] if self.workspace else [])])


def own_command() -> list[str]:
    """How this installation is started from anywhere."""
    script = shutil.which(NAME)
    return [os.path.abspath(script)] if script else [sys.executable, "-m", NAME]


def _plain(command: list[str]) -> Mapping[str, object]:
    return {"command": command[0], "args": command[1:]}


def _typed(command: list[str]) -> Mapping[str, object]:
    return {"type": "stdio", **_plain(command)}


def _codex(command: list[str]) -> Mapping[str, object]:
    return {**_plain(command), "startup_timeout_sec": STARTUP_SECONDS, "tool_timeout_sec": TOOL_SECONDS}


def _opencode(command: list[str]) -> Mapping[str, object]:
    return {"type": "local", "command": command, "enabled": True}


def _zed(command: list[str]) -> Mapping[str, object]:
    return {"source": "custom", **_plain(command), "env": {}}


def _goose(command: list[str]) -> Mapping[str, object]:
    return {
        "name": NAME,
        "type": "stdio",
        "enabled": True,
        "cmd": command[0],
        "args": command[1:],
        "timeout": TOOL_SECONDS,
    }


def _vscode_user(home: Path) -> Path:
    if sys.platform == "darwin":
        return home / "Library/Application Support/Code/User/mcp.json"
    if sys.platform == "win32":
        return home / "AppData/Roaming/Code/User/mcp.json"
    return home / ".config/Code/User/mcp.json"


_SERVERS = JsonSettings(("mcpServers",))

AGENTS: Mapping[str, AgentSettings] = MappingProxyType(
    {
        "claude-code": AgentSettings(
            "Claude Code", ".mcp.json", lambda home: home / ".claude.json", _SERVERS, _typed
        ),
        "codex": AgentSettings(
            "Codex",
            ".codex/config.toml",
            lambda home: home / ".codex/config.toml",
            TomlSettings("mcp_servers"),
            _codex,
        ),
        "cursor": AgentSettings(
            "Cursor",
            ".cursor/mcp.json",
            lambda home: home / ".cursor/mcp.json",
            _SERVERS,
            _plain,
            workspace=True,
        ),
        "vscode": AgentSettings(
            "VS Code", ".vscode/mcp.json", _vscode_user, JsonSettings(("servers",)), _typed, workspace=True
        ),
        "gemini": AgentSettings(
            "Gemini CLI",
            ".gemini/settings.json",
            lambda home: home / ".gemini/settings.json",
            _SERVERS,
            _plain,
        ),
        "opencode": AgentSettings(
            "OpenCode",
            "opencode.json",
            lambda home: home / ".config/opencode/opencode.json",
            JsonSettings(("mcp",)),
            _opencode,
        ),
        "zed": AgentSettings(
            "Zed",
            ".zed/settings.json",
            lambda home: home / ".config/zed/settings.json",
            JsonSettings(("context_servers",)),
            _zed,
        ),
        "goose": AgentSettings(
            "Goose", None, lambda home: home / ".config/goose/config.yaml", YamlSettings("extensions"), _goose
        ),
    }
)
"""Where each agent keeps its servers, and how an entry looks there (their documentation, November 2026)."""

AGENTS_FILE = "AGENTS.md"
AGENTS_FORMAT = MarkdownSection()
AGENTS_TEXT = """\
## Searching this repository

Search with `tellapart` before reading files: it finds by words and by meaning, and prints path, lines and text.

- `tellapart search "how are retries handled" . --json` finds code and documents; ask in your own words, or with an
  identifier, `path:line`, an error or a stack trace (`-` reads it from standard input).
- `tellapart related src/client.py:120 --json` finds what is like the unit at a line.
- No hits means that nothing here answers the query: say so instead of guessing.

If the tools of the MCP server `tellapart` are there (`search`, `find_related`, `get`), use them instead: they are the
same search, kept within a budget of tokens."""
