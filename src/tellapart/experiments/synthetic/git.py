"""What git knows of a working tree: which commits were narrow, and which lines come from which commit."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

COMMITS = 5_000
"""Of the latest ones, how many are looked at. Our choice: some years of a busy project."""

_HEADER = re.compile(r"([0-9a-f]{40}) \d+ (\d+)")
_SUBJECT = "summary "


@dataclass(frozen=True, slots=True)
class BlamedLine:
    """A line of a file as it is now, and the commit that it comes from."""

    commit: str
    text: str


class Repository:
    """A working tree; asks git until a deadline (`time.monotonic`), after which nothing is known."""

    def __init__(self, top: Path, deadline: float) -> None:
        self.top = top
        self.deadline = deadline
        self.subjects: dict[str, str] = {}

    def files_touched(self) -> Mapping[str, int]:
        """Count the files of each of the latest commits, merges left out."""
        logged = self._git("log", "--no-merges", "--format=%x01%H", "--name-only", f"--max-count={COMMITS}")
        touched = {}
        for entry in logged.split("\x01")[1:]:
            commit, *files = entry.split("\n")
            touched[commit] = sum(1 for file in files if file)
        return touched

    def blame(self, file: Path) -> Mapping[int, BlamedLine]:
        """Trace the lines (from 0) of a file as it lies there; first lines of messages go to `subjects`."""
        lines: dict[int, BlamedLine] = {}
        commit, number = "", 0
        for line in self._git("blame", "--porcelain", "--no-textconv", "--", str(file)).split("\n"):
            if header := _HEADER.match(line):
                commit, number = header.group(1), int(header.group(2)) - 1
            elif line.startswith("\t"):
                lines[number] = BlamedLine(commit, line[1:])
            elif line.startswith(_SUBJECT):
                self.subjects[commit] = line.removeprefix(_SUBJECT)
        return lines

    def _git(self, *arguments: str) -> str:
        """Run git without hooks and pagers; "" where it is missing, fails or takes too long."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            return ""
        command = ["git", "-c", "core.fsmonitor=false", "--no-pager", "-C", str(self.top), *arguments]
        try:
            done = subprocess.run(
                command, capture_output=True, timeout=left, check=True, stdin=subprocess.DEVNULL
            )
        except (OSError, subprocess.SubprocessError):
            return ""
        return done.stdout.decode("utf-8", "replace")


def working_tree(file: Path) -> Path | None:
    """Find the top folder of the working tree that a file stands in."""
    return next((folder for folder in file.absolute().parents if (folder / ".git").exists()), None)
