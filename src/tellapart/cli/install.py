"""`tellapart install` and `tellapart uninstall`."""

from __future__ import annotations

from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, Annotated

import typer

from tellapart.cli.output import note
from tellapart.errors import TellapartError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tellapart.serving.agents.formats import SettingsFormat
    from tellapart.serving.agents.install import Change

EXAMPLES = (
    "tellapart install --agent claude-code                # this project: .mcp.json",
    "tellapart install --agent codex --scope user --dry-run",
    "tellapart install --agent cursor --agents-md         # and a section of AGENTS.md for sub-agents",
    "tellapart uninstall                                  # everything is as it was",
)

NAMES = "claude-code, codex, cursor, vscode, gemini, opencode, zed or goose"
Agents = Annotated[list[str], typer.Option("--agent", metavar="NAME", help=f"{NAMES} (repeatable).")]
ScopeName = Annotated[
    str, typer.Option("--scope", metavar="NAME", help="project (shared with it) or user (all projects).")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would change, and change nothing.")]
AgentsMd = Annotated[
    bool, typer.Option("--agents-md", help="Also AGENTS.md, for agents that cannot call MCP tools.")
]
Project = Annotated[Path, typer.Argument(help="Folder of the project.")]


def install(
    path: Project = Path(),
    agent: Agents = [],  # noqa: B006 - typer copies it
    scope: ScopeName = "project",
    agents_md: AgentsMd = False,
    dry_run: DryRun = False,
) -> None:
    """Let coding agents find the MCP server: adds one entry to their settings and keeps a copy of the file."""
    from tellapart.serving.agents.install import apply_install, installing

    changes = [installing(*place) for place in _places(path, agent, scope, agents_md=agents_md)]
    for change in changes:
        _do(change, apply_install, "added to", "is already in", dry_run=dry_run)
    if agent:
        for trouble in _would_not_start(scope):
            note(trouble)
    if not dry_run and agent and any(change.any for change in changes):
        note("restart the agent so that it sees the server; 'tellapart uninstall' undoes this")


def _would_not_start(scope: str) -> Iterator[str]:
    """Say why an agent could not start the server here: it tells nobody."""
    if scope == "project" and which("tellapart") is None:
        yield (
            "'tellapart' is not on the PATH, and the entry starts it by that name:"
            " put it there, or use --scope user, which names the whole path"
        )
    if find_spec("mcp") is None:
        yield "the server needs one more package: pip install 'tellapart[mcp]'"


def uninstall(
    path: Project = Path(),
    agent: Agents = [],  # noqa: B006 - typer copies it
    scope: ScopeName = "project",
    agents_md: AgentsMd = False,
    dry_run: DryRun = False,
) -> None:
    """Take out what install put in, for all agents or those named; an unchanged file is as it was, byte for byte."""
    from tellapart.serving.agents.install import apply_uninstall, uninstalling

    if not agent and not agents_md:
        agent, agents_md = _installed(path, scope)
    for change in [uninstalling(*place) for place in _places(path, agent, scope, agents_md=agents_md)]:
        _do(change, apply_uninstall, "taken out of", "is not in", dry_run=dry_run)


def _installed(path: Path, scope: str) -> tuple[list[str], bool]:
    """Name the agents whose settings mention this server, and say whether AGENTS.md does.

    Raises:
        TellapartError: None does.
    """
    from tellapart.serving.agents.formats import BEGIN, NAME
    from tellapart.serving.agents.install import AGENTS, AGENTS_FILE, Scope

    if scope not in set(Scope):
        raise TellapartError(f"unknown scope {scope!r}: choose project or user")
    found: list[str] = []
    for name, settings in AGENTS.items():
        with suppress(TellapartError, OSError, UnicodeError):  # one without settings in this scope
            if NAME in settings.file(Scope(scope), path, Path.home()).read_text(encoding="utf-8"):
                found.append(name)
    section = path / AGENTS_FILE
    in_section = scope == Scope.PROJECT and section.is_file() and BEGIN in section.read_text("utf-8")
    if not found and not in_section:
        raise TellapartError(f"nothing of {scope} scope mentions {NAME}: nothing was installed here")
    return found, in_section


def _places(
    path: Path, agents: list[str], scope: str, *, agents_md: bool
) -> Iterator[tuple[Path, SettingsFormat, Mapping[str, object]]]:
    """Files to change, with their format and the entry."""
    from tellapart.serving.agents.install import AGENTS, AGENTS_FILE, AGENTS_FORMAT, AGENTS_TEXT, Scope

    if not agents and not agents_md:
        raise TellapartError(f"name an agent with --agent: {NAMES}")
    if scope not in set(Scope):
        raise TellapartError(f"unknown scope {scope!r}: choose project or user")
    if not path.is_dir():
        raise TellapartError(f"{path} is not a folder: name the project's folder")
    for name in dict.fromkeys(agents):
        if name not in AGENTS:
            raise TellapartError(f"unknown agent {name!r}: choose {NAMES}")
        chosen = AGENTS[name]
        yield chosen.file(Scope(scope), path, Path.home()), chosen.format, chosen.value(Scope(scope))
    if agents_md:
        yield path / AGENTS_FILE, AGENTS_FORMAT, {"text": AGENTS_TEXT}


def _do(change: Change, apply: Callable[[Change], None], done: str, nothing: str, *, dry_run: bool) -> None:
    if not change.any:
        note(f"tellapart {nothing} {change.file}")
    elif dry_run:
        print(change.diff, end="")
    else:
        apply(change)
        note(f"tellapart {done} {change.file}")
