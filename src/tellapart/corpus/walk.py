"""Walking a folder: every file is either a source or listed as skipped with its reason."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tellapart.corpus.ignore import (
    GITIGNORE,
    OWN_IGNORE,
    ForceInclude,
    RuleFile,
    deciding_rule,
    exclude_rules,
    read_rules,
    rule_files_above,
    rules_above,
)
from tellapart.corpus.sources import (
    COLLECTIONS,
    Format,
    ScanOptions,
    Skipped,
    Source,
    format_of,
    printable,
    useless,
)
from tellapart.errors import TellapartError

_NEVER = frozenset({".git", ".tellapart"})
"""Folders that hold no source whatever is force-included."""

BEIR_CORPUS = "corpus.jsonl"
_BEIR_COMPANIONS = (".jsonl", ".tsv", ".json", ".csv", ".txt", ".md", ".gz")
_BEIR_MARKS = frozenset({"queries.jsonl", "qrels"})

OTHER_TYPES: Sequence[tuple[Callable[[int], bool], str]] = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
"""What is never opened: reading from it could block for ever or change something."""


class ListedEntry(Protocol):
    """What a folder holds: a file or another folder, as `os.DirEntry` describes it."""

    @property
    def name(self) -> str:
        """Last part of its path."""
        ...

    @property
    def path(self) -> str:
        """Where it lies."""
        ...

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Whether it is a folder."""
        ...

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """Whether it is a file."""
        ...

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Give its size, type and time of change."""
        ...


@dataclass(slots=True)
class Folder:
    """One folder on the way: where it lies, and the rules that reach into it."""

    path: str
    relative: str
    git: Sequence[RuleFile]
    own: Sequence[RuleFile]
    closed: bool = False
    """Entered only because a glob names something inside; nothing else counts and nothing is listed."""


@dataclass(slots=True)
class Walker:
    """Collects the sources of folders under labels, the first part of keys ("" for a single folder).

    How folders on this machine are listed stands in `start`, `entries`, `rules_in` and `repository_rules`; a subclass
    lists others.
    """

    options: ScanOptions
    index_folder: str | None = None
    sources: list[Source] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    looked_at: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Size and time of change (ns) of what decided beside the sources themselves: folders listed (their size reads
    -1), files of ignore rules, files left out for their size."""
    _include: ForceInclude = field(init=False)

    def __post_init__(self) -> None:
        self._include = ForceInclude(self.options.include)

    def walk(self, root: str, label: str = "") -> None:
        """Collect everything below `root`.

        Raises:
            TellapartError: the folder itself cannot be listed.
        """
        start = self.start(root)
        pending = [start]
        while pending:
            folder = pending.pop()
            try:
                entries = sorted(self.entries(folder.path), key=lambda entry: entry.name)
            except OSError as error:
                if folder is start:
                    raise TellapartError(
                        f"{root}: cannot be listed ({_why(error)}); change its permissions"
                    ) from error
                self._skip(label, folder.relative + "/", f"cannot be listed: {_why(error)}")
                continue
            pending.extend(self._visit(folder, entries, root, label))

    def start(self, root: str) -> Folder:
        """Give the folder to begin with, and the rules that reach into it from above."""
        real = os.path.realpath(root)
        for path in rule_files_above(real):
            self.looked_at[path] = look_at(path)
        return Folder(real, "", *rules_above(real))

    def entries(self, path: str) -> Sequence[ListedEntry]:
        """List a folder; raises OSError."""
        self.looked_at[path] = look_at(path)  # before it is listed: a later change shows
        with os.scandir(path) as listing:
            return list(listing)

    def rules_in(self, entry: ListedEntry, shown: str, cut: int) -> RuleFile | None:
        """Read an ignore file; raises OSError."""
        self.looked_at[entry.path] = look_at(entry.path)
        return read_rules(entry.path, shown, cut=cut)

    def repository_rules(self, path: str, cut: int) -> RuleFile | None:
        """Read the rules that a repository keeps beside its ignore files."""
        return exclude_rules(path, cut=cut)

    def _visit(self, folder: Folder, entries: list[ListedEntry], root: str, label: str) -> Iterator[Folder]:
        """Judge the entries of one folder; yields the folders to enter."""
        folder = self._with_rules(folder, entries, label)
        beir = not folder.closed and _is_beir(entries)
        prefix = folder.relative + "/" if folder.relative else ""
        for entry in entries:
            relative = prefix + entry.name
            if beir and self._is_companion(entry.name, relative):
                self._skip(label, relative, "beside a BEIR corpus: queries and judgements, not documents")
            elif self._is_folder(entry):
                inner = self._judge_folder(folder, entry, relative, label)
                if inner is not None:
                    yield inner
            else:
                self._judge_file(folder, entry, relative, root, label, beir=beir)

    def _with_rules(self, folder: Folder, entries: list[ListedEntry], label: str) -> Folder:
        """Add the folder's own ignore files; a nested repository starts afresh."""
        names = {entry.name: entry for entry in entries}
        cut = len(os.fsencode(folder.relative)) + 1 if folder.relative else 0
        git, own = list(folder.git), list(folder.own)
        if ".git" in names:
            exclude = self.repository_rules(folder.path, cut)
            git = [] if exclude is None else [exclude]
        for name, rules in ((GITIGNORE, git), (OWN_IGNORE, own)):
            entry = names.get(name)
            if entry is None or not entry.is_file(follow_symlinks=False):
                continue
            shown = f"{folder.relative}/{name}" if folder.relative else name
            try:
                found = self.rules_in(entry, printable(shown), cut)
            except OSError as error:
                self._skip(label, shown, f"its rules were not applied: {_why(error)}")
                continue
            if found is not None:
                rules.append(found)
        return Folder(folder.path, folder.relative, git, own, folder.closed)

    def _judge_folder(self, folder: Folder, entry: ListedEntry, relative: str, label: str) -> Folder | None:
        """Whether and how to enter a folder; what is not entered is listed as one entry."""
        if entry.name in _NEVER or entry.path == self.index_folder:
            if not folder.closed:
                own = "git's own" if entry.name == ".git" else "tellapart's own index"
                self._skip(label, relative + "/", own)
            return None
        encoded = os.fsencode(relative)
        chosen, reason = self._verdict(folder, entry.name, encoded, is_folder=True)
        inner = Folder(entry.path, relative, folder.git, folder.own)
        if chosen or (reason is None and not folder.closed):
            return inner
        if reason is not None and not folder.closed:
            self._skip(label, relative + "/", reason)
        if self._include.reaches_into(encoded):
            inner.closed = True
            return inner
        return None

    def _judge_file(
        self,
        folder: Folder,
        entry: ListedEntry,
        relative: str,
        root: str,
        label: str,
        *,
        beir: bool,
    ) -> None:
        """Make one file a source, or list it as skipped."""
        chosen, reason = self._verdict(folder, entry.name, os.fsencode(relative), is_folder=False)
        if folder.closed and not chosen:
            return
        form = Format.BEIR if beir and entry.name == BEIR_CORPUS else format_of(entry.name)
        if reason is None:
            reason = useless(entry.name, chosen=chosen, images=self.options.images)
        if reason is None:
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError as error:
                reason = _why(error)
            else:
                reason = unfit(status, form, self.options)
                if reason is not None:
                    self.looked_at[entry.path] = status.st_size, status.st_mtime_ns
        if reason is not None:
            self._skip(label, relative, reason)
            return
        self.sources.append(
            Source(
                key=printable(_join(label, relative)),
                file=Path(entry.path),
                size=status.st_size,
                mtime_ns=status.st_mtime_ns,
                format=form,
                root=root,
                prefix=_record_prefix(label, folder.relative, relative, form),
                chosen=chosen or (form is Format.BEIR and not folder.relative),
            )
        )

    def _verdict(
        self, folder: Folder, name: str, relative: bytes, *, is_folder: bool
    ) -> tuple[bool, str | None]:
        """Whether the user force-included the entry, and else the rule against it."""
        if self._include.covers(relative, folder=is_folder):
            return True, None
        decided = deciding_rule(folder.own, relative, folder=is_folder)
        if decided is not None:
            rule_file, rule = decided
            return rule.negated, None if rule.negated else _by(rule_file.shown, rule.line, rule.text)
        if name.startswith("."):
            return False, "hidden"
        decided = deciding_rule(folder.git, relative, folder=is_folder)
        if decided is not None and not decided[1].negated:
            return False, _by(decided[0].shown, decided[1].line, decided[1].text)
        return False, None

    def _is_companion(self, name: str, relative: str) -> bool:
        """Whether an entry of a BEIR folder is left out for standing beside the corpus."""
        if name == BEIR_CORPUS or name.startswith("."):
            return False
        return not self._include.covers(os.fsencode(relative), folder=False)

    @staticmethod
    def _is_folder(entry: ListedEntry) -> bool:
        try:
            return entry.is_dir(follow_symlinks=False)
        except OSError:
            return False

    def _skip(self, label: str, relative: str, reason: str) -> None:
        self.skipped.append(Skipped(printable(_join(label, relative)), reason))


