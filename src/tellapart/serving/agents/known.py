"""Where each agent keeps its servers, and how an entry looks there (their documentation, November 2026)."""

from __future__ import annotations

import os
import shutil
import sys
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

WORKSPACE = "${workspaceFolder}"
"""Editors that start servers elsewhere put the opened folder in its place."""

STARTUP_SECONDS, TOOL_SECONDS = 30, 120


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

AGENTS_FILE = "AGENTS.md"
AGENTS_FORMAT = MarkdownSection()
AGENTS_TEXT = """\
## Searching this repository

Search with `tellapart` before reading files: it finds by words and by meaning, and prints path, lines and text.

- `tellapart search "how are retries handled" . --json` finds code and documents; use an identifier or your own words.
- `tellapart related src/client.py:120 --json` finds what is like the unit at a line.
- No hits means that nothing here answers the query: say so instead of guessing.

If the tools of the MCP server `tellapart` are there (`search`, `find_related`, `get`), use them instead: they are the
same search, kept within a budget of tokens."""
