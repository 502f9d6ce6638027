"""Commit message -> the functions it changed, where the corpus lies in a git repository."""

from __future__ import annotations

import re
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tellapart.corpus.document import Granularity, Kind
from tellapart.corpus.scan import scan
from tellapart.errors import TellapartError
from tellapart.experiments.synthetic.phrases import PHRASE_WORDS, content_words, phrase, plain
from tellapart.experiments.synthetic.queries import QueryCandidate, QuerySource, Span
from tellapart.index.settings import located
from tellapart.index.store import StoredDocument
from tellapart.progress import Progress

if TYPE_CHECKING:
    from tellapart.engine.facade import Index

LATEST_COMMITS = 5_000
"""Of the latest ones, how many are looked at. Some years of a busy project; half
misses old files, twice takes longer."""

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
        logged = self._git(
            "log", "--no-merges", "--format=%x01%H", "--name-only", f"--max-count={LATEST_COMMITS}"
        )
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


SECONDS = 20.0
"""For asking git, all files together: some hundred files of a long history; where it runs out, the queries found so
far are used."""

LEAST_LINES = 3
"""Lines of a function that come from a commit: a renamed variable is not what the message speaks of."""

MAX_FILES, MAX_FUNCTIONS = 3, 3
"""Files that a commit touched, and functions that still hold its lines: of more the message says nothing."""

MIN_CONTENT, MAX_WORDS = 3, 40

_AROUND = re.compile(
    r"^\s*(?:\[[^\]]*\]|[a-z]+(?:\([^)]*\))?!?:|[\w./-]+:)\s+|\s*\(#\d+\)|\s*\b(?:fix(?:es)?|close[sd]?)?\s*#\d+\b",
    re.IGNORECASE,
)
_NOISE = re.compile(
    r"merge|revert|bump|release|version|wip\b|initial|lint|format|typo|update (?:version|change|depend|readme)",
    re.IGNORECASE,
)

ChangedUnit = tuple[int, Span]
"""Number of a document and one of its units."""


def commits(index: Index, seed: int, progress: Progress) -> Iterator[QueryCandidate]:
    """Give the first line of the message of each commit that touched few files and functions.

    Lines are traced with `git blame`; of a file that changed since it was indexed, those count that are the same.
    Where there is no git, no repository, or no time left, there are no such queries; files come in random order, so
    that a history too long for SECONDS gives queries about all parts of the corpus.
    """
    deadline = time.monotonic() + SECONDS
    repositories: dict[Path, Repository] = {}
    touched: dict[Path, Mapping[str, int]] = {}
    lines: dict[str, Counter[ChangedUnit]] = defaultdict(Counter)
    files = _code_files(index)
    with progress("reading the history", len(files)) as advance:
        for place in np.random.default_rng(seed).permutation(len(files)).tolist():
            file, stored = files[place]
            top = working_tree(file)
            if top and top not in repositories:
                repositories[top] = Repository(top, deadline)
                touched[top] = repositories[top].files_touched()
            if top:
                for commit, unit in _units(stored, repositories[top].blame(file.absolute())):
                    if touched[top].get(commit, MAX_FILES + 1) <= MAX_FILES:
                        lines[commit][stored.number, unit] += 1
            advance(1)
    subjects = {
        commit: text for repository in repositories.values() for commit, text in repository.subjects.items()
    }
    for commit, counts in sorted(lines.items()):
        yield from _candidates(subjects[commit], counts)


def _code_files(index: Index) -> list[tuple[Path, StoredDocument]]:
    """Give the files on disk that documents of code were read from."""
    settings = index.settings
    try:
        sources, _ = scan(
            located(settings.sources, index.folder), settings.scan_options(), index_folder=index.folder
        )
    except TellapartError:  # the sources are gone; the index can be evaluated all the same
        return []
    found = []
    for source in sources:
        stored = index.store.document(source.key) if source.file else None
        if source.file and stored and stored.tree.kind is Kind.CODE:
            found.append((source.file, stored))
    return found


def _units(stored: StoredDocument, blamed: Mapping[int, BlamedLine]) -> Iterator[tuple[str, Span]]:
    """Give the commit of every line that is still as it was indexed, and the function that it stands in."""
    offset = 0
    tree = stored.tree
    labels = tree.levels[Granularity.FUNCTION].labels
    for number, line in enumerate(stored.document.text.split("\n")):
        known = blamed.get(number)
        if known and line.strip() and known.text.strip() == line.strip():
            ordinal = tree.at(Granularity.FUNCTION, offset + len(line) - len(line.lstrip()))
            if labels[ordinal]:
                yield known.commit, tree.span(Granularity.FUNCTION, ordinal)
        offset += len(line) + 1


def _candidates(subject: str, counts: Mapping[ChangedUnit, int]) -> Iterator[QueryCandidate]:
    query = plain(_AROUND.sub(" ", subject))
    changed = sorted(place for place, count in counts.items() if count >= LEAST_LINES)
    wordy = content_words(query) >= MIN_CONTENT and PHRASE_WORDS <= len(phrase(query)) <= MAX_WORDS
    if wordy and not _NOISE.match(query) and 0 < len(changed) <= MAX_FUNCTIONS:
        for number, unit in changed:
            yield QueryCandidate(QuerySource.COMMIT, query, number, unit, hidden=(query,))