def look_at(path: str) -> tuple[int, int]:
    """Size and time of change (ns) of a file; of a folder the size is -1, and of nothing both are 0."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return 0, 0
    return -1 if stat.S_ISDIR(status.st_mode) else status.st_size, status.st_mtime_ns


def unfit(status: os.stat_result, form: Format, options: ScanOptions) -> str | None:
    """Why an entry of this type and size is not opened, or None."""
    mode = status.st_mode
    if stat.S_ISLNK(mode):
        return "a symbolic link: name its target to read it"
    if not stat.S_ISREG(mode):
        return next((what for is_it, what in OTHER_TYPES if is_it(mode)), "not a regular file")
    if status.st_size == 0:
        return "empty"
    limit = options.limit(form)
    if status.st_size > limit and form not in COLLECTIONS:
        return f"{status.st_size:,} bytes: over the limit of {limit:,}"
    return None


def _is_beir(entries: Sequence[ListedEntry]) -> bool:
    """Whether a folder is a collection in BEIR's layout: a corpus and only what belongs beside it."""
    shown = [entry for entry in entries if not entry.name.startswith(".")]
    names = {entry.name for entry in shown}
    if BEIR_CORPUS not in names:
        return False
    folders = {entry.name for entry in shown if entry.is_dir(follow_symlinks=False)}
    companions = all(
        name.lower().endswith(_BEIR_COMPANIONS) or name.upper().startswith(("LICENSE", "README", "NOTICE"))
        for name in names - folders
    )
    alone = names <= {BEIR_CORPUS, "meta.json", "metadata.json", "README.md"}
    return companions and folders <= {"qrels"} and (alone or bool(names & _BEIR_MARKS))


def _record_prefix(label: str, folder: str, relative: str, form: Format) -> str:
    """What stands before a record's id: nothing in the one BEIR corpus, else the folder's or file's key."""
    if form not in COLLECTIONS:
        return ""
    owner = _join(label, folder if form is Format.BEIR else relative).rstrip("/")
    return f"{printable(owner)}/" if owner else ""


def _join(label: str, relative: str) -> str:
    return f"{label}/{relative}" if label else relative


def _by(file: str, line: int, pattern: str) -> str:
    return f"ignored by {file}:{line} {pattern!r}"


def _why(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "permission denied"
    if isinstance(error, FileNotFoundError):
        return "vanished while being listed"
    return error.strerror or str(error)
